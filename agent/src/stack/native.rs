//! Names for the frames of a walk.

use std::rc::Rc;

use hotspan_synth::event::{Frame, Language};
use rustc_hash::FxHashMap;

use super::{
    functions::{Described, FunctionTable},
    interpreter::{Role, is_start, role},
    join::NativePart,
    places::FunctionPlaces,
    target::Target,
};
use crate::{
    object::FileKey,
    symbolize::{NativeName, SymbolStore},
    unwind::{NativeFrame, Place, Step, Walk},
};

/// Addresses of which it is remembered what they are, over all objects.
const REMEMBERED: usize = 16_384;
/// The same of those that are asked whether threads begin there.
const STARTS: usize = 1_024;

/// The frames of a walk with their functions, innermost first.
pub(super) fn parts(
    walk: &Walk,
    target: &mut Target,
    named: &mut FrameNames,
    functions: &mut FunctionTable,
) -> Vec<NativePart> {
    let begin = walk.frames.len() - starting_frames(walk, named);
    let mut parts = Vec::with_capacity(walk.frames.len());
    for frame in &walk.frames[..begin] {
        frame_parts(frame, target, named, functions, &mut parts);
    }
    parts
}

/// How many of the outermost frames are where threads begin: the last one of a complete walk; further ones
/// by their names; and, as the C library is often stripped, one without a name beside them in its object.
fn starting_frames(walk: &Walk, named: &mut FrameNames) -> usize {
    let mut outer: Option<(FileKey, bool)> = None;
    let mut count = 0;
    for frame in walk.frames.iter().rev() {
        let Some(place) = &frame.place else { break };
        let object = place.object.key();
        let is_outermost = frame
            .covering
            .is_some_and(|covering| covering.step == Step::Outermost);
        let is_starts = named.is_starts(frame, place);
        let is_start = is_outermost || is_starts.unwrap_or(outer == Some((object, true)));
        if !is_start {
            break;
        }
        outer = Some((object, is_outermost || is_starts.is_some()));
        count += 1;
    }
    count
}

fn names(frame: &NativeFrame, symbols: &mut SymbolStore) -> Rc<[NativeName]> {
    frame
        .place
        .as_ref()
        .and_then(|place| Some(symbols.get(place.object.image())?.names(place.address)))
        .unwrap_or_default()
}

/// Names of frames, and what was made of them.
pub(super) struct FrameNames {
    pub symbols: SymbolStore,
    /// Where functions begin.
    pub places: FunctionPlaces,
    known: FxHashMap<Known, Rc<[NativePart]>>,
    /// Whether threads begin at an address of a file, by its name; `None`: it has none. They do at few, and each walk
    /// asks.
    starts: FxHashMap<(FileKey, u64), Option<bool>>,
}

/// An address of a file; whether it is the interpreter's.
type Known = (FileKey, u64, bool);

impl FrameNames {
    /// Keeps about `limit` bytes of symbols.
    pub fn new(limit: usize) -> Self {
        Self {
            symbols: SymbolStore::new(limit),
            places: FunctionPlaces::default(),
            known: FxHashMap::default(),
            starts: FxHashMap::default(),
        }
    }

    /// The name of the function that holds a place: its symbol's, else where it lies.
    pub fn name_of(&mut self, place: &Place) -> String {
        let symbols = self.symbols.get(place.object.image());
        let names = symbols.map(|symbols| symbols.names(place.address));
        let holder = names.as_ref().and_then(|names| names.last());
        holder.map_or_else(
            || format!("{}+{:#x}", place.object.name(), place.address),
            |name| name.qualified.clone(),
        )
    }

    /// Whether threads begin in the function of a frame; `None`: it has no name.
    fn is_starts(&mut self, frame: &NativeFrame, place: &Place) -> Option<bool> {
        let key = (place.object.key(), place.address);
        if let Some(known) = self.starts.get(&key) {
            return *known;
        }
        let names = names(frame, &mut self.symbols);
        let is_starts = names.last().map(|name| is_start(&name.symbol));
        if self.starts.len() == STARTS {
            self.starts.clear();
        }
        self.starts.insert(key, is_starts);
        is_starts
    }

    fn parts(
        &mut self,
        frame: &NativeFrame,
        place: &Place,
        is_interpreters: bool,
        functions: &mut FunctionTable,
    ) -> Rc<[NativePart]> {
        let key = (place.object.key(), place.address, is_interpreters);
        if let Some(known) = self.known.get(&key) {
            return Rc::clone(known);
        }
        let names = names(frame, &mut self.symbols);
        let parts: Rc<[NativePart]> =
            named_parts(frame, place, &names, is_interpreters, functions).into();
        if let (Some(part), Some(name)) = (parts.last(), names.last())
            && let Some(function) = part.frame
        {
            self.places.learn(function.function, frame, place, name);
        }
        if self.known.len() == REMEMBERED {
            self.known.clear();
        }
        self.known.insert(key, Rc::clone(&parts));
        parts
    }
}

fn frame_parts(
    frame: &NativeFrame,
    target: &mut Target,
    named: &mut FrameNames,
    functions: &mut FunctionTable,
    parts: &mut Vec<NativePart>,
) {
    let Some(place) = &frame.place else {
        let function = generated(target, frame.address);
        parts.push(NativePart {
            frame: number(functions, function, 0),
            role: Role::Function,
        });
        return;
    };
    if frame
        .covering
        .is_some_and(|covering| covering.is_signal_frame)
    {
        return;
    }
    let is_interpreters = target.interpreters_object() == Some(place.mapped);
    parts.extend_from_slice(&named.parts(frame, place, is_interpreters, functions));
}

fn named_parts(
    frame: &NativeFrame,
    place: &Place,
    names: &[NativeName],
    is_interpreters: bool,
    functions: &mut FunctionTable,
) -> Vec<NativePart> {
    let object = place.object.name();
    let holder = names.last().map(|name| name.symbol.as_str());
    let role = role(holder, is_interpreters);
    if role != Role::Function {
        return vec![NativePart { frame: None, role }];
    }
    if names.is_empty() {
        // By where the function begins, so that all of its addresses are one function.
        let start = frame
            .covering
            .map_or(place.address, |covering| covering.start);
        let function = unnamed(format!("{object}+{start:#x}"), object);
        let frame = number(functions, function, 0);
        return vec![NativePart { frame, role }];
    }
    let parts = names.iter().map(|name| NativePart {
        frame: number(functions, native(name, object), name.line),
        role,
    });
    parts.collect()
}

fn number(functions: &mut FunctionTable, function: Described, line: u32) -> Option<Frame> {
    let function = functions.number(function)?;
    Some(Frame { function, line })
}

fn native(name: &NativeName, object: &str) -> Described {
    Described {
        language: Language::Native,
        name: name.short.clone(),
        qualified: name.qualified.clone(),
        file: name.file.clone(),
        object: object.to_owned(),
    }
}

fn unnamed(name: String, object: &str) -> Described {
    Described {
        language: Language::Unnamed,
        qualified: name.clone(),
        name,
        file: String::new(),
        object: object.to_owned(),
    }
}

/// Code made at run time, by its maker's own list.
fn generated(target: &mut Target, address: u64) -> Described {
    const JIT: &str = "[jit]";
    match target.generated_name(address) {
        Some(name) => Described {
            language: Language::Native,
            name: name.clone(),
            qualified: name,
            file: String::new(),
            object: JIT.to_owned(),
        },
        // All of it is one function: its addresses mean nothing, and are many.
        None => unnamed(JIT.to_owned(), JIT),
    }
}
