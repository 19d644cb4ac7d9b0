//! What became of everything that came in.

mod reasons;
mod tally;

pub use reasons::{Dropped, NotInferred, Noted, SampleUse};
pub(crate) use tally::Tally;

pub use crate::inference::Coverage;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::ids::TargetId;

/// Crossings and their time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Work {
    /// Crossings.
    pub crossings: u64,
    /// Their durations, summed, in nanoseconds; nested ones count twice.
    pub ns: u64,
}

impl Work {
    pub(crate) fn add(&mut self, ns: u64) {
        self.crossings += 1;
        self.ns = self.ns.saturating_add(ns);
    }
}

/// Work that no span could be made of, because nobody may be named as its parent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unattributed {
    /// Region.
    pub region: String,
    /// Why no parent was found; `unsampled` if one was.
    pub reason: String,
    /// How much.
    pub work: Work,
    /// So much of it on the first threads of processes, where event loops run as a rule.
    pub on_main: Work,
}

/// What became of everything. Every map is sorted by its key, every list by its first fields.
///
/// `crossings` is the sum of `by_origin`'s `probe` less `shares`, `joined`, `span_events`, all of `unattributed` and all of `dropped` but
/// `duplicate_crossing`, once `finish` has been called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Crossings that came in, each once, whether it was announced or not.
    pub crossings: u64,
    /// Spans that went out.
    pub spans: u64,
    /// Crossings that joined the span of an earlier one.
    pub joined: u64,
    /// Crossings that became events of spans.
    pub span_events: u64,
    /// Spans of requests' shares of steps that were made for several of them.
    pub shares: u64,
    /// Spans by `hotspan.origin`.
    pub by_origin: BTreeMap<&'static str, u64>,
    /// Spans by `hotspan.parent.source`.
    pub by_source: BTreeMap<&'static str, u64>,
    /// Spans and their time by name.
    pub by_region: BTreeMap<String, Work>,
    /// Spans by target.
    pub by_target: BTreeMap<TargetId, u64>,
    /// Work without a parent that may be named, `unsampled` among the reasons.
    pub unattributed: Vec<Unattributed>,
    /// Crossings that became nothing, by reason. Only reasons that occurred.
    pub dropped: BTreeMap<&'static str, u64>,
    /// What else was cut, bent or given up, by what. Only what occurred.
    pub noted: BTreeMap<&'static str, u64>,
    /// Counters of the kernel programs and of the agent, as they stood last.
    pub counters: BTreeMap<String, u64>,
    /// What became of samples and waits. Only what occurred.
    pub evidence: BTreeMap<&'static str, u64>,
    /// Samples that nobody is known for, by the outermost function of theirs that has a name, and
    /// its object.
    pub nobodys_samples: BTreeMap<String, u64>,
    /// What was inferred and became no span, by reason. Only reasons that occurred.
    pub not_inferred: BTreeMap<&'static str, u64>,
    /// How much of the requests' time has a name, by the name of the target's span.
    pub coverage: BTreeMap<String, Coverage>,
}
