//! How densely a thread's ticks are taken: one of some all the time, and each while its request is young.
//!
//! A short request would have no stack at all at the usual rate, a long one is known well enough by it. What a
//! request costs its target is bounded by the number of its first stacks, and that of all requests by a budget.

use aya_ebpf::helpers::bpf_get_prandom_u32;
use hotspan_common::{Counter, SampleFlags, Target};

use super::work::Work;
use crate::{counters::count, crossing::guard, maps::YOUNG};

/// Stacks a second and target that are taken of young requests between the others.
const LIMIT_PER_S: u64 = 200;
/// In the keys of the guard's buckets, in place of a region's number.
const YOUNGS: u64 = u32::MAX as u64 - 2;
/// A thread whose request is not young, or for which nothing is left, is not looked at again for so long.
const OLD_FOR_NS: u64 = 5_000_000;
/// The same for one that works for no request.
const NOBODYS_FOR_NS: u64 = 2_000_000;
/// The most that a gap differs from the mean, in parts of it: what has a rhythm is not met in step with it.
const JITTER_PART: u32 = 3;

/// A thread's ticks.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Density {
    /// Since the last one that stood for those before it.
    pub ticks: u32,
    /// At so many the next is taken.
    pub gap: u32,
    /// Until then its request is not looked at between, in nanoseconds of `CLOCK_MONOTONIC`.
    pub old_until_ns: u64,
}

/// What becomes of a tick.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tick {
    /// A stack is taken that stands for so many ticks.
    Due(u32),
    /// One is taken if the request is young.
    IfYoung,
    /// Nothing.
    Passed,
}

impl Density {
    /// The thread ran at a tick.
    #[inline(always)]
    pub fn tick(&mut self, target: &Target, now: u64) -> Tick {
        let mean = target.ticks_per_sample;
        if mean <= 1 {
            return Tick::Due(1);
        }
        self.ticks += 1;
        if self.ticks >= self.gap {
            let ticks = self.ticks;
            self.ticks = 0;
            self.gap = jittered(mean);
            return Tick::Due(ticks);
        }
        if target.first_samples == 0 || now < self.old_until_ns {
            Tick::Passed
        } else {
            Tick::IfYoung
        }
    }

    /// The thread works for no request.
    #[inline(always)]
    pub fn is_nobodys(&mut self, now: u64) {
        self.old_until_ns = now + NOBODYS_FOR_NS;
    }

    /// Whether a tick that is not due is taken all the same. Then it stands for itself.
    #[inline(always)]
    pub fn takes(&mut self, target: &Target, work: &Work, tgid: u32, now: u64) -> bool {
        let is_young = work.flags & SampleFlags::BY_LINEAGE == 0 && is_young(target, work);
        if is_young && guard::take(u64::from(tgid) << 32 | YOUNGS, LIMIT_PER_S, now) {
            self.ticks = self.ticks.saturating_sub(1);
            count(Counter::SamplesOfYoung);
            return true;
        }
        if is_young {
            count(Counter::YoungUnsampled);
        }
        self.old_until_ns = now + OLD_FOR_NS;
        false
    }
}

/// Counts the stacks of a request as long as they are few.
#[inline(always)]
fn is_young(target: &Target, work: &Work) -> bool {
    let span = u64::from_ne_bytes(work.parent.span_id);
    let Some(taken) = YOUNG.get_ptr_mut(&span) else {
        // The map forgets its oldest entries by itself; failing that, the request stays young.
        let _ = YOUNG.insert(&span, &1, 0);
        return true;
    };
    // SAFETY: a live map value; two threads that write it at once lose a count.
    let taken = unsafe { &mut *taken };
    if *taken >= target.first_samples {
        return false;
    }
    *taken += 1;
    true
}

#[inline(always)]
fn jittered(mean: u32) -> u32 {
    let most = mean / JITTER_PART;
    // SAFETY: a plain helper.
    let random = unsafe { bpf_get_prandom_u32() };
    mean - most + random % (2 * most + 1)
}
