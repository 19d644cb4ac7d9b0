//! Ticks of the sampler's timer, on each CPU.

use aya_ebpf::{
    EbpfContext as _, helpers::bpf_ktime_get_ns, macros::perf_event, programs::PerfEventContext,
};
use hotspan_common::{SampleFlags, Target, TargetFlags};

use super::{
    account, awaits,
    density::{self, Due},
    inside, lives,
    registers::{self, Registers},
    send::{self, Tick},
    wait, work,
    worker::{self, Worker},
};
use crate::{counters::count, maps::TARGETS, threads};

/// The privilege level in a code segment's selector: 0 in the kernel.
const PRIVILEGE: u64 = 3;

/// Takes the stack of the thread that runs, if it works for a request of a target.
#[perf_event]
pub fn sample(ctx: PerfEventContext) -> u32 {
    let (tgid, tid) = threads::current();
    // SAFETY: targets are replaced whole; an old copy lives as long as this program runs.
    if let Some(target) = unsafe { TARGETS.get(&tgid) } {
        take(&ctx, target, tgid, tid);
    }
    0
}

#[inline(always)]
fn take(ctx: &PerfEventContext, target: &Target, tgid: u32, tid: u32) {
    let Some(worker) = worker::get_or_create(target, tgid, tid) else {
        return;
    };
    // SAFETY: a plain helper.
    let now = unsafe { bpf_ktime_get_ns() };
    if super::tells_returns() {
        wait::settle_birth(worker);
    }
    awaits::thread_leaves(target, worker, now);
    account::ran(
        tgid,
        target.tick_ns,
        inside::met(target, worker, tid, now),
        now,
    );
    let mut due = worker.density.tick(target);
    if worker.density.is_watched() {
        let has_ended = lives::has_ended(target, worker, now);
        if has_ended && due != Due::Now && density::may_be_early(target, tgid, now) {
            due = Due::Now;
        }
        if due == Due::Not {
            account::spend(tgid, now);
        }
    }
    if due == Due::Not {
        return;
    }
    wait::settle(worker, now);
    let Some(registers) = registers::of_current() else {
        return;
    };
    if !inside::goes_on(target, worker, registers.sp) {
        look(ctx, target, worker, tid, registers, due, now);
    }
    account::spend(tgid, now);
}

/// Takes the stack, if the thread works for a request and its turn has come.
#[inline(always)]
fn look(
    ctx: &PerfEventContext,
    target: &Target,
    worker: &mut Worker,
    tid: u32,
    registers: Registers,
    due: Due,
    now: u64,
) {
    let work = work::look(target, worker, registers.sp, now);
    if let Some(reason) = work::refusal(&work) {
        count(reason);
        worker.density.is_nobodys(target, due);
        if target.flags & TargetFlags::SAMPLES_ALL == 0 {
            return;
        }
    }
    if !density::takes(target, worker, &work, due, now) {
        return;
    }
    // SAFETY: the context of a perf event has the registers that it interrupted.
    let selector = unsafe { (&raw const (*ctx.ctx).regs.cs).read_volatile() };
    let in_kernel = selector & PRIVILEGE == 0;
    send::tick(&mut Tick {
        target,
        worker,
        registers,
        work: &work,
        tid,
        now,
        flags: if in_kernel { SampleFlags::IN_KERNEL } else { 0 },
        program: ctx.as_ptr(),
    });
}
