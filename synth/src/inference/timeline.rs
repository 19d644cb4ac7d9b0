//! A thread's evidence in the order of time, each piece with the interval that it stands for.

use std::sync::Arc;

use super::{functions::Functions, waits::Cause};
use crate::{
    event::{Frame, Sample},
    ids::FunctionId,
    settings::Inference,
    time::KernelTime,
};

/// Sampling intervals without evidence after which nothing is said of the time between.
const HOLE_INTERVALS: u64 = 3;
/// Waits for a CPU and for the interpreter's lock that are shorter than a span and make up no more
/// than this part of the time are summed and not shown: they hit whoever runs.
const CONTENTION_PART: u64 = 10;
/// Waits on the interpreter's lock that follow each other this closely are one, in nanoseconds: a
/// waiter wakes up every 5 ms to ask for the lock.
const SAME_WAIT_NS: u64 = 200_000;

/// What was seen of a thread.
#[derive(Clone, Debug)]
pub(crate) struct Evidence {
    pub start: KernelTime,
    /// The same as the start for a sample.
    pub end: KernelTime,
    pub kind: Kind,
    /// For how long the thread could have run and did not before a sample, since its last stack or its birth.
    pub queued_ns: u64,
    /// How much earlier a wait may have begun.
    pub early_ns: u64,
    /// Outermost first, from where the chain above the handler ends.
    pub stack: Vec<Frame>,
    /// Where it was in the kernel, outermost first, if that is known.
    pub kernel: Vec<Frame>,
    /// Whether the stack was taken without what called its outermost function.
    pub is_cut: bool,
    /// When the thread last served another request before it.
    pub earliest: Option<KernelTime>,
    /// When it next did.
    pub latest: Option<KernelTime>,
}

/// What kind of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The thread had been looked at so long before, and was to be so long after, in nanoseconds.
    Sample {
        before_ns: u64,
        after_ns: u64,
    },
    Wait(Cause),
}

impl Kind {
    /// A stack; 0 after it: as before it.
    pub fn sample(before_ns: u64, after_ns: u64) -> Self {
        let after_ns = if after_ns == 0 { before_ns } else { after_ns };
        Self::Sample {
            before_ns,
            after_ns,
        }
    }
}

/// One side of a segment.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub time: KernelTime,
    pub bound: Bound,
    /// For how long the thread could have run and did not before it, since its last stack.
    pub queued_ns: u64,
    /// How much earlier what lies behind it may have begun, in nanoseconds.
    pub early_ns: u64,
    /// The region on the other side.
    pub region: Option<Arc<str>>,
    /// The functions that called it, outermost first, down to the innermost of the application's.
    pub callers: Vec<Frame>,
}

impl Edge {
    /// One without a region beyond it.
    pub fn plain(time: KernelTime, bound: Bound) -> Self {
        Self {
            time,
            bound,
            queued_ns: 0,
            early_ns: 0,
            region: None,
            callers: Vec::new(),
        }
    }
}

/// What is known of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// Nothing.
    Open,
    /// It is the request's start, by the target's own record.
    Start,
    /// The request's task waited for this thread until then, or from then on.
    Handed,
    /// The thread went on then, having waited for work.
    Woken,
    /// The thread began then, or ended.
    Life,
    /// It is a crossing's.
    Exact,
}

/// Evidence with the interval that it stands for.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub start: KernelTime,
    pub end: KernelTime,
    /// How far the sides of what it shows at work may be off; those of a wait itself are exact.
    pub start_error_ns: u64,
    pub end_error_ns: u64,
    /// 0 for waits.
    pub samples: u32,
    /// How much earlier a wait may have begun, or what begins at an edge that may be late.
    pub early_ns: u64,
    /// A wait that becomes a span.
    pub wait: Option<Cause>,
    /// A wait that does not.
    pub lost: Option<Cause>,
    pub frames: Vec<Frame>,
    /// Where the thread was in the kernel.
    pub kernel: Vec<Frame>,
    /// The stack was taken without who called its outermost function.
    pub is_cut: bool,
    /// Nothing is known of the time before it.
    pub after_hole: bool,
    /// It lies between waits: the thread ran, and both of them show where.
    pub is_between: bool,
}

