//! What is counted, each with the name that the summary shows.

use serde::Serialize;

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
        /// A pool's thread waited for work.
        PoolsWait = "waits.of_pools",
        /// A pool's thread fetched its work, or handed on what came of it.
        Pools = "samples.of_pools",
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
        /// A sample or a wait in a run that infers nothing.
        NotInferred = "not_inferred",
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
