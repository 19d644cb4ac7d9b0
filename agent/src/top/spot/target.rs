//! A target, as far as its threads are looked at from user space.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use hotspan_synth::{
    event::{Event, Function, TargetSpan, Wait},
    ids::{FunctionId, SpanId, TargetId, TraceId},
    time::{KernelTime, UnixTime},
};
use rustix::{
    param::clock_ticks_per_second,
    time::{ClockId, clock_gettime},
};

use super::{
    Looks,
    stack::{self, Whose},
    task::{self, Standing, Task},
};
use crate::{
    context::{
        memory::Memory,
        python::{
            span::SpanFacts,
            threads::{InterpreterThread, InterpreterThreads},
        },
    },
    kernel::SuspendedTask,
    stack::{RawSample, Stacks},
    target::Process,
    top::board::{Serves, Standstill, TaskLook, ThreadLook},
};

/// Threads of one process that are looked at.
const MAX_THREADS: usize = 16_384;
/// Between two searches for an interpreter, or for its OpenTelemetry.
const SEARCH_NS: u64 = 5_000_000_000;
/// How often a thread is looked at that moved meanwhile.
const ATTEMPTS: usize = 4;
const SECOND_NS: u64 = 1_000_000_000;

/// Functions by their numbers in this thread's stacks.
pub type Functions = HashMap<FunctionId, Arc<Function>>;

/// One target.
pub struct Spotted {
    id: TargetId,
    process: Arc<Process>,
    memory: Option<Memory>,
    interpreter: Option<InterpreterThreads>,
    searched: Option<KernelTime>,
    /// How each thread stood at the last look, and since which one.
    stood: HashMap<u32, (Standing, KernelTime)>,
}

impl Spotted {
    /// One that was not looked at yet.
    pub fn new(id: TargetId, process: Arc<Process>, stacks: &mut Stacks) -> Self {
        stacks.adopt(id.0, Arc::clone(&process));
        Self {
            id,
            // One that cannot be opened is about to end.
            memory: Memory::open(process.pid()).ok(),
            process,
            interpreter: None,
            searched: None,
            stood: HashMap::new(),
        }
    }

    /// After an exec, another program runs under the same id.
    pub fn renew(&mut self, process: &Arc<Process>, stacks: &mut Stacks) {
        if !Arc::ptr_eq(&self.process, process) {
            *self = Self::new(self.id, Arc::clone(process), stacks);
        }
    }

    /// Adds all of its threads; none if it has ended.
    pub fn look(&mut self, looks: &mut Looks, stacks: &mut Stacks, functions: &mut Functions) {
        let now = looks.began;
        self.find_interpreter(now);
        let tasks = self.tasks(&mut looks.left_out);
        let ids: HashSet<u32> = tasks.iter().map(|(_, task)| task.ns_tid).collect();
        let interpreter = self.interpreter.as_ref();
        let python: HashMap<u32, InterpreterThread> = interpreter
            .map(|interpreter| interpreter.list(&ids))
            .unwrap_or_default()
            .into_iter()
            .map(|thread| (thread.ns_tid, thread))
            .collect();
        let before = std::mem::take(&mut self.stood);
        for (dir, task) in tasks {
            let seen = Seen {
                dir: &dir,
                ns_tid: task.ns_tid,
                now,
                standing: task.standing,
                before: before.get(&task.ns_tid).copied(),
                thread: python.get(&task.ns_tid).copied(),
            };
            let standstill = self.standstill(&seen, stacks, functions);
            looks.threads.push(ThreadLook {
                target: self.id,
                thread: task.ns_tid,
                born: born(task.born_ticks),
                name: task.name,
                standstill,
            });
        }
    }

    /// Whom a suspended task serves; `None` if that is nobody, or cannot be read.
    pub fn task(&self, task: &SuspendedTask) -> Option<TaskLook> {
        let interpreter = self.interpreter.as_ref()?;
        let span = interpreter.span_in(task.context).ok()??;
        Some(TaskLook {
            target: self.id,
            thread: task.ns_tid,
            address: task.address,
            since: KernelTime(task.since_ns),
            span: self.span(span),
        })
    }

    fn span(&self, span: SpanFacts) -> TargetSpan {
        TargetSpan {
            target: self.id,
            trace_id: TraceId(span.trace_id),
            span_id: SpanId(span.span_id),
            name: span.name,
            start: UnixTime(span.start_ns),
        }
    }

