//! Time that may be spent on looking at threads that wait: it is the target's.

use aya_ebpf::helpers::bpf_ktime_get_ns;

use crate::maps::LOOKS;

/// One part in so many of a thread's time, and of each CPU's.
#[derive(Clone, Copy)]
pub struct Shares {
    pub thread: u64,
    pub cpu: u64,
}

/// What can be saved up.
const MOST_NS: u64 = 1_000_000;
/// As much as a look takes, at the most.
pub const LOOK_NS: u64 = 20_000;

/// Time left to spend, growing as time passes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Budget {
    /// In nanoseconds.
    left_ns: u64,
    /// When that was counted.
    at_ns: u64,
}

impl Budget {
    #[inline(always)]
    fn has_time(&mut self, share: u64, now: u64, least_ns: u64) -> bool {
        let passed = now.saturating_sub(self.at_ns);
        self.at_ns = now;
        self.left_ns = (self.left_ns + passed.checked_div(share).unwrap_or(0)).min(MOST_NS);
        self.left_ns >= least_ns
    }

    #[inline(always)]
    fn spend(&mut self, spent: u64) {
        self.left_ns = self.left_ns.saturating_sub(spent);
    }
}

/// Whether the current thread may be looked at now, if at least so much is to be left.
#[inline(always)]
pub fn allows(thread: &mut Budget, shares: Shares, now: u64, least_ns: u64) -> bool {
    let Some(cpu) = LOOKS.get_ptr_mut(0) else {
        return false;
    };
    // SAFETY: this CPU's own; a switch of threads is not interrupted by another.
    let cpu_has_time = unsafe { (*cpu).has_time(shares.cpu, now, least_ns) };
    thread.has_time(shares.thread, now, least_ns) && cpu_has_time
}

/// Takes the time since `begin` off.
#[inline(always)]
pub fn spend(thread: &mut Budget, begin: u64) {
    // SAFETY: a plain helper.
    let spent = unsafe { bpf_ktime_get_ns() }.saturating_sub(begin);
    thread.spend(spent);
    if let Some(cpu) = LOOKS.get_ptr_mut(0) {
        // SAFETY: see `allows`.
        unsafe { (*cpu).spend(spent) };
    }
}
