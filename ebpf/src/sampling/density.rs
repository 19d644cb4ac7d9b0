//! How densely a thread's ticks are taken.
//!
//! The distance between the stacks of a request grows with its age: so a short one is known as well, for its
//! length, as a long one. What that takes beyond the usual frequency is bounded by a budget; a request for
//! which there is none when it begins is sampled as usual. Distances are the time that the thread ran, by the ticks that
//! met it, and each stack says both of its own: how long ago the thread was looked at before, and when it will be
//! again. In a region that nobody asks what it does inside, they are the usual ones (`inside.rs`).

use aya_ebpf::helpers::bpf_get_prandom_u32;
use hotspan_common::{Counter, SampleFlags, Target, TargetFlags};

use super::{account, frames, inside::Inside, work::Work, worker::Worker};
use crate::{
    counters::count,
    crossing::guard::Bucket,
    maps::{RATES, YOUNG},
    threads,
};

/// The distance between stacks is this part of the request's age.
const AGE_PART: u64 = 8;
/// Dense stacks that the budgets must allow for when a request begins.
const LEAST_GRANT: u64 = 20;
/// What one takes of the target's time, more or less.
const STACK_NS: i64 = 20_000;
/// In the keys of the guard's buckets, in place of a region's number.
const DENSE: u64 = u32::MAX as u64 - 2;
/// A thread that worked for nobody, and waited for so long, is looked at at its next tick.
const LONG_WAIT_NS: u64 = 5_000_000;
/// The most that a distance differs from the mean, in parts of it: what has a rhythm is not met in step with it.
const JITTER_PART: u32 = 3;
const SECOND_NS: u64 = 1_000_000_000;

/// A thread's ticks.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Density {
    /// The request at the last look; 0: none.
    span: u64,
    /// For how long it ran since the last look, by its ticks. Not their number: the timer's pace changes.
    ran_ns: u64,
    /// After so long the next stack is due.
    gap_ns: u64,
    /// 1 if it may have gone on to another request meanwhile.
    is_fresh: u32,
    /// 1 if the request began with more stacks than usual: until the budget ends that, ticks look for what changes.
    is_watched: u32,
    /// In regions that nobody asks what they do inside.
    pub inside: Inside,
}

/// A request at its beginning.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Young {
    /// When it was first met.
    first_ns: u64,
    /// 1 if it is sampled more densely than others.
    is_dense: u64,
}

/// What becomes of a tick.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// A stack is taken.
    Now,
    /// One is taken if the thread has gone on to another request.
    IfNew,
    /// Nothing.
    Not,
}

/// The distances of a stack to those before and after it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Distances {
    pub before_ns: u64,
    pub after_ns: u64,
}

impl Density {
    /// The thread ran at a tick.
    #[inline(always)]
    pub fn tick(&mut self, target: &Target) -> Due {
        self.ran_ns = self.ran_ns.saturating_add(target.tick_ns);
        if target.ticks_per_sample <= 1 || self.ran_ns >= self.gap_ns {
            Due::Now
        } else if self.is_fresh != 0 {
            Due::IfNew
        } else {
            Due::Not
        }
    }

    /// Whether ticks without a stack look for what changes.
    #[inline(always)]
    pub fn is_watched(&self) -> bool {
        self.is_watched != 0
    }

    /// The thread waited, and runs again.
    #[inline(always)]
    pub fn waited(&mut self, for_ns: u64) {
        if self.span != 0 || for_ns >= LONG_WAIT_NS {
            self.is_fresh = 1;
        }
    }

    /// The thread works for nobody: it is looked at ever more seldom, or at its next turn.
    #[inline(always)]
    pub fn is_nobodys(&mut self, target: &Target, due: Due) {
        self.inside.crossing = 0;
        self.is_watched = 0;
        if knows_kinds(target) {
            self.is_fresh = 0;
            if due == Due::Now {
                self.span = 0;
                self.ran_ns = 0;
                self.gap_ns = usual_gap_ns(target);
            }
            return;
        }
        self.gap_ns = if self.span == 0 {
            let most = target.tick_ns * u64::from(target.ticks_per_sample);
            self.gap_ns.saturating_mul(2).max(target.tick_ns).min(most)
        } else {
            target.tick_ns
        };
        self.span = 0;
        self.ran_ns = 0;
        self.is_fresh = 0;
    }

