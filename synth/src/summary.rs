//! What became of everything that came in.

use std::{collections::BTreeMap, sync::Arc};

use rustc_hash::FxHashMap;
use serde::Serialize;

pub use crate::inference::Coverage;
use crate::{
    crossings::{regions::KnownRegion, unattributed::UnattributedWork},
    ids::TargetId,
    inference::{CoverageTally, Origin},
};

macro_rules! counts {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$doc])* $variant),* }

        impl $name {
            /// All of them, in the order of the summary.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name that the summary shows.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }
    };
}

counts! {
    /// Why a crossing became no span of its own.
    Dropped {
        /// Its region was never announced.
        UnknownRegion = "unknown_region",
        /// It does not meet the condition under which crossings of its region count.
        ConditionNotMet = "condition_not_met",
        /// No comparison of the clocks has come in.
        NoClock = "no_clock",
        /// A crossing of the same number has ended before.
        Duplicate = "duplicate_crossing",
        /// The trace has as many spans as it may.
        SpansPerTrace = "limit.spans_per_trace",
        /// The second has as many spans as it may.
        SpansPerSecond = "limit.spans_per_second",
        /// It lies too deep in synthetic spans.
        Depth = "limit.depth",
        /// The parent has as many worker spans as it may; summed on the parent if that is synthetic.
        WorkersPerParent = "limit.workers_per_parent",
        /// It lies in a worker's crossing that was summed.
        InSummedWorker = "in_summed_worker",
        /// It was sent for what it did to a device's memory, and is too short for a span.
        Brief = "brief",
        /// A span event whose enclosing crossing became no span, or whose span is gone already.
        EventWithoutSpan = "event_without_span",
        /// A span event beyond those that are held for open spans.
        HeldEvents = "limit.waiting_events",
    }
}

counts! {
    /// What else was cut, bent or given up.
    Noted {
        /// An enclosing crossing did not come in time; the nearest known ancestor, or the parent
        /// read at the entry, was named instead.
        EnclosingLost = "enclosing_lost",
        /// The same, because too many crossings were waiting.
        WaitingCrossings = "limit.waiting_crossings",
        /// An open crossing was closed because too many are open.
        OpenCrossings = "limit.open_crossings",
        /// A crossing that never ended was closed when hotspan detached.
        NeverEnded = "never_ended",
        /// An event cut off a span with too many.
        EventsPerSpan = "limit.events_per_span",
        /// An attribute cut off a span or event with too many.
        Attributes = "limit.attributes",
        /// A text attribute that was cut short.
        AttributeBytes = "limit.attribute_bytes",
        /// An attribute whose key the span has already.
        DuplicateAttribute = "duplicate_attribute",
        /// A trace, or a parent of workers, whose count was forgotten for newer ones.
        TracesForgotten = "limit.traces",
        /// An enclosing crossing that is younger than what it encloses.
        BadEnclosing = "bad_enclosing",
        /// An end before the entry, or a last proof outside of both.
        BadTimes = "bad_times",
        /// A start or end that was moved into the parent, by less than the error of both.
        BoundsClamped = "bounds_clamped",
        /// A start or end outside of the parent by more than that, left as it is.
        OutsideParent = "outside_parent",
        /// A span that stands for many crossings and was closed because too many are being joined.
        Sequences = "limit.sequences",
        /// A request whose engine calls were numbered so far only, because too many requests are followed.
        NumberedRequests = "limit.numbered_requests",
        /// A step for several requests, forgotten for newer ones: the share of one that goes on for long may lack
        /// it.
        SharedSteps = "limit.shared_steps",
        /// A request whose share of an engine's steps is left out, as it is not known of all of them whom they
        /// served.
        SharesUnknown = "shares_unknown",
        /// A target of which it is not known any more how much device memory it holds: an allocation could
        /// not be followed, a context was ended, or there are too many allocations.
        MemoryUnknown = "device_memory_unknown",
        /// An ended thread whose creating crossing never came, or whose span is gone already.
        ThreadWithoutSpan = "thread_without_span",
    }
}

counts! {
    /// What became of a sample or a wait.
    SampleUse {
        /// It is evidence of a request.
        Used = "samples.used",
        /// Of a thread that a request's thread made, and that has not ended with the request: what it does may be anybody's.
        Outlives = "samples.of_threads_that_live_on",
        /// It is a worker's, by lineage: evidence of what works beside the request's own threads.
        Worker = "samples.of_workers",
        /// A worker's whose stack does not reach the thread's start.
        WorkersIncomplete = "samples.of_workers_incomplete",
        /// Its parent is not sampled.
        Unsampled = "samples.unsampled",
        /// Its stack does not reach the thread's start, nor a framework above a handler.
        Incomplete = "samples.incomplete_stack",
        /// Nobody is known that it worked for.
        Nobodys = "samples.unattributed",
        /// A wait that is evidence of a request.
        WaitUsed = "waits.used",
        /// A worker's wait: it says nothing of the request.
        WorkersWait = "waits.of_workers",
        /// A wait in nobody's service.
        NobodysWait = "waits.unattributed",
        /// A wait that ended before it began.
        EmptyWait = "waits.bad_times",
        /// A framework awaited a handler, which is the handler's time.
        FrameworkWait = "waits.of_frameworks",
        /// Evidence of time that spans have been made of already.
        TooLate = "too_late",
        /// Evidence in a crossing that was still open when its request had to end.
        InOpenCrossing = "in_open_crossing",
        /// A sample that another of its request stands for, which has too many.
        Thinned = "limit.samples_per_request",
        /// A request that went on for so long that its first part went out alone.
        Parted = "limit.longest_request",
        /// A function beyond those that stacks may name.
        FunctionsLimit = "limit.functions",
        /// A request ended early, because too much was held.
        RequestEvicted = "limit.held_requests",
    }
}