    fn find_interpreter(&mut self, now: KernelTime) {
        let is_found = (self.interpreter.as_ref()).is_some_and(InterpreterThreads::knows_spans);
        let is_due = (self.searched).is_none_or(|searched| now.since(searched) >= SEARCH_NS);
        if !is_found && is_due {
            self.searched = Some(now);
            self.interpreter = InterpreterThreads::find(&self.process);
        }
    }

    /// Threads that end meanwhile are left out.
    fn tasks(&self, left_out: &mut u64) -> Vec<(PathBuf, Task)> {
        let dir = self.process.proc_dir().join("task");
        let mut ids = self.process.threads().unwrap_or_default();
        ids.sort_unstable();
        *left_out += ids.len().saturating_sub(MAX_THREADS) as u64;
        ids.truncate(MAX_THREADS);
        ids.into_iter()
            .filter_map(|id| {
                let dir = dir.join(id.to_string());
                let task = Task::read(&dir).ok()?;
                Some((dir, task))
            })
            .collect()
    }

    /// What a thread waits for, and for whom; `None` if it runs. One that only looks around now and then is
    /// tried again.
    fn standstill(
        &mut self,
        seen: &Seen<'_>,
        stacks: &mut Stacks,
        functions: &mut Functions,
    ) -> Option<Standstill> {
        let mut standing = seen.standing?;
        for _ in 0..ATTEMPTS {
            let since = match seen.before {
                Some((stood, since)) if stood == standing => since,
                _ => seen.now,
            };
            let (raw, serves) = self.read(seen, &standing, since);
            // What was read is of one instant only if it stood still all the while.
            let now = task::stands(seen.dir).ok()??;
            if now != standing {
                standing = now;
                continue;
            }
            self.stood.insert(seen.ns_tid, (standing, since));
            let wait = resolve(stacks, &raw, seen.now, functions)?;
            let stack = wait.stack.iter();
            return Some(Standstill {
                since,
                seen: seen.now,
                evidence: wait.evidence,
                serves,
                stack: stack
                    .filter_map(|frame| functions.get(&frame.function).cloned())
                    .collect(),
            });
        }
        None
    }

    fn read(&self, seen: &Seen<'_>, standing: &Standing, since: KernelTime) -> (RawSample, Serves) {
        let interpreter = self.interpreter.as_ref();
        let is_gil = |address| interpreter.is_some_and(|known| known.is_gil(address));
        let whose = Whose {
            target: self.id.0,
            ns_tid: seen.ns_tid,
            since,
            now: seen.now,
        };
        let mut raw = stack::bare(whose, &standing.place, is_gil);
        let known = interpreter.filter(|interpreter| interpreter.knows_spans());
        let (Some(interpreter), Some(thread), Some(memory)) = (known, seen.thread, &self.memory)
        else {
            return (raw, Serves::Unknown);
        };
        let serves = match interpreter.active_span(thread.state) {
            Ok(Some((span, context))) => {
                raw.event.context = context;
                stack::fill(&mut raw, &standing.place, memory, interpreter, thread);
                Serves::Span(self.span(span))
            }
            Ok(None) => Serves::Nobody,
            // A span that records nothing has neither name nor start, and no span of hotspan's either.
            Err(_) => Serves::Unknown,
        };
        (raw, serves)
    }
}

/// A thread, as it is looked at.
struct Seen<'a> {
    dir: &'a Path,
    ns_tid: u32,
    now: KernelTime,
    standing: Option<Standing>,
    /// How it stood at the look before, and since which one.
    before: Option<(Standing, KernelTime)>,
    thread: Option<InterpreterThread>,
}

fn resolve(
    stacks: &mut Stacks,
    raw: &RawSample,
    now: KernelTime,
    functions: &mut Functions,
) -> Option<Wait> {
    let mut found = None;
    for event in stacks.resolve(raw, now.0).events {
        match event {
            Event::Function(function) => {
                functions.insert(function.id, Arc::new(function));
            }
            Event::Wait(wait) => found = Some(wait),
            _ => {}
        }
    }
    found
}

/// To within a clock tick: `CLOCK_BOOTTIME` goes on while the system sleeps, `CLOCK_MONOTONIC` does not.
fn born(ticks: u64) -> UnixTime {
    let nanoseconds = |clock| {
        let time = clock_gettime(clock);
        time.tv_sec as u64 * SECOND_NS + time.tv_nsec as u64
    };
    let since_boot = ticks.saturating_mul(SECOND_NS) / clock_ticks_per_second();
    let boot = nanoseconds(ClockId::Realtime).saturating_sub(nanoseconds(ClockId::Boottime));
    UnixTime(boot + since_boot)
}