impl Piece {
    pub fn function(&self, depth: usize) -> Option<FunctionId> {
        self.frames.get(depth).map(|frame| frame.function)
    }

    pub fn duration_ns(&self) -> u64 {
        self.end.since(self.start)
    }

    /// Whether it shows its functions at work, and not only that they waited.
    pub fn has_worked(&self) -> bool {
        self.samples > 0 || self.is_between
    }

    /// The time between two waits on a thread, in what their stacks have in common.
    fn between(first: &Evidence, second: &Evidence) -> Self {
        let both = first.stack.iter().zip(&second.stack);
        let common = both.take_while(|(a, b)| a.function == b.function);
        Self {
            start: first.end,
            end: second.start,
            start_error_ns: 0,
            end_error_ns: 0,
            samples: 0,
            early_ns: 0,
            wait: None,
            lost: None,
            frames: common.map(|(frame, _)| *frame).collect(),
            kernel: Vec::new(),
            is_cut: false,
            after_hole: false,
            is_between: true,
        }
    }
}

/// Lays evidence, which is in the order of time and inside of the edges, out between them.
pub(super) fn lay_out(
    evidence: &[Evidence],
    left: &Edge,
    right: &Edge,
    rules: &Inference,
) -> Vec<Piece> {
    let merged = merge_waits(evidence);
    let shown = is_contention_shown(&merged, rules);
    let mut pieces: Vec<Piece> = Vec::with_capacity(merged.len());
    for (index, here) in merged.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| merged.get(before));
        let after = merged.get(index + 1);
        let (start, start_error_ns, after_hole) = match before {
            Some(before) => between(before, here, rules).start_of_second(here, rules),
            None => first(here, left, rules),
        };
        let (end, end_error_ns) = match after {
            Some(after) => between(here, after, rules).end_of_first(here, rules),
            None => last(here, right, rules),
        };
        let (wait, lost) = match here.kind {
            Kind::Sample { .. } => (None, None),
            Kind::Wait(cause) if is_span(here, cause, shown, rules) => (Some(cause), None),
            Kind::Wait(cause) => (None, Some(cause)),
        };
        if let Some(before) = before
            && before.is_wait()
            && here.is_wait()
            && !after_hole
            && before.end < here.start
        {
            pieces.push(Piece::between(before, here));
        }
        pieces.push(Piece {
            start: start.max(left.time),
            end: end.max(start),
            start_error_ns,
            end_error_ns,
            samples: u32::from(matches!(here.kind, Kind::Sample { .. })),
            early_ns: if before.is_none() && wait.or(lost).is_none() {
                left.early_ns
            } else {
                here.early_ns
            },
            wait,
            lost,
            frames: here.stack.clone(),
            kernel: here.kernel.clone(),
            is_cut: here.is_cut,
            after_hole,
            is_between: false,
        });
    }
    pieces
}

/// Drops frames of the kernel, and those above the handler.
pub(super) fn handler_frames(stack: &[Frame], functions: &Functions) -> Vec<Frame> {
    frames_from(functions.handler(stack), stack, functions)
}

/// The same, if it is known where the handler begins.
pub(super) fn frames_from(from: usize, stack: &[Frame], functions: &Functions) -> Vec<Frame> {
    let inside = stack.get(from..).unwrap_or_default();
    let is_user = |frame: &&Frame| !functions.is_kernel(frame.function);
    inside
        .iter()
        .filter(is_user)
        .take(MAX_FRAMES)
        .copied()
        .collect()
}

/// Those of the kernel, which stand below all others.
pub(super) fn kernel_frames(stack: &[Frame], functions: &Functions) -> Vec<Frame> {
    let of_kernel = |frame: &&Frame| functions.is_kernel(frame.function);
    stack.iter().filter(of_kernel).copied().collect()
}

/// Frames of a stack that are looked at; what lies deeper is no span of its own.
const MAX_FRAMES: usize = 192;