    /// The thread works for a request: whether a stack is taken at this tick.
    #[inline(always)]
    fn takes(
        &mut self,
        target: &Target,
        work: &Work,
        is_opaque: bool,
        due: Due,
        now: u64,
    ) -> Option<Distances> {
        let span = u64::from_ne_bytes(work.active.parent.span_id);
        self.is_fresh = 0;
        if due == Due::IfNew && span == self.span {
            return None;
        }
        let is_usual = target.ticks_per_sample <= 1 || work.flags & SampleFlags::BY_LINEAGE != 0;
        let gap = if is_usual {
            USUAL
        } else {
            sampling_gap(target, span, now, u32::from(is_opaque))
        };
        let dense = if gap == GROWN { USUAL } else { gap };
        if dense == USUAL && due == Due::IfNew && knows_kinds(target) {
            return None;
        }
        let ran_ns = self.ran_ns.max(target.tick_ns);
        self.span = span;
        self.is_watched = u32::from(gap != USUAL);
        self.ran_ns = 0;
        self.gap_ns = if dense == USUAL {
            usual_gap_ns(target)
        } else {
            target.tick_ns * u64::from(dense)
        };
        self.inside.crossing = 0;
        if !is_opaque {
            return Some(Distances {
                before_ns: ran_ns,
                after_ns: self.gap_ns,
            });
        }
        self.inside.ran_ns += ran_ns;
        if dense != USUAL {
            // The first tick after it is not to be missed.
            self.gap_ns = target.tick_ns;
            if self.inside.ran_ns < self.inside.gap_ns {
                self.inside.crossing = work.crossing;
                return None;
            }
        }
        self.inside.gap_ns = usual_gap_ns(target);
        Some(Distances {
            before_ns: core::mem::take(&mut self.inside.ran_ns),
            after_ns: self.inside.gap_ns,
        })
    }

    /// Whether a thread that is where its last look took no stack can go without one now, too.
    #[inline(always)]
    pub fn may_go_on(&self, target: &Target) -> bool {
        self.inside.crossing != 0
            && target.ticks_per_sample > 1
            && self.inside.ran_ns + self.ran_ns < self.inside.gap_ns
    }

    /// It is there, and goes without.
    #[inline(always)]
    pub fn goes_on(&mut self) {
        self.inside.ran_ns += core::mem::take(&mut self.ran_ns);
        count(Counter::SamplesSpared);
    }
}

/// Whether a stack may be taken at a tick whose turn it is not.
#[inline(always)]
pub fn may_be_early(target: &Target, tgid: u32, now: u64) -> bool {
    account::has(tgid, 1) && allows(target, tgid, now, 1)
}

/// Whether a stack of the current thread, which works for a request, is taken at this tick; if it is, `worker.distances`
/// says how far from others.
#[inline(always)]
pub fn takes(target: &Target, worker: &mut Worker, work: &Work, due: Due, now: u64) -> bool {
    sampling_takes(target, worker, work, u32::from(due == Due::Now), now) != 0
}

/// A global function, which the verifier checks once and on its own.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sampling_takes(
    target: *const Target,
    worker: *mut Worker,
    work: *const Work,
    is_due: u32,
    now: u64,
) -> u32 {
    if target.is_null() || worker.is_null() || work.is_null() {
        return 0;
    }
    // SAFETY: not null, and the caller's references are valid.
    let (target, worker, work) = unsafe { (&*target, &mut *worker, &*work) };
    let due = if is_due == 0 { Due::IfNew } else { Due::Now };
    let is_opaque = work.is_opaque != 0 && {
        let frame = frames::innermost_now(&target.frames, worker.python.state);
        worker.density.inside.is_librarys(work.crossing, frame)
    };
    let Some(distances) = worker.density.takes(target, work, is_opaque, due, now) else {
        if worker.density.inside.crossing != 0 {
            count(Counter::SamplesSpared);
        }
        return 0;
    };
    worker.distances = distances;
    1
}

