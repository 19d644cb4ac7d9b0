//! `sys.modules` of a live interpreter, and what modules hold.

use std::{collections::HashMap, path::PathBuf};

use thiserror::Error;

use super::heap::{Heap, HeapError};

/// How far into `PyInterpreterState` the pointer to `sys.modules` is looked for, in bytes. It is
/// within 1 KiB up to 3.11 and within 16 KiB later.
const SEARCHED: u64 = 64 * 1024;
/// Bytes that are read at once.
const CHUNK: u64 = 4096;
/// `PyModuleObject.md_dict`, the same from 3.8 to 3.15.
const MD_DICT: u64 = 16;
/// Modules that every interpreter has from its first moments.
const ALWAYS: [&str; 2] = ["sys", "builtins"];

/// Why `sys.modules` was not found.
#[derive(Debug, Error)]
pub enum ModulesError {
    /// The interpreter's state holds no such dict: another layout, or it is only starting.
    #[error("no sys.modules in the interpreter state at {interpreter:#x}")]
    NotFound {
        /// The `PyInterpreterState`.
        interpreter: u64,
    },
    /// Strings have a layout that is neither of the known ones.
    #[error("the interpreter keeps its strings in an unknown way")]
    UnknownStrings,
    /// A read failed.
    #[error(transparent)]
    Heap(#[from] HeapError),
}

/// The modules of an interpreter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modules {
    /// The dict `sys.modules`.
    pub dict: u64,
    /// Its place in `PyInterpreterState`, in bytes: the same for each process of one build.
    pub offset: u64,
}

impl Modules {
    /// Finds `sys.modules` by what it is, for its place differs with each version and build: a word
    /// of the interpreter's state that points to a dict, whose `sys` and `builtins` are modules and
    /// whose `sys` names this same dict. Settles on the way how strings keep their state.
    pub fn find(heap: &mut Heap<'_>, interpreter: u64) -> Result<Self, ModulesError> {
        let mut dict_types = HashMap::new();
        for start in (0..SEARCHED).step_by(CHUNK as usize) {
            // The state may end before the search does.
            let Ok(words) = heap.words(interpreter.wrapping_add(start), CHUNK as usize / 8) else {
                break;
            };
            for (index, &dict) in words.iter().enumerate() {
                if is_exact_dict(heap, dict, &mut dict_types) && is_sys_modules(heap, dict) {
                    settle_strings(heap, dict)?;
                    let offset = start + 8 * index as u64;
                    return Ok(Self { dict, offset });
                }
            }
        }
        Err(ModulesError::NotFound { interpreter })
    }

    /// The module of this full name, if it is imported (or being imported).
    pub fn get(&self, heap: &Heap<'_>, name: &str) -> Result<Option<u64>, HeapError> {
        heap.dict_get(self.dict, name)
    }

    /// The folders in which `import` looks for packages (`sys.path`), in its order; relative ones and archives are left
    /// out.
    ///
    /// # Errors
    /// A read failed, or a program has put something else there.
    pub fn search_path(&self, heap: &Heap<'_>) -> Result<Vec<PathBuf>, HeapError> {
        let sys = self.get(heap, "sys")?;
        let path = sys.map(|sys| heap.global(sys, "path")).transpose()?;
        let Some(path) = path.flatten() else {
            return Ok(Vec::new());
        };
        let folders = heap.items(path)?.into_iter().map(|item| heap.text(item));
        // An item that is no text is skipped by `import`, too.
        let folders = folders.filter_map(|text| text.ok().map(PathBuf::from));
        Ok(folders
            .filter(|folder| {
                folder.is_absolute() && folder.extension().is_none_or(|of| of != "zip")
            })
            .collect())
    }
}

impl Heap<'_> {
    /// A global variable of a module.
    pub fn global(&self, module: u64, name: &str) -> Result<Option<u64>, HeapError> {
        if !self.is_instance(module, "module")? {
            return Err(HeapError::Type {
                address: module,
                found: self.type_of(module)?.name,
                expected: "a module",
            });
        }
        self.dict_get(self.word(module.wrapping_add(MD_DICT))?, name)
    }
}

/// Whether a word points to an object of the very type `dict`. Words of all kinds come here: what
/// cannot be read is no dict.
fn is_exact_dict(heap: &Heap<'_>, word: u64, dict_types: &mut HashMap<u64, bool>) -> bool {
    let plausible = word.is_multiple_of(8) && (0x1_0000..1 << 47).contains(&word);
    let Some(class) = plausible.then(|| heap.type_address(word).ok()).flatten() else {
        return false;
    };
    *dict_types.entry(class).or_insert_with(|| {
        let class = heap.type_info(class);
        class.is_ok_and(|class| class.is_dict() && class.is_builtin("dict"))
    })
}

/// A dict that does not read as `sys.modules` is some other dict, whatever the reason.
fn is_sys_modules(heap: &Heap<'_>, dict: u64) -> bool {
    let module = |name| heap.dict_get(dict, name).ok().flatten();
    let is_module = |name| {
        module(name).is_some_and(|module| heap.is_instance(module, "module").unwrap_or(false))
    };
    let names_itself = || {
        let named = module("sys").and_then(|sys| heap.global(sys, "modules").ok().flatten());
        named == Some(dict)
    };
    // A program may put another dict into `sys.modules`; the interpreter keeps its own.
    ALWAYS.into_iter().all(is_module) && (names_itself() || is_module("__main__"))
}

/// 3.14 widened a field in the state of strings in some builds: known ASCII strings tell which.
fn settle_strings(heap: &mut Heap<'_>, modules: u64) -> Result<(), ModulesError> {
    let mut settled = None;
    for name in ALWAYS {
        let Some(entry) = heap.dict_entry(modules, name)? else {
            continue;
        };
        let Some(state) = heap.text_state_of(entry.key)? else {
            continue;
        };
        if settled.is_some_and(|settled| settled != state) {
            return Err(ModulesError::UnknownStrings);
        }
        settled = Some(state);
    }
    heap.set_text_state(settled.ok_or(ModulesError::UnknownStrings)?);
    Ok(())
}
