//! Stacks to the agent.

use hotspan_common::{
    Counter, RecordKind, STACK_SIZES, SampleEvent, SampleFlags, SampleReason, Target,
};

use super::{frames, registers::Registers, stack, work::Work, worker::Worker};
use crate::{
    counters::count,
    maps::{SAMPLES, WAKE_SAMPLES_AT_BYTES},
};

/// `BPF_RB_NO_WAKEUP`, `BPF_RB_FORCE_WAKEUP` and `BPF_RB_AVAIL_DATA` of `linux/bpf.h`.
const NO_WAKEUP: u64 = 1;
const FORCE_WAKEUP: u64 = 2;
const AVAILABLE: u64 = 0;

/// An event with its stack.
#[repr(C)]
struct Entry<const BYTES: usize> {
    event: SampleEvent,
    stack: [u8; BYTES],
}

/// What is known of a tick before anything is written.
pub struct Tick<'a> {
    pub target: &'a Target,
    pub worker: &'a Worker,
    pub registers: Registers,
    pub work: Work,
    pub tid: u32,
    pub now: u64,
    /// `IN_KERNEL`, or nothing.
    pub flags: u32,
    pub period_ns: u64,
}

/// Sends the stack of the current thread, with as many bytes of it as the target asks for.
#[inline(always)]
pub fn tick(tick: &Tick<'_>) {
    const SMALL: u32 = STACK_SIZES[0];
    const MEDIUM: u32 = STACK_SIZES[1];
    const LARGE: u32 = STACK_SIZES[2];
    match tick.target.stack_bytes {
        SMALL => with_stack::<{ SMALL as usize }>(tick),
        MEDIUM => with_stack::<{ MEDIUM as usize }>(tick),
        LARGE => with_stack::<{ LARGE as usize }>(tick),
        _ => without_stack(tick),
    }
}

#[inline(always)]
fn with_stack<const BYTES: usize>(tick: &Tick<'_>) {
    let Some(mut entry) = SAMPLES.reserve::<Entry<BYTES>>(0) else {
        count(Counter::SamplesLost);
        return;
    };
    let entry_at = entry.as_mut_ptr();
    // SAFETY: the entry is this program's until it is submitted, and any bytes are an event.
    unsafe {
        let event = &mut (*entry_at).event;
        fill(event, tick);
        event.stack_len =
            stack::copy::<BYTES>((&raw mut (*entry_at).stack).cast(), tick.registers.sp);
        if event.stack_len == 0 {
            count(Counter::StacksUnreadable);
        }
        if u64::from(event.stack_len) + 4096 > BYTES as u64 {
            event.flags |= SampleFlags::STACK_CUT;
        }
    }
    entry.submit(wake_flags());
    count(Counter::Samples);
}

#[inline(always)]
fn without_stack(tick: &Tick<'_>) {
    let Some(mut entry) = SAMPLES.reserve::<SampleEvent>(0) else {
        count(Counter::SamplesLost);
        return;
    };
    // SAFETY: the entry is this program's until it is submitted, and any bytes are an event.
    fill(unsafe { &mut *entry.as_mut_ptr() }, tick);
    entry.submit(wake_flags());
    count(Counter::Samples);
}

#[inline(always)]
fn fill(event: &mut SampleEvent, tick: &Tick<'_>) {
    let work = &tick.work;
    event.kind = RecordKind::Sample.wire();
    event.reason = SampleReason::Timer.wire();
    event.tgid = tick.worker.tgid;
    event.tid = tick.tid;
    event.ns_tid = tick.worker.python.ns_tid;
    event.flags = work.flags | tick.flags;
    event.time_ns = tick.now;
    event.period_or_end_ns = tick.period_ns;
    event.crossing = work.crossing;
    event.context = work.context;
    event.span_object = work.span;
    event.ip = tick.registers.ip;
    event.sp = tick.registers.sp;
    event.bp = tick.registers.bp;
    event.syscall = tick.registers.syscall;
    event.syscall_arg = tick.registers.syscall_arg;
    event.python_len = 0;
    event.stack_len = 0;
    event.parent = work.parent;
    if tick.target.frames.enabled != 0 && tick.worker.is_python(tick.now) {
        frames::read_now(&tick.target.frames, tick.worker.python.state, event);
    }
}

/// The agent reads the ring at its own pace; it is woken only when the ring fills up.
#[inline(always)]
pub fn wake_flags() -> u64 {
    if SAMPLES.query(AVAILABLE) > WAKE_SAMPLES_AT_BYTES {
        FORCE_WAKEUP
    } else {
        NO_WAKEUP
    }
}