/// Until the next stack, if it is not to be any sooner.
#[inline(always)]
fn usual_gap_ns(target: &Target) -> u64 {
    if target.ticks_per_sample <= 1 {
        return target.tick_ns;
    }
    target.tick_ns * u64::from(jittered(target.ticks_per_sample))
}

#[inline(always)]
fn knows_kinds(target: &Target) -> bool {
    target.flags & TargetFlags::KINDS_ARE_KNOWN != 0
}

/// In place of a number of ticks: no fewer than usual,
const USUAL: u32 = 0;
/// or no fewer any more, of a request that had them closer when it was young.
const GROWN: u32 = u32::MAX;

/// Ticks to the next stack, if they are fewer than usual; if `is_spared`, none is taken. A global function, which the verifier
/// checks once and on its own.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sampling_gap(target: *const Target, span: u64, now: u64, is_spared: u32) -> u32 {
    if target.is_null() {
        return USUAL;
    }
    // SAFETY: not null, and the caller's reference is valid.
    let target = unsafe { &*target };
    let (tgid, _) = threads::current();
    let usual = target.ticks_per_sample;
    let Some(young) = YOUNG.get_ptr_mut(&span) else {
        return begun(target, span, tgid, now, is_spared);
    };
    // SAFETY: a live map value; the threads of a request may write it at once, and write the same.
    let young = unsafe { &mut *young };
    if young.is_dense == 0 {
        return USUAL;
    }
    // A division that could be by zero would leave a panic in the program.
    let age = now.saturating_sub(young.first_ns) / AGE_PART;
    let gap = age.checked_div(target.tick_ns).unwrap_or(u64::MAX);
    if gap >= u64::from(usual) {
        return GROWN;
    }
    if !account::has(tgid, 1) || is_spared == 0 && !allows(target, tgid, now, 1) {
        young.is_dense = 0;
        count(Counter::NotDense);
        return USUAL;
    }
    if is_spared == 0 {
        count(Counter::SamplesDense);
    }
    jittered((gap as u32).max(1))
}

/// A request is met for the first time.
#[inline(always)]
fn begun(target: &Target, span: u64, tgid: u32, now: u64, is_spared: u32) -> u32 {
    let is_dense = target.dense_per_s != 0
        && account::has(tgid, LEAST_GRANT as i64 * STACK_NS)
        && allows(target, tgid, now, LEAST_GRANT);
    let young = Young {
        first_ns: now,
        is_dense: u64::from(is_dense),
    };
    // The map forgets its oldest entries by itself; failing that, the request seems to begin again.
    let _ = YOUNG.insert(&span, &young, 0);
    if is_dense {
        if is_spared == 0 {
            count(Counter::SamplesDense);
        }
        return 1;
    }
    if target.dense_per_s != 0 {
        count(Counter::NotDense);
    }
    USUAL
}

/// Takes a token of the target's bucket, if there are at least so many. It holds a second's worth.
#[inline(always)]
fn allows(target: &Target, tgid: u32, now: u64, least: u64) -> bool {
    let key = u64::from(tgid) << 32 | DENSE;
    let limit = u64::from(target.dense_per_s);
    let Some(bucket) = RATES.get_ptr_mut(&key) else {
        let full = Bucket {
            tokens: limit * SECOND_NS,
            since_ns: now,
        };
        // The map forgets its oldest entries by itself; failing that, this stack is not counted.
        let _ = RATES.insert(&key, &full, 0);
        return limit >= least;
    };
    // SAFETY: a live map value; two threads that write it at once lose a token.
    let bucket = unsafe { &mut *bucket };
    let passed = now.saturating_sub(bucket.since_ns).min(SECOND_NS);
    let tokens = (bucket.tokens + passed * limit).min(limit * SECOND_NS);
    bucket.since_ns = now;
    let allows = tokens >= least * SECOND_NS;
    bucket.tokens = if allows { tokens - SECOND_NS } else { tokens };
    allows
}

#[inline(always)]
fn jittered(mean: u32) -> u32 {
    let most = mean / JITTER_PART;
    // SAFETY: a plain helper.
    let random = unsafe { bpf_get_prandom_u32() };
    mean - most + random.checked_rem(2 * most + 1).unwrap_or(0)
}
