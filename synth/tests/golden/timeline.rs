//! Timelines drawn as text, to events.
//!
//! A row is `LABEL | COLUMNS`; a column is a millisecond. A run of one letter is a crossing of that
//! region. Labels:
//! - `1/a` thread 1 under the span `a` (`a-` not sampled, `a^` remote, `-` none); `1` alone nests in
//!   the rows of thread 1 above; `2<1` is a thread that thread 1 created; `7:1/a` is of target 7; engines of
//!   target 9 begin traces of their own;
//! - ` late=9` after it delivers the row's events at column 9, ` lost` never;
//! - `tick` marks when time is told (each column, if there is no such row), `open` announces the
//!   crossing of that letter, `clock` compares the clocks, which are that many milliseconds apart.
//!
//! Rows of samples and waits, and what stands behind their letters: `evidence.rs`.
//!
//! After a run: `!` it ends there by an exception, `~` it was found gone after these columns, `}`
//! hotspan detached after these columns, `>` no end is delivered.

use std::collections::BTreeMap;

use hotspan_synth::{
    event::{
        Crossing, Ending, Event, OpenCrossing, Parent, ParentRead, ParentSource, Target,
        ThreadEnded,
    },
    ids::{CrossingId, RegionId, SpanId, TargetId, TraceId},
    time::{ClockAnchor, KernelTime, UnixTime},
};

pub const MS: u64 = 1_000_000;

/// The target whose engines begin traces of their own.
const ENGINE: u32 = 9;

/// What column 0 is in Unix time.
pub const BASE: u64 = 1_700_000_000_000 * MS;

use crate::evidence::{self, Stacks, What, Whose};

struct Row<'a> {
    target: u32,
    thread: u32,
    creator: Option<u32>,
    parent: Option<&'a str>,
    delivery: Delivery,
    cells: &'a str,
}

#[derive(Clone, Copy, PartialEq)]
enum Delivery {
    AtEnd,
    Late(u64),
    Lost,
}

/// Events in the order of delivery, and the time at the end of the drawing.
pub fn events(drawing: &str) -> (Vec<Event>, KernelTime) {
    let lines: Vec<(&str, &str)> = drawing
        .lines()
        .filter_map(|line| line.split_once(" |"))
        .collect();
    let width = lines
        .iter()
        .map(|(_, cells)| cells.len() as u64)
        .max()
        .unwrap_or(0);
    let mut drawn = Drawn::default();
    let rows = lines
        .iter()
        .map(|(label, cells)| (label.trim(), cells.strip_prefix(' ').unwrap_or(cells)));
    let is_row = |label: &str| !matches!(label, "tick" | "open" | "clock" | "span" | "woke");
    for (label, cells) in rows
        .clone()
        .filter(|(label, _)| is_row(label) && !has_evidence(label))
    {
        drawn.row(&row(label, cells));
    }
    let stacks = Stacks::read(drawing);
    for event in stacks.announcements() {
        drawn.deliver(0, 0, event);
    }
    let marks = |name: &str| lines.iter().find(|(label, _)| label.trim() == name);
    let marks = |name: &str| marks(name).map(|(_, cells)| cells.strip_prefix(' ').unwrap_or(cells));
    let woken = runs(marks("woke").unwrap_or(""));
    drawn.woken = woken.iter().map(|(run, _)| run.start * MS).collect();
    for (label, cells) in rows.filter(|(label, _)| is_row(label) && has_evidence(label)) {
        drawn.evidence(label, cells, &stacks);
    }
    drawn.threads();
    drawn.clock(marks("clock").unwrap_or("0"));
    drawn.open(marks("open").unwrap_or(""));
    for (run, letter) in runs(marks("span").unwrap_or("")) {
        drawn.deliver(
            run.start * MS + MS / 4,
            1,
            evidence::span(letter, run.start),
        );
    }
    let every = "|".repeat(width as usize + 1);
    for (column, _) in runs(marks("tick").unwrap_or(&every)) {
        let now = KernelTime(column.start * MS + MS / 2);
        drawn.deliver(now.0, 3, Event::Tick { now });
    }
    drawn.queue.sort_by_key(|(time, rank, _)| (*time, *rank));
    (
        drawn.queue.into_iter().map(|(.., event)| event).collect(),
        KernelTime((width + 1) * MS),
    )
}

#[derive(Default)]
struct Drawn {
    crossings: Vec<Crossing>,
    threads: BTreeMap<(u32, u32), ThreadEnded>,
    queue: Vec<(u64, u8, Event)>,
    /// When thread 1 went on, having waited for work.
    woken: Vec<u64>,
}

impl Drawn {
    fn deliver(&mut self, time: u64, rank: u8, event: Event) {
        self.queue.push((time, rank, event));
    }

