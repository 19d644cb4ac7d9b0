//! Rows of samples and waits, to events.
//!
//! A row whose label ends in one of these words holds stacks:
//! - `1/a @`: a sample in each column that holds a letter, in its middle, of an interval of 1 ms;
//!   `@10` of 10 ms; `@1>10`: each says how far those beside it are, the first 1 ms, the last 10 ms;
//!   ` late=9` behind it delivers them at that column;
//! - `1/a @5 changed=7,19`: between the ticks in the middle of columns 7 and 8 what the stack before them shows gave way to what
//!   the one after them shows, as far as that is Python's, and between those of 19 and 20;
//! - `1/a queued`: the same, of a thread that could have run between them, and since it began, and did not;
//! - `1/a cut`: the same, of stacks that do not reach the thread's start;
//! - `2<1 @`: samples of a thread that thread 1 created, by lineage of what is open there;
//! - `2<1/a @`: the same by lineage of the request `a`, in no crossing;
//! - `2<1 lived`: a run is such a thread's life;
//! - `1/a entry`: the stack at the entry of the crossing that begins there;
//! - `1/a EVIDENCE`: a run of a letter is a wait: `runqueue`, `gil`, `fault`, `suspended`, `unknown`,
//!   `idle` (a poll of nothing), else a system call's name.
//!
//! In the row `woke`, a mark is an instant at which thread 1 went on, having waited for work. In the row `span`, a
//! letter is the start of that span of the target, whose name is `GET /LETTER`.

use hotspan_synth::{
    event::{
        Change, Crossing, Event, Frame, ParentRead, Sample, SampleReason, TargetSpan, Wait,
        WaitEvidence,
    },
    ids::TargetId,
    time::{KernelTime, UnixTime},
};

use super::{
    BASE, MS,
    parents::{lineage, read},
    rows::{Run, runs},
    stacks::Stacks,
};

/// Whose evidence a row holds.
pub struct Whose<'a> {
    pub target: u32,
    pub thread: u32,
    /// The thread that made it: what that one has open, its evidence is of by lineage.
    pub creator: Option<u32>,
    pub parent: Option<&'a str>,
    /// When it went on, having waited for work.
    pub woken: &'a [u64],
}

impl Whose<'_> {
    fn idle_until(&self, at: u64) -> Option<KernelTime> {
        let latest = self.woken.iter().filter(|woken| **woken <= at).max();
        latest.copied().map(KernelTime)
    }
}

/// What a row holds besides crossings.
#[derive(Clone, Copy)]
pub enum What<'a> {
    Samples(Samples),
    Entries,
    Waits(&'a str),
}

/// How a row's samples were taken.
#[derive(Clone, Copy)]
pub struct Samples {
    period_ms: u64,
    is_complete: bool,
    is_queued: bool,
    /// The distance behind the last, where each tells its own.
    last_ms: Option<u64>,
}

impl Default for Samples {
    fn default() -> Self {
        Self {
            period_ms: 1,
            is_complete: true,
            is_queued: false,
            last_ms: None,
        }
    }
}

impl Samples {
    /// By what follows the `@`: an interval, or the first and the last one.
    fn every(intervals: &str) -> Self {
        let (first, last) = match intervals.split_once('>') {
            Some((first, last)) => (first, Some(last.parse().expect("an interval"))),
            None => (intervals, None),
        };
        Self {
            period_ms: first.parse().expect("an interval"),
            last_ms: last,
            ..Self::default()
        }
    }
}

impl<'a> What<'a> {
    /// By the last word of the label.
    pub fn of(word: &'a str) -> Self {
        match word {
            "@" => Self::Samples(Samples::default()),
            "queued" => Self::Samples(Samples {
                is_queued: true,
                ..Samples::default()
            }),
            "cut" => Self::Samples(Samples {
                is_complete: false,
                ..Samples::default()
            }),
            "entry" => Self::Entries,
            word => match word.strip_prefix('@') {
                Some(intervals) => Self::Samples(Samples::every(intervals)),
                None => Self::Waits(word),
            },
        }
    }
}

/// A row of samples or waits, with what its letters and its columns stand for.
pub struct EvidenceRow<'a> {
    pub whose: Whose<'a>,
    pub cells: &'a str,
    pub stacks: &'a Stacks,
    pub crossings: &'a [Crossing],
    /// Columns of the last ticks before a change.
    pub changed: Vec<u64>,
}

