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
//! Rows of samples and waits: `evidence.rs`; what stands behind their letters: `stacks.rs`.
//!
//! After a run: `!` it ends there by an exception, `~` it was found gone after these columns, `}`
//! hotspan detached after these columns, `>` no end is delivered.

mod evidence;
mod parents;
mod rows;
mod stacks;

use std::collections::BTreeMap;

use hotspan_synth::{
    event::{Crossing, Event, OpenCrossing, Target, ThreadEnded},
    ids::{CrossingId, RegionId, TargetId},
    time::{ClockAnchor, KernelTime, UnixTime},
};

use evidence::{EvidenceRow, What, Whose};
use parents::{lineage, read};
use rows::{Delivery, Row, Run, has_evidence, row, runs, tokens};
use stacks::Stacks;

pub const MS: u64 = 1_000_000;

/// The target whose engines begin traces of their own.
const ENGINE: u32 = 9;

/// What column 0 is in Unix time.
pub const BASE: u64 = 1_700_000_000_000 * MS;

/// Rows that hold no events of threads.
const MARKS: [&str; 5] = ["tick", "open", "clock", "span", "woke"];

/// Events in the order of delivery, and the time at the end of the drawing.
pub fn events(drawing: &str) -> (Vec<Event>, KernelTime) {
    let rows = || drawing.lines().filter_map(|line| line.split_once(" |"));
    let width = rows().map(|(_, cells)| cells.len() as u64).max();
    let width = width.unwrap_or(0);
    let lines: Vec<(&str, &str)> = rows()
        .map(|(label, cells)| (label.trim(), cells.strip_prefix(' ').unwrap_or(cells)))
        .collect();
    let stacks = Stacks::read(drawing);
    let mut drawn = Drawn::default();
    let is_row = |(label, _): &&(&str, &str)| !MARKS.contains(label);
    let (evidence, crossings): (Vec<_>, Vec<_>) = lines
        .iter()
        .filter(is_row)
        .partition(|(label, _)| has_evidence(label));
    for (label, cells) in crossings {
        drawn.row(&row(label, cells));
    }
    for event in stacks.announcements() {
        drawn.deliver(0, 0, event);
    }
    let marks = |name: &str| lines.iter().find(|(label, _)| *label == name);
    let marks = |name: &str| marks(name).map(|(_, cells)| *cells);
    let woken = runs(marks("woke").unwrap_or(""));
    drawn.woken = woken.iter().map(|(run, _)| run.start * MS).collect();
    for (label, cells) in evidence {
        drawn.evidence(label, cells, &stacks);
    }
    drawn.threads();
    drawn.clock(marks("clock").unwrap_or("0"));
    drawn.open(marks("open").unwrap_or(""));
    drawn.spans(marks("span").unwrap_or(""));
    let every = "|".repeat(width as usize + 1);
    drawn.ticks(marks("tick").unwrap_or(&every));
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
        let (what, changed) = what.split_once(" changed=").unwrap_or((what, ""));
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
        let row = EvidenceRow {
            whose,
            cells,
            stacks,
            crossings: &self.crossings,
            changed: changed.split(',').flat_map(str::parse).collect(),
        };
        let events = row.events(What::of(what));
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

    fn spans(&mut self, cells: &str) {
        for (run, letter) in runs(cells) {
            let at = run.start * MS + MS / 4;
            self.deliver(at, 1, evidence::span(letter, run.start));
        }
    }

    fn ticks(&mut self, cells: &str) {
        for (column, _) in runs(cells) {
            let now = KernelTime(column.start * MS + MS / 2);
            self.deliver(now.0, 3, Event::Tick { now });
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

fn target(id: u32) -> Target {
    Target {
        id: TargetId(id),
        ns_pid: id,
        executable: "python".to_owned(),
        resource: Vec::new(),
        begins_traces: id == ENGINE,
    }
}
