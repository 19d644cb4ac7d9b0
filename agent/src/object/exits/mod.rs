//! Where a function is left: the instructions after which its frame is gone.
//!
//! A crossing is paired with its exit by the stack pointer: at the `ret` it is what it was at the
//! entry. So a point too many is harmless (its stack pointer does not match), and a point that is
//! missing loses exits. The rules, in the order they are tried for each instruction:
//!
//! - every `ret` is an exit;
//! - a jump within what is known of the function is none;
//! - a jump to the function's own entry refuses it: the entry probe could not tell a turn of the
//!   loop from a new call;
//! - a jump out of it with its frame in place leads to a fragment (`.cold`), which is searched too;
//! - a jump out of it with its frame gone (CFA = rsp + 8) is a tail call: the callee's `ret` ends
//!   the crossing, so the callee is searched too, a few levels deep. If the callee is in another
//!   object and known to be short, the jump itself is the exit. Otherwise the region is refused,
//!   for its end could not be seen;
//! - an indirect jump is a switch if the frame is in place or a jump table is read just before it.
//!
//! Landing pads in fragments that no jump leads to are found by the fragment's symbol (`X.cold`).
//!
//! The kernel single-steps a `ret` that is probed, and emulates a jump or a call. So where it is certain that a `ret` is
//! reached only through such, these are exits in its place (`early.rs`): with a stack pointer and a result that are computed
//! and not found, and early by an epilogue, or by a call that is known to be short.

mod callees;
mod calls;
mod cycles;
mod early;
mod epilogue;
mod explore;
mod kept;
mod leads;
mod listing;
mod probes;
mod refusal;
mod result;
mod search;
pub mod shadow_stacks;
mod sweep;
mod ways;

use std::{collections::BTreeSet, ops::Range};

pub(crate) use epilogue::writes;
use hotspan_common::{ResultAt, ReturnSp};
pub use kept::Kept;
pub use refusal::Refusal;

use super::{image::Image, links::Links, symbols::SymbolTable, unwind::Unwind};

/// An object, open for the search.
#[derive(Debug)]
pub struct Searched<'a> {
    /// The file.
    pub image: &'a Image,
    /// Its unwind information; without it, only functions that leave by `ret` alone can be followed.
    pub unwind: Option<&'a Unwind>,
    /// Its dynamic symbols, to which relocations refer.
    pub dynamic: &'a SymbolTable,
    /// Its relocations.
    pub links: &'a Links,
}

/// A function to be searched.
#[derive(Clone, Debug, Default)]
pub struct Function {
    /// Its first address.
    pub entry: u64,
    /// Its size by the symbol table; 0: not known.
    pub size: u64,
    /// Its fragments by the symbol table (`X.cold`).
    pub fragments: Vec<Range<u64>>,
    /// Whether its result is read at its exits.
    pub reads_result: bool,
    /// Calls that are left out where they are the last thing that it does.
    pub ends_before: LastCalls,
}

/// Functions whose call may end a region, by their addresses in its object and by their symbols in others.
#[derive(Clone, Debug, Default)]
pub struct LastCalls {
    /// Addresses.
    pub addresses: BTreeSet<u64>,
    /// Mangled.
    pub names: BTreeSet<String>,
}

/// Where to probe a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exits {
    /// File offset of the entry probe: the first instruction, or a `push` soon after it, which the kernel emulates in
    /// place of a single step. The stack pointer and the arguments are the same.
    pub entry_offset: u64,
    /// The exits, by file offset.
    pub points: Vec<ExitPoint>,
    /// The exits before each `ret` that need not be probed itself, and all others; `None` if that is none.
    pub early: Option<Vec<ExitPoint>>,
    /// The same with each `ret` probed that conditional jumps would stand for; `None` if that is none.
    pub unpassed: Option<Vec<ExitPoint>>,
    /// Why some of those are single-stepped.
    pub kept: Vec<Kept>,
    /// Functions that it leaves through by tail jumps and whose exits are among the points.
    pub tail_callees: Vec<u64>,
}

/// An exit instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExitPoint {
    /// Its place in the file.
    pub file_offset: u64,
    /// As in `hotspan_common::Cookie`: 0 always, else 1 + the x86 condition code.
    pub condition: u8,
    /// Where the stack pointer is that the function had at its entry.
    pub sp: ReturnSp,
    /// Where its result is, if that is read.
    pub result: ResultAt,
    /// How the kernel executes it.
    pub execution: Execution,
}

/// How the kernel executes an instruction with a probe on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Execution {
    /// By a single step, elsewhere.
    Stepped,
    /// By itself: it is a jump.
    EmulatedJump,
    /// By itself: it is a call.
    EmulatedCall,
}

impl Exits {
    /// The exits to probe, and those to fall back on if they are passed too often. Calls
    /// are not probed where programs can have shadow stacks.
    pub fn cheapest(self, shadow_stacks: bool) -> (Vec<ExitPoint>, Vec<ExitPoint>) {
        let harms = |exit: &ExitPoint| shadow_stacks && exit.execution == Execution::EmulatedCall;
        match self.early {
            Some(early) if !early.iter().any(harms) => {
                (early, self.unpassed.unwrap_or(self.points))
            }
            _ => (self.points, Vec::new()),
        }
    }
}

/// Finds the exits of a function, or says why it can't be followed.
pub fn find(searched: &Searched<'_>, function: &Function) -> Result<Exits, Refusal> {
    search::find(searched, function)
}

/// The entry probe alone, for a region whose end does not matter.
pub fn entry_only(searched: &Searched<'_>, function: &Function) -> Result<Exits, Refusal> {
    search::entry_only(searched, function)
}

/// A probe at the one call that `function` makes of the one at `target`, in the same object; the kernel emulates it. `None` if it
/// makes more than one, or one of another kind, or that can't be told.
pub fn only_call(searched: &Searched<'_>, function: &Function, target: u64) -> Option<Exits> {
    calls::only_call(searched, function, target)
}

#[cfg(test)]
mod tests;
