//! Samples and waits drawn as text, to events.
//!
//! A line `LETTER = FUNCTIONS` is a stack, outermost first: `name` is the application's, `fw:name` a
//! framework's, `lib:name` a package's, `c:name` native, `libc:name` of the C library, `bin:name` of a launcher, `task:name` of asyncio's module, `uv:name` of uvloop's,
//! `?:name` native without a symbol, `name:7`
//! is at its line 7. A row whose label ends in one of these words holds stacks:
//! - `1/a @`: a sample in each column that holds a letter, in its middle, of an interval of 1 ms;
//!   `@10` of 10 ms; `@1>10`: each says how far those beside it are, the first 1 ms, the last 10 ms;
//!   ` late=9` behind it delivers them at that column;
//! - `1/a queued`: the same, of a thread that could have run between them, and since it began, and did not;
//! - `2<1 @`: samples of a thread that thread 1 created, by lineage of what is open there;
//! - `2<1/a @`: the same by lineage of the request `a`, in no crossing;
//! - `2<1 lived`: a run is such a thread's life;
//! - `1/a cut`: the same, of stacks that do not reach the thread's start;
//! - `1/a entry`: the stack at the entry of the crossing that begins there;
//! - `1/a EVIDENCE`: a run of a letter is a wait: `runqueue`, `gil`, `fault`, `suspended`, `unknown`,
//!   `idle` (a poll of nothing), else a system call's name.
//!
//! In the row `woke`, a mark is an instant at which thread 1 went on, having waited for work. In the row `span`, a letter is the start of that span of the target, whose name is `GET /LETTER`.

use std::collections::BTreeMap;

use hotspan_synth::{
    event::{
        Crossing, Event, Frame, Function, Language, ParentRead, Sample, SampleReason, TargetSpan,
        Wait, WaitEvidence,
    },
    ids::{FunctionId, TargetId},
    time::{KernelTime, UnixTime},
};

use crate::timeline::{BASE, MS, Run, lineage, read};

/// The stacks of a drawing and their functions.
#[derive(Default)]
pub struct Stacks {
    by_letter: BTreeMap<char, Vec<Frame>>,
    functions: Vec<(String, Function)>,
}

impl Stacks {
    /// Reads the lines that define stacks.
    pub fn read(drawing: &str) -> Self {
        let mut stacks = Self::default();
        for (letter, functions) in drawing.lines().filter_map(|line| line.split_once(" = ")) {
            let letter = letter.trim().chars().next().expect("a letter");
            let frames = functions.split_whitespace().map(|word| stacks.frame(word));
            let frames = frames.collect();
            stacks.by_letter.insert(letter, frames);
        }
        stacks
    }

    pub fn announcements(&self) -> Vec<Event> {
        let functions = self.functions.iter();
        functions
            .map(|(_, function)| Event::Function(function.clone()))
            .collect()
    }

    fn frame(&mut self, word: &str) -> Frame {
        let (word, line) = match word.rsplit_once(':') {
            Some((word, line)) if line.parse::<u32>().is_ok() => {
                (word, line.parse().expect("a line"))
            }
            _ => (word, 0),
        };
        let at = self.functions.iter().position(|(known, _)| known == word);
        let at = at.unwrap_or_else(|| {
            let id = FunctionId(self.functions.len() as u32);
            self.functions.push((word.to_owned(), function(id, word)));
            self.functions.len() - 1
        });
        Frame {
            function: FunctionId(at as u32),
            line,
        }
    }

    fn stack(&self, letter: char) -> Vec<Frame> {
        let stack = self.by_letter.get(&letter);
        stack.unwrap_or_else(|| panic!("no stack {letter}")).clone()
    }
}

fn function(id: FunctionId, word: &str) -> Function {
    let (kind, name) = word.split_once(':').unwrap_or(("", word));
    let python = |file: &str| {
        (
            Language::Python,
            file.to_owned(),
            file.rsplit('/').next().unwrap_or(file).to_owned(),
        )
    };
    let (language, file, object) = match kind {
        "fw" => python("/venv/lib/python3.11/site-packages/starlette/routing.py"),
        "lib" => python("/venv/lib/python3.11/site-packages/solver/model.py"),
        "other" => python("/venv/lib/python3.11/site-packages/shop/orders.py"),
        "bin" => python("/venv/bin/uvicorn"),
        "asyncio" => python("/usr/lib/python3.11/asyncio/tasks.py"),
        "c" => (Language::Native, String::new(), "libtest.so".to_owned()),
        "libc" => (Language::Native, String::new(), "libc.so.6".to_owned()),
        "task" => (
            Language::Native,
            String::new(),
            "_asyncio.cpython-311-x86_64-linux-gnu.so".to_owned(),
        ),
        "uv" => (
            Language::Native,
            String::new(),
            "loop.cpython-311-x86_64-linux-gnu.so".to_owned(),
        ),
        "?" => (Language::Unnamed, String::new(), "libtest.so".to_owned()),
        "kernel" => (Language::Kernel, String::new(), "vmlinux".to_owned()),
        "" => python("/app/main.py"),
        other => panic!("no such kind of function: {other}"),
    };
    Function {
        id,
        language,
        name: name.to_owned(),
        qualified: name.to_owned(),
        file,
        object,
    }
}

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
    Samples {
        period_ms: u64,
        is_complete: bool,
        is_queued: bool,
        /// The distance behind the last, where each tells its own.
        last_ms: Option<u64>,
    },
    Entries,
    Waits(&'a str),
}

