//! How the kernel's programs take a region's crossings: the same in every object that it is found in.

use hotspan_common::Base;
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

/// Where a step for several sequences has its arguments: bytes from the stack pointer at the entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// The number of tokens.
    pub count: u16,
    /// Pointers to the sequences of each.
    pub list: u16,
    /// Whether a result of each is wanted.
    pub wanted: u16,
}

/// How a region's crossings are taken.
#[derive(Clone, Debug)]
pub struct Capture {
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
    /// Number of what its entries are counted with; 0: they are not counted.
    pub burst: u32,
    /// By which argument, one of the first two, its entries are counted besides.
    pub count_by: Option<Base>,
    /// Where a step says whom it serves.
    pub members: Option<Members>,
}

impl Capture {
    /// A function each of whose calls is a span, of which nothing is read.
    pub fn span(min_ns: u64, limit_per_s: u32) -> Self {
        Self {
            role: RegionRole::Span,
            min_ns,
            limit_per_s,
            flags: 0,
            group: 0,
            notes_result: false,
            burst: 0,
            count_by: None,
            members: None,
        }
    }
}
