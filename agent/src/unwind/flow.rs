//! What functions without unwind information do with the stack, followed through their code: hand-written assembly.
//!
//! On all ways through a function it is followed by how many bytes `rsp`, `rbp` and `rbx` differ from the stack pointer that it was
//! entered with, and where it keeps its caller's `rbp`. Where ways meet and differ, nothing is known. (gimli and framehop read what
//! compilers wrote down; of code of which nobody did, there is no crate that tells.)

use std::{
    collections::BTreeMap,
    ops::{Range, RangeInclusive},
};

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess,
    OpKind, Register,
};

use super::walk::{Registers, StackCopy};
use crate::object::{Image, SymbolTable};

/// The longest function that is followed, in bytes. The longest kernels of linear algebra have 60 KiB.
const MAX_LENGTH: u64 = 256 * 1024;
/// Steps of following one, each through one instruction: most are looked at once or twice.
const MAX_STEPS: usize = 512 * 1024;
/// Stretches of one of which different things are known, as a rule two dozen.
const MAX_RUNS: usize = 1024;
const WORD: i64 = 8;
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

/// What is known before an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    /// By how many bytes `rsp`, `rbp` and `rbx` differ from the stack pointer at the entry.
    offsets: [Option<i64>; 3],
    caller_bp: CallerBp,
}

/// Where the caller's `rbp` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CallerBp {
    /// Still in the register.
    Kept,
    /// So many bytes from the stack pointer at the entry.
    At(i64),
    Unknown,
}

const FOLLOWED: [Register; 3] = [Register::RSP, Register::RBP, Register::RBX];
const RSP: usize = 0;

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

impl Frame {
    const ENTRY: Self = Self {
        offsets: [Some(0), None, None],
        caller_bp: CallerBp::Kept,
    };

    /// The stack pointer at the entry, where the return address lies.
    fn entry_sp(&self, registers: Registers) -> Option<u64> {
        let now = [Some(registers.sp), Some(registers.bp), registers.bx];
        let known = self.offsets.iter().zip(now);
        let mut entries = known
            .filter_map(|(offset, now)| Some(now?.wrapping_add_signed((*offset)?.wrapping_neg())));
        entries.next()
    }

    /// What both know.
    fn joined(self, other: Self) -> Self {
        let mut offsets = self.offsets;
        for (offset, other) in offsets.iter_mut().zip(other.offsets) {
            *offset = offset.filter(|offset| Some(*offset) == other);
        }
        let caller_bp = if self.caller_bp == other.caller_bp {
            self.caller_bp
        } else {
            CallerBp::Unknown
        };
        Self { offsets, caller_bp }
    }

    /// What is known after an instruction.
    fn after(self, instruction: &Instruction, info: &mut InstructionInfoFactory) -> Self {
        match instruction.mnemonic() {
            Mnemonic::Push => self.pushed(instruction),
            Mnemonic::Pop => self.popped(instruction),
            Mnemonic::Leave => self.left(),
            // The called function leaves all three as they were.
            Mnemonic::Call => self,
            _ => {
                let mut after = self.computed(instruction, info).stored(self, instruction);
                if self.overwrites_bp(instruction, info) {
                    after.caller_bp = CallerBp::Unknown;
                }
                after
            }
        }
    }

    fn pushed(mut self, instruction: &Instruction) -> Self {
        self.offsets[RSP] = self.offsets[RSP].map(|sp| sp.wrapping_sub(WORD));
        let keeps_bp = instruction.op0_kind() == OpKind::Register
            && instruction.op0_register() == Register::RBP
            && self.caller_bp == CallerBp::Kept;
        if keeps_bp && let Some(sp) = self.offsets[RSP] {
            self.caller_bp = CallerBp::At(sp);
        }
        self
    }

    fn popped(mut self, instruction: &Instruction) -> Self {
        let from = self.offsets[RSP];
        self.offsets[RSP] = from.map(|sp| sp.wrapping_add(WORD));
        self.loaded(instruction.op0_register(), from);
        self
    }

