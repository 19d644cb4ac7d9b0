//! Ticks of the sampler's timer, on each CPU.

use aya_ebpf::{
    helpers::{bpf_get_prandom_u32, bpf_ktime_get_ns},
    macros::perf_event,
    programs::PerfEventContext,
};
use hotspan_common::{SampleFlags, Target};

use super::{
    registers,
    send::{self, Tick},
    wait, work, worker,
};
use crate::{maps::TARGETS, threads};

/// The privilege level in a code segment's selector: 0 in the kernel.
const PRIVILEGE: u64 = 3;

/// Takes the stack of the thread that runs, if it works for a request of a target.
#[perf_event]
pub fn sample(ctx: PerfEventContext) -> u32 {
    let (tgid, tid) = threads::current();
    // SAFETY: targets are replaced whole; an old copy lives as long as this program runs.
    if let Some(target) = unsafe { TARGETS.get(&tgid) }
        && is_taken(target)
    {
        take(&ctx, target, tgid, tid);
    }
    0
}

/// By chance rather than by count, so that no rhythm of the target's is met again and again.
#[inline(always)]
fn is_taken(target: &Target) -> bool {
    // SAFETY: a plain helper.
    target.ticks_per_sample <= 1
        || unsafe { bpf_get_prandom_u32() }.is_multiple_of(target.ticks_per_sample)
}

#[inline(always)]
fn take(ctx: &PerfEventContext, target: &Target, tgid: u32, tid: u32) {
    // SAFETY: a plain helper.
    let now = unsafe { bpf_ktime_get_ns() };
    let Some(worker) = worker::get_or_create(target, tgid, tid) else {
        return;
    };
    wait::settle(worker, now);
    let Some(registers) = registers::of_current() else {
        return;
    };
    let Some(work) = work::of_current(target, worker, tid, registers.sp, now) else {
        return;
    };
    // SAFETY: the context of a perf event has the registers that it interrupted.
    let selector = unsafe { (&raw const (*ctx.ctx).regs.cs).read_volatile() };
    let in_kernel = selector & PRIVILEGE == 0;
    send::tick(&Tick {
        target,
        worker,
        registers,
        work,
        tid,
        now,
        flags: if in_kernel { SampleFlags::IN_KERNEL } else { 0 },
        period_ns: target.tick_ns * u64::from(target.ticks_per_sample.max(1)),
    });
}