counts! {
    /// Why something that was inferred became no span.
    NotInferred {
        /// No comparison of the clocks has come in.
        NoClock = "no_clock",
        /// Nothing of it lies inside of its parent.
        Empty = "empty",
        /// The request has as many inferred spans as it may.
        SpansPerRequest = "limit.spans_per_request",
        /// It lies too deep in synthetic spans.
        Depth = "limit.depth",
        /// The trace has as many spans as it may.
        SpansPerTrace = "limit.spans_per_trace",
        /// The second has as many spans as it may.
        SpansPerSecond = "limit.spans_per_second",
    }
}

impl From<Dropped> for NotInferred {
    fn from(reason: Dropped) -> Self {
        match reason {
            Dropped::Depth => Self::Depth,
            Dropped::SpansPerSecond => Self::SpansPerSecond,
            _ => Self::SpansPerTrace,
        }
    }
}

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

/// The summary in the making, without allocation on the common path.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub crossings: u64,
    pub joined: u64,
    pub span_events: u64,
    pub shares: u64,
    spans: u64,
    by_source: BTreeMap<&'static str, u64>,
    by_region: FxHashMap<Arc<str>, Work>,
    by_target: BTreeMap<TargetId, u64>,
    pub unattributed: UnattributedWork,
    dropped: BTreeMap<Dropped, u64>,
    noted: BTreeMap<Noted, u64>,
    counters: BTreeMap<String, u64>,
    by_origin: BTreeMap<Origin, u64>,
    evidence: BTreeMap<SampleUse, u64>,
    nobodys_samples: BTreeMap<String, u64>,
    not_inferred: BTreeMap<NotInferred, u64>,
    pub coverage: CoverageTally,
}

/// Names under which samples that nobody is known for are counted.
const NOBODYS_NAMES: usize = 100;

impl Tally {
    pub fn sampled(&mut self, what: SampleUse) {
        *self.evidence.entry(what).or_default() += 1;
    }

    pub fn evidence(&mut self, what: SampleUse, pieces: usize) {
        if pieces > 0 {
            *self.evidence.entry(what).or_default() += pieces as u64;
        }
    }

    /// Counts a sample that nobody is known for, by object and function.
    pub fn nobodys_sample(&mut self, place: Option<(&str, &str)>) {
        self.sampled(SampleUse::Nobodys);
        let name = place.map(|(object, function)| format!("{function} ({object})"));
        let name = name.unwrap_or_else(|| "(unnamed)".to_owned());
        let is_known = self.nobodys_samples.contains_key(&name);
        let has_room = is_known || self.nobodys_samples.len() < NOBODYS_NAMES;
        let name = if has_room { name } else { "(other)".to_owned() };
        *self.nobodys_samples.entry(name).or_default() += 1;
    }

    pub fn not_inferred(&mut self, reason: NotInferred, spans: usize) {
        *self.not_inferred.entry(reason).or_default() += spans as u64;
    }

    /// Counts a span that is not a crossing's.
    pub fn inferred(&mut self, target: TargetId, origin: Origin, source: &'static str) {
        self.emitted(target, origin, source);
    }

    fn emitted(&mut self, target: TargetId, origin: Origin, source: &'static str) {
        self.spans += 1;
        *self.by_origin.entry(origin).or_default() += 1;
        *self.by_source.entry(source).or_default() += 1;
        *self.by_target.entry(target).or_default() += 1;
    }

    pub fn dropped(&mut self, reason: Dropped) {
        *self.dropped.entry(reason).or_default() += 1;
    }

    pub fn noted(&mut self, what: Noted, times: u64) {
        if times > 0 {
            *self.noted.entry(what).or_default() += times;
        }
    }

    pub fn span(&mut self, target: TargetId, region: &KnownRegion, source: &'static str, ns: u64) {
        self.emitted(target, Origin::Probe, source);
        self.by_region
            .entry(Arc::clone(&region.name))
            .or_default()
            .add(ns);
    }

    pub fn counter(&mut self, name: String, total: u64) {
        self.counters.insert(name, total);
    }

    pub fn summary(&self) -> Summary {
        Summary {
            crossings: self.crossings,
            spans: self.spans,
            joined: self.joined,
            span_events: self.span_events,
            shares: self.shares,
            by_origin: self
                .by_origin
                .iter()
                .map(|(origin, &n)| (origin.name(), n))
                .collect(),
            by_source: self.by_source.clone(),
            by_region: self
                .by_region
                .iter()
                .map(|(name, work)| (name.to_string(), *work))
                .collect(),
            by_target: self.by_target.clone(),
            unattributed: self.unattributed.summary(),
            dropped: self
                .dropped
                .iter()
                .map(|(reason, &n)| (reason.name(), n))
                .collect(),
            noted: self
                .noted
                .iter()
                .map(|(what, &n)| (what.name(), n))
                .collect(),
            counters: self.counters.clone(),
            evidence: self
                .evidence
                .iter()
                .map(|(what, &n)| (what.name(), n))
                .collect(),
            nobodys_samples: self.nobodys_samples.clone(),
            not_inferred: self
                .not_inferred
                .iter()
                .map(|(reason, &n)| (reason.name(), n))
                .collect(),
            coverage: self.coverage.by_name(),
        }
    }
}
