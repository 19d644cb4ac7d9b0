//! How much stack the programs need.
//!
//! Linux gives a program and all the functions that it calls 512 bytes together (`check_max_stack_depth` of
//! `kernel/bpf/verifier.c`). From 6.13 on most kinds of programs get a stack of their own beside that, so an
//! object that is too large for older kernels loads where it is developed. That is found out here, of the object:
//! the depth of each function is what it reaches below `r10`, and its callees are calls and callbacks. (No crate
//! reads this from an object: BPF disassemblers print text or want loaded programs.)

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use object::{
    File, Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionIndex, SectionKind,
    SymbolIndex, SymbolKind,
};

/// `MAX_BPF_STACK` of `linux/filter.h`, in bytes.
const LIMIT: u64 = 512;
/// What the depth of each function is rounded up to, in bytes; 16 since 6.8 where programs are compiled.
const ROUNDED_TO: u64 = 32;
/// Bytes of an instruction; `LOAD_WIDE` takes two.
const INSTRUCTION: usize = 8;
/// Opcodes and registers of `linux/bpf.h`.
const LOAD_WIDE: u8 = 0x18;
const CALL: u8 = 0x85;
const MOVE: u8 = 0xbf;
const ADD_IMMEDIATE: u8 = 0x07;
const CLASS: u8 = 0x07;
const CLASS_LOAD: u8 = 1;
const CLASS_STORE_IMMEDIATE: u8 = 2;
const CLASS_STORE: u8 = 3;
const FRAME: u8 = 10;
/// `BPF_PSEUDO_CALL`: the callee is a function of the object.
const OF_OBJECT: u8 = 1;

/// Fails if a program needs more stack than Linux 6.6 gives it.
pub fn check(object: &[u8]) -> Result<()> {
    let file = File::parse(object).context("the programs are no object file")?;
    let functions = Functions::read(&file)?;
    let too_deep: Vec<_> = functions
        .programs()
        .map(|program| functions.deepest(program, &mut Vec::new()))
        .filter(|chain| chain.bytes > LIMIT)
        .map(|chain| format!("{} bytes: {}", chain.bytes, chain.names.join(" > ")))
        .collect();
    ensure!(
        too_deep.is_empty(),
        "these need more than the {LIMIT} bytes of stack that Linux before 6.13 gives them:\n  {}",
        too_deep.join("\n  ")
    );
    Ok(())
}

/// A function: its name, its own stack in bytes, and where its callees begin.
struct Function {
    name: String,
    depth: u64,
    callees: Vec<Place>,
    is_program: bool,
}

/// A section and an offset in it.
type Place = (SectionIndex, u64);

struct Functions(HashMap<Place, Function>);

/// Functions that call each other, the outermost first, and the stack that they need together.
struct Chain {
    bytes: u64,
    names: Vec<String>,
}

impl Functions {
    fn read(file: &File<'_>) -> Result<Self> {
        let mut functions = HashMap::new();
        for symbol in file.symbols().filter(|s| s.kind() == SymbolKind::Text) {
            let Some(index) = symbol.section_index() else {
                continue;
            };
            let section = file.section_by_index(index)?;
            if section.kind() != SectionKind::Text {
                continue;
            }
            let code = Code {
                file,
                section: index,
                start: symbol.address(),
                relocations: relocations(file, index)?,
                bytes: section
                    .data_range(symbol.address(), symbol.size())?
                    .context("a function lies outside its section")?,
            };
            let function = Function {
                name: symbol.name()?.to_owned(),
                depth: code.depth(),
                callees: code.callees()?,
                is_program: section.name()? != ".text",
            };
            functions.insert((index, symbol.address()), function);
        }
        Ok(Self(functions))
    }

    fn programs(&self) -> impl Iterator<Item = Place> {
        self.0
            .iter()
            .filter(|(_, function)| function.is_program)
            .map(|(place, _)| *place)
    }

    /// The chain from here that needs most. `within`: the functions around it, as the kernel refuses recursion.
    fn deepest(&self, at: Place, within: &mut Vec<Place>) -> Chain {
        let Some(function) = self.0.get(&at).filter(|_| !within.contains(&at)) else {
            return Chain {
                bytes: 0,
                names: Vec::new(),
            };
        };
        within.push(at);
        let mut chain = function
            .callees
            .iter()
            .map(|callee| self.deepest(*callee, within))
            .max_by_key(|chain| chain.bytes)
            .unwrap_or(Chain {
                bytes: 0,
                names: Vec::new(),
            });
        within.pop();
        chain.bytes += function.depth.max(1).next_multiple_of(ROUNDED_TO);
        chain
            .names
            .insert(0, format!("{} ({})", function.name, function.depth));
        chain
    }
}

