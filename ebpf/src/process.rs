//! What a target does to its address space: new code mapped, another program executed.

use aya_ebpf::{helpers::bpf_ktime_get_ns, macros::tracepoint, programs::TracePointContext};
use hotspan_common::{ControlEvent, ControlKind, Counter};

use crate::{
    counters::count,
    maps::{CONTROL, MAPPING, TARGETS},
    threads::{self, current},
};

/// `PROT_EXEC` of `mman.h`.
const PROT_EXEC: u64 = 4;
/// The file descriptor of an anonymous mapping.
const NO_FILE: u64 = u32::MAX as u64;

/// `syscalls:sys_enter_mmap`: does a target map code from a file?
#[tracepoint]
pub fn sys_enter_mmap(ctx: TracePointContext) -> u32 {
    // SAFETY: offsets of `events/syscalls/sys_enter_mmap/format`: prot 32, fd 48.
    let (Ok(prot), Ok(file)) = (unsafe { ctx.read_at::<u64>(32) }, unsafe {
        ctx.read_at::<u64>(48)
    }) else {
        return 0;
    };
    if prot & PROT_EXEC == 0 || file & NO_FILE == NO_FILE {
        return 0;
    }
    let (tgid, tid) = current();
    // SAFETY: only whether it is there matters.
    if unsafe { TARGETS.get(&tgid) }.is_some() && MAPPING.insert(&tid, &tgid, 0).is_err() {
        count(Counter::ControlLost);
    }
    0
}

/// `syscalls:sys_exit_mmap`: it is mapped now.
#[tracepoint]
pub fn sys_exit_mmap(_ctx: TracePointContext) -> u32 {
    let (tgid, tid) = current();
    if MAPPING.remove(&tid).is_ok() {
        tell(ControlKind::Mapped, tgid, 0, tid);
    }
    0
}

/// `sched:sched_process_exec`: everything that was known of the process is void.
#[tracepoint]
pub fn sched_process_exec(ctx: TracePointContext) -> u32 {
    let (tgid, tid) = current();
    // SAFETY: only whether it is there matters.
    if unsafe { TARGETS.get(&tgid) }.is_some() {
        // The stack is another one now, and regions that the new program maps too stay armed.
        threads::end(tgid, tid);
        // SAFETY: offset of `old_pid` in `events/sched/sched_process_exec/format`.
        if let Ok(old) = unsafe { ctx.read_at::<u32>(16) }
            && old != tid
        {
            threads::renamed(old);
        }
        tell(ControlKind::Exec, tgid, 0, tid);
    }
    0
}

/// Sends a control event, and wakes the agent.
#[inline(always)]
pub fn tell(kind: ControlKind, tgid: u32, region: u32, value: u32) {
    let Some(mut entry) = CONTROL.reserve::<ControlEvent>(0) else {
        count(Counter::ControlLost);
        return;
    };
    entry.write(ControlEvent {
        kind: kind.wire(),
        tgid,
        region,
        value,
        // SAFETY: a plain helper.
        time_ns: unsafe { bpf_ktime_get_ns() },
    });
    entry.submit(0);
}
