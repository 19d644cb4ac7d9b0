//! Which native functions are worth probes of their own.

use super::{Functions, Layer};
use crate::{
    event::{Frame, Language},
    ids::FunctionId,
};

/// Objects of the language's own runtime, by how their file names begin: what they do is everybody's
/// work, and is called all the time.
const RUNTIMES: &[&str] = &[
    "[",
    "_asyncio.",
    "_cffi_backend.",
    "_contextvars.",
    "_ctypes.",
    "_queue.",
    "ld-linux",
    "ld-musl",
    "libc++",
    "libc-",
    "libc.",
    "libdl.",
    "libffi",
    "libgcc_s",
    "libjemalloc",
    "libm-",
    "libm.",
    "libmimalloc",
    "libpthread",
    "libpython",
    "librt.",
    "libstdc++",
    "libtcmalloc",
    "libunwind",
];

/// Namespaces of what stands between a language and a library, and of the standard library.
const GLUE: &[&str] = &[
    "boost::python::",
    "nanobind::",
    "pybind11::",
    "pyo3::",
    "std::",
    "core::",
    "alloc::",
];

/// How wrappers begin that are made for each function (SWIG, Cython).
const WRAPPERS: &[&str] = &["_wrap_", "__pyx_"];

/// Functions of a stack that are told of: the outer ones are those worth a probe.
const TOLD: usize = 4;

/// Whether an object, by its file name, is part of the language's own runtime.
pub(super) fn is_runtimes(object: &str) -> bool {
    RUNTIMES.iter().any(|start| object.starts_with(start))
}

impl Functions {
    /// The outermost functions of a stack that could have probes, outermost first.
    pub fn probeable(&self, stack: &[Frame]) -> Vec<FunctionId> {
        let functions = stack.iter().map(|frame| frame.function);
        let mut found: Vec<FunctionId> = Vec::new();
        for id in functions.filter(|id| self.is_probeable(*id)) {
            if found.len() == TOLD {
                break;
            }
            if !found.contains(&id) {
                found.push(id);
            }
        }
        found
    }

    /// Whether it only stands between others: a wrapper, or the standard library's way to call something.
    pub fn is_glue(&self, id: FunctionId) -> bool {
        let known = self.get(id).map(|known| &known.function.qualified);
        known.is_some_and(|name| GLUE.iter().any(|start| name.starts_with(start)))
    }

    /// Whether a function is a library's own, native, and has a name that spans may bear.
    pub fn is_probeable(&self, id: FunctionId) -> bool {
        let Some(known) = self.get(id) else {
            return false;
        };
        let function = &known.function;
        let begins =
            |text: &str, starts: &[&str]| starts.iter().any(|start| text.starts_with(start));
        function.language == Language::Native
            && known.traits.has_name
            && known.traits.layer == Layer::Library
            && !is_runtimes(&function.object)
            && !begins(&function.qualified, GLUE)
            && !begins(&function.name, WRAPPERS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Function;

    fn is_probeable(language: Language, qualified: &str, object: &str) -> bool {
        let mut functions = Functions::default();
        let name = qualified.rsplit("::").next().unwrap_or(qualified);
        functions.announce(
            Function {
                id: FunctionId(1),
                language,
                name: name.to_owned(),
                qualified: qualified.to_owned(),
                file: String::new(),
                object: object.to_owned(),
            },
            8,
        );
        functions.is_probeable(FunctionId(1))
    }

    #[test]
    fn a_librarys_functions_are() {
        assert!(is_probeable(
            Language::Native,
            "sat::Solve",
            "libortools.so.9"
        ));
        assert!(is_probeable(
            Language::Native,
            "ImagingBoxBlur",
            "_imaging.so"
        ));
    }

    #[test]
    fn runtimes_glue_and_what_has_no_name_are_not() {
        assert!(!is_probeable(Language::Native, "malloc", "libc.so.6"));
        assert!(!is_probeable(
            Language::Native,
            "pybind11::dispatcher",
            "m.so"
        ));
        assert!(!is_probeable(Language::Native, "_wrap_solve", "_swig.so"));
        assert!(!is_probeable(Language::Native, "f", "[jit]"));
        assert!(!is_probeable(Language::Unnamed, "m.so+0x10", "m.so"));
        assert!(!is_probeable(Language::Python, "solve", "app.py"));
        assert!(!is_probeable(Language::Native, "main", "program"));
    }
}
