//! Time that may be spent on looking at threads that leave the CPU: it is the target's.

use aya_ebpf::helpers::bpf_ktime_get_ns;

use crate::maps::LOOKS;

/// One part in so many of a thread's time, and of each CPU's: a service of many threads, most of which
/// wait, would otherwise have a share for each.
const THREAD_SHARE: u64 = 500;
const CPU_SHARE: u64 = 250;
/// What can be saved up.
const MOST_NS: u64 = 1_000_000;
/// As much as a look takes.
const LOOK_NS: u64 = 20_000;

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
    fn has_time(&mut self, share: u64, now: u64) -> bool {
        let passed = now.saturating_sub(self.at_ns);
        self.at_ns = now;
        self.left_ns = (self.left_ns + passed / share).min(MOST_NS);
        self.left_ns >= LOOK_NS
    }

    #[inline(always)]
    fn spend(&mut self, spent: u64) {
        self.left_ns = self.left_ns.saturating_sub(spent);
    }
}

/// Whether the current thread may be looked at now.
#[inline(always)]
pub fn allows(thread: &mut Budget, now: u64) -> bool {
    let Some(cpu) = LOOKS.get_ptr_mut(0) else {
        return false;
    };
    // SAFETY: this CPU's own; a switch of threads is not interrupted by another.
    thread.has_time(THREAD_SHARE, now) && unsafe { (*cpu).has_time(CPU_SHARE, now) }
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
