//! Names for the frames of a walk.

use std::{
    cell::{OnceCell, RefCell},
    rc::Rc,
};

use hotspan_synth::event::{self, Language};

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

/// What was made of a frame.
#[derive(Default)]
pub(super) struct Named {
    /// Whether its object is the interpreter's, and the functions there.
    parts: RefCell<Option<(bool, Rc<[NativePart]>)>>,
    /// Whether threads begin there, by its name; `None`: it has none.
    is_starts: OnceCell<Option<bool>>,
}

/// A frame with it.
pub(super) type Frame = NativeFrame<Named>;

/// The frames of a walk with their functions, innermost first.
pub(super) fn parts(
    walk: &Walk<Named>,
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
fn starting_frames(walk: &Walk<Named>, named: &mut FrameNames) -> usize {
    let mut outer: Option<(FileKey, bool)> = None;
    let mut count = 0;
    for frame in walk.frames.iter().rev() {
        let Some(place) = &frame.place else { break };
        let object = place.object.key();
        let is_outermost = frame
            .covering
            .is_some_and(|covering| covering.step == Step::Outermost);
        let is_starts = named.is_starts(frame);
        let is_start = is_outermost || is_starts.unwrap_or(outer == Some((object, true)));
        if !is_start {
            break;
        }
        outer = Some((object, is_outermost || is_starts.is_some()));
        count += 1;
    }
    count
}

fn names(frame: &Frame, symbols: &mut SymbolStore) -> Rc<[NativeName]> {
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
}

impl FrameNames {
    /// Keeps about `limit` bytes of symbols.
    pub fn new(limit: usize) -> Self {
        Self {
            symbols: SymbolStore::new(limit),
            places: FunctionPlaces::default(),
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
    fn is_starts(&mut self, frame: &Frame) -> Option<bool> {
        *(frame.note.is_starts).get_or_init(|| {
            let names = names(frame, &mut self.symbols);
            names.last().map(|name| is_start(&name.symbol))
        })
    }

    fn parts(
        &mut self,
        frame: &Frame,
        place: &Place,
        is_interpreters: bool,
        functions: &mut FunctionTable,
    ) -> Rc<[NativePart]> {
        if let Some((told, parts)) = &*frame.note.parts.borrow()
            && *told == is_interpreters
        {
            return Rc::clone(parts);
        }
        let names = names(frame, &mut self.symbols);
        let parts: Rc<[NativePart]> =
            named_parts(frame, place, &names, is_interpreters, functions).into();
        if let (Some(part), Some(name)) = (parts.last(), names.last())
            && let Some(function) = part.frame
        {
            self.places.learn(function.function, frame, place, name);
        }
        (frame.note.parts).replace(Some((is_interpreters, Rc::clone(&parts))));
        parts
    }
}

fn frame_parts(
    frame: &Frame,
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
    frame: &Frame,
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

fn number(functions: &mut FunctionTable, function: Described, line: u32) -> Option<event::Frame> {
    let function = functions.number(function)?;
    Some(event::Frame { function, line })
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
