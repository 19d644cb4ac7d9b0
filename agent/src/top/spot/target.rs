//! A target, as far as its threads are looked at from user space.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
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
    stack::{self, Whose},
    task::{self, Standing, Task},
};
use crate::{
    context::{
        memory::Memory,
        python::threads::{InterpreterThread, InterpreterThreads},
    },
    stack::Stacks,
    target::Process,
    top::board::{Standstill, ThreadLook},
};

/// Threads of one process that are looked at.
const MAX_THREADS: usize = 16_384;
/// Between two searches for an interpreter, or for its OpenTelemetry.
const SEARCH_NS: u64 = 5_000_000_000;
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

    /// All of its threads; none if it has ended.
    pub fn look(
        &mut self,
        now: KernelTime,
        stacks: &mut Stacks,
        functions: &mut Functions,
    ) -> Vec<ThreadLook> {
        self.find_interpreter(now);
        let tasks = self.tasks();
        let ids: HashSet<u32> = tasks.iter().map(|(_, task)| task.ns_tid).collect();
        let interpreter = self.interpreter.as_ref();
        let python: HashMap<u32, InterpreterThread> = interpreter
            .map(|interpreter| interpreter.list(&ids))
            .unwrap_or_default()
            .into_iter()
            .map(|thread| (thread.ns_tid, thread))
            .collect();
        let before = std::mem::take(&mut self.stood);
        let mut looks = Vec::with_capacity(tasks.len());
        for (dir, task) in tasks {
            let standstill = task.standing.and_then(|standing| {
                let since = match before.get(&task.ns_tid) {
                    Some((stood, since)) if *stood == standing => *since,
                    _ => now,
                };
                self.stood.insert(task.ns_tid, (standing, since));
                let thread = python.get(&task.ns_tid).copied();
                let still = Still {
                    dir: &dir,
                    standing,
                    whose: Whose {
                        target: self.id.0,
                        ns_tid: task.ns_tid,
                        since,
                        now,
                    },
                    thread,
                };
                self.standstill(&still, stacks, functions)
            });
            looks.push(ThreadLook {
                target: self.id,
                thread: task.ns_tid,
                born: born(task.born_ticks),
                name: task.name,
                standstill,
            });
        }
        looks
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
    fn tasks(&self) -> Vec<(PathBuf, Task)> {
        let dir = self.process.proc_dir().join("task");
        let mut ids = self.process.threads().unwrap_or_default();
        ids.sort_unstable();
        ids.truncate(MAX_THREADS);
        ids.into_iter()
            .filter_map(|id| {
                let dir = dir.join(id.to_string());
                let task = Task::read(&dir).ok()?;
                Some((dir, task))
            })
            .collect()
    }

    /// What a thread waits for, and for whom; `None` if it ran while that was found out.
    fn standstill(
        &self,
        still: &Still<'_>,
        stacks: &mut Stacks,
        functions: &mut Functions,
    ) -> Option<Standstill> {
        let interpreter = self.interpreter.as_ref();
        let is_gil = |address| interpreter.is_some_and(|known| known.is_gil(address));
        let mut raw = stack::bare(still.whose, &still.standing.place, is_gil);
        let request = interpreter.and_then(|interpreter| {
            let thread = still.thread?;
            // A span that records nothing has neither name nor start, and no span of hotspan's either.
            let (span, context) = interpreter.active_span(thread.state).ok()??;
            let memory = self.memory.as_ref()?;
            stack::fill(&mut raw, &still.standing.place, memory, interpreter, thread);
            raw.event.context = context;
            Some(TargetSpan {
                target: self.id,
                trace_id: TraceId(span.trace_id),
                span_id: SpanId(span.span_id),
                name: span.name,
                start: UnixTime(span.start_ns),
            })
        });
        // What was read is of one instant only if it stood still all the while.
        if task::stands(still.dir).ok()? != Some(still.standing) {
            return None;
        }
        let wait = resolve(stacks, &raw, still.whose.now, functions)?;
        Some(Standstill {
            since: still.whose.since,
            evidence: wait.evidence,
            request,
            stack: (wait.stack.iter())
                .filter_map(|frame| functions.get(&frame.function).cloned())
                .collect(),
        })
    }
}

/// A thread that stands still, as it is looked at.
struct Still<'a> {
    dir: &'a std::path::Path,
    standing: Standing,
    whose: Whose,
    thread: Option<InterpreterThread>,
}

fn resolve(
    stacks: &mut Stacks,
    raw: &crate::stack::RawSample,
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
