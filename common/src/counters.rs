//! Everything the kernel side counts. Nothing is lost without one of these going up.

use crate::wire_enum;

wire_enum! {
    /// Index into the per-CPU counters map.
    Counter: u32 {
        /// Entry probes that ran.
        Entries = 0,
        /// Exit probes that ran.
        Exits = 1,
        /// Crossings sent to the agent.
        Sent = 2,
        /// Crossings shorter than their region's minimum, kept in the kernel.
        Folded = 3,
        /// Exits without an open crossing: entered before the region was armed, or another function's exit.
        ExitWithoutEntry = 4,
        /// Entries not followed because the thread has `MAX_DEPTH` open crossings.
        TooDeep = 5,
        /// Entries not followed because the threads map is full.
        ThreadsFull = 6,
        /// Crossings whose ring reserve failed and that were parked for the agent's sweep.
        Parked = 7,
        /// Crossings lost: ring full and no place to park.
        CrossingsLost = 8,
        /// Crossings not emitted because two stacks could not be told apart.
        Ambiguous = 9,
        /// Crossings closed without their exit (exception, longjmp, thread death, replaced).
        LostExits = 10,
        /// Hits beyond a region's rate limit, from the limit until the probe is gone.
        OverRate = 11,
        /// Control events lost because their ring was full.
        ControlLost = 12,
        /// Thread events lost because the ring was full.
        ThreadEventsLost = 13,
        /// Decoder reads that failed.
        ReadFailed = 14,
        /// Reads that failed at first and succeeded through `copy_from_user`.
        ReadFaulted = 15,
        /// Notes without a crossing to belong to.
        NoteWithoutCrossing = 16,
        /// Crossings without a parent: unattributed.
        WithoutParent = 17,
        /// Crossings under a parent that is not sampled.
        Unsampled = 18,
        /// Births not noted because the map of births is full: those threads inherit nothing.
        BirthsFull = 19,
        /// Child processes not followed because the targets map is full.
        TargetsFull = 20,
        /// Decoder reads that met a null pointer, by which libraries say that there is nothing.
        ReadNull = 21,
        /// Stacks sent to the agent: by the timer, at a region, for a wait, for a suspended coroutine.
        Samples = 22,
        /// Ticks of the sampler's timer on a target's thread that works for no request.
        SamplesNotAtWork = 23,
        /// Stacks not sent because the parent is not sampled.
        SamplesUnsampled = 24,
        /// Stacks not sent because the crossing around them has no parent.
        SamplesWithoutParent = 25,
        /// Stacks lost because the ring was full.
        SamplesLost = 26,
        /// Stacks of which not one byte could be read.
        StacksUnreadable = 27,
        /// Stacks whose Python frames end at something that is no code object.
        PythonFramesBroken = 28,
        /// Stacks whose Python frames are cut, as there are too many or one could not be read.
        PythonFramesCut = 29,
        /// Threads not sampled because the map of sampled threads is full.
        WorkersFull = 30,
        /// Waits of which nothing more is known, as looking would have cost the thread too much.
        WaitsUnseen = 31,
        /// Context walks, one counter for each outcome (`ContextOutcome` is added to this index).
        ContextBase = 32,
        /// Crossings sent without their Python callers, as there were too many of them.
        CallersUnseen = 48,
        /// Suspended coroutines not told of, as there were too many of them or they could not be read.
        AwaitsUnseen = 49,
        /// Steps of asyncio's tasks that were seen.
        Resumes = 50,
        /// Entries that a crossing of their group had made: not counted twice.
        PartOfAnother = 51,
        /// Entries that are not counted by what they were called with, as the map of such counts is full.
        CountsFull = 52,
        /// Looks at a thread, at a tick or as it stopped running, whose active span could not be read: what it
        /// does then is not told of.
        WorkUnreadable = 53,
        /// Threads that stopped or went on without the scheduler's tracepoint telling, seen at the next switch: what
        /// they waited for is not told of. It happens when another tool begins or ends to trace the scheduler.
        SwitchesMissed = 54,
        /// Stacks among those sent that were followed by the next more closely than usual.
        SamplesDense = 55,
        /// Requests sampled no more densely than usual, from their beginning or from some point on, as there
        /// were too many of them.
        NotDense = 56,
        /// Stacks that were to go on into the kernel, and of which the kernel told nothing.
        KernelStacksUnread = 57,
        /// Conditional exit probes that were hit by a call that goes on.
        PassedExits = 58,
        /// Entries of a moment's function that another one had called than the moment's.
        OtherCallers = 59,
        /// Tasks that were made of what was read from a socket, and when that came in is not known: the port's first, of
        /// data that was read only in part, or one of too many.
        ArrivalsUnknown = 60,
        /// Dense stacks that were not taken, as the thread was in a region whose inside nobody asks about.
        SamplesSpared = 61,
    }
}

impl Counter {
    /// Number of slots in the counters map.
    pub const SLOTS: u32 = 64;
}