/// What lies between two pieces of evidence.
enum Between {
    /// They stand for all of it, and meet here.
    Meet { at: KernelTime, error_ns: u64 },
    /// Nothing is known of its middle.
    Hole,
}

/// Whether nothing is known of the middle of the time between two pieces of evidence.
pub(super) fn is_hole(first: &Evidence, second: &Evidence, rules: &Inference) -> bool {
    let known_ns = first.after_hole_ns(rules).max(second.before_hole_ns(rules));
    // A thread that has only lost the CPU is where it was.
    let is_sampled = !first.is_wait() && !second.is_wait();
    let queued_ns = if is_sampled { second.queued_ns } else { 0 };
    second.start.since(first.end).saturating_sub(queued_ns) > known_ns
}

fn between(first: &Evidence, second: &Evidence, rules: &Inference) -> Between {
    if is_hole(first, second, rules) {
        return Between::Hole;
    }
    let distance = second.start.since(first.end);
    let at = match (first.kind, second.kind) {
        // What runs until a wait begins, or from its end on, is not the wait.
        (Kind::Wait(_), Kind::Sample { .. }) => first.end,
        (Kind::Sample { .. }, Kind::Wait(_)) => second.start,
        _ => KernelTime(first.end.0 + distance / 2),
    };
    Between::Meet {
        at,
        error_ns: distance,
    }
}

impl Between {
    fn start_of_second(&self, second: &Evidence, rules: &Inference) -> (KernelTime, u64, bool) {
        match (self, second.kind) {
            (Self::Meet { error_ns, .. }, Kind::Wait(_)) => (second.start, *error_ns, false),
            (Self::Hole, Kind::Wait(_)) => (second.start, rules.interval_ns(), true),
            (Self::Meet { at, error_ns }, Kind::Sample { .. }) => (*at, *error_ns, false),
            (Self::Hole, Kind::Sample { before_ns, .. }) => (second.half_before(), before_ns, true),
        }
    }

    fn end_of_first(&self, first: &Evidence, rules: &Inference) -> (KernelTime, u64) {
        match (self, first.kind) {
            (Self::Meet { error_ns, .. }, Kind::Wait(_)) => (first.end, *error_ns),
            (Self::Hole, Kind::Wait(_)) => (first.end, rules.interval_ns()),
            (Self::Meet { at, error_ns }, Kind::Sample { .. }) => (*at, *error_ns),
            (Self::Hole, Kind::Sample { after_ns, .. }) => (first.reach(), after_ns),
        }
    }
}

impl Evidence {
    /// A whole stack that the timer took, so long after the thread was looked at before.
    pub fn tick(sample: &Sample, before_ns: u64, stack: Vec<Frame>, functions: &Functions) -> Self {
        Self {
            start: sample.time,
            end: sample.time,
            kind: Kind::sample(before_ns, sample.next_ns),
            queued_ns: sample.queued_ns,
            early_ns: 0,
            stack,
            kernel: kernel_frames(&sample.stack, functions),
            is_cut: false,
            earliest: None,
            latest: None,
        }
    }

    fn is_wait(&self) -> bool {
        matches!(self.kind, Kind::Wait(_))
    }

    /// For how long the thread ran before a sample, since it was last looked at.
    pub fn before_ns(&self) -> u64 {
        self.distances_ns().0
    }

    fn distances_ns(&self) -> (u64, u64) {
        match self.kind {
            Kind::Sample {
                before_ns,
                after_ns,
            } => (before_ns, after_ns),
            Kind::Wait(_) => (0, 0),
        }
    }

    /// The earliest instant that it stands for.
    fn half_before(&self) -> KernelTime {
        let half = KernelTime(self.start.0.saturating_sub(self.distances_ns().0 / 2));
        self.not_before(half)
    }

    fn not_before(&self, time: KernelTime) -> KernelTime {
        self.earliest.map_or(time, |earliest| time.max(earliest))
    }

    fn not_after(&self, time: KernelTime) -> KernelTime {
        self.latest.map_or(time, |latest| time.min(latest))
    }

    /// The latest instant that it stands for.
    pub fn reach(&self) -> KernelTime {
        self.not_after(KernelTime(
            self.end.0.saturating_add(self.distances_ns().1 / 2),
        ))
    }

