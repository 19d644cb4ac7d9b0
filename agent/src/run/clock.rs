//! The two clocks, read together.

use hotspan_synth::time::{ClockAnchor, KernelTime, UnixTime};
use rustix::time::{ClockId, clock_gettime};

/// Readings of which the tightest is taken: one can be torn apart by a switch.
const READINGS: usize = 5;

/// Reads `CLOCK_REALTIME` between two readings of `CLOCK_MONOTONIC`.
pub fn anchor() -> ClockAnchor {
    let mut best = reading();
    for _ in 1..READINGS {
        let next = reading();
        if next.error_ns < best.error_ns {
            best = next;
        }
    }
    best
}

/// Now, as the kernel programs stamp it.
pub fn now() -> KernelTime {
    KernelTime(nanoseconds(ClockId::Monotonic))
}

/// The same, as a number.
pub fn now_ns() -> u64 {
    nanoseconds(ClockId::Monotonic)
}

/// CPU time of hotspan's threads so far, in nanoseconds.
pub fn cpu_ns() -> u64 {
    nanoseconds(ClockId::ProcessCPUTime)
}

fn reading() -> ClockAnchor {
    let before = nanoseconds(ClockId::Monotonic);
    let unix = nanoseconds(ClockId::Realtime);
    let after = nanoseconds(ClockId::Monotonic);
    ClockAnchor {
        kernel: KernelTime(before.midpoint(after)),
        unix: UnixTime(unix),
        error_ns: (after - before).div_ceil(2),
    }
}

fn nanoseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
