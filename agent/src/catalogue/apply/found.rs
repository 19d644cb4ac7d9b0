//! A region of the catalogue in an object: what to arm, and what it means.

use hotspan_common::{MAX_READS, ReadSpec, ReadWhen, RegionFlags, RegionSpec};
use hotspan_synth::{
    ids::RegionId,
    region::{Meaning, Region, Role},
};

use super::anchored::BrokenAnchor;
use crate::{
    catalogue::capture::{Capture, RegionRole},
    object::exits::{ExitPoint, Exits, Kept, Refusal, shadow_stacks},
};

/// A region that can be armed. Offsets are file offsets, as uprobes want them.
#[derive(Clone, Debug)]
pub struct FoundRegion {
    /// `library.operation`.
    pub name: String,
    /// The mangled symbol; for a function that none names, how it was found.
    pub symbol: String,
    /// The demangled function, without parameters: `code.function.name`.
    pub function: String,
    /// File name of the object.
    pub object: String,
    /// Address of the function in the object.
    pub address: u64,
    /// The entry probe.
    pub entry: u64,
    /// The exit probes; empty for a note and a tally.
    pub exits: Vec<ExitPoint>,
    /// What is probed in their place if they turn out to be passed too often without an exit; empty if it is the same.
    pub stepped_exits: Vec<ExitPoint>,
    /// Why exits are single-stepped.
    pub kept: Vec<Kept>,
    /// What to read, for this very build.
    pub reads: Vec<ReadSpec>,
    /// Slots, by name, that no read is known for in this build: what depends on them is left out.
    pub unread: Vec<String>,
    /// How its crossings are taken.
    pub capture: Capture,
    /// What becomes of them.
    pub meaning: Meaning,
    /// Of a moment: the code that its function must be called from, in bytes from the entry probe; empty if the call itself is
    /// probed.
    pub caller: [i32; 2],
    /// Bytes of its object's code before it, and from it on.
    pub code_around: (u32, u32),
}

/// A region that is there and can't be armed.
#[derive(Clone, Debug)]
pub struct RefusedRegion {
    /// `library.operation`.
    pub name: String,
    /// The mangled symbol.
    pub symbol: String,
    /// The demangled function.
    pub function: String,
    /// Address of the function in the object.
    pub address: u64,
    /// Why not.
    pub reason: RefusedBecause,
}

/// Why a region that was found is not armed.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum RefusedBecause {
    /// Its function can't be followed.
    #[error(transparent)]
    Exits(#[from] Refusal),
    /// No symbol names its function, and what it is known by is not as expected.
    #[error(transparent)]
    Anchor(#[from] BrokenAnchor),
    /// Two crossings with one stack pointer can't be told apart.
    #[error("{0} is armed on the same function")]
    SameFunction(String),
    /// A note of a result, where the function may leave by another one's exit.
    #[error(
        "leaves by a jump: an exit there need not be its own, so that its result can't be noted"
    )]
    SharedExit,
    /// Of a moment.
    #[error("the object defines no function {0}, whose call it is about")]
    NoCallee(String),
    /// Of a moment.
    #[error("{0}, whose call it is about, is more than 2 GiB away")]
    FarCallee(String),
}

impl FoundRegion {
    /// Whether it is about its function's calling another one, and not that function is probed.
    pub fn is_moment(&self) -> bool {
        self.capture.flags & RegionFlags::MOMENT != 0
    }

    /// Gives it its exits; a note is taken at the `ret`.
    pub(super) fn exit_by(&mut self, exits: Exits) {
        if self.capture.notes_result {
            self.exits = exits.points;
        } else {
            self.kept.clone_from(&exits.kept);
            (self.exits, self.stepped_exits) = exits.cheapest(shadow_stacks::are_possible());
        }
    }

    /// For the kernel programs' map.
    pub fn spec(&self) -> RegionSpec {
        let capture = &self.capture;
        let mut reads = [ReadSpec::default(); MAX_READS];
        for (to, read) in reads.iter_mut().zip(&self.reads) {
            *to = *read;
            if capture.notes_result {
                // The programs take every note alike.
                to.when = ReadWhen::Entry.wire();
            }
        }
        RegionSpec {
            min_ns: capture.min_ns,
            limit_per_s: capture.limit_per_s,
            flags: capture.flags,
            group: capture.group,
            n_reads: self.reads.len().min(MAX_READS) as u32,
            epoch: 0,
            generation: 0,
            count_by: (capture.count_by).map_or(0, |from| 1 + u32::from(from.wire())),
            code_before: self.code_around.0,
            code_after: self.code_around.1,
            burst: capture.burst,
            members_count: capture.members.map_or(0, |members| members.count),
            members_list: capture.members.map_or(0, |members| members.list),
            members_wanted: capture.members.map_or(0, |members| members.wanted),
            reads_when: reads
                .iter()
                .take(self.reads.len())
                .fold(0, |bits, read| bits | 1 << read.when),
            caller: self.caller,
            reads,
        }
    }

    /// For the core; `None` for a note, which has no crossings.
    pub fn describe(&self, id: RegionId) -> Option<Region> {
        let role = match self.capture.role {
            RegionRole::Span | RegionRole::Tally => Role::Span,
            RegionRole::Worker => Role::Worker,
            RegionRole::SpanEvent => Role::SpanEvent,
            RegionRole::Note => return None,
        };
        Some(Region {
            id,
            name: self.name.clone(),
            role,
            function: self.function.clone(),
            object: self.object.clone(),
            meaning: self.meaning.clone(),
        })
    }
}
