//! An entry: a crossing opens.

use hotspan_common::{
    ContextOutcome, Counter, CrossingEvent, FrameFlags, Parent, ParentSource, ReadWhen, RecordKind,
    RegionFlags, TALLY_SLOT, TargetFlags, ThreadState,
};

use super::{Hit, counts, decode, members, moment, stack, tally};
use crate::{
    context::{self, Active},
    counters::{count, count_context},
    maps::BIRTHS,
    memory::{Access as _, Faulting},
    resources, switches, threads, watch,
};

/// For so long a worker is taken not to be one of the interpreter's threads.
const NATIVE_FOR_NS: u64 = 100_000_000;

/// Opens a crossing on the current thread.
#[inline(always)]
pub fn run(hit: &Hit, state: Option<&'static mut ThreadState>) {
    if let Some(state) = open(hit, state) {
        complete(hit, state);
        moment::pass(hit, state);
    }
}

/// Reads the parent of an outermost crossing, and what the region asks for.
#[inline(always)]
fn complete(hit: &Hit, state: &mut ThreadState) {
    if state.stage_outermost != 0 {
        let mut context = stack::staged(state).context;
        if context == 0 {
            context = context::context_pointer(hit.target, &mut state.python);
        }
        state.active = Active {
            context,
            ..Active::default()
        };
        context::read_active(hit.target, &mut state.python, &mut state.active);
        let parent = state.active.parent;
        count_context(parent.outcome);
        let is_somebodys = parent.source != ParentSource::None.wire();
        let event = &mut stack::staged(state).event;
        event.parent = parent;
        if !is_somebodys {
            members::read(hit, event);
        }
    }
    decode::run(hit, state, ReadWhen::Entry);
}

/// The current `PyContext`; 0: none. A worker that a library has made is hardly ever one of the interpreter's threads, whose
/// list is long: it is not looked for there each time. Without a context it is told by its stack alone, as it was before.
#[inline(always)]
fn current_context(hit: &Hit, state: &mut ThreadState) -> u64 {
    let is_worker = state.has_birth != 0 && hit.target.flags & TargetFlags::SWITCHES_STACKS == 0;
    if is_worker && hit.now < state.native_until_ns {
        return 0;
    }
    let context = context::context_pointer(hit.target, &mut state.python);
    if is_worker && state.python.outcome == u32::from(ContextOutcome::NotAPythonThread.wire()) {
        state.native_until_ns = hit.now + NATIVE_FOR_NS;
    }
    context
}

/// Takes a slot for the crossing, and stages it.
#[inline(always)]
fn open(hit: &Hit, state: Option<&'static mut ThreadState>) -> Option<&'static mut ThreadState> {
    count(Counter::Entries);
    let state = threads::numbered(state, hit.target, hit.tgid, hit.tid)?;
    if hit.spec.flags & RegionFlags::NOT_BY_LINEAGE != 0 && descends(state) {
        return None;
    }
    let context = current_context(hit, state);
    let ambiguous = stack::close_dead(state, hit, context);
    let around = stack::enclosing(state, hit.sp, context);
    let Some(slot) = stack::free_slot(state) else {
        count(Counter::TooDeep);
        return None;
    };
    stack::stage(state, slot);
    watch::begin(state, hit.tid);
    switches::tell_apart_current(state);
    let (runqueue_ns, blocked_ns, ns_tid) = (state.runqueue_ns, state.blocked_ns, state.ns_tid);
    let frame = stack::frame(state, slot);
    frame.sp = hit.sp;
    frame.return_address = Faulting::read::<u64>(hit.sp).unwrap_or(0);
    frame.context = context;
    frame.group = hit.spec.group;
    frame.epoch = hit.spec.epoch;
    frame.flags = if ambiguous { FrameFlags::AMBIGUOUS } else { 0 };
    let is_tally = hit.spec.flags & RegionFlags::TALLY != 0;
    if is_tally {
        frame.flags |= FrameFlags::BURST;
    }
    frame.bases = decode::bases(hit);
    let event = &mut frame.event;
    begin(event, hit);
    if is_tally {
        event.values[TALLY_SLOT as usize] = 1;
        event.valid = 1 << TALLY_SLOT;
        counts::add(hit, event);
    }
    event.ns_tid = ns_tid;
    event.runqueue_ns = runqueue_ns;
    event.blocked_ns = blocked_ns;
    event.enclosing = 0;
    event.parent = Parent::default();
    if is_tally {
        tally::called(hit, frame);
    }
    inherit(state, hit, slot, around);
    state.open |= 1 << slot;
    Some(state)
}

/// Everything of the event that the hit itself says.
#[inline(always)]
fn begin(event: &mut CrossingEvent, hit: &Hit) {
    event.kind = RecordKind::Crossing.wire();
    event.region = hit.cookie.region;
    event.tgid = hit.tgid;
    event.tid = hit.tid;
    event.ending = 0;
    event.id = hit.now << 22 | u64::from(hit.tid & 0x3f_ffff);
    event.entry_ns = hit.now;
    event.exit_ns = 0;
    event.proven_ns = hit.now;
    event.result = 0;
    event.valid = 0;
    event.text_len = 0;
    event.resources.known = 0;
    // A moment takes no time in which anything could change.
    if hit.spec.flags & RegionFlags::MOMENT == 0 {
        resources::read(&mut event.resources);
    }
}

/// Gives the crossing in `slot` the crossing around it, with its parent: on this thread, or by the
/// thread's birth.
#[inline(always)]
fn inherit(state: &mut ThreadState, hit: &Hit, slot: u32, around: Option<u32>) {
    state.stage_outermost = 0;
    let (enclosing, parent) = if let Some(slot) = around {
        let outer = stack::frame(state, slot);
        outer.event.proven_ns = hit.now;
        (outer.event.id, outer.event.parent)
    } else if descends(state) {
        (state.birth_crossing, born(state.birth_parent))
    } else {
        state.stage_outermost = 1;
        return;
    };
    let frame = stack::frame(state, slot);
    frame.event.enclosing = enclosing;
    frame.event.parent = parent;
}

/// The parent that came with a thread's birth.
#[inline(always)]
fn born(mut parent: Parent) -> Parent {
    parent.lineage = u8::from(parent.source != ParentSource::None.wire());
    parent
}

/// Whether the crossing that this thread was born under is still open. Once it is over, the thread
/// is on its own for good: pools outlive the request that happened to start them.
#[inline(always)]
fn descends(state: &mut ThreadState) -> bool {
    if state.has_birth == 0 {
        return false;
    }
    // SAFETY: only whether it is there matters.
    let open = unsafe { BIRTHS.get(&state.birth_crossing) }.is_some();
    if !open {
        state.has_birth = 0;
    }
    open
}
