//! Stacks to the agent.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_get_stack;
use hotspan_common::{
    Arrival, Change, Counter, MAX_KERNEL_FRAMES, RecordKind, STACK_SIZES, SampleEvent, SampleFlags,
    SampleReason, Target,
};

use super::{frames, lives, registers::Registers, stack, work::Work, worker::Worker};
use crate::{
    context,
    counters::count,
    maps::{DESCRIBED, SAMPLES, WAKE_SAMPLES_AT_PART},
};

/// `BPF_RB_NO_WAKEUP`, `BPF_RB_FORCE_WAKEUP`, `BPF_RB_AVAIL_DATA` and `BPF_RB_RING_SIZE` of `linux/bpf.h`.
const NO_WAKEUP: u64 = 1;
const FORCE_WAKEUP: u64 = 2;
const AVAILABLE: u64 = 0;
const SIZE: u64 = 1;

/// An event with its stack.
#[repr(C)]
struct Entry<const BYTES: usize> {
    event: SampleEvent,
    stack: [u8; BYTES],
}

/// What is known of a tick before anything is written.
pub struct Tick<'a> {
    pub target: &'a Target,
    pub worker: &'a mut Worker,
    pub registers: Registers,
    pub work: &'a Work,
    pub tid: u32,
    pub now: u64,
    /// `IN_KERNEL`, or nothing.
    pub flags: u32,
    /// The program's context.
    pub program: *mut c_void,
}

