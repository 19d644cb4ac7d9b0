//! How densely young requests of a target may be sampled: much, as long as many of its requests are of a kind that is
//! not known yet and hotspan has CPU time saved up for it, less afterwards.

use std::collections::HashMap;

use hotspan_common::{Account, Target, TargetFlags};

use super::{engine::Engine, purse::Purse};

/// Stacks a second beyond the usual frequency, while requests are new.
pub const WHILE_NEW: u32 = 600;
/// The same once most are known, at the most and at the least: it is less as long as hotspan takes more than its share.
const ONCE_KNOWN: u32 = 100;
const ONCE_KNOWN_LEAST: u32 = 20;
/// What is given back in a second that hotspan keeps to its share.
const GIVEN_BACK: u32 = 10;
/// Hotspan's share of one core, in all, in thousandths.
const SHARE: u64 = 20;
/// What of its share it can save up to spend on what is new, in nanoseconds of CPU time. It begins with all of it.
const SAVINGS_NS: u64 = 1_000_000_000;
/// Savings that were used up are not touched again before so many are back: a little at a time would show no kind
/// of request as a whole.
const WORTH_SPENDING_NS: u64 = SAVINGS_NS / 4;
/// Of the last 64 requests, so many that are not known make a target new.
const NEW: u32 = 16;

/// The last requests of each target, and what is left for the dense stacks of all.
#[derive(Debug)]
pub struct Densities {
    /// A bit for each, the latest lowest; 1: its kind was known.
    known: HashMap<u32, u64>,
    purses: HashMap<u32, Purse>,
    once_known: u32,
    savings_ns: u64,
    /// The savings were used up, and are not back yet.
    is_saving: bool,
    /// Hotspan's CPU time, and when it was read, in nanoseconds.
    spent: Option<(u64, u64)>,
}

impl Default for Densities {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
            purses: HashMap::new(),
            once_known: ONCE_KNOWN,
            savings_ns: SAVINGS_NS,
            is_saving: false,
            spent: None,
        }
    }
}

impl Densities {
    /// Hotspan has taken `cpu_ns` of CPU time up to `now_ns`.
    pub fn spent(&mut self, cpu_ns: u64, now_ns: u64) {
        let Some((cpu_before, before)) = self.spent.replace((cpu_ns, now_ns)) else {
            return;
        };
        let taken = cpu_ns.saturating_sub(cpu_before);
        let share = now_ns.saturating_sub(before).saturating_mul(SHARE) / 1_000;
        self.once_known = if taken > share {
            (self.once_known / 2).max(ONCE_KNOWN_LEAST)
        } else {
            (self.once_known + GIVEN_BACK).min(ONCE_KNOWN)
        };
        let savings = (self.savings_ns + share).saturating_sub(taken);
        self.savings_ns = savings.min(SAVINGS_NS);
        self.is_saving = match self.savings_ns {
            0 => true,
            WORTH_SPENDING_NS.. => false,
            _ => self.is_saving,
        };
    }

    /// A request of a target has ended.
    pub fn saw(&mut self, target: u32, is_known: bool) {
        let known = self.known.entry(target).or_default();
        *known = *known << 1 | u64::from(is_known);
    }

    /// Whether most requests of a target are of kinds that are known.
    fn knows(&self, target: u32) -> bool {
        let known = self.known.get(&target).copied().unwrap_or_default();
        known.count_zeros() < NEW
    }

    /// Whether young requests of a target are sampled as those of known kinds.
    fn spares(&self, target: u32) -> bool {
        self.is_saving || self.knows(target)
    }

    /// What a target can spare of its own time, of which the timer's dense ticks took so many nanoseconds a second of late.
    pub(super) fn pays(&mut self, target: u32, account: Account, ticks_cost: u64, now_ns: u64) {
        let purse = self.purses.entry(target).or_default();
        purse.read(account, ticks_cost, now_ns);
    }

    /// Whether ticks beyond the usual frequency show something of a target: as long as there is something new to see, or
    /// where it takes next to nothing.
    pub(super) fn is_dense(&self, target: u32) -> bool {
        let Some(purse) = self.purses.get(&target) else {
            return true;
        };
        let is_new = !self.spares(target) && !purse.shows_little();
        !purse.is_spent() && (purse.is_quiet() || is_new)
    }

    /// Stacks a second that young requests of a target may take.
    fn per_s(&self, target: u32) -> u32 {
        if self.spares(target) {
            self.once_known
        } else {
            WHILE_NEW
        }
    }