    fn left(mut self) -> Self {
        let from = self.offset_of(Register::RBP);
        self.offsets[RSP] = from.map(|bp| bp.wrapping_add(WORD));
        self.loaded(Register::RBP, from);
        self
    }

    /// A word was read from there, so many bytes from the stack pointer at the entry, into a register.
    fn loaded(&mut self, register: Register, from: Option<i64>) {
        if register == Register::RBP {
            self.caller_bp = match (self.caller_bp, from) {
                (CallerBp::At(kept), Some(from)) if kept == from => CallerBp::Kept,
                (CallerBp::At(kept), _) => CallerBp::At(kept),
                (CallerBp::Kept | CallerBp::Unknown, _) => CallerBp::Unknown,
            };
        }
        let mut followed = FOLLOWED.iter().zip(&mut self.offsets);
        if let Some((_, offset)) = followed.find(|(followed, _)| **followed == register) {
            *offset = None;
        }
    }

    /// What any other instruction does with the registers.
    fn computed(self, instruction: &Instruction, info: &mut InstructionInfoFactory) -> Self {
        let to = instruction.op0_register();
        let value = self.value(instruction);
        let mut after = self;
        for used in info.info(instruction).used_registers() {
            let register = used.register().full_register();
            if !FOLLOWED.contains(&register) || !writes(used.access()) {
                continue;
            }
            after.loaded(register, self.read_from(instruction));
            let mut followed = FOLLOWED.iter().zip(&mut after.offsets);
            if let Some((_, offset)) = followed.find(|(followed, _)| **followed == register) {
                *offset = value.filter(|_| to == register);
            }
        }
        after
    }

    /// Whether it writes to where the caller's `rbp` was put away.
    fn overwrites_bp(&self, instruction: &Instruction, info: &mut InstructionInfoFactory) -> bool {
        let (CallerBp::At(kept), Some(at)) = (self.caller_bp, self.memory(instruction)) else {
            return false;
        };
        let mut memory = info.info(instruction).used_memory().iter();
        memory.any(|memory| {
            let size = memory.memory_size().size() as i64;
            writes(memory.access())
                && at < kept.saturating_add(WORD)
                && kept < at.saturating_add(size)
        })
    }

    /// The caller's `rbp` is put away.
    fn stored(mut self, before: Self, instruction: &Instruction) -> Self {
        let is_store = instruction.mnemonic() == Mnemonic::Mov
            && instruction.op0_kind() == OpKind::Memory
            && instruction.op1_kind() == OpKind::Register
            && instruction.op1_register() == Register::RBP;
        if is_store
            && before.caller_bp == CallerBp::Kept
            && let Some(at) = before.memory(instruction)
        {
            self.caller_bp = CallerBp::At(at);
        }
        self
    }

    /// Where a `mov` reads a word from.
    fn read_from(&self, instruction: &Instruction) -> Option<i64> {
        let is_load =
            instruction.mnemonic() == Mnemonic::Mov && instruction.op1_kind() == OpKind::Memory;
        is_load.then(|| self.memory(instruction))?
    }

    /// Where an instruction's memory lies.
    fn memory(&self, instruction: &Instruction) -> Option<i64> {
        let is_plain =
            instruction.memory_index() == Register::None && !instruction.has_segment_prefix();
        let base = self
            .offset_of(instruction.memory_base())
            .filter(|_| is_plain)?;
        Some(base.wrapping_add(instruction.memory_displacement64() as i64))
    }

    /// What `add`, `sub`, `lea` or `mov` puts into its first operand.
    fn value(&self, instruction: &Instruction) -> Option<i64> {
        let of_first = || self.offset_of(instruction.op0_register());
        let immediate = || instruction.try_immediate(1).ok().map(|bytes| bytes as i64);
        match instruction.mnemonic() {
            Mnemonic::Add => Some(of_first()?.wrapping_add(immediate()?)),
            Mnemonic::Sub => Some(of_first()?.wrapping_sub(immediate()?)),
            Mnemonic::Lea => self.memory(instruction),
            Mnemonic::Mov if instruction.op1_kind() == OpKind::Register => {
                self.offset_of(instruction.op1_register())
            }
            _ => None,
        }
    }

