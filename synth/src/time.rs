//! Two clocks that must never be mixed up.

use serde::{Deserialize, Serialize};

/// An instant of `CLOCK_MONOTONIC`, in nanoseconds: what the kernel programs stamp.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct KernelTime(pub u64);

/// An instant in nanoseconds since the Unix epoch: what spans carry.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct UnixTime(pub u64);

impl KernelTime {
    /// Nanoseconds from `earlier` to `self`; 0 if `earlier` is later.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The two clocks read at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockAnchor {
    /// `CLOCK_MONOTONIC`.
    pub kernel: KernelTime,
    /// `CLOCK_REALTIME` at the same moment.
    pub unix: UnixTime,
    /// Half the time that the reading took: the bound on the pair's error, in nanoseconds.
    pub error_ns: u64,
}

impl ClockAnchor {
    /// The one conversion from kernel time to Unix time.
    pub fn to_unix(self, time: KernelTime) -> UnixTime {
        let offset = i128::from(self.unix.0) - i128::from(self.kernel.0);
        UnixTime(u64::try_from(i128::from(time.0) + offset).unwrap_or(0))
    }
}
