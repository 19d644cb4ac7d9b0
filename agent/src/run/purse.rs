//! What a target can spare of its own time: for stacks, as the kernel programs account for it, and for the timer's dense ticks,
//! which take of each target's time whether a stack comes of them or not.

use hotspan_common::{ACCOUNT_SAVINGS_NS, Account};

/// Less is not worth a tick.
const LEAST_NS: i64 = 1_000_000;
/// Savings that were used up are not touched again before one part in so many is back: a little at a time would show no kind of
/// request as a whole.
const WORTH_SPENDING_PART: i64 = 4;
/// What a target can save up for dense ticks, in nanoseconds of its time; it begins with all of it.
const TICKS_SAVINGS_NS: i64 = 800_000_000;
/// One part in so many of its CPU time, and of time, is put by for them.
const TICKS_CPU_PART: u64 = 300;
const TICKS_TIME_PART: u64 = 1_000;
/// A target that takes less than one part in so many of a CPU is quiet: what dense ticks cost it is little, whatever share of
/// its time that is.
const QUIET_PART: u64 = 10;
const SECOND_NS: u64 = 1_000_000_000;
/// With each reading, one part in so many of what was known before is forgotten.
const FORGOTTEN_PART: u64 = 8;
/// So much of it is nearly all: that it begins to be, and that it still is.
const NEARLY_ALL: [(u64, u64); 2] = [(19, 20), (9, 10)];
/// Of less CPU time it is not told where it goes.
const LEAST_TOLD_NS: u64 = 3 * SECOND_NS;

/// A target's account, as it was read last.
#[derive(Debug)]
pub(super) struct Purse {
    /// Its CPU time, and when that was read, in nanoseconds.
    ran: Option<(Account, u64)>,
    is_quiet: bool,
    stacks: Savings,
    ticks: Savings,
    inside: Inside,
    /// What is left for ticks, in nanoseconds.
    ticks_left_ns: i64,
}

/// Whether something may be spent.
#[derive(Debug, Default)]
struct Savings {
    /// They were used up, and are not back yet.
    is_spent: bool,
}

impl Savings {
    /// So much is left, of the most that there can be.
    fn are(&mut self, left_ns: i64, most_ns: i64) {
        if left_ns < LEAST_NS {
            self.is_spent = true;
        } else if left_ns >= most_ns / WORTH_SPENDING_PART {
            self.is_spent = false;
        }
    }
}

/// How much of a target's time is spent in regions that nobody asks what they do inside.
#[derive(Debug, Default)]
struct Inside {
    /// CPU time of late of threads of which dense stacks could be taken, in nanoseconds.
    asked_ns: u64,
    /// Of that, in such regions.
    opaque_ns: u64,
    /// It is nearly all.
    is_nearly_all: bool,
}

impl Inside {
    fn ran(&mut self, asked_ns: u64, opaque_ns: u64) {
        self.asked_ns = self.asked_ns - self.asked_ns / FORGOTTEN_PART + asked_ns;
        self.opaque_ns = self.opaque_ns - self.opaque_ns / FORGOTTEN_PART + opaque_ns;
        let [begins, ends] = NEARLY_ALL.map(|(of, all)| self.asked_ns / all * of);
        self.is_nearly_all = if self.is_nearly_all {
            self.opaque_ns >= ends
        } else {
            self.asked_ns >= LEAST_TOLD_NS && self.opaque_ns >= begins
        };
    }
}

impl Default for Purse {
    fn default() -> Self {
        Self {
            ran: None,
            is_quiet: false,
            stacks: Savings::default(),
            ticks: Savings::default(),
            inside: Inside::default(),
            ticks_left_ns: TICKS_SAVINGS_NS,
        }
    }
}

impl Purse {
    /// What it says at `now_ns`, when dense ticks took so many nanoseconds of each second that the target ran since it was read last.
    pub fn read(&mut self, account: Account, ticks_cost: u64, now_ns: u64) {
        self.stacks.are(account.left_ns, ACCOUNT_SAVINGS_NS);
        let Some((last, before)) = self.ran.replace((account, now_ns)) else {
            return;
        };
        let ran = account.ran_ns.saturating_sub(last.ran_ns);
        self.inside.ran(
            account.asked_ns.saturating_sub(last.asked_ns),
            account.opaque_ns.saturating_sub(last.opaque_ns),
        );
        let passed = now_ns.saturating_sub(before);
        self.is_quiet = ran < passed / QUIET_PART;
        self.pay_ticks(ran, passed, ticks_cost);
    }

