//! A region of the catalogue in an object: what to arm, and what it means.

use hotspan_common::{Base, MAX_READS, ReadSpec, ReadWhen, RegionSpec};
use hotspan_synth::{
    ids::RegionId,
    region::{AttributeRule, Condition, FailureRule, FoldRule, MemoryRule, Region, Role, Stage},
};
use serde::Serialize;

use super::{
    anchors::BrokenAnchor,
    devices::{CountBy, Members},
    schema,
};
use crate::object::exits::{ExitPoint, Exits, Refusal};

/// What the entry of a region means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RegionRole {
    /// A crossing, which becomes a span.
    Span,
    /// A crossing of a worker thread.
    Worker,
    /// A crossing, which becomes an event on the span around it.
    SpanEvent,
    /// An entry that is counted with those that follow it, as one span. It has no exits.
    Tally,
    /// No crossing: it adds its reads to the open crossing of its group around it, at its entry or, of its
    /// result, at its exits.
    Note,
}

impl From<schema::Role> for RegionRole {
    fn from(role: schema::Role) -> Self {
        match role {
            schema::Role::Span => Self::Span,
            schema::Role::Worker => Self::Worker,
            schema::Role::SpanEvent => Self::SpanEvent,
            schema::Role::Tally => Self::Tally,
            schema::Role::Note => Self::Note,
        }
    }
}

/// A region that can be armed. Offsets are file offsets, as uprobes want them.
#[derive(Clone, Debug)]
pub struct FoundRegion {
    /// `library.operation`.
    pub name: String,
    /// What its entry means.
    pub role: RegionRole,
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
    /// Crossings shorter than this many nanoseconds are not emitted.
    pub min_ns: u64,
    /// Entries a second and thread beyond which it is disarmed; 0: no limit.
    pub limit_per_s: u32,
    /// `hotspan_common::RegionFlags`.
    pub flags: u32,
    /// Group number over the whole catalogue; 0: none.
    pub group: u32,
    /// Whether it is a note that is taken at the exits.
    pub notes_result: bool,
    /// What to read, for this very build.
    pub reads: Vec<ReadSpec>,
    /// Slots, by name, that no read is known for in this build: what depends on them is left out.
    pub unread: Vec<String>,
    /// What becomes of the reads.
    pub attributes: Vec<AttributeRule>,
    /// Which results are failures.
    pub failure: Option<FailureRule>,
    /// Which crossings count.
    pub only_if: Option<Condition>,
    /// For an event: the name of its span.
    pub event_of: Option<String>,
    /// Whether it is work that a warm process does not do.
    pub cold_start: bool,
    /// Whether its calls are numbered where a request has several.
    pub numbered: bool,
    /// What it is in the course of an engine's request.
    pub stage: Option<Stage>,
    /// How its crossings are joined.
    pub fold: Option<FoldRule>,
    /// Number of what its entries are counted with; 0: they are not counted.
    pub burst: u32,
    /// By what its entries are counted besides.
    pub count_by: Option<CountBy>,
    /// Whether it works with a device.
    pub on_device: bool,
    /// What its calls do to a device's memory.
    pub memory: Option<MemoryRule>,
    /// Where a step says whom it serves.
    pub members: Option<Members>,
    /// Slot of the sequence that its request holds.
    pub sequence: Option<u32>,
    /// Slot of the engine's context that it is of.
    pub engine: Option<u32>,
    /// Name of the spans of steps for several sequences.
    pub batch: Option<String>,
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
        let wants_result =
            self.notes_result || (self.reads.iter()).any(|read| read.base == Base::Result.wire());
        (self.exits, self.stepped_exits) = if wants_result {
            (exits.points, Vec::new())
        } else {
            exits.cheapest()
        };
    }

    /// For the kernel programs' map.
    pub fn spec(&self) -> RegionSpec {
        let mut reads = [ReadSpec::default(); MAX_READS];
        for (to, read) in reads.iter_mut().zip(&self.reads) {
            *to = *read;
            if self.notes_result {
                // The programs take every note alike.
                to.when = ReadWhen::Entry.wire();
            }
        }
        RegionSpec {
            min_ns: self.min_ns,
            limit_per_s: self.limit_per_s,
            flags: self.flags,
            group: self.group,
            n_reads: self.reads.len().min(MAX_READS) as u32,
            epoch: 0,
            generation: 0,
            count_by: (self.count_by.as_ref()).map_or(0, |by| 1 + u32::from(by.from.wire())),
            code_before: self.code_around.0,
            code_after: self.code_around.1,
            burst: self.burst,
            members_count: self.members.map_or(0, |members| members.count),
            members_list: self.members.map_or(0, |members| members.list),
            members_wanted: self.members.map_or(0, |members| members.wanted),
            reserved: 0,
            reads,
        }
    }

    /// For the core; `None` for a note, which has no crossings.
    pub fn describe(&self, id: RegionId) -> Option<Region> {
        let role = match self.role {
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
            attributes: self.attributes.clone(),
            failure: self.failure.clone(),
            only_if: self.only_if.clone(),
            event_of: self.event_of.clone(),
            cold_start: self.cold_start,
            numbered: self.numbered,
            stage: self.stage,
            fold: self.fold.clone().map(Box::new),
            called: self.count_by.as_ref().map(|by| by.key.clone()),
            on_device: self.on_device,
            memory: self.memory.clone(),
            sequence: self.sequence,
            engine: self.engine,
            batch: self.batch.clone(),
        })
    }
}