    fn row(&mut self, row: &Row<'_>) {
        self.deliver(0, 0, Event::Target(target(row.target)));
        let rank = self.crossings.len() as u64;
        for (index, (columns, letter)) in tokens(row.cells).into_iter().enumerate() {
            let crossing = self.crossing(row, &columns, letter, rank + index as u64 + 1);
            let (at, event) = (crossing.exit.0, Event::Crossing(crossing.clone()));
            self.crossings.push(crossing);
            if columns.is_endless {
                continue;
            }
            match row.delivery {
                // Inner crossings, drawn below, end before outer ones that end with them.
                Delivery::AtEnd => self.queue.insert(0, (at, 1, event)),
                Delivery::Late(column) => self.deliver(column * MS + MS / 4, 1, event),
                Delivery::Lost => {}
            }
        }
    }

    fn evidence(&mut self, label: &str, cells: &str, stacks: &Stacks) {
        let (whose, rest) = label.split_once(' ').expect("evidence has a word");
        let (what, late) = rest.split_once(" late=").unwrap_or((rest, ""));
        let row = row(whose, cells);
        if rest == "lived" {
            return self.lived(&row);
        }
        let whose = Whose {
            target: row.target,
            thread: row.thread,
            creator: row.creator,
            parent: row.parent,
            woken: if row.thread == 1 { &self.woken } else { &[] },
        };
        let late = late.parse::<u64>().ok().map(|column| column * MS + MS / 4);
        let events = evidence::events(
            &whose,
            What::of(what),
            cells,
            runs(cells),
            stacks,
            &self.crossings,
        );
        for (time, event) in events {
            self.deliver(late.unwrap_or(time), 1, event);
        }
    }

    fn crossing(&mut self, row: &Row<'_>, run: &Run, letter: char, rank: u64) -> Crossing {
        let entry = KernelTime(run.start * MS);
        let on = |thread: u32| {
            let covers = |other: &&Crossing| {
                other.target == TargetId(row.target)
                    && other.thread == thread
                    && other.entry <= entry
                    && other.exit > entry
            };
            self.crossings.iter().rfind(covers).cloned()
        };
        let around = on(row.thread).or_else(|| on(row.creator?));
        let by_lineage = around
            .as_ref()
            .is_some_and(|around| around.thread != row.thread);
        let inherited = around.as_ref().map(|around| around.parent.clone());
        let parent = match row.parent {
            Some(parent) => read(parent),
            None => inherited.map_or_else(|| read("-"), |parent| lineage(parent, by_lineage)),
        };
        let id = CrossingId(run.start * 1_000 + rank);
        if by_lineage && let Some(around) = &around {
            self.created(row, around.id, run);
        }
        Crossing {
            id,
            target: TargetId(row.target),
            region: RegionId(u32::from(letter)),
            thread: row.thread,
            enclosing: around.map(|around| around.id),
            entry,
            exit: KernelTime(run.end * MS),
            proven: KernelTime(run.proven * MS),
            ending: run.ending,
            runqueue_ns: MS / 10,
            blocked_ns: MS / 5,
            resources: None,
            parent,
            values: vec![(0, id.0)],
            text: None,
            called: None,
            members: Vec::new(),
        }
    }

    fn created(&mut self, row: &Row<'_>, birth: CrossingId, run: &Run) {
        let ended = KernelTime(run.end * MS);
        self.threads
            .entry((row.target, row.thread))
            .and_modify(|thread| thread.ended = ended)
            .or_insert(ThreadEnded {
                target: TargetId(row.target),
                thread: row.thread,
                birth: Some(birth),
                started: KernelTime(run.start * MS),
                ended,
                runqueue_ns: 0,
                blocked_ns: 0,
                queued_ns: 0,
            });
    }

    fn lived(&mut self, row: &Row<'_>) {
        for (run, _) in runs(row.cells) {
            let ended = ThreadEnded {
                target: TargetId(row.target),
                thread: row.thread,
                birth: None,
                started: KernelTime(run.start * MS),
                ended: KernelTime(run.end * MS),
                runqueue_ns: 0,
                blocked_ns: 0,
                queued_ns: 0,
            };
            self.threads.insert((row.target, row.thread), ended);
        }
    }

    fn threads(&mut self) {
        for thread in std::mem::take(&mut self.threads).into_values() {
            self.deliver(thread.ended.0, 2, Event::ThreadEnded(thread));
        }
    }

    fn clock(&mut self, cells: &str) {
        for (run, letter) in runs(cells) {
            let kernel = KernelTime(run.start * MS);
            let apart = u64::from(letter.to_digit(10).expect("a digit in the clock row")) * MS;
            let unix = UnixTime(BASE + kernel.0 + apart);
            self.deliver(
                kernel.0,
                0,
                Event::Clock(ClockAnchor {
                    kernel,
                    unix,
                    error_ns: 0,
                }),
            );
        }
    }

