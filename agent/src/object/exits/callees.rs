//! Functions of other objects that the search knows something of.

use std::collections::HashMap;

use iced_x86::{FlowControl, Instruction};

use super::{LastCalls, Searched};
use crate::object::links::{self, Link};

/// Functions of other objects that take well under a microsecond: a jump to one ends the crossing.
const SHORT: &[&str] = &[
    "free",
    "_ZdlPv",
    "_ZdlPvm",
    "_ZdlPvSt11align_val_t",
    "_ZdlPvmSt11align_val_t",
    "_ZdaPv",
    "_ZdaPvm",
    "memcpy",
    "memmove",
    "memset",
    "pthread_mutex_unlock",
    "__cxa_guard_release",
    "__cxa_end_catch",
];
/// Those of them that may write what a region reads at its exit, or leave by an exception.
const MEDDLING: &[&str] = &["memcpy", "memmove", "memset", "__cxa_end_catch"];
/// Functions of other objects that never return: a jump to one is no exit.
const ENDLESS: &[&str] = &[
    "abort",
    "exit",
    "_exit",
    "__stack_chk_fail",
    "__assert_fail",
    "_Unwind_Resume",
    "__cxa_throw",
    "__cxa_rethrow",
    "_ZSt9terminatev",
    "pthread_exit",
    "longjmp",
    "__longjmp_chk",
];

/// Whether a jump to this function of another object ends the crossing.
pub(super) fn is_short(name: &str) -> bool {
    SHORT.contains(&name) || is_unlock(name)
}

/// Whether this function of another object never returns.
pub(super) fn is_endless(name: &str) -> bool {
    // `std::__throw_length_error` and its like.
    ENDLESS.contains(&name) || name.starts_with("_ZSt") && name.contains("__throw_")
}

/// `absl::Mutex::unlock`, with the release of the library in its name.
fn is_unlock(name: &str) -> bool {
    name.starts_with("_ZN4absl")
        && (name.ends_with("5Mutex6unlockEv") || name.ends_with("5Mutex6UnlockEv"))
}

/// What is known of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// It returns within well under a microsecond, and has done nothing that a region reads.
    Quiet,
    /// It returns as soon.
    Short,
    /// What the region leaves out, if it comes last.
    Last,
    /// It does not return.
    Endless,
    /// It may take long.
    Unknown,
}

/// Calls, each looked up once: that is a search through the relocations.
pub(super) struct Calls<'a> {
    last: &'a LastCalls,
    known: HashMap<u64, Call>,
}

impl<'a> Calls<'a> {
    pub(super) fn new(last: &'a LastCalls) -> Self {
        Self {
            last,
            known: HashMap::new(),
        }
    }

    pub(super) fn of(&mut self, searched: &Searched<'_>, instruction: &Instruction) -> Call {
        let slot = match instruction.flow_control() {
            FlowControl::Call => {
                let target = instruction.near_branch_target();
                if self.last.addresses.contains(&target) {
                    return Call::Last;
                }
                links::stub_slot(searched.image, target)
            }
            FlowControl::IndirectCall => links::called_slot(instruction),
            _ => None,
        };
        let Some(slot) = slot else {
            return Call::Unknown;
        };
        let last = self.last;
        *self
            .known
            .entry(slot)
            .or_insert_with(|| look_up(searched, slot, last))
    }
}

fn look_up(searched: &Searched<'_>, slot: u64, last: &LastCalls) -> Call {
    match searched.links.target(slot, searched.dynamic) {
        Some(Link::Local(address)) if last.addresses.contains(&address) => Call::Last,
        Some(Link::Import(name)) if last.names.contains(&name) => Call::Last,
        Some(Link::Import(name)) if is_endless(&name) => Call::Endless,
        Some(Link::Import(name)) if MEDDLING.contains(&name.as_str()) => Call::Short,
        Some(Link::Import(name)) if is_short(&name) => Call::Quiet,
        _ => Call::Unknown,
    }
}
