//! A region of the catalogue in an object: what to arm, and what it means.

use hotspan_common::{Base, MAX_READS, ReadSpec, ReadWhen, RegionSpec};
use hotspan_synth::{
    ids::RegionId,
    region::{Region, Role},
};

use super::anchored::BrokenAnchor;
use crate::{
    catalogue::meaning::{Meaning, RegionRole},
    object::exits::{ExitPoint, Exits, Refusal, shadow_stacks},
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
    /// What to read, for this very build.
    pub reads: Vec<ReadSpec>,
    /// Slots, by name, that no read is known for in this build: what depends on them is left out.
    pub unread: Vec<String>,
    /// What becomes of it.
    pub meaning: Meaning,
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
}

impl FoundRegion {
    /// Gives it its exits: those before the `ret` do not show the result.
    pub(super) fn exit_by(&mut self, exits: Exits) {
        let wants_result = self.meaning.notes_result
            || (self.reads.iter()).any(|read| read.base == Base::Result.wire());
        (self.exits, self.stepped_exits) = if wants_result {
            (exits.points, Vec::new())
        } else {
            exits.cheapest(shadow_stacks::are_possible())
        };
    }

    /// For the kernel programs' map.
    pub fn spec(&self) -> RegionSpec {
        let meaning = &self.meaning;
        let mut reads = [ReadSpec::default(); MAX_READS];
        for (to, read) in reads.iter_mut().zip(&self.reads) {
            *to = *read;
            if meaning.notes_result {
                // The programs take every note alike.
                to.when = ReadWhen::Entry.wire();
            }
        }
        RegionSpec {
            min_ns: meaning.min_ns,
            limit_per_s: meaning.limit_per_s,
            flags: meaning.flags,
            group: meaning.group,
            n_reads: self.reads.len().min(MAX_READS) as u32,
            epoch: 0,
            generation: 0,
            count_by: (meaning.count_by.as_ref()).map_or(0, |by| 1 + u32::from(by.from.wire())),
            code_before: self.code_around.0,
            code_after: self.code_around.1,
            burst: meaning.burst,
            members_count: meaning.members.map_or(0, |members| members.count),
            members_list: meaning.members.map_or(0, |members| members.list),
            members_wanted: meaning.members.map_or(0, |members| members.wanted),
            reserved: 0,
            reads,
        }
    }

    /// For the core; `None` for a note, which has no crossings.
    pub fn describe(&self, id: RegionId) -> Option<Region> {
        let meaning = &self.meaning;
        let role = match meaning.role {
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
            attributes: meaning.attributes.clone(),
            failure: meaning.failure.clone(),
            only_if: meaning.only_if.clone(),
            event_of: meaning.event_of.clone(),
            cold_start: meaning.cold_start,
            numbered: meaning.numbered,
            stage: meaning.stage,
            fold: meaning.fold.clone().map(Box::new),
            called: meaning.count_by.as_ref().map(|by| by.key.clone()),
            on_device: meaning.on_device,
            memory: meaning.memory.clone(),
            sequence: meaning.sequence,
            engine: meaning.engine,
            batch: meaning.batch.clone(),
        })
    }
}
