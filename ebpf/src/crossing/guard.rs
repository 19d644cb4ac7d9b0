//! The rate guard: a token bucket for each thread and region. A probe costs the target microseconds
//! at each hit, so a region that is hit too often is given up before it can be felt.

use hotspan_common::{ControlKind, Counter, RegionFlags};

use super::Hit;
use crate::{
    counters::count,
    maps::{RATES, REGIONS},
    process,
};

/// The bucket holds a tenth of a second's worth of entries: bursts within a solve pass.
const BURST_PER_LIMIT: u64 = 10;
/// And at least this many.
const LEAST_BURST: u64 = 100;
const SECOND_NS: u64 = 1_000_000_000;
/// Conditional exits that a call may pass, for each entry that the region may have.
const PASSES_PER_ENTRY: u64 = 4;
/// In the keys of the buckets for these, beside the region's number.
const PASSES: u64 = 1 << 31;

/// Tokens of one thread and region.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Bucket {
    /// Tokens left, in billionths: one entry takes `SECOND_NS`, a nanosecond brings `limit_per_s`.
    pub tokens: u64,
    /// When they were counted.
    pub since_ns: u64,
}

/// Whether this entry is followed. The first that is too many trips the guard, for all threads.
#[inline(always)]
pub fn admits(hit: &Hit) -> bool {
    if hit.spec.flags & RegionFlags::TRIPPED != 0 {
        count(Counter::OverRate);
        return false;
    }
    let limit = u64::from(hit.spec.limit_per_s);
    let key = u64::from(hit.tid) << 32 | u64::from(hit.cookie.region);
    if limit == 0 || take(key, limit, hit.now) {
        return true;
    }
    tell(hit, RegionFlags::TRIPPED, ControlKind::Guard);
    count(Counter::OverRate);
    false
}

/// A conditional exit was hit by a call that goes on. That costs the target as much as an exit, and may be a turn of a
/// loop: if there are too many of them, the agent probes the function elsewhere.
#[inline(always)]
pub fn passes(hit: &Hit) {
    count(Counter::PassedExits);
    let limit = u64::from(hit.spec.limit_per_s) * PASSES_PER_ENTRY;
    let key = u64::from(hit.tid) << 32 | PASSES | u64::from(hit.cookie.region);
    let is_known = hit.spec.flags & RegionFlags::PASSED != 0;
    if limit != 0 && !is_known && !take(key, limit, hit.now) {
        tell(hit, RegionFlags::PASSED, ControlKind::Passed);
    }
}

/// Takes a token of a bucket that gets `limit` of them a second; whether there was one.
#[inline(always)]
pub fn take(key: u64, limit: u64, now: u64) -> bool {
    let burst = (limit / BURST_PER_LIMIT).max(LEAST_BURST) * SECOND_NS;
    let Some(bucket) = RATES.get_ptr_mut(&key) else {
        let full = Bucket {
            tokens: burst - SECOND_NS,
            since_ns: now,
        };
        // The map forgets its oldest entries by itself; failing that, this thread is unguarded
        // for one entry more.
        let _ = RATES.insert(&key, &full, 0);
        return true;
    };
    // SAFETY: the bucket is this thread's own.
    let bucket = unsafe { &mut *bucket };
    let passed = now.saturating_sub(bucket.since_ns).min(SECOND_NS);
    let tokens = (bucket.tokens + passed * limit).min(burst);
    bucket.since_ns = now;
    if tokens < SECOND_NS {
        bucket.tokens = tokens;
        return false;
    }
    bucket.tokens = tokens - SECOND_NS;
    true
}

#[inline(always)]
fn tell(hit: &Hit, flag: u32, kind: ControlKind) {
    let Some(region) = REGIONS.get_ptr_mut(hit.cookie.region) else {
        return;
    };
    // SAFETY: a live map value; two threads that trip at once write the same flag and tell twice.
    unsafe { (*region).flags |= flag };
    process::tell(kind, hit.tgid, hit.cookie.region, hit.tid);
}