impl<'a> What<'a> {
    /// By the last word of the label.
    pub fn of(word: &'a str) -> Self {
        match word {
            "@" => Self::Samples {
                period_ms: 1,
                is_complete: true,
                is_queued: false,
                last_ms: None,
            },
            "queued" => Self::Samples {
                period_ms: 1,
                is_complete: true,
                is_queued: true,
                last_ms: None,
            },
            "cut" => Self::Samples {
                period_ms: 1,
                is_complete: false,
                is_queued: false,
                last_ms: None,
            },
            "entry" => Self::Entries,
            word => match word.strip_prefix('@') {
                Some(periods) => {
                    let (first, last) = match periods.split_once('>') {
                        Some((first, last)) => (first, Some(last.parse().expect("an interval"))),
                        None => (periods, None),
                    };
                    Self::Samples {
                        period_ms: first.parse().expect("an interval"),
                        is_complete: true,
                        is_queued: false,
                        last_ms: last,
                    }
                }
                None => Self::Waits(word),
            },
        }
    }
}

/// The events of a row, each with the time of its delivery.
pub fn events(
    whose: &Whose<'_>,
    what: What<'_>,
    cells: &str,
    runs: Vec<(Run, char)>,
    stacks: &Stacks,
    crossings: &[Crossing],
) -> Vec<(u64, Event)> {
    let on = |thread: u32, at: u64| open_at(crossings, whose.target, thread, at);
    let around = |at: u64| on(whose.thread, at).or_else(|| on(whose.creator?, at));
    let parent = |at: u64| -> ParentRead {
        match (whose.parent, around(at)) {
            (Some(parent), _) => lineage(read(parent), whose.creator.is_some()),
            (None, Some(around)) => lineage(around.parent.clone(), around.thread != whose.thread),
            (None, None) => read("-"),
        }
    };
    let sample = |time: u64, reason, next_ns, queued_ns, is_complete, letter| {
        (
            time,
            Event::Sample(Sample {
                target: TargetId(whose.target),
                thread: whose.thread,
                time: KernelTime(time),
                reason,
                next_ns,
                queued_ns,
                idle_until: whose.idle_until(time),
                enclosing: around(time).map(|around| around.id),
                parent: parent(time),
                context: 0,
                stack: stacks.stack(letter),
                is_complete,
            }),
        )
    };
    match what {
        What::Samples {
            period_ms,
            is_complete,
            is_queued,
            last_ms,
        } => {
            let drawn = (0..)
                .zip(cells.chars())
                .filter(|(_, letter)| *letter != ' ');
            let drawn: Vec<(u64, char)> = drawn.collect();
            let beside = |at: Option<usize>| at.and_then(|at| drawn.get(at));
            let of = |(index, (column, letter)): (usize, &(u64, char))| {
                let before = beside(index.checked_sub(1)).map(|(before, _)| column - before);
                let after = beside(Some(index + 1)).map(|(after, _)| after - column);
                let (before, after) = match last_ms {
                    Some(last) => (before.unwrap_or(period_ms), after.unwrap_or(last)),
                    None => (period_ms, 0),
                };
                let reason = SampleReason::Timer(before * MS);
                let last = beside(index.checked_sub(1)).map_or(0, |(before, _)| *before);
                let queued_ms = if is_queued { column - last } else { 0 };
                sample(
                    column * MS + MS / 2,
                    reason,
                    after * MS,
                    queued_ms * MS,
                    is_complete,
                    *letter,
                )
            };
            drawn.iter().enumerate().map(of).collect()
        }
        What::Entries => runs
            .into_iter()
            .map(|(run, letter)| {
                let entered = around(run.start * MS).expect("an entry is a crossing's");
                sample(
                    run.start * MS,
                    SampleReason::Entry(entered.id),
                    0,
                    0,
                    true,
                    letter,
                )
            })
            .collect(),
        What::Waits(word) => runs
            .into_iter()
            .map(|(run, letter)| {
                let start = run.start * MS;
                let wait = Wait {
                    target: TargetId(whose.target),
                    thread: whose.thread,
                    start: KernelTime(start),
                    early_ns: 0,
                    idle_until: whose.idle_until(start),
                    end: KernelTime(run.end * MS),
                    evidence: evidence(word),
                    enclosing: around(start).map(|around| around.id),
                    parent: parent(start),
                    context: 0,
                    stack: stacks.stack(letter),
                    arrival: None,
                };
                (run.end * MS, Event::Wait(wait))
            })
            .collect(),
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
