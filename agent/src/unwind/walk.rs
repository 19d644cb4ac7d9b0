//! From caller to caller.

use std::rc::Rc;

use framehop::{Error as HopError, FrameAddress, x86_64::UnwindRegsX86_64};
use gimli::{Register, X86_64};

use super::{
    flow::{self, Lost},
    object::{CodeObject, Covering, Step},
    proof,
    space::{AddressSpace, Place},
    stop::Stop,
    store::ObjectStore,
};

/// Frames that are followed.
const MAX_FRAMES: usize = 1024;
/// Frames that most stacks have no more of.
const USUAL_FRAMES: usize = 64;

/// The registers by which a caller is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers {
    /// Instruction pointer.
    pub ip: u64,
    /// Stack pointer.
    pub sp: u64,
    /// Frame pointer.
    pub bp: u64,
    /// `rbx`, in which hand-written code keeps the stack pointer; of the innermost frame only.
    pub bx: Option<u64>,
}

impl Registers {
    pub(super) fn get(self, register: Register) -> Option<u64> {
        match register {
            X86_64::RA => Some(self.ip),
            X86_64::RSP => Some(self.sp),
            X86_64::RBP => Some(self.bp),
            X86_64::RBX => self.bx,
            _ => None,
        }
    }
}

/// A copy of the bytes from the stack pointer upwards.
#[derive(Clone, Copy, Debug)]
pub struct StackCopy<'a> {
    /// Address of the first byte.
    pub start: u64,
    /// The bytes.
    pub bytes: &'a [u8],
    /// Pages among them that were not in memory: bit n is the n-th from that of `start` on.
    pub holes: u32,
    /// Whether the stack goes on behind them.
    pub is_cut: bool,
}

const PAGE: u64 = 4096;

impl StackCopy<'_> {
    /// The word at an address.
    pub fn word(&self, address: u64) -> Option<u64> {
        let offset = usize::try_from(address.checked_sub(self.start)?).ok()?;
        if self.is_hole(address) || self.is_hole(address.wrapping_add(7)) {
            return None;
        }
        let word = self.bytes.get(offset..)?.first_chunk()?;
        Some(u64::from_le_bytes(*word))
    }

    fn is_hole(&self, address: u64) -> bool {
        let page = (address / PAGE).saturating_sub(self.start / PAGE);
        let bit = u32::try_from(page)
            .ok()
            .and_then(|page| 1_u32.checked_shl(page));
        bit.is_some_and(|bit| self.holes & bit != 0)
    }

    /// Why a word could not be read.
    fn missing(&self, address: u64) -> Stop {
        if self.is_hole(address) {
            return Stop::Hole;
        }
        let end = self.start.saturating_add(self.bytes.len() as u64);
        if self.is_cut && address.saturating_add(8) > end {
            Stop::Cut
        } else {
            Stop::Outside
        }
    }
}

/// A frame of a native stack, with a note of who reads stacks.
pub struct NativeFrame<N = ()> {
    /// Where it stands: its instruction, or the last byte of the call that it made.
    pub address: u64,
    /// What lies there; `None` if no file does.
    pub place: Option<Place>,
    /// What the unwind information says of it.
    pub covering: Option<Covering>,
    /// What was made of it: it holds for as long as the frame's address means the same.
    pub note: N,
}

/// A native stack.
pub struct Walk<N = ()> {
    /// Frames, innermost first; never empty.
    pub frames: Vec<Rc<NativeFrame<N>>>,
    /// Why it ended.
    pub stop: Stop,
    /// The stack pointer of the outermost frame.
    pub end: u64,
}

/// Walks stacks of one address space.
pub struct Walker<'a, N = ()> {
    /// The target's.
    pub space: &'a mut AddressSpace<N>,
    /// All targets'.
    pub store: &'a mut ObjectStore,
    /// When the registers were copied, by the kernel's clock in nanoseconds.
    pub time_ns: u64,
}

