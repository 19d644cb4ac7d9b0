//! What functions without unwind information do with the stack, followed through their code: hand-written assembly.
//!
//! On all ways through a function it is followed by how many bytes `rsp`, `rbp` and `rbx` differ from the stack pointer that it was
//! entered with, and where it keeps its caller's `rbp`. Where ways meet and differ, nothing is known. (gimli and framehop read what
//! compilers wrote down; of code of which nobody did, there is no crate that tells.)

mod frame;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    ops::{Range, RangeInclusive},
};

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory};

use self::frame::{CallerBp, Frame, WORD};
use super::walk::{Registers, StackCopy};
use crate::object::{Image, SymbolTable};

/// The longest function that is followed, in bytes. The longest kernels of linear algebra have 60 KiB.
const MAX_LENGTH: u64 = 256 * 1024;
/// Steps of following one, each through one instruction: most are looked at once or twice.
const MAX_STEPS: usize = 512 * 1024;
/// Stretches of one of which different things are known, as a rule two dozen.
const MAX_RUNS: usize = 1024;
/// The lengths that a call has.
const CALL_LENGTHS: RangeInclusive<u64> = 2..=8;

/// Functions of one object that have no unwind information, by their addresses.
#[derive(Debug, Default)]
pub(super) struct Uncovered(Vec<Range<u64>>);

impl Uncovered {
    /// Those that the object's symbols name.
    pub fn of(image: &Image, is_covered: impl Fn(u64) -> bool) -> Self {
        let full = SymbolTable::full(image)
            .ok()
            .filter(|table| !table.is_empty());
        let table = full.or_else(|| SymbolTable::dynamic(image).ok());
        let table = table.unwrap_or_default();
        let mut ranges: Vec<Range<u64>> = table
            .functions()
            .map(|symbol| symbol.range())
            .filter(|range| !range.is_empty() && !is_covered(range.start))
            .collect();
        ranges.sort_unstable_by_key(|range| (range.start, range.end));
        ranges.dedup_by_key(|range| range.start);
        ranges.shrink_to_fit();
        Self(ranges)
    }

    /// The function around an address.
    pub fn around(&self, address: u64) -> Option<Range<u64>> {
        let after = self.0.partition_point(|range| range.start <= address);
        let range = self.0.get(after.checked_sub(1)?)?;
        range.contains(&address).then(|| range.clone())
    }
}

/// Where a function's frame is, from each of its instructions on.
#[derive(Debug, Default)]
pub(super) struct Flow(BTreeMap<u64, Option<Frame>>);

impl Flow {
    /// Follows a function; nothing is known of one that is too long or cannot be read.
    pub fn of(image: &Image, function: &Range<u64>) -> Self {
        let length = function.end - function.start;
        if length > MAX_LENGTH {
            return Self::default();
        }
        let Ok(code) = image.bytes_at(function.start, length) else {
            return Self::default();
        };
        let decoder = Decoder::with_ip(64, &code, function.start, DecoderOptions::NONE);
        let instructions: Vec<Instruction> = decoder.into_iter().collect();
        Self::follow(&instructions).unwrap_or_default()
    }

    fn follow(instructions: &[Instruction]) -> Option<Self> {
        let index_of = |address: u64| {
            instructions
                .binary_search_by_key(&address, Instruction::ip)
                .ok()
        };
        let mut before: Vec<Option<Frame>> = vec![None; instructions.len()];
        *before.first_mut()? = Some(Frame::ENTRY);
        let (mut todo, mut steps) = (vec![0_usize], 0);
        let mut info = InstructionInfoFactory::new();
        while let Some(index) = todo.pop() {
            steps += 1;
            if steps > MAX_STEPS {
                return None;
            }
            let (Some(instruction), Some(Some(frame))) =
                (instructions.get(index), before.get(index))
            else {
                continue;
            };
            // A table leads anywhere in the function, with what is on the stack.
            if instruction.flow_control() == FlowControl::IndirectBranch && !frame.is_bare() {
                return None;
            }
            let after = frame.after(instruction, &mut info);
            let (falls_through, target) = ways(instruction);
            let next = falls_through.then_some(index + 1);
            for to in next.into_iter().chain(target.and_then(index_of)) {
                if let Some(known) = before.get_mut(to) {
                    let joined = known.map_or(after, |known| known.joined(after));
                    if *known != Some(joined) {
                        *known = Some(joined);
                        todo.push(to);
                    }
                }
            }
        }
        let runs = Self::runs(instructions, &before);
        (runs.0.len() <= MAX_RUNS).then_some(runs)
    }

    /// Runs of instructions of which the same is known.
    fn runs(instructions: &[Instruction], before: &[Option<Frame>]) -> Self {
        let mut runs = BTreeMap::new();
        let mut last = None;
        for (instruction, frame) in instructions.iter().zip(before) {
            if last != Some(*frame) {
                runs.insert(instruction.ip(), *frame);
                last = Some(*frame);
            }
        }
        Self(runs)
    }

    /// The caller's registers, from those at an instruction of the function.
    ///
    /// # Errors
    /// They do not follow from those, or from a word of the stack that was not copied.
    pub fn caller(
        &self,
        address: u64,
        registers: Registers,
        stack: &StackCopy<'_>,
    ) -> Result<Registers, Lost> {
        let run = self.0.range(..=address).next_back();
        let frame = run.and_then(|(_, frame)| *frame).ok_or(Lost::Unknown)?;
        let entry_sp = frame.entry_sp(registers).ok_or(Lost::Unknown)?;
        let word = |address| stack.word(address).ok_or(Lost::Word(address));
        let bp = match frame.caller_bp {
            CallerBp::Kept => registers.bp,
            CallerBp::At(offset) => word(entry_sp.wrapping_add_signed(offset))?,
            CallerBp::Unknown => return Err(Lost::Unknown),
        };
        Ok(Registers {
            ip: word(entry_sp)?,
            sp: entry_sp.wrapping_add_signed(WORD),
            bp,
            bx: None,
        })
    }
}

/// Why a caller is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// What the code does does not show it.
    Unknown,
    /// The word at this address is missing.
    Word(u64),
}

/// Whether a call ends right before an address.
pub(super) fn follows_call(image: &Image, address: u64) -> bool {
    CALL_LENGTHS.into_iter().any(|length| {
        let start = address.wrapping_sub(length);
        let Ok(code) = image.bytes_at(start, length) else {
            return false;
        };
        let call = Decoder::with_ip(64, &code, start, DecoderOptions::NONE).decode();
        let calls = matches!(
            call.flow_control(),
            FlowControl::Call | FlowControl::IndirectCall
        );
        calls && call.len() as u64 == length
    })
}

/// Whether the next instruction may follow, and which other one may.
fn ways(instruction: &Instruction) -> (bool, Option<u64>) {
    let target = || Some(instruction.near_branch_target());
    match instruction.flow_control() {
        FlowControl::Next | FlowControl::Call | FlowControl::IndirectCall => (true, None),
        FlowControl::ConditionalBranch | FlowControl::XbeginXabortXend => (true, target()),
        FlowControl::UnconditionalBranch => (false, target()),
        FlowControl::IndirectBranch
        | FlowControl::Return
        | FlowControl::Interrupt
        | FlowControl::Exception => (false, None),
    }
}
