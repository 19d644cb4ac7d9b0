//! What a target can spare of its own time for stacks, as the kernel programs account for it.

use hotspan_common::{ACCOUNT_SAVINGS_NS, Account};

/// Less is not worth a tick.
const LEAST_NS: i64 = 1_000_000;
/// Savings that were used up are not touched again before so much is back: a little at a time would show no kind of
/// request as a whole.
const WORTH_SPENDING_NS: i64 = ACCOUNT_SAVINGS_NS / 4;
/// A target that takes less than one part in so many of a CPU is quiet: what dense ticks cost it is little, whatever share of
/// its time that is.
const QUIET_PART: u64 = 10;

/// A target's account, as it was read last.
#[derive(Debug, Default)]
pub(super) struct Purse {
    /// Its CPU time, and when that was read, in nanoseconds.
    ran: Option<(u64, u64)>,
    is_quiet: bool,
    /// The savings were used up, and are not back yet.
    is_spent: bool,
}

impl Purse {
    /// What it says at `now_ns`.
    pub fn read(&mut self, account: Account, now_ns: u64) {
        self.is_spent = match account.left_ns {
            ..LEAST_NS => true,
            WORTH_SPENDING_NS.. => false,
            _ => self.is_spent,
        };
        if let Some((ran_before, before)) = self.ran.replace((account.ran_ns, now_ns)) {
            let ran = account.ran_ns.saturating_sub(ran_before);
            self.is_quiet = ran < now_ns.saturating_sub(before) / QUIET_PART;
        }
    }

    /// Whether dense stacks have to wait until something is saved up again.
    pub fn is_spent(&self) -> bool {
        self.is_spent
    }

    /// Whether the target takes next to no CPU time.
    pub fn is_quiet(&self) -> bool {
        self.is_quiet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    fn account(left_ns: i64, ran_ns: u64) -> Account {
        Account {
            left_ns,
            ran_ns,
            ..Account::default()
        }
    }

    #[test]
    fn what_is_spent_is_touched_again_when_a_quarter_is_back() {
        let mut purse = Purse::default();
        let left_ms = [60, 20, 1, 0, 5, 14, 15, 2, -3];
        let is_spent = left_ms.map(|left_ms| {
            purse.read(account(left_ms * 1_000_000, 0), 0);
            purse.is_spent()
        });
        let expected = [false, false, false, true, true, true, false, false, true];
        assert_eq!(is_spent, expected);
    }

    #[test]
    fn a_target_is_quiet_below_a_tenth_of_a_cpu() {
        let mut purse = Purse::default();
        let seconds = [(0, false), (99, true), (199, false), (250, true)];
        for (second, (ran_ms, is_quiet)) in (1..).zip(seconds) {
            purse.read(account(0, ran_ms * 1_000_000), second * SECOND_NS);
            assert_eq!(purse.is_quiet(), is_quiet, "second {second}");
        }
    }
}