/// A function's instructions.
struct Code<'a> {
    file: &'a File<'a>,
    section: SectionIndex,
    /// Offset in the section.
    start: u64,
    /// The symbols that instructions refer to, by the instructions' offsets in the section.
    relocations: HashMap<u64, SymbolIndex>,
    bytes: &'a [u8],
}

struct Instruction {
    opcode: u8,
    destination: u8,
    source: u8,
    offset: i16,
    immediate: i32,
}

fn relocations(file: &File<'_>, section: SectionIndex) -> Result<HashMap<u64, SymbolIndex>> {
    Ok(file
        .section_by_index(section)?
        .relocations()
        .filter_map(|(offset, relocation)| match relocation.target() {
            RelocationTarget::Symbol(symbol) => Some((offset, symbol)),
            _ => None,
        })
        .collect())
}

impl Code<'_> {
    /// With their offsets in the section.
    fn instructions(&self) -> impl Iterator<Item = (u64, Instruction)> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let bytes = self.bytes.get(at..at + INSTRUCTION)?;
            let place = self.start + at as u64;
            let instruction = Instruction {
                opcode: bytes[0],
                destination: bytes[1] & 0xf,
                source: bytes[1] >> 4,
                offset: i16::from_le_bytes([bytes[2], bytes[3]]),
                immediate: i32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
            };
            at += INSTRUCTION;
            if instruction.opcode == LOAD_WIDE {
                at += INSTRUCTION;
            }
            Some((place, instruction))
        })
    }

    /// The lowest byte below `r10` that it touches, or whose address it takes.
    fn depth(&self) -> u64 {
        let mut deepest = 0;
        // The register that was just made a copy of `r10`.
        let mut copy = None;
        for (_, instruction) in self.instructions() {
            let below = match instruction.opcode & CLASS {
                CLASS_LOAD if instruction.source == FRAME => i64::from(instruction.offset),
                CLASS_STORE | CLASS_STORE_IMMEDIATE if instruction.destination == FRAME => {
                    i64::from(instruction.offset)
                }
                _ if instruction.opcode == ADD_IMMEDIATE
                    && copy == Some(instruction.destination) =>
                {
                    i64::from(instruction.immediate)
                }
                _ => 0,
            };
            deepest = deepest.min(below);
            if instruction.opcode == MOVE && instruction.source == FRAME {
                copy = Some(instruction.destination);
            } else if copy == Some(instruction.destination) {
                copy = None;
            }
        }
        deepest.unsigned_abs()
    }

    /// Where functions begin that it calls, or has called.
    fn callees(&self) -> Result<Vec<Place>> {
        let mut callees = Vec::new();
        for (at, instruction) in self.instructions() {
            let is_call = instruction.opcode == CALL && instruction.source == OF_OBJECT;
            if !is_call && instruction.opcode != LOAD_WIDE {
                continue;
            }
            // A call counts in instructions from the next one; a callback's address is in bytes.
            let ahead = INSTRUCTION as i64 * (i64::from(instruction.immediate) + 1);
            let Some(symbol) = self.relocations.get(&at) else {
                if is_call {
                    callees.push((self.section, at.wrapping_add_signed(ahead)));
                }
                continue;
            };
            let symbol = self.file.symbol_by_index(*symbol)?;
            let Some(section) = symbol.section_index() else {
                continue;
            };
            let within = match (symbol.kind(), is_call) {
                (SymbolKind::Section, true) => ahead as u64,
                (SymbolKind::Section, false) => instruction.immediate as u64,
                _ => symbol.address(),
            };
            callees.push((section, within));
        }
        Ok(callees)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ebpf::provenance;

    #[test]
    fn the_programs_fit_the_stack_of_older_kernels() {
        let object = std::fs::read(provenance::object_path()).expect("the committed object");
        check(&object).expect("it fits");
        let file = File::parse(&*object).expect("an object file");
        let functions = Functions::read(&file).expect("functions");
        // What is asserted above is of programs that call functions, not of nothing.
        let chains: Vec<_> = functions
            .programs()
            .map(|program| functions.deepest(program, &mut Vec::new()))
            .collect();
        assert!(chains.len() > 5, "{} programs", chains.len());
        assert!(
            chains
                .iter()
                .any(|chain| chain.names.len() > 2 && chain.bytes > LIMIT / 2)
        );
    }
}