impl<N: Default> Walker<'_, N> {
    /// Walks from the innermost frame outwards until a step is not certain.
    pub fn walk(&mut self, registers: Registers, stack: &StackCopy<'_>) -> Walk<N> {
        let mut frames = Vec::with_capacity(USUAL_FRAMES);
        let mut at = At {
            registers,
            is_return: false,
        };
        let stop = loop {
            let frame = self.space.frame(at.lookup(), self.time_ns, self.store);
            let next = self.caller(&frame, &at, stack);
            frames.push(frame);
            match next {
                Ok(_) if frames.len() == MAX_FRAMES => break Stop::Loop,
                Ok(caller) => at = caller,
                Err(stop) => break stop,
            }
        };
        Walk {
            frames,
            stop,
            end: at.registers.sp,
        }
    }

    fn caller(
        &mut self,
        frame: &NativeFrame<N>,
        at: &At,
        stack: &StackCopy<'_>,
    ) -> Result<At, Stop> {
        let place = frame.place.as_ref().ok_or(Stop::Unmapped)?;
        let Some(covering) = frame.covering else {
            return self.uncovered(place, at, stack);
        };
        let registers = match covering.step {
            Step::Outermost => return Err(Stop::Start),
            Step::Unsupported => return Err(Stop::Unsupported),
            Step::Expression => place
                .object
                .evaluate(place.address, at.registers, stack)
                .ok_or_else(|| unevaluated(stack))?,
            Step::Registers => hop(&place.object, covering.since, at, stack)?,
        };
        // A signal's frame may lie on another stack than what it interrupted.
        let went_on = covering.is_signal_frame || registers.sp > at.registers.sp;
        if !went_on {
            return Err(Stop::Loop);
        }
        Ok(At {
            registers,
            is_return: !covering.is_signal_frame,
        })
    }

    /// Code without unwind information has a caller only if the call can be shown.
    fn uncovered(&mut self, place: &Place, at: &At, stack: &StackCopy<'_>) -> Result<At, Stop> {
        let mut locate = |address| self.space.locate(address, self.time_ns, self.store);
        let proven = (!at.is_return)
            .then(|| proof::caller(place, at.registers, stack, &mut locate))
            .flatten();
        let registers = match proven {
            Some(registers) => registers,
            None => followed(place, at.registers, stack, &mut locate)?,
        };
        Ok(At {
            registers,
            is_return: true,
        })
    }
}

/// A step by framehop, by the rules that hold from `since` on: that is what it remembers them by. Its
/// reader works at the file's addresses, the stack at the process's.
fn hop(object: &CodeObject, since: u64, at: &At, stack: &StackCopy<'_>) -> Result<Registers, Stop> {
    let Registers { ip, sp, bp, .. } = at.registers;
    let mut registers = UnwindRegsX86_64::new(ip, sp, bp);
    let place = if at.is_return {
        FrameAddress::from_return_address(since.wrapping_add(1)).ok_or(Stop::Outside)?
    } else {
        FrameAddress::from_instruction_pointer(since)
    };
    let mut failed = None;
    let mut read = |address| {
        stack.word(address).ok_or_else(|| {
            // Below the stack pointer lies what an epilogue has popped already: the register holds it.
            if address >= sp {
                failed = failed.or(Some(address));
            }
        })
    };
    let caller = object.unwind(place, &mut registers, &mut read);
    if let Some(address) = failed {
        return Err(stack.missing(address));
    }
    match caller {
        Ok(Some(ip)) => Ok(Registers {
            ip,
            sp: registers.sp(),
            bp: registers.bp(),
            bx: None,
        }),
        // A return address of zero: nobody called.
        Ok(None) | Err(HopError::ReturnAddressIsNull) => Err(Stop::Start),
        Err(HopError::CouldNotReadStack(address)) => Err(stack.missing(address)),
        Err(
            HopError::DidNotAdvance
            | HopError::FramepointerUnwindingMovedBackwards
            | HopError::IntegerOverflow,
        ) => Err(Stop::Loop),
    }
}

/// The caller by what the code around a place does with the stack, if a call lies before where that leads.
fn followed(
    place: &Place,
    registers: Registers,
    stack: &StackCopy<'_>,
    mut locate: impl FnMut(u64) -> Option<Place>,
) -> Result<Registers, Stop> {
    let flow = place.object.flow(place.address);
    let flow = flow.ok_or(Stop::NoUnwindInfo)?;
    let caller = match flow.caller(place.address, registers, stack) {
        Ok(caller) => caller,
        Err(Lost::Unknown) => return Err(Stop::NoUnwindInfo),
        Err(Lost::Word(address)) => return Err(stack.missing(address)),
    };
    let call = locate(caller.ip.wrapping_sub(1)).ok_or(Stop::NoUnwindInfo)?;
    let is_called = flow::follows_call(call.object.image(), call.address.wrapping_add(1));
    let went_on = caller.sp > registers.sp;
    if is_called && went_on {
        Ok(caller)
    } else {
        Err(Stop::NoUnwindInfo)
    }
}

fn unevaluated(stack: &StackCopy<'_>) -> Stop {
    if stack.is_cut {
        Stop::Cut
    } else {
        Stop::Outside
    }
}

/// Where a walk stands.
struct At {
    registers: Registers,
    is_return: bool,
}

impl At {
    /// A return address may be the first of the next function: what called lies before it.
    fn lookup(&self) -> u64 {
        self.registers.ip.wrapping_sub(u64::from(self.is_return))
    }
}
