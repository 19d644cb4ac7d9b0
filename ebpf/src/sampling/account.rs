//! What the timer's stacks take of a target's time.
//!
//! Each tick that meets one of its threads brings a share of what the tick stands for, and time as such brings a little,
//! for a target that mostly waits. Stacks at the usual frequency are taken whatever is left, and paid for; denser ones
//! only while something is left. What is saved up is bounded, and so is what is owed.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use hotspan_common::{ACCOUNT_SAVINGS_NS, Account};

use crate::maps::ACCOUNTS;

/// One part in so many of the target's CPU time, and of time.
const CPU_PART: u64 = 300;
const TIME_PART: u64 = 1_000;
/// The most that is owed.
const MOST_OWED_NS: i64 = 10_000_000;

/// What a tick has met.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Met {
    /// A thread of which stacks may be taken more often than usual.
    Any,
    /// Such a one, in a region that nobody asks what it does inside.
    Opaque,
    /// One that only helps.
    Helper,
}

#[inline(always)]
fn of(tgid: u32) -> Option<&'static mut Account> {
    // SAFETY: a live map value; of two threads that write it at once, what one of them adds is lost.
    ACCOUNTS
        .get_ptr_mut(&tgid)
        .map(|account| unsafe { &mut *account })
}

/// A tick met a thread of the target.
#[inline(always)]
pub fn ran(tgid: u32, tick_ns: u64, met: Met, now: u64) {
    let Some(account) = of(tgid) else {
        let account = Account {
            left_ns: ACCOUNT_SAVINGS_NS,
            at_ns: now,
            ran_ns: tick_ns,
            ..Account::default()
        };
        // As many fit as there are targets; without one, nothing but the usual is taken.
        let _ = ACCOUNTS.insert(&tgid, &account, 0);
        return;
    };
    let passed = now.saturating_sub(account.at_ns);
    account.at_ns = now;
    account.ran_ns += tick_ns;
    if met != Met::Helper {
        account.asked_ns += tick_ns;
    }
    if met == Met::Opaque {
        account.opaque_ns += tick_ns;
    }
    let gained = (passed / TIME_PART + tick_ns / CPU_PART) as i64;
    account.left_ns = (account.left_ns + gained).min(ACCOUNT_SAVINGS_NS);
}

/// A look at a thread of the target, which began then, is over.
#[inline(always)]
pub fn spend(tgid: u32, begin: u64) {
    if let Some(account) = of(tgid) {
        // SAFETY: a plain helper.
        let spent = unsafe { bpf_ktime_get_ns() }.saturating_sub(begin);
        account.left_ns = (account.left_ns - spent as i64).max(-MOST_OWED_NS);
    }
}

/// Whether at least so much is left.
#[inline(always)]
pub fn has(tgid: u32, least_ns: i64) -> bool {
    of(tgid).is_some_and(|account| account.left_ns >= least_ns)
}