impl EvidenceRow<'_> {
    /// Its events, each with the time of its delivery.
    pub fn events(&self, what: What<'_>) -> Vec<(u64, Event)> {
        match what {
            What::Samples(samples) => self.samples(samples),
            What::Entries => self.runs(|run, letter| self.entry(run, letter)),
            What::Waits(word) => self.runs(|run, letter| self.wait(run, letter, word)),
        }
    }

    fn runs(&self, event: impl Fn(&Run, char) -> (u64, Event)) -> Vec<(u64, Event)> {
        let runs = runs(self.cells);
        runs.iter()
            .map(|(run, letter)| event(run, *letter))
            .collect()
    }

    fn samples(&self, samples: Samples) -> Vec<(u64, Event)> {
        let drawn = (0..)
            .zip(self.cells.chars())
            .filter(|(_, letter)| *letter != ' ');
        let drawn: Vec<(u64, char)> = drawn.collect();
        let column = |at: Option<usize>| drawn.get(at?).map(|(column, _)| *column);
        let sample = |(index, &(at, letter)): (usize, &(u64, char))| {
            let last = column(index.checked_sub(1));
            let next = column(Some(index + 1));
            let (before_ms, after_ms) = match samples.last_ms {
                Some(last_ms) => (
                    last.map_or(samples.period_ms, |last| at - last),
                    next.map_or(last_ms, |next| next - at),
                ),
                None => (samples.period_ms, 0),
            };
            let queued_ms = if samples.is_queued {
                at - last.unwrap_or(0)
            } else {
                0
            };
            let before = index.checked_sub(1).and_then(|before| drawn.get(before));
            let sample = Sample {
                change: before.and_then(|before| self.change(*before, (at, letter))),
                next_ns: after_ms * MS,
                queued_ns: queued_ms * MS,
                is_complete: samples.is_complete,
                ..self.sample(
                    at * MS + MS / 2,
                    SampleReason::Timer(before_ms * MS),
                    letter,
                )
            };
            (sample.time.0, Event::Sample(sample))
        };
        drawn.iter().enumerate().map(sample).collect()
    }

    /// When the stacks of two columns changed, if it was between these.
    fn change(&self, before: (u64, char), after: (u64, char)) -> Option<Change> {
        let mut changed = self.changed.iter().copied();
        let column = changed.find(|at| (before.0..after.0).contains(at))?;
        let middle = |column: u64| KernelTime(column * MS + MS / 2);
        let (first, second) = (self.stacks.stack(before.1), self.stacks.stack(after.1));
        let is_new = |(index, frame): &(usize, &Frame)| {
            let same = first.get(*index).map(|first| first.function);
            same != Some(frame.function) && self.stacks.is_python(**frame)
        };
        Some(Change {
            since: middle(before.0),
            after: middle(column),
            by: middle(column + 1),
            frames: second.iter().enumerate().filter(is_new).count() as u32,
        })
    }

    fn entry(&self, run: &Run, letter: char) -> (u64, Event) {
        let at = run.start * MS;
        let entered = self.around(at).expect("an entry is a crossing's");
        let reason = SampleReason::Entry(entered.id);
        (at, Event::Sample(self.sample(at, reason, letter)))
    }

    fn sample(&self, time: u64, reason: SampleReason, letter: char) -> Sample {
        Sample {
            target: TargetId(self.whose.target),
            thread: self.whose.thread,
            time: KernelTime(time),
            reason,
            next_ns: 0,
            queued_ns: 0,
            idle_until: self.whose.idle_until(time),
            change: None,
            enclosing: self.around(time).map(|around| around.id),
            parent: self.parent(time),
            context: 0,
            stack: self.stacks.stack(letter),
            is_complete: true,
        }
    }

    fn wait(&self, run: &Run, letter: char, word: &str) -> (u64, Event) {
        let start = run.start * MS;
        let wait = Wait {
            target: TargetId(self.whose.target),
            thread: self.whose.thread,
            start: KernelTime(start),
            early_ns: 0,
            idle_until: self.whose.idle_until(start),
            end: KernelTime(run.end * MS),
            evidence: evidence(word.trim_end_matches(DISK)),
            for_block_device: word.ends_with(DISK),
            enclosing: self.around(start).map(|around| around.id),
            parent: self.parent(start),
            context: 0,
            stack: self.stacks.stack(letter),
            wakeup: None,
        };
        (run.end * MS, Event::Wait(wait))
    }

    /// The innermost crossing at an instant, on the thread or on the one that made it.
    fn around(&self, at: u64) -> Option<&Crossing> {
        let on = |thread: u32| open_at(self.crossings, self.whose.target, thread, at);
        on(self.whose.thread).or_else(|| on(self.whose.creator?))
    }

    fn parent(&self, at: u64) -> ParentRead {
        let Whose {
            thread,
            creator,
            parent,
            ..
        } = self.whose;
        match (parent, self.around(at)) {
            (Some(parent), _) => lineage(read(parent), creator.is_some()),
            (None, Some(around)) => lineage(around.parent.clone(), around.thread != thread),
            (None, None) => read("-"),
        }
    }
}

/// The innermost crossing that a thread has open at an instant.
fn open_at(crossings: &[Crossing], target: u32, thread: u32, at: u64) -> Option<&Crossing> {
    let covers = |crossing: &&Crossing| {
        crossing.target == TargetId(target)
            && crossing.thread == thread
            && crossing.entry.0 <= at
            && crossing.exit.0 > at
    };
    crossings.iter().rfind(covers)
}

/// Ends the word of a wait that the kernel counts as one for a block device.
const DISK: &str = ":disk";

fn evidence(word: &str) -> WaitEvidence {
    match word {
        "runqueue" => WaitEvidence::RunQueue,
        "gil" => WaitEvidence::Gil,
        "fault" => WaitEvidence::Fault,
        "suspended" => WaitEvidence::Suspended,
        "unknown" => WaitEvidence::Unknown,
        "idle" => WaitEvidence::Syscall {
            name: "poll".to_owned(),
            is_idle: true,
        },
        name => WaitEvidence::Syscall {
            name: name.to_owned(),
            is_idle: false,
        },
    }
}

/// What the target says of one of its spans.
pub fn span(letter: char, column: u64) -> Event {
    let ParentRead::Found(parent) = read(&letter.to_string()) else {
        panic!("a span has a letter");
    };
    Event::Span(TargetSpan {
        target: TargetId(1),
        trace_id: parent.trace_id,
        span_id: parent.span_id,
        name: format!("GET /{letter}"),
        start: UnixTime(BASE + column * MS),
    })
}