    fn pay_ticks(&mut self, ran: u64, passed: u64, ticks_cost: u64) {
        let gained = ran / TICKS_CPU_PART + passed / TICKS_TIME_PART;
        let cost = u128::from(ran) * u128::from(ticks_cost) / u128::from(SECOND_NS);
        let left = i128::from(self.ticks_left_ns) + i128::from(gained) - cost as i128;
        // What one second takes too much is little, and is not owed.
        self.ticks_left_ns = left.clamp(0, TICKS_SAVINGS_NS.into()) as i64;
        self.ticks.are(self.ticks_left_ns, TICKS_SAVINGS_NS);
    }

    /// Whether dense stacks have to wait until something is saved up again.
    pub fn is_spent(&self) -> bool {
        self.stacks.is_spent || self.ticks.is_spent
    }

    /// Whether dense ticks would show next to nothing: they meet the target where none of its stacks is taken more often than usual.
    pub fn shows_little(&self) -> bool {
        self.inside.is_nearly_all
    }

    /// Whether the target takes next to no CPU time.
    pub fn is_quiet(&self) -> bool {
        self.is_quiet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let quarter = ACCOUNT_SAVINGS_NS / 4;
        let left_ns = [
            (ACCOUNT_SAVINGS_NS, false),
            (quarter - 1, false),
            (LEAST_NS, false),
            (0, true),
            (LEAST_NS, true),
            (quarter - 1, true),
            (quarter, false),
            (LEAST_NS, false),
            (-3 * LEAST_NS, true),
        ];
        let is_spent = left_ns.map(|(left_ns, _)| {
            purse.read(account(left_ns, 0), 0, 0);
            purse.is_spent()
        });
        assert_eq!(is_spent, left_ns.map(|(_, is_spent)| is_spent));
    }

    #[test]
    fn a_target_is_quiet_below_a_tenth_of_a_cpu() {
        let mut purse = Purse::default();
        let seconds = [(0, false), (99, true), (199, false), (250, true)];
        for (second, (ran_ms, is_quiet)) in (1..).zip(seconds) {
            purse.read(account(0, ran_ms * 1_000_000), 0, second * SECOND_NS);
            assert_eq!(purse.is_quiet(), is_quiet, "second {second}");
        }
    }

    /// Whether ticks are paid for, second by second, of a target that keeps one CPU busy: each of 891 a second costs so many
    /// nanoseconds for so many seconds.
    fn spent(each_ns: &[(u64, usize)]) -> Vec<bool> {
        let mut purse = Purse::default();
        let costs = (each_ns.iter()).flat_map(|(each, seconds)| [891 * each].repeat(*seconds));
        let seconds = (0..).zip(std::iter::once(0).chain(costs));
        let read = seconds.map(|(second, ticks_cost)| {
            let now_ns = second * SECOND_NS;
            purse.read(account(ACCOUNT_SAVINGS_NS, now_ns), ticks_cost, now_ns);
            purse.is_spent()
        });
        read.collect()
    }

    #[test]
    fn a_target_that_stays_inside_of_regions_shows_little_after_some_seconds() {
        let mut purse = Purse::default();
        let mut account = account(ACCOUNT_SAVINGS_NS, 0);
        let mut seconds = |now: std::ops::Range<u64>, opaque_ns: u64| {
            let read = now.map(|second| {
                purse.read(account, 0, second * SECOND_NS);
                account.ran_ns += SECOND_NS;
                account.asked_ns += SECOND_NS;
                account.opaque_ns += opaque_ns;
                purse.shows_little()
            });
            read.collect::<Vec<_>>()
        };
        let nearly_all = SECOND_NS / 100 * 99;
        let shown = seconds(0..60, nearly_all);
        assert_eq!(shown.iter().position(|little| *little), Some(4));
        assert!(!shown[4..].contains(&false));
        let shown = seconds(60..120, SECOND_NS / 2);
        assert!(shown[..1].iter().all(|little| *little));
        let again = shown.iter().position(|little| !little);
        assert!(again.is_some_and(|seconds| seconds < 4), "{shown:?}");
    }

    #[test]
    fn cheap_ticks_are_paid_for_ever() {
        assert!(!spent(&[(4_000, 1_000)]).contains(&true));
    }

    #[test]
    fn dear_ticks_are_paid_until_the_savings_are_gone_and_again_when_a_quarter_is_back() {
        let is_spent = spent(&[(15_000, 120), (0, 120)]);
        let gone = is_spent.iter().position(|spent| *spent);
        assert_eq!(gone, Some(89));
        let back = is_spent.iter().skip(120).position(|spent| !spent);
        assert_eq!(back, Some(47));
    }
}