/// Sends the stack of the current thread, with as many bytes of it as the target asks for.
#[inline(always)]
pub fn tick(tick: &mut Tick<'_>) {
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
fn with_stack<const BYTES: usize>(tick: &mut Tick<'_>) {
    let Some(mut entry) = SAMPLES.reserve::<Entry<BYTES>>(0) else {
        count(Counter::SamplesLost);
        return;
    };
    let entry_at = entry.as_mut_ptr();
    // SAFETY: the entry is this program's until it is submitted, and any bytes are an event.
    unsafe {
        let event = &mut (*entry_at).event;
        fill(event, tick);
        let copied = stack::copy::<BYTES>((&raw mut (*entry_at).stack).cast(), tick.registers.sp);
        event.stack_len = copied.length;
        event.stack_holes = copied.holes;
        if event.stack_len == 0 {
            count(Counter::StacksUnreadable);
        }
        if u64::from(event.stack_len) + 4096 > BYTES as u64 {
            event.flags |= SampleFlags::STACK_CUT;
        }
    }
    // SAFETY: the entry is this program's until it is submitted.
    let flags = unsafe { (*entry.as_mut_ptr()).event.flags };
    entry.submit(wake_flags(flags));
    count(Counter::Samples);
}

#[inline(always)]
fn without_stack(tick: &mut Tick<'_>) {
    let Some(mut entry) = SAMPLES.reserve::<SampleEvent>(0) else {
        count(Counter::SamplesLost);
        return;
    };
    // SAFETY: the entry is this program's until it is submitted, and any bytes are an event.
    let event = unsafe { &mut *entry.as_mut_ptr() };
    fill(event, tick);
    let flags = event.flags;
    entry.submit(wake_flags(flags));
    count(Counter::Samples);
}

#[inline(always)]
fn fill(event: &mut SampleEvent, tick: &mut Tick<'_>) {
    let (state, ns_tid) = (tick.worker.python.state, tick.worker.python.ns_tid);
    let reason = SampleReason::Timer;
    describe(event, reason, tick.worker.tgid, tick.tid, ns_tid, tick.now);
    note(event, &tick.registers, tick.work);
    event.flags |= tick.flags;
    event.period_or_end_ns = tick.worker.distances.before_ns;
    event.next_ns = tick
        .worker
        .distances
        .after_ns
        .saturating_add(tick.target.late_ns);
    // What is not sent stays for the next one.
    event.queued_ns = core::mem::take(&mut tick.worker.queued_ns);
    event.idle_until_ns = tick.worker.idle.before(&tick.work.active.parent);
    // Most stacks are of the span that the one before was of.
    if event.span_object != 0 && tick.worker.described != u64::from_ne_bytes(event.parent.span_id) {
        span_text(event, tick.target);
        tick.worker.described = u64::from_ne_bytes(event.parent.span_id);
    }
    if tick.target.frames.enabled != 0 && tick.worker.is_python(tick.now) {
        frames::read_now(&tick.target.frames, state, event);
        if tick.worker.density.is_watched() {
            lives::stack(
                tick.target,
                tick.worker,
                tick.work,
                tick.now,
                &mut event.change,
            );
        }
    }
    if tick.flags & SampleFlags::IN_KERNEL != 0 {
        kernel_frames(event, tick.program);
    }
}

/// Whether the parent has said what it is.
#[inline(always)]
pub fn is_described(event: &SampleEvent) -> bool {
    let span = u64::from_ne_bytes(event.parent.span_id);
    // SAFETY: only whether it is there matters.
    unsafe { DESCRIBED.get(&span) }.is_some()
}

/// What the parent says of itself, if it has not said so yet. Failing that, the agent looks.
#[inline(always)]
pub fn span_text(event: &mut SampleEvent, target: &Target) {
    if event.span_object == 0 || is_described(event) {
        return;
    }
    let span = u64::from_ne_bytes(event.parent.span_id);
    context::describe_now(target, event.span_object, &mut event.span_text);
    // The map forgets its oldest entries by itself; failing that, it is said again.
    let _ = DESCRIBED.insert(&span, &1, 0);
}

/// Where the thread is in the kernel, if that is asked for. `program` is the program's context.
#[inline(always)]
pub fn kernel_frames(event: &mut SampleEvent, program: *mut c_void) {
    if !super::has_kernel_frames() {
        return;
    }
    const WORD: usize = size_of::<u64>();
    let room = (WORD * MAX_KERNEL_FRAMES) as u32;
    // SAFETY: there is that much room, and the context is this program's.
    let read = unsafe { bpf_get_stack(program, event.kernel.as_mut_ptr().cast(), room, 0) };
    if read > 0 {
        event.kernel_len = read as u32 / WORD as u32;
    } else {
        count(Counter::KernelStacksUnread);
    }
}

/// Writes down which thread it is, and when.
#[inline(always)]
pub fn describe(
    event: &mut SampleEvent,
    reason: SampleReason,
    tgid: u32,
    tid: u32,
    ns_tid: u32,
    now: u64,
) {
    event.kind = RecordKind::Sample.wire();
    event.reason = reason.wire();
    event.tgid = tgid;
    event.tid = tid;
    event.ns_tid = ns_tid;
    event.time_ns = now;
    event.period_or_end_ns = now;
    event.next_ns = 0;
    event.queued_ns = 0;
    event.idle_until_ns = 0;
    event.change = Change::default();
    event.early_ns = 0;
    event.span_text.start_ns = 0;
    event.arrival = Arrival::default();
    event.python_len = 0;
    event.stack_len = 0;
    event.stack_holes = 0;
    event.kernel_len = 0;
}

/// Writes down where the thread is, and for whom.
#[inline(always)]
pub fn note(event: &mut SampleEvent, registers: &Registers, work: &Work) {
    event.flags = work.flags;
    event.crossing = work.crossing;
    event.context = work.active.context;
    event.span_object = work.active.span;
    event.ip = registers.ip;
    event.sp = registers.sp;
    event.bp = registers.bp;
    event.bx = registers.bx;
    event.syscall = registers.syscall;
    event.syscall_arg = registers.syscall_arg;
    event.parent = work.active.parent;
}

/// Sends a finished event, without a stack.
#[inline(always)]
pub fn event(event: &SampleEvent) {
    let sent = SAMPLES.output::<SampleEvent>(event, wake_flags(event.flags));
    count(if sent.is_ok() {
        Counter::Samples
    } else {
        Counter::SamplesLost
    });
}

/// The agent reads the ring at its own pace; it is woken only when the ring fills up, or when what a
/// sample names will soon be gone.
#[inline(always)]
pub fn wake_flags(sample: u32) -> u64 {
    let is_urgent = sample & SampleFlags::PYTHON_RUNS_ONCE != 0;
    if is_urgent || SAMPLES.query(AVAILABLE) > SAMPLES.query(SIZE) / WAKE_SAMPLES_AT_PART {
        FORCE_WAKEUP
    } else {
        NO_WAKEUP
    }
}
