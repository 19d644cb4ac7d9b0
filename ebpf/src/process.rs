//! What a target does to its address space: new code mapped, another program executed.

use aya_ebpf::{helpers::bpf_ktime_get_ns, macros::tracepoint, programs::TracePointContext};
use hotspan_common::{ControlEvent, ControlKind, Counter};

use crate::{
    counters::count,
    crossing::Hit,
    maps::{CONTROL, TARGETS},
    threads::{self, current},
};

/// The target's dynamic loader has mapped or unmapped an object.
///
/// By a probe in the loader and not by tracepoints of `mmap`, which would send every system call of every
/// process through the kernel's slow path.
#[inline(always)]
pub fn loaded(hit: &Hit) {
    tell(ControlKind::Mapped, hit.tgid, 0, hit.tid);
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