    fn open(&mut self, cells: &str) {
        for (run, letter) in runs(cells) {
            let seen = KernelTime(run.start * MS + MS / 4);
            let is_it = |crossing: &&Crossing| {
                crossing.region == RegionId(u32::from(letter))
                    && crossing.entry < seen
                    && crossing.exit > seen
            };
            let it = self
                .crossings
                .iter()
                .find(is_it)
                .expect("what is announced is drawn")
                .clone();
            let open = OpenCrossing {
                id: it.id,
                target: it.target,
                region: it.region,
                thread: it.thread,
                enclosing: it.enclosing,
                entry: it.entry,
                seen,
                parent: it.parent,
            };
            self.deliver(seen.0, 2, Event::Open(open));
        }
    }
}

/// Whether a row's label ends in a word for samples or waits.
fn has_evidence(label: &str) -> bool {
    let word = label.split_whitespace().nth(1);
    word.is_some_and(|word| word != "lost" && !word.starts_with("late="))
}

fn row<'a>(label: &'a str, cells: &'a str) -> Row<'a> {
    let (label, delivery) = match label.split_once(' ') {
        None => (label, Delivery::AtEnd),
        Some((label, "lost")) => (label, Delivery::Lost),
        Some((label, rest)) => {
            let column = rest
                .trim()
                .strip_prefix("late=")
                .expect("`late=COLUMN` or `lost`");
            (label, Delivery::Late(column.parse().expect("a column")))
        }
    };
    let number = |text: &str| text.parse::<u32>().expect("a number in the label");
    let (target, label) = label
        .split_once(':')
        .map_or((1, label), |(id, rest)| (number(id), rest));
    let (label, parent) = label
        .split_once('/')
        .map_or((label, None), |(l, p)| (l, Some(p)));
    let (thread, creator) = label
        .split_once('<')
        .map_or((label, None), |(l, c)| (l, Some(c)));
    let (thread, creator) = (number(thread), creator.map(number));
    Row {
        target,
        thread,
        creator,
        parent,
        delivery,
        cells,
    }
}

pub struct Run {
    pub start: u64,
    proven: u64,
    pub end: u64,
    ending: Ending,
    is_endless: bool,
}

/// Runs of equal characters, each with its character.
fn runs(cells: &str) -> Vec<(Run, char)> {
    let mut runs: Vec<(Run, char)> = Vec::new();
    for (column, letter) in (0..).zip(cells.chars()) {
        match runs.last_mut() {
            Some((run, last)) if *last == letter && run.end == column && letter.is_alphabetic() => {
                (run.end, run.proven) = (column + 1, column + 1);
            }
            _ if letter == ' ' => {}
            _ => {
                let (proven, end) = (column + 1, column + 1);
                let ending = Ending::Returned;
                runs.push((
                    Run {
                        start: column,
                        proven,
                        end,
                        ending,
                        is_endless: false,
                    },
                    letter,
                ));
            }
        }
    }
    runs
}

/// Crossings: runs of letters, with the marks behind them.
fn tokens(cells: &str) -> Vec<(Run, char)> {
    let mut tokens: Vec<(Run, char)> = Vec::new();
    for (run, letter) in runs(cells) {
        let ending = match letter {
            '!' => Ending::Caught,
            '~' => Ending::Unwound,
            '}' => Ending::Detached,
            '>' => Ending::Returned,
            _ => {
                tokens.push((run, letter));
                continue;
            }
        };
        let (before, _) = tokens.last_mut().expect("a mark stands behind a run");
        (before.end, before.ending) = (run.end, ending);
        before.is_endless |= letter == '>';
        if letter == '!' {
            before.proven = run.end;
        }
    }
    tokens
}

fn target(id: u32) -> Target {
    Target {
        id: TargetId(id),
        ns_pid: id,
        executable: "python".to_owned(),
        resource: Vec::new(),
        begins_traces: id == ENGINE,
    }
}

/// The context of the target's span of that name: its first letter, in each byte.
pub fn read(name: &str) -> ParentRead {
    let letter = name.bytes().next().expect("a name");
    if letter == b'-' {
        return ParentRead::None("no_active_span".to_owned());
    }
    ParentRead::Found(Parent {
        // Capitals are other spans of the same trace.
        trace_id: TraceId([letter.to_ascii_lowercase(); 16]),
        span_id: SpanId([letter; 8]),
        sampled: !name.ends_with('-'),
        remote: name.ends_with('^'),
        source: ParentSource::Python,
        by_lineage: false,
    })
}

/// What a thread reads that descends from a crossing with this parent.
pub fn lineage(read: ParentRead, by_lineage: bool) -> ParentRead {
    match read {
        ParentRead::Found(parent) => ParentRead::Found(Parent {
            by_lineage: parent.by_lineage || by_lineage,
            ..parent
        }),
        none @ ParentRead::None(_) => none,
    }
}
