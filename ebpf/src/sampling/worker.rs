//! What the sampler keeps of a thread.

use hotspan_common::{Counter, PythonThread, SampleEvent, Target};

use super::{budget::Budget, density::Density};
use crate::{
    counters::count,
    maps::{NEW_WORKER, WORKERS},
    threads,
};

/// A thread of a target that was sampled. Key: its thread id in the root pid namespace.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Worker {
    /// Its side in the interpreter.
    pub python: PythonThread,
    /// Until then it is known not to be one of the interpreter's threads, in nanoseconds of
    /// `CLOCK_MONOTONIC`.
    pub native_until_ns: u64,
    /// Process id in the root pid namespace.
    pub tgid: u32,
    /// See [`super::wait`].
    pub wait_state: u32,
    /// When it left the CPU; 0: it runs.
    pub off_ns: u64,
    /// When it could have run again; 0: it cannot yet.
    pub runnable_ns: u64,
    /// When it last ran again.
    pub back_ns: u64,
    /// Time that may still be spent on its waits.
    pub budget: Budget,
    /// When its next stack is due.
    pub density: Density,
    /// The task whose step is under way, as far as is known; 0: none. See [`super::awaits`].
    pub task: u64,
    /// The Python context of that step.
    pub task_context: u64,
    /// What it was doing when it left the CPU.
    pub wait: SampleEvent,
}

impl Worker {
    /// Whether it is one of the interpreter's threads, as far as is known.
    #[inline(always)]
    pub fn is_python(&self, now: u64) -> bool {
        self.python.state != 0 && now >= self.native_until_ns
    }
}

/// The worker of thread `tid`, if it has one.
#[inline(always)]
pub fn get(tid: u32) -> Option<&'static mut Worker> {
    // SAFETY: only programs on the thread's own behalf change it, and the value outlives the program
    // run (RCU).
    WORKERS
        .get_ptr_mut(&tid)
        .map(|worker| unsafe { &mut *worker })
}

/// The worker of the current thread, made if it has none; `None` (counted) when the map is full.
#[inline(always)]
pub fn get_or_create(target: &Target, tgid: u32, tid: u32) -> Option<&'static mut Worker> {
    if let Some(worker) = get(tid) {
        return Some(worker);
    }
    let blank = NEW_WORKER.get(0)?;
    if WORKERS.insert(&tid, blank, 0).is_err() {
        count(Counter::WorkersFull);
        return None;
    }
    let worker = get(tid)?;
    worker.tgid = tgid;
    worker.python.ns_tid = threads::current_ns_tid(target, tid);
    Some(worker)
}
