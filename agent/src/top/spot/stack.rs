//! The stack of a thread that stands still, in the form in which the kernel programs send one.

use hotspan_common::{RecordKind, STACK_SIZES, SampleEvent, SampleFlags, SampleReason};
use hotspan_synth::time::KernelTime;

use super::task::Place;
use crate::{
    context::{
        memory::Memory,
        python::threads::{InterpreterThread, InterpreterThreads},
    },
    stack::RawSample,
};

/// Memory is read page by page: the stack ends somewhere.
const PAGE: u64 = 4096;
/// `__NR_poll` and `__NR_ppoll` of x86-64.
const POLL: u64 = 7;
const PPOLL: u64 = 271;
/// `__NR_futex` of x86-64.
const FUTEX: u64 = 202;

/// Whose it is, and since when it has stood there.
#[derive(Clone, Copy)]
pub struct Whose {
    pub target: u32,
    pub ns_tid: u32,
    pub since: KernelTime,
    pub now: KernelTime,
}

/// What is known of where it stands, without the stack.
pub fn bare(whose: Whose, place: &Place, is_gil: impl Fn(u64) -> bool) -> RawSample {
    let argument = match place.syscall {
        Some(POLL | PPOLL) => place.arguments[1],
        _ => place.arguments[0],
    };
    let gil = if place.syscall == Some(FUTEX) && is_gil(place.arguments[0]) {
        SampleFlags::GIL
    } else {
        0
    };
    RawSample {
        event: SampleEvent {
            kind: RecordKind::Sample.wire(),
            reason: SampleReason::Off.wire(),
            tgid: whose.target,
            ns_tid: whose.ns_tid,
            flags: SampleFlags::IN_KERNEL | gil,
            time_ns: whose.since.0,
            period_or_end_ns: whose.now.0,
            syscall: place.syscall.unwrap_or(u64::MAX),
            syscall_arg: argument,
            ..SampleEvent::default()
        },
        stack: Vec::new(),
    }
}

/// Adds native and Python frames. The frame pointer is not known: a walk ends where it is needed.
pub fn fill(
    raw: &mut RawSample,
    place: &Place,
    memory: &Memory,
    interpreter: &InterpreterThreads,
    thread: InterpreterThread,
) {
    let event = &mut raw.event;
    (event.ip, event.sp) = (place.ip, place.sp);
    raw.stack = copy(memory, place.sp);
    event.stack_len = raw.stack.len() as u32;
    if raw.stack.len() >= largest() {
        event.flags |= SampleFlags::STACK_CUT;
    }
    let walk = interpreter.frames(thread.state);
    event.flags |= walk.flags;
    event.python_len = walk.frames.len() as u32;
    event.python[..walk.frames.len()].copy_from_slice(&walk.frames);
}

fn copy(memory: &Memory, sp: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut at = sp;
    while bytes.len() < largest() {
        let end = (at | (PAGE - 1)).saturating_add(1);
        let mut page = vec![0; end.saturating_sub(at) as usize];
        if page.is_empty() || memory.read(at, &mut page).is_err() {
            break;
        }
        bytes.extend_from_slice(&page);
        at = end;
    }
    bytes
}

fn largest() -> usize {
    STACK_SIZES.iter().max().map_or(0, |size| *size as usize)
}
