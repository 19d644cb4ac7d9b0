//! The rate guard: a token bucket for each thread and region. A probe costs the target microseconds
//! at each hit, so a region that is hit too often is given up before it can be felt.

use hotspan_common::{ControlKind, Counter, RegionFlags, RegionSpec};

use super::Hit;
use crate::{
    counters::count,
    maps::{PASSES, RATES, RATES_AT_HAND, RATES_AT_HAND_LOG2, REGIONS},
    process,
};

/// The bucket holds a tenth of a second's worth of entries: bursts within a solve pass.
const BURST_PER_LIMIT: u64 = 10;
/// And at least this many.
const LEAST_BURST: u64 = 100;
const SECOND_NS: u64 = 1_000_000_000;
/// Conditional exits that a call may pass, for each entry that the region may have.
const PASSES_PER_ENTRY: u64 = 4;
/// So many cost the target as much as one single step, in a virtual machine.
const PASSES_PER_STEP: u64 = 8;
/// More of them than were made up for: a millisecond of the target's time.
const MOST_OWED: u64 = 1000;

/// Whether this entry is followed. The first that is too many trips the guard, for all threads.
#[inline(always)]
pub fn admits(hit: &Hit) -> bool {
    if hit.spec.flags & RegionFlags::TRIPPED != 0 {
        count(Counter::OverRate);
        return false;
    }
    let limit = u64::from(hit.spec.limit_per_s);
    if limit == 0 || takes(hit, limit) {
        return true;
    }
    tell(
        hit.cookie.region,
        (hit.tgid, hit.tid),
        RegionFlags::TRIPPED,
        ControlKind::Guard,
    );
    count(Counter::OverRate);
    false
}

/// Takes a token of the bucket for this thread and region.
///
/// It has a place in an array, which takes no look into a map that must be kept in order. Another's that was left there is
/// full again after a second, and need not be kept; a place that is in use is left to who has it.
#[inline(always)]
fn takes(hit: &Hit, limit: u64) -> bool {
    let key = u64::from(hit.tid) << 32 | u64::from(hit.cookie.region);
    let Some(rate) = RATES_AT_HAND.get_ptr_mut(place(key)) else {
        return true;
    };
    // SAFETY: a live map value. Two threads that take an idle place at once lose a token.
    let rate = unsafe { &mut *rate };
    if rate.key != key {
        if hit.now.saturating_sub(rate.bucket.since_ns) < SECOND_NS {
            return take(key, limit, hit.now);
        }
        rate.key = key;
        rate.bucket = full(limit, hit.now);
    }
    rate.bucket.take(limit, hit.now)
}

/// By Fibonacci hashing.
#[inline(always)]
fn place(key: u64) -> u32 {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - RATES_AT_HAND_LOG2)) as u32
}

/// A conditional exit was hit by a call that goes on. That costs the target as much as any other hit, and may be a turn of a
/// loop: if there are too many of them on a CPU, the agent probes the function elsewhere, or gives it up if it cannot.
#[inline(always)]
pub fn passed(spec: &RegionSpec, region: u32, thread: (u32, u32), now: u64) {
    count(Counter::PassedExits);
    let is_known = spec.flags & RegionFlags::PASSED != 0;
    let Some(passes) = PASSES.get_ptr_mut(region).filter(|_| !is_known) else {
        return;
    };
    // SAFETY: a live map value, this CPU's own; another program in between makes it count one more or less.
    let passes = unsafe { &mut *passes };
    let may_go_on = if spec.flags & RegionFlags::WEIGHED != 0 {
        passes.owed += 1;
        passes.owed <= MOST_OWED
    } else {
        let limit = u64::from(spec.limit_per_s) * PASSES_PER_ENTRY;
        limit == 0 || passes.bucket.take(limit, now)
    };
    if !may_go_on {
        passes.owed = 0;
        tell(region, thread, RegionFlags::PASSED, ControlKind::Passed);
    }
}

/// A call has left by a conditional exit, which has spared the target a single step.
#[inline(always)]
pub fn left(spec: &RegionSpec, region: u32) {
    if spec.flags & RegionFlags::WEIGHED == 0 {
        return;
    }
    if let Some(passes) = PASSES.get_ptr_mut(region) {
        // SAFETY: as in `passed`.
        let passes = unsafe { &mut *passes };
        passes.owed = passes.owed.saturating_sub(PASSES_PER_STEP);
    }
}

/// Takes a token of a thread's bucket that gets `limit` of them a second; whether there was one.
#[inline(always)]
pub fn take(key: u64, limit: u64, now: u64) -> bool {
    let Some(bucket) = RATES.get_ptr_mut(&key) else {
        let mut bucket = full(limit, now);
        bucket.take(limit, now);
        // The map forgets its oldest entries by itself; failing that, this thread is unguarded
        // for one entry more.
        let _ = RATES.insert(&key, &bucket, 0);
        return true;
    };
    // SAFETY: the bucket is this thread's own.
    unsafe { (*bucket).take(limit, now) }
}

/// How often calls have passed a region's conditional exits on one CPU.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Passes {
    bucket: Bucket,
    /// Those that no call has made up for by leaving through one.
    owed: u64,
}

/// Tokens of one thread and region, or of one CPU and region.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Bucket {
    /// Tokens left, in billionths: one entry takes `SECOND_NS`, a nanosecond brings `limit_per_s`.
    pub tokens: u64,
    /// When they were counted.
    pub since_ns: u64,
}

/// A bucket that has a place at hand.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Rate {
    /// Whose it is.
    key: u64,
    bucket: Bucket,
    /// Zero: so that none lies in two cache lines.
    reserved: u64,
}

/// A bucket that nothing was taken from.
#[inline(always)]
fn full(limit: u64, now: u64) -> Bucket {
    Bucket {
        tokens: most(limit),
        since_ns: now,
    }
}

/// What a bucket holds at the most.
#[inline(always)]
fn most(limit: u64) -> u64 {
    (limit / BURST_PER_LIMIT).max(LEAST_BURST) * SECOND_NS
}

impl Bucket {
    /// An entry takes `SECOND_NS`, a nanosecond brings `limit`.
    #[inline(always)]
    fn take(&mut self, limit: u64, now: u64) -> bool {
        let passed = now.saturating_sub(self.since_ns).min(SECOND_NS);
        let tokens = (self.tokens + passed * limit).min(most(limit));
        self.since_ns = now;
        if tokens < SECOND_NS {
            self.tokens = tokens;
            return false;
        }
        self.tokens = tokens - SECOND_NS;
        true
    }
}

#[inline(always)]
fn tell(number: u32, (tgid, tid): (u32, u32), flag: u32, kind: ControlKind) {
    let Some(region) = REGIONS.get_ptr_mut(number) else {
        return;
    };
    // SAFETY: a live map value; two threads that trip at once write the same flag and tell twice.
    unsafe { (*region).flags |= flag };
    process::tell(kind, tgid, number, tid);
}
