//! Threads: their state, their birth under a crossing, their end.

use aya_ebpf::{
    EbpfContext as _,
    bindings::bpf_pidns_info,
    helpers::{bpf_get_current_pid_tgid, bpf_ktime_get_ns, generated::bpf_get_ns_current_pid_tgid},
    macros::tracepoint,
    programs::TracePointContext,
};
use hotspan_common::{
    ControlKind, Counter, Ending, FrameFlags, RecordKind, RegionFlags, Target, ThreadEvent,
    ThreadState,
};

use crate::{
    counters::count,
    crossing::{emit, stack},
    maps::{ACCOUNTS, BIRTHS, BLANK, CROSSINGS, REGIONS, TARGETS, THREADS},
    process,
    sampling::{
        wait,
        worker::{self, Worker},
    },
    switches, watch,
};

/// `CLONE_THREAD` of `linux/sched.h`.
const CLONE_THREAD: u64 = 0x1_0000;

/// Process and thread id of the current thread, in the root pid namespace.
#[inline(always)]
pub fn current() -> (u32, u32) {
    let both = bpf_get_current_pid_tgid();
    ((both >> 32) as u32, both as u32)
}

/// The state of thread `tid`, if it has one.
#[inline(always)]
pub fn get(tid: u32) -> Option<&'static mut ThreadState> {
    // SAFETY: only the thread itself changes its crossings; the scheduler's programs change other
    // fields, and the value outlives the program run (RCU).
    THREADS
        .get_ptr_mut(&tid)
        .map(|state| unsafe { &mut *state })
}

/// The state of the current thread with its number, made if it has none; `None` (counted) when the map is full.
#[inline(always)]
pub fn numbered(
    state: Option<&'static mut ThreadState>,
    target: &Target,
    tgid: u32,
    tid: u32,
) -> Option<&'static mut ThreadState> {
    let state = match state {
        Some(state) => state,
        None => create(tgid, tid)?,
    };
    if state.ns_tid == 0 {
        state.ns_tid = current_ns_tid(target, tid);
        state.python.ns_tid = state.ns_tid;
    }
    Some(state)
}

#[inline(always)]
fn create(tgid: u32, tid: u32) -> Option<&'static mut ThreadState> {
    let blank = BLANK.get(0)?;
    if THREADS.insert(&tid, blank, 0).is_err() {
        count(Counter::ThreadsFull);
        return None;
    }
    let state = get(tid)?;
    state.tgid = tgid;
    Some(state)
}

/// The current thread's id in its own pid namespace; the root's when the kernel cannot tell.
#[inline(always)]
pub fn current_ns_tid(target: &Target, tid: u32) -> u32 {
    let mut info = bpf_pidns_info { pid: 0, tgid: 0 };
    // SAFETY: `info` is as large as said.
    let failed = unsafe {
        bpf_get_ns_current_pid_tgid(
            target.pidns_dev,
            target.pidns_ino,
            &raw mut info,
            size_of::<bpf_pidns_info>() as u32,
        )
    };
    if failed == 0 { info.pid } else { tid }
}

/// A thread or a process is born: `task:task_newtask`, in the context of its creator.
#[tracepoint]
pub fn task_newtask(ctx: TracePointContext) -> u32 {
    // SAFETY: offsets of `events/task/task_newtask/format`: pid at 8, clone_flags at 32.
    let (Ok(child), Ok(flags)) = (unsafe { ctx.read_at::<u32>(8) }, unsafe {
        ctx.read_at::<u64>(32)
    }) else {
        return 0;
    };
    let (tgid, tid) = current();
    // SAFETY: the value is copied or read at once.
    let Some(target) = (unsafe { TARGETS.get(&tgid) }) else {
        return 0;
    };
    if flags & CLONE_THREAD == 0 {
        if TARGETS.insert(&child, target, 0).is_err() {
            count(Counter::TargetsFull);
        }
        process::tell(ControlKind::Fork, tgid, 0, child);
    } else if !get(tid).is_some_and(|creator| give_birth(creator, tgid, child)) {
        worker::gives_birth(target, tgid, tid, child);
    }
    0
}

/// The child descends from the crossing that its creator has open, or descends from itself; false if there is none.
#[inline(always)]
fn give_birth(creator: &mut ThreadState, tgid: u32, child: u32) -> bool {
    let (crossing, parent) = match innermost_non_worker(creator) {
        Some(slot) => {
            let frame = stack::frame(creator, slot);
            if frame.flags & FrameFlags::HAS_BIRTHS == 0 {
                if BIRTHS.insert(&frame.event.id, &tgid, 0).is_err() {
                    count(Counter::BirthsFull);
                    return true;
                }
                frame.flags |= FrameFlags::HAS_BIRTHS;
            }
            (frame.event.id, frame.event.parent)
        }
        None if creator.has_birth != 0 => (creator.birth_crossing, creator.birth_parent),
        None => return false,
    };
    let Some(state) = create(tgid, child) else {
        return true;
    };
    state.has_birth = 1;
    state.birth_crossing = crossing;
    state.birth_parent = parent;
    // SAFETY: a plain helper.
    state.started_ns = unsafe { bpf_ktime_get_ns() };
    // It waits for a CPU until it first runs.
    state.off_since_ns = state.started_ns;
    watch::begin(state, child);
    true
}