    /// Tells the kernel programs; false if they have been told.
    fn tell(&self, id: u32, target: &mut Target) -> bool {
        let known = if self.spares(id) {
            TargetFlags::KINDS_ARE_KNOWN
        } else {
            0
        };
        let flags = target.flags & !TargetFlags::KINDS_ARE_KNOWN | known;
        let told = std::mem::replace(&mut target.flags, flags);
        // 0: its frequency leaves no room.
        if target.dense_per_s == 0 {
            return told != flags;
        }
        let per_s = std::mem::replace(&mut target.dense_per_s, self.per_s(id));
        (told, per_s) != (flags, target.dense_per_s)
    }

    /// A target has ended.
    pub fn forget(&mut self, target: u32) {
        self.known.remove(&target);
        self.purses.remove(&target);
    }
}

impl Engine {
    /// Looks at the requests that ended since the last time.
    pub(super) fn weigh_density(&mut self) -> anyhow::Result<()> {
        for (target, is_known) in self.pipeline.take_shapes() {
            self.densities.saw(target, is_known);
            let Some(watched) = self.targets.get_mut(&target) else {
                continue;
            };
            if self.densities.tell(target, &mut watched.wire) {
                self.kernel.set_target(target, watched.wire)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_new_until_most_of_its_requests_are_known() {
        let mut densities = Densities::default();
        assert_eq!(densities.per_s(1), WHILE_NEW);
        for _ in 0..48 {
            assert_eq!(densities.per_s(1), WHILE_NEW);
            densities.saw(1, true);
        }
        densities.saw(1, true);
        assert_eq!(densities.per_s(1), ONCE_KNOWN);
        assert_eq!(densities.per_s(2), WHILE_NEW);
    }

    #[test]
    fn what_is_known_gets_less_while_hotspan_takes_more_than_its_share() {
        const SECOND_NS: u64 = 1_000_000_000;
        let mut densities = Densities::default();
        (0..64).for_each(|_| densities.saw(1, true));
        let mut cpu_ns = 0;
        let mut second = |number: u64, taken_ns: u64| {
            cpu_ns += taken_ns;
            densities.spent(cpu_ns, number * SECOND_NS);
            densities.per_s(1)
        };
        assert_eq!(second(1, 500_000_000), 100, "how much before is not known");
        assert_eq!(
            [2, 3, 4].map(|number| second(number, 20_000_001)),
            [50, 25, 20]
        );
        assert_eq!([5, 6].map(|number| second(number, 20_000_000)), [30, 40]);
        (7..20).for_each(|number| _ = second(number, 0));
        assert_eq!(second(20, 0), 100);
    }

    #[test]
    fn what_is_new_gets_less_once_the_savings_are_used_up_until_some_are_back() {
        const SECOND_NS: u64 = 1_000_000_000;
        let mut densities = Densities::default();
        let (mut cpu_ns, mut number) = (0, 0);
        let mut seconds = |densities: &mut Densities, count: u64, taken_ns: u64| {
            for _ in 0..count {
                cpu_ns += taken_ns;
                number += 1;
                densities.spent(cpu_ns, number * SECOND_NS);
            }
            densities.per_s(1)
        };
        seconds(&mut densities, 1, 0);
        assert_eq!(seconds(&mut densities, 9, 120_000_000), WHILE_NEW);
        assert_eq!(seconds(&mut densities, 1, 120_000_000), ONCE_KNOWN_LEAST);
        assert_eq!(seconds(&mut densities, 24, 10_000_000), ONCE_KNOWN);
        assert_eq!(seconds(&mut densities, 1, 10_000_000), WHILE_NEW);
        assert!(!densities.knows(1));
    }

    #[test]
    fn the_kernel_is_told_of_a_change_once() {
        let mut densities = Densities::default();
        let mut target = Target {
            dense_per_s: WHILE_NEW,
            flags: TargetFlags::SWITCHES_STACKS,
            ..Target::default()
        };
        assert!(!densities.tell(1, &mut target));
        (0..64).for_each(|_| densities.saw(1, true));
        assert!(densities.tell(1, &mut target));
        let both = TargetFlags::SWITCHES_STACKS | TargetFlags::KINDS_ARE_KNOWN;
        assert_eq!((target.flags, target.dense_per_s), (both, ONCE_KNOWN));
        assert!(!densities.tell(1, &mut target));
        (0..16).for_each(|_| densities.saw(1, false));
        assert!(densities.tell(1, &mut target));
        let told = (target.flags, target.dense_per_s);
        assert_eq!(told, (TargetFlags::SWITCHES_STACKS, WHILE_NEW));
    }

    #[test]
    fn new_kinds_make_it_new_again() {
        let mut densities = Densities::default();
        (0..64).for_each(|_| densities.saw(1, true));
        (0..15).for_each(|_| densities.saw(1, false));
        assert_eq!(densities.per_s(1), ONCE_KNOWN);
        densities.saw(1, false);
        assert_eq!(densities.per_s(1), WHILE_NEW);
        densities.forget(1);
        assert_eq!(densities.per_s(1), WHILE_NEW);
    }
}
