//! Names for the frames of a walk.

use hotspan_synth::event::{Frame, Language};

use super::{
    functions::{Described, FunctionTable},
    interpreter::{Role, role},
    join::NativePart,
    target::Target,
};
use crate::{
    symbolize::{NativeName, SymbolStore},
    unwind::{NativeFrame, Walk},
};

/// The frames of a walk with their functions, innermost first.
pub(super) fn parts(
    walk: &Walk,
    target: &mut Target,
    symbols: &mut SymbolStore,
    functions: &mut FunctionTable,
) -> Vec<NativePart> {
    let mut parts = Vec::new();
    for frame in &walk.frames {
        frame_parts(frame, target, symbols, functions, &mut parts);
    }
    parts
}

fn frame_parts(
    frame: &NativeFrame,
    target: &mut Target,
    symbols: &mut SymbolStore,
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
    let object = &place.object;
    let names = symbols
        .get(object.image())
        .map(|symbols| symbols.names(place.address))
        .unwrap_or_default();
    let holder = names.last().map(|name| name.symbol.as_str());
    let role = role(holder, target.is_interpreters(frame.address));
    if role != Role::Function {
        parts.push(NativePart { frame: None, role });
        return;
    }
    if names.is_empty() {
        // By where the function begins, so that all of its addresses are one function.
        let start = frame
            .covering
            .map_or(place.address, |covering| covering.start);
        let function = unnamed(format!("{}+{start:#x}", object.name()), object.name());
        parts.push(NativePart {
            frame: number(functions, function, 0),
            role,
        });
        return;
    }
    for name in names.iter() {
        parts.push(NativePart {
            frame: number(functions, native(name, object.name()), name.line),
            role,
        });
    }
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