/// The newest open crossing that is not a worker's own body, nor a mere count.
#[inline(always)]
fn innermost_non_worker(state: &mut ThreadState) -> Option<u32> {
    stack::pick(state, |frame| {
        let worker = REGIONS
            .get(frame.event.region)
            .is_some_and(|region| region.flags & (RegionFlags::WORKER | RegionFlags::TALLY) != 0);
        (!worker).then(|| stack::newest(frame))
    })
}

/// A thread ends: `sched:sched_process_exit`, in its own context.
#[tracepoint]
pub fn sched_process_exit(ctx: TracePointContext) -> u32 {
    let (tgid, tid) = current();
    end(tgid, tid);
    tell_end_of_worker(tgid, tid);
    wait::ended(tid);
    if let Some(worker) = worker::get(tid).filter(|worker| worker.born.creator != 0) {
        worker.is_on_its_own();
    }
    worker::remove(tid);
    // SAFETY: offset of `group_dead` in `events/sched/sched_process_exit/format`; kernels before
    // 6.16 have no such field, and there the leader's exit stands for the process's.
    let group_dead = unsafe { ctx.read_at::<u8>(32) }.map_or(tgid == tid, |dead| dead != 0);
    if group_dead {
        // Most processes are no targets: nothing to remove is the usual case.
        let _ = TARGETS.remove(&tgid);
        let _ = ACCOUNTS.remove(&tgid);
    }
    let _ = ctx.as_ptr();
    0
}

/// The current thread has taken over its leader's id at an exec: what it had under its own is void.
#[inline(always)]
pub fn renamed(old: u32) {
    if let Some(state) = get(old) {
        if state.open != 0 {
            count(Counter::CrossingsLost);
        }
        watch::end(state, old);
    }
    // Most threads have no state.
    let _ = THREADS.remove(&old);
}

/// What the current thread had open ends now, and it descends from nothing any more.
#[inline(always)]
pub fn end(tgid: u32, tid: u32) {
    let Some(state) = get(tid) else {
        return;
    };
    // SAFETY: a plain helper.
    let now = unsafe { bpf_ktime_get_ns() };
    emit::close_all(state, Ending::ThreadExit, now);
    // SAFETY: the value is read at once.
    if let Some(target) = unsafe { TARGETS.get(&tgid) }
        && state.ns_tid == 0
    {
        state.ns_tid = current_ns_tid(target, tid);
    }
    switches::tell_apart_current(state);
    tell_end(state, tgid, tid, now);
    watch::end(state, tid);
    // The entry exists, as it was just found; nobody else removes it.
    let _ = THREADS.remove(&tid);
}

/// The same for one that was born while its creator worked for a request, and not in a crossing.
#[inline(always)]
fn tell_end_of_worker(tgid: u32, tid: u32) {
    // Without a number it was never looked at.
    let is_known = |worker: &&mut Worker| worker.born.creator != 0 && worker.python.ns_tid != 0;
    let Some(worker) = worker::get(tid).filter(is_known) else {
        return;
    };
    tell(ThreadEvent {
        kind: RecordKind::Thread.wire(),
        tgid,
        tid,
        ns_tid: worker.python.ns_tid,
        birth_crossing: 0,
        started_ns: worker.born.started_ns,
        // SAFETY: a plain helper.
        ended_ns: unsafe { bpf_ktime_get_ns() },
        runqueue_ns: 0,
        blocked_ns: 0,
        queued_ns: worker.queued_ns,
    });
}

#[inline(always)]
fn tell_end(state: &ThreadState, tgid: u32, tid: u32, now: u64) {
    if state.has_birth == 0 {
        return;
    }
    tell(ThreadEvent {
        kind: RecordKind::Thread.wire(),
        tgid,
        tid,
        ns_tid: state.ns_tid,
        birth_crossing: state.birth_crossing,
        started_ns: state.started_ns,
        ended_ns: now,
        runqueue_ns: state.runqueue_ns,
        blocked_ns: state.blocked_ns,
        queued_ns: worker::get(tid).map_or(0, |worker| worker.queued_ns),
    });
}

/// Sends the news of a thread's end.
#[inline(always)]
fn tell(event: ThreadEvent) {
    let Some(mut entry) = CROSSINGS.reserve::<ThreadEvent>(0) else {
        count(Counter::ThreadEventsLost);
        return;
    };
    entry.write(event);
    entry.submit(emit::wake_flags());
}
