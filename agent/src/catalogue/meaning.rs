//! What a region means: the same in every object that it is found in.

use hotspan_common::Base;
use hotspan_synth::region::{AttributeRule, Condition, FailureRule, FoldRule, MemoryRule, Stage};
use serde::Serialize;

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

/// What a tally's entries are counted by: the register, and the attribute's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountBy {
    /// One of the first two arguments.
    pub from: Base,
    /// Attribute key.
    pub key: String,
}

/// Where a step for several sequences has its arguments: bytes from the stack pointer at the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Members {
    /// The number of tokens.
    pub count: u16,
    /// Pointers to the sequences of each.
    pub list: u16,
    /// Whether a result of each is wanted.
    pub wanted: u16,
}

/// What becomes of a region's crossings, in the kernel's programs and in the core.
#[derive(Clone, Debug)]
pub struct Meaning {
    /// What its entry means.
    pub role: RegionRole,
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
}

impl Meaning {
    /// A function each of whose calls is a span, of which nothing is read.
    pub fn span(min_ns: u64, limit_per_s: u32) -> Self {
        Self {
            role: RegionRole::Span,
            min_ns,
            limit_per_s,
            flags: 0,
            group: 0,
            notes_result: false,
            attributes: Vec::new(),
            failure: None,
            only_if: None,
            event_of: None,
            cold_start: false,
            numbered: false,
            stage: None,
            fold: None,
            burst: 0,
            count_by: None,
            on_device: false,
            memory: None,
            members: None,
            sequence: None,
            engine: None,
            batch: None,
        }
    }
}