    fn offset_of(&self, register: Register) -> Option<i64> {
        let mut followed = FOLLOWED.iter().zip(self.offsets);
        let (_, offset) = followed.find(|(followed, _)| **followed == register)?;
        offset
    }
}

fn writes(access: OpAccess) -> bool {
    matches!(
        access,
        OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The stack pointer at the entry.
    const ENTRY_SP: u64 = 0x7fff_0000_1000;
    const CALLER: u64 = 0x40_1234;
    const CALLERS_BP: u64 = 0x7fff_0000_2000;
    /// Bytes of stack below the entry's stack pointer.
    const BELOW: u64 = 0x100;

    /// As kernels of linear algebra begin and end: `rbx` holds the stack pointer while `rsp` is aligned.
    const REALIGNS: &[u8] = &[
        0x48, 0x83, 0xec, 0x60, // 00 sub rsp, 0x60
        0x48, 0x89, 0x1c, 0x24, // 04 mov [rsp], rbx
        0x48, 0x89, 0x6c, 0x24, 0x08, // 08 mov [rsp + 8], rbp
        0xc5, 0xf8, 0x77, // 0d vzeroupper
        0x48, 0x89, 0xe3, // 10 mov rbx, rsp
        0x48, 0x81, 0xec, 0x80, 0x70, 0x00, 0x00, // 13 sub rsp, 0x7080
        0x48, 0x81, 0xe4, 0x00, 0xf0, 0xff, 0xff, // 1a and rsp, -0x1000
        0x48, 0x85, 0xff, // 21 test rdi, rdi
        0x74, 0x08, // 24 je 2e
        0x48, 0x89, 0xfd, // 26 mov rbp, rdi
        0x48, 0xff, 0xcf, // 29 dec rdi
        0x75, 0xf8, // 2c jne 26
        0x48, 0x89, 0xdc, // 2e mov rsp, rbx
        0x48, 0x8b, 0x1c, 0x24, // 31 mov rbx, [rsp]
        0x48, 0x8b, 0x6c, 0x24, 0x08, // 35 mov rbp, [rsp + 8]
        0x48, 0x83, 0xc4, 0x60, // 3a add rsp, 0x60
        0xc3, // 3e ret
    ];
    const PUSHES: &[u8] = &[
        0x55, // 00 push rbp
        0x53, // 01 push rbx
        0x31, 0xed, // 02 xor ebp, ebp
        0x48, 0x85, 0xff, // 04 test rdi, rdi
        0x74, 0x0d, // 07 je 16
        0x48, 0x83, 0xec, 0x20, // 09 sub rsp, 0x20
        0xe8, 0x04, 0x00, 0x00, 0x00, // 0d call 16
        0x48, 0x83, 0xc4, 0x20, // 12 add rsp, 0x20
        0x5b, // 16 pop rbx
        0x5d, // 17 pop rbp
        0xc3, // 18 ret
    ];
    /// What comes after the branch has a word more on the stack, or not.
    const DIFFERS: &[u8] = &[
        0x48, 0x85, 0xff, // 00 test rdi, rdi
        0x74, 0x01, // 03 je 06
        0x50, // 05 push rax
        0x90, // 06 nop
        0xc3, // 07 ret
    ];

    fn flow(code: &[u8]) -> Flow {
        let decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
        let instructions: Vec<Instruction> = decoder.into_iter().collect();
        Flow::follow(&instructions).unwrap_or_default()
    }

    /// A stack on which the caller's frame pointer lies so many bytes below the return address.
    fn caller(
        code: &[u8],
        address: u64,
        bp_below: u64,
        registers: Registers,
    ) -> Result<Registers, Lost> {
        let mut bytes = vec![0xaa; (BELOW + 8) as usize];
        let mut put = |below: u64, word: u64| {
            let at = (BELOW - below) as usize;
            bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
        };
        put(bp_below, CALLERS_BP);
        put(0, CALLER);
        let stack = StackCopy {
            start: ENTRY_SP - BELOW,
            bytes: &bytes,
            holes: 0,
            is_cut: false,
        };
        flow(code).caller(address, registers, &stack)
    }

    fn registers(sp: u64, bp: u64, bx: Option<u64>) -> Registers {
        Registers { ip: 0, sp, bp, bx }
    }

    const FOUND: Result<Registers, Lost> = Ok(Registers {
        ip: CALLER,
        sp: ENTRY_SP + 8,
        bp: CALLERS_BP,
        bx: None,
    });

    #[test]
    fn the_frame_is_found_by_whichever_register_holds_it() {
        let in_loop = registers(ENTRY_SP - 0x9000, 17, Some(ENTRY_SP - 0x60));
        for address in [0x21, 0x26, 0x29, 0x2e] {
            assert_eq!(
                caller(REALIGNS, address, 0x58, in_loop),
                FOUND,
                "{address:#x}"
            );
        }
        let begun = registers(ENTRY_SP, CALLERS_BP, Some(3));
        assert_eq!(caller(REALIGNS, 0, 0x58, begun), FOUND);
        // In its epilogue `rsp` holds it, and the caller's `rbp` is back.
        let ending = registers(ENTRY_SP - 0x60, CALLERS_BP, Some(3));
        assert_eq!(caller(REALIGNS, 0x3a, 0x10, ending), FOUND);
        let over = registers(ENTRY_SP, CALLERS_BP, Some(3));
        assert_eq!(caller(REALIGNS, 0x3e, 0x10, over), FOUND);
    }

    #[test]
    fn without_that_register_nothing_is_said() {
        let in_loop = registers(ENTRY_SP - 0x9000, 17, None);
        assert_eq!(caller(REALIGNS, 0x26, 0x58, in_loop), Err(Lost::Unknown));
    }

    #[test]
    fn pushes_and_calls_are_followed() {
        let cases = [
            (0x02, 0x10),
            (0x04, 0x10),
            (0x0d, 0x30),
            (0x11, 0x30),
            (0x12, 0x30),
            (0x16, 0x10),
        ];
        for (address, below) in cases {
            let registers = registers(ENTRY_SP - below, 17, None);
            assert_eq!(caller(PUSHES, address, 8, registers), FOUND, "{address:#x}");
        }
        let popped = registers(ENTRY_SP, CALLERS_BP, None);
        assert_eq!(caller(PUSHES, 0x18, 0x40, popped), FOUND);
    }

    #[test]
    fn where_ways_differ_nothing_is_said() {
        let registers = registers(ENTRY_SP - 8, CALLERS_BP, None);
        assert_eq!(
            caller(
                DIFFERS,
                0x05,
                0x40,
                self::registers(ENTRY_SP, CALLERS_BP, None)
            ),
            FOUND
        );
        assert_eq!(caller(DIFFERS, 0x06, 0x40, registers), Err(Lost::Unknown));
    }

    #[test]
    fn a_word_that_was_not_copied_is_named() {
        let beyond = registers(ENTRY_SP + 0x100, CALLERS_BP, None);
        let missing = Err(Lost::Word(ENTRY_SP + 0x100));
        assert_eq!(caller(REALIGNS, 0, 0x58, beyond), missing);
    }

    #[test]
    fn any_bytes_are_followed_to_an_end() {
        let mut state = 1_u64;
        for _ in 0..2_000 {
            let code: Vec<u8> = (0..200)
                .map(|_| {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    (state >> 56) as u8
                })
                .collect();
            let stack = StackCopy {
                start: 0,
                bytes: &code,
                holes: 0,
                is_cut: false,
            };
            let flow = flow(&code);
            for address in 0..200 {
                let caller = flow.caller(address, registers(8, 16, Some(24)), &stack);
                assert!(caller.is_err() || !flow.0.is_empty());
            }
        }
    }
}