    fn before_hole_ns(&self, rules: &Inference) -> u64 {
        hole_ns(self.distances_ns().0, rules)
    }

    fn after_hole_ns(&self, rules: &Inference) -> u64 {
        hole_ns(self.distances_ns().1, rules)
    }
}

/// What may lie between two stacks, of which the one tells this distance.
fn hole_ns(distance_ns: u64, rules: &Inference) -> u64 {
    distance_ns
        .saturating_mul(HOLE_INTERVALS)
        .max(rules.hole_ns)
}

fn first(here: &Evidence, left: &Edge, rules: &Inference) -> (KernelTime, u64, bool) {
    let distance = here.start.since(left.time);
    let queued_ns = if left.bound == Bound::Life {
        here.queued_ns
    } else {
        0
    };
    match here.kind {
        Kind::Wait(_) => (here.start, beside(left, distance, rules), false),
        Kind::Sample { .. }
            if left.bound != Bound::Open
                && distance.saturating_sub(queued_ns) <= here.before_hole_ns(rules) =>
        {
            (here.not_before(left.time), distance, false)
        }
        Kind::Sample { before_ns, .. } => (here.half_before().max(left.time), before_ns, false),
    }
}

fn last(here: &Evidence, right: &Edge, rules: &Inference) -> (KernelTime, u64) {
    let distance = right.time.since(here.end);
    match here.kind {
        Kind::Wait(_) => (here.end, beside(right, distance, rules)),
        Kind::Sample { .. }
            if right.bound != Bound::Open
                && distance.saturating_sub(right.queued_ns) <= here.after_hole_ns(rules) =>
        {
            (here.not_after(right.time), distance)
        }
        Kind::Sample { after_ns, .. } => (here.reach().min(right.time), after_ns),
    }
}

/// How much earlier or later than a wait its functions may have begun or ended.
fn beside(edge: &Edge, distance_ns: u64, rules: &Inference) -> u64 {
    if edge.bound != Bound::Open && distance_ns <= rules.hole_ns {
        distance_ns
    } else {
        rules.interval_ns()
    }
}

/// Waits that lie in each other or follow each other closely for the same cause become one; of
/// others that overlap, the later is cut.
fn merge_waits(evidence: &[Evidence]) -> Vec<Evidence> {
    let mut merged: Vec<Evidence> = Vec::with_capacity(evidence.len());
    for here in evidence {
        let mut here = here.clone();
        if let Some(last) = merged.last_mut() {
            if last.kind == Kind::Wait(Cause::Gil)
                && here.kind == last.kind
                && here.start.since(last.end) <= SAME_WAIT_NS
                && is_same_place(&last.stack, &here.stack)
            {
                last.end = last.end.max(here.end);
                continue;
            }
            if here.end <= last.end && here.start < last.end {
                continue;
            }
            here.start = here.start.max(last.end);
        }
        merged.push(here);
    }
    merged
}

fn is_same_place(first: &[Frame], second: &[Frame]) -> bool {
    let functions = |stack: &[Frame]| stack.iter().map(|frame| frame.function).collect::<Vec<_>>();
    functions(first) == functions(second)
}

fn is_span(here: &Evidence, cause: Cause, contention_shown: bool, rules: &Inference) -> bool {
    let ns = here.end.since(here.start);
    ns >= rules.min_wait_ns
        && (!cause.is_contention() || contention_shown || ns >= rules.min_span_ns)
}

fn is_contention_shown(evidence: &[Evidence], rules: &Inference) -> bool {
    let Some((first, last)) = evidence.first().zip(evidence.last()) else {
        return false;
    };
    let is_short = |here: &&Evidence| {
        matches!(here.kind, Kind::Wait(cause) if cause.is_contention())
            && here.end.since(here.start) < rules.min_span_ns
    };
    let short: u64 = evidence
        .iter()
        .filter(is_short)
        .map(|here| here.end.since(here.start))
        .fold(0, u64::saturating_add);
    short.saturating_mul(CONTENTION_PART) > last.end.since(first.start)
}
