//! What the kernel programs copy of a thread, taken by ptrace of a target of the test's own.

use hotspan::{context::memory::Memory, stack::RawSample};
use hotspan_common::{SampleEvent, SampleFlags, SampleReason};
use nix::{
    sys::{
        ptrace,
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

/// Registers and stack bytes of a stopped thread, as a sample.
pub fn capture(pid: u32, thread: u32, limit: usize) -> RawSample {
    let id = Pid::from_raw(thread as i32);
    ptrace::seize(id, ptrace::Options::empty()).unwrap();
    ptrace::interrupt(id).unwrap();
    let stopped = waitpid(id, Some(WaitPidFlag::__WALL)).unwrap();
    assert!(
        matches!(
            stopped,
            WaitStatus::PtraceEvent(..) | WaitStatus::Stopped(..)
        ),
        "{stopped:?}"
    );
    let registers = ptrace::getregs(id).unwrap();
    let memory = Memory::open(pid).unwrap();
    let mut stack = Vec::new();
    // Page by page, as the kernel's side does: the stack's end is not known.
    while stack.len() < limit {
        let at = registers.rsp + stack.len() as u64;
        let rest = (4096 - at % 4096).min((limit - stack.len()) as u64);
        let mut page = vec![0; rest as usize];
        if memory.read(at, &mut page).is_err() {
            break;
        }
        stack.extend_from_slice(&page);
    }
    ptrace::detach(id, None).unwrap();
    let mut event = empty(pid, thread);
    (event.ip, event.sp, event.bp) = (registers.rip, registers.rsp, registers.rbp);
    if stack.len() == limit {
        event.flags |= SampleFlags::STACK_CUT;
    }
    event.stack_len = stack.len() as u32;
    RawSample { event, stack }
}

/// A sample of nothing.
pub fn empty(pid: u32, thread: u32) -> SampleEvent {
    SampleEvent {
        reason: SampleReason::Timer.wire(),
        tgid: pid,
        tid: thread,
        ns_tid: thread,
        time_ns: now(),
        period_or_end_ns: 10_000_000,
        next_ns: 10_000_000,
        ..SampleEvent::default()
    }
}

/// The kernel's clock, in nanoseconds.
pub fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
