//! A look at a thread that waits, or has just waited: for whom it works, and what it is doing.

use core::ffi::c_void;

use hotspan_common::{ContextOutcome, Counter, SampleFlags, SampleReason, Target};

use super::{
    budget, frames,
    registers::Registers,
    send,
    work::{self, Work},
    worker::Worker,
};
use crate::{
    context::{self, CTX_VARS},
    memory::{Access as _, Resident},
    threads,
};

/// `__NR_futex` of x86-64.
pub const FUTEX: u64 = 202;

/// What a look at a thread shows.
#[derive(Clone, Copy)]
pub enum Seen {
    /// It works for a request.
    Work,
    /// It works for nobody: its context has no span.
    Nothing,
    Unknown,
}

/// A look at the current thread.
pub struct Look<'a> {
    pub target: &'a Target,
    pub worker: &'a mut Worker,
    pub tid: u32,
    pub registers: &'a Registers,
    /// Now.
    pub now: u64,
    /// When it left the CPU.
    pub since: u64,
    /// The program's context.
    pub program: *mut c_void,
}

/// Whether the thread may be looked at. Native threads that only help are not: a solver's workers wait for each other all
/// the time.
#[inline(always)]
pub fn is_worth_it(target: &Target, worker: &Worker, tid: u32, now: u64) -> bool {
    let is_native = now < worker.native_until_ns && target.thread_context.enabled == 0;
    !is_native || threads::get(tid).is_some_and(|state| state.open != 0 && state.has_birth == 0)
}

impl Look<'_> {
    /// Writes down what the thread does, if it is at work; the time that takes is taken off its budget.
    #[inline(always)]
    pub fn take(&mut self) -> Seen {
        let work = work::look(self.target, self.worker, self.registers.sp, self.now);
        let seen = seen(&work);
        if let Seen::Work = seen {
            self.fill(&work);
            send::kernel_frames(&mut self.worker.wait, self.program);
        }
        budget::spend(&mut self.worker.budget, self.now);
        seen
    }

    #[inline(always)]
    fn fill(&mut self, work: &Work) {
        let (target, worker) = (self.target, &mut *self.worker);
        let (tgid, is_python) = (worker.tgid, worker.is_python(self.now));
        let (state, ns_tid) = (worker.python.state, worker.python.ns_tid);
        let idle_until_ns = worker.idle.before(&work.active.parent);
        let for_io = worker.for_io;
        let event = &mut worker.wait;
        send::describe(event, SampleReason::Off, tgid, self.tid, ns_tid, self.since);
        send::note(event, self.registers, work);
        event.idle_until_ns = idle_until_ns;
        event.flags = work.flags | SampleFlags::IN_KERNEL;
        send::span_text(event, target);
        if self.registers.syscall == FUTEX
            && self.registers.syscall_arg >= target.frames.gil_start
            && self.registers.syscall_arg < target.frames.gil_end
        {
            event.flags |= SampleFlags::GIL;
        }
        if for_io != 0 {
            event.flags |= SampleFlags::BLOCK_IO;
        }
        if target.frames.enabled != 0 && is_python {
            frames::read_now(&target.frames, state, event);
        }
    }
}

/// For whom the thread works, without what it is doing.
#[inline(always)]
pub fn for_whom(target: &Target, worker: &mut Worker, sp: u64, now: u64) -> Seen {
    let work = work::look(target, worker, sp, now);
    let seen = seen(&work);
    if let Seen::Work = seen {
        worker.idle.before(&work.active.parent);
    }
    budget::spend(&mut worker.budget, now);
    seen
}

/// The thread works for nobody, and did until now.
#[inline(always)]
pub fn is_nobodys(target: &Target, worker: &mut Worker, now: u64) {
    worker.idle.until(now);
    worker.idle.place = context::entered_now(target, &mut worker.python);
    worker.idle.variables = variables(worker.idle.place.context);
}

/// Whether the thread is where it was when it was found to work for nobody: it has not entered a context since nor left one,
/// and that one's variables are the same. That is less to read than whom it works for.
#[inline(always)]
pub fn is_still_nobodys(target: &Target, worker: &mut Worker, tid: u32) -> bool {
    let place = worker.idle.place;
    if place.context == 0 || worker.born.creator != 0 || target.thread_context.enabled != 0 {
        return false;
    }
    if threads::get(tid).is_some_and(|state| state.open != 0 || state.has_birth != 0) {
        return false;
    }
    let now = context::entered_now(target, &mut worker.python);
    now.context == place.context
        && now.version == place.version
        && variables(now.context) == worker.idle.variables
}

/// What a context holds.
#[inline(always)]
fn variables(context: u64) -> u64 {
    Resident::read(context.wrapping_add(CTX_VARS)).unwrap_or(0)
}

#[inline(always)]
fn seen(work: &Work) -> Seen {
    match work::refusal(work) {
        None => Seen::Work,
        Some(Counter::SamplesNotAtWork)
            if work.active.parent.outcome == ContextOutcome::NoActiveSpan.wire() =>
        {
            Seen::Nothing
        }
        Some(_) => Seen::Unknown,
    }
}
