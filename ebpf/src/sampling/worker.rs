//! What the sampler keeps of a thread.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use hotspan_common::{Arrival, Counter, Parent, PythonThread, SampleEvent, Target};

use super::{
    budget::Budget,
    density::{Density, Distances},
    idle::Idle,
    lives::Lives,
    made::MadeTasks,
    registers, wait, work,
};
use crate::{
    context::Entered,
    counters::count,
    maps::{NEW_WORKER, WORKERS},
    marks::{self, Marks},
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
    /// 1 if it left it for a block device.
    pub for_io: u64,
    /// When it last ran again.
    pub back_ns: u64,
    /// For how long it could have run and did not since its last stack, or since its birth, in nanoseconds.
    pub queued_ns: u64,
    /// For how long it had waited for a CPU in its life when it left one.
    pub run_delay_ns: u64,
    /// Until when it worked for nobody.
    pub idle: Idle,
    /// Time that may still be spent on its waits.
    pub budget: Budget,
    /// When its next stack is due.
    pub density: Density,
    /// Of its last stack.
    pub distances: Distances,
    /// How long its innermost Python functions have gone on.
    pub lives: Lives,
    /// The span in whose service it was when it was last looked at; 0: none.
    pub serves: u64,
    /// The span that its last stack said what it is, or found it said; 0: none.
    pub described: u64,
    /// Threads that it has made while it worked for a request, and which may still be that's.
    pub made_threads: u64,
    /// Who made it, if that thread worked for a request then.
    pub born: Born,
    /// The task whose step is under way, as far as is known; 0: none. See [`super::awaits`].
    pub task: u64,
    /// The Python context of that step.
    pub task_context: u64,
    /// When that step began.
    pub task_since_ns: u64,
    /// When it could last not be read whether such a step was over.
    pub unread_ns: u64,
    /// When the work of that task came in, by what woke the loop.
    pub arrival: Arrival,
    /// When it was last woken up from a wait for descriptors, as event loops are; for whom, its tasks tell.
    pub loop_woken_ns: u64,
    /// 1 if it is in such a wait.
    pub polls: u64,
    /// What it has last read from a socket, if it has not waited so since.
    pub read: Read,
    /// The tasks that it has made of what it has read. Whether there are any is asked at each switch: not far from the rest.
    pub made: MadeTasks,
    /// What it was doing when it left the CPU.
    pub wait: SampleEvent,
}

/// Data that a thread has read from a socket.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Read {
    /// When it came in; 0: not known.
    pub came_ns: u64,
    /// Where it was read.
    pub entered: Entered,
    /// The socket's own port; 0: nothing was read.
    pub port: u64,
}

/// The birth of a thread while its creator worked for a request, and not in a crossing.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Born {
    /// The creator's thread id in the root pid namespace; 0: none worked for a request.
    pub creator: u32,
    /// Zero.
    pub reserved: u32,
    /// When.
    pub started_ns: u64,
    /// Whom the creator worked for.
    pub parent: Parent,
}

impl Worker {
    /// The request that it was born under, if its creator still serves that. Once it does not, the thread is on
    /// its own for good: pools outlive the request that happened to start them.
    #[inline(always)]
    pub fn born_under(&mut self) -> Option<Parent> {
        let creator = self.born.creator;
        // What the interpreter knows says for itself whom it works for.
        if creator == 0 {
            return None;
        }
        let parent = self.born.parent;
        let span = u64::from_ne_bytes(parent.span_id);
        let is_under =
            self.python.state == 0 && get(creator).is_some_and(|creator| creator.serves == span);
        if is_under {
            return Some(parent);
        }
        self.is_on_its_own();
        None
    }

    /// Its creator need not know any more for whom it works.
    #[inline(always)]
    pub fn is_on_its_own(&mut self) {
        if let Some(creator) = get(self.born.creator) {
            creator.made_threads = creator.made_threads.saturating_sub(1);
        }
        self.born.creator = 0;
    }

    /// Whether it is one of the interpreter's threads, as far as is known.
    #[inline(always)]
    pub fn is_python(&self, now: u64) -> bool {
        self.python.state != 0 && now >= self.native_until_ns
    }
}

/// The thread is over.
#[inline(always)]
pub fn remove(tid: u32) {
    // Most threads are not sampled.
    if WORKERS.remove(&tid).is_ok() {
        marks::add(&raw mut WORKING, tid, u32::MAX);
    }
}

/// Threads that have a worker.
#[unsafe(no_mangle)]
static mut WORKING: Marks = Marks::NONE;

/// Whether thread `tid` may have a worker; `false` is certain.
#[inline(always)]
pub fn may_be(tid: u32) -> bool {
    marks::may_be(&raw mut WORKING, tid)
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
    let worker = match get(tid) {
        Some(worker) => worker,
        None => create(tgid, tid)?,
    };
    if worker.python.ns_tid == 0 {
        worker.python.ns_tid = threads::current_ns_tid(target, tid);
    }
    Some(worker)
}

#[inline(always)]
fn create(tgid: u32, tid: u32) -> Option<&'static mut Worker> {
    let blank = NEW_WORKER.get(0)?;
    if WORKERS.insert(&tid, blank, 0).is_err() {
        count(Counter::WorkersFull);
        return None;
    }
    marks::add(&raw mut WORKING, tid, 1);
    let worker = get(tid)?;
    worker.tgid = tgid;
    worker.queued_ns = threads::get(tid)
        .filter(|state| state.has_birth != 0)
        .map_or(0, |state| state.runqueue_ns);
    Some(worker)
}

/// The current thread makes another, not in a crossing. If it works for a request, so does the other.
#[inline(always)]
pub fn gives_birth(target: &Target, tgid: u32, tid: u32, child: u32) {
    if target.tick_ns == 0 {
        return;
    }
    let creator = get_or_create(target, tgid, tid);
    let (Some(creator), Some(registers)) = (creator, registers::of_current()) else {
        return;
    };
    // SAFETY: a plain helper.
    let now = unsafe { bpf_ktime_get_ns() };
    let work = work::look(target, creator, registers.sp, now);
    if work::refusal(&work).is_some() || work.crossing != 0 {
        return;
    }
    if let Some(worker) = create(tgid, child) {
        (worker.off_ns, worker.runnable_ns) = (now, now);
        worker.wait_state = wait::BORN;
        worker.born = Born {
            creator: tid,
            reserved: 0,
            started_ns: now,
            parent: work.active.parent,
        };
        creator.made_threads += 1;
    }
}
