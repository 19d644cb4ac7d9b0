//! How densely young requests of a target may be sampled: much, as long as many of its requests are of a kind that is
//! not known yet, less afterwards.

use std::collections::HashMap;

use super::engine::Engine;

/// Stacks a second beyond the usual frequency, while requests are new.
pub const WHILE_NEW: u32 = 600;
/// The same once most are known.
pub const ONCE_KNOWN: u32 = 100;
/// Of the last 64 requests, so many that are not known make a target new.
const NEW: u32 = 8;

/// The last requests of each target.
#[derive(Debug, Default)]
pub struct Densities {
    /// A bit for each, the latest lowest; 1: its kind was known.
    known: HashMap<u32, u64>,
}

impl Densities {
    /// A request of a target has ended.
    pub fn saw(&mut self, target: u32, is_known: bool) {
        let known = self.known.entry(target).or_default();
        *known = *known << 1 | u64::from(is_known);
    }

    /// Stacks a second that young requests of a target may take.
    pub fn per_s(&self, target: u32) -> u32 {
        let known = self.known.get(&target).copied().unwrap_or_default();
        if known.count_zeros() >= NEW {
            WHILE_NEW
        } else {
            ONCE_KNOWN
        }
    }

    /// A target has ended.
    pub fn forget(&mut self, target: u32) {
        self.known.remove(&target);
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
            let per_s = self.densities.per_s(target);
            // 0: its frequency leaves no room.
            if watched.wire.dense_per_s != 0 && watched.wire.dense_per_s != per_s {
                watched.wire.dense_per_s = per_s;
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
        for _ in 0..56 {
            assert_eq!(densities.per_s(1), WHILE_NEW);
            densities.saw(1, true);
        }
        densities.saw(1, true);
        assert_eq!(densities.per_s(1), ONCE_KNOWN);
        assert_eq!(densities.per_s(2), WHILE_NEW);
    }

    #[test]
    fn new_kinds_make_it_new_again() {
        let mut densities = Densities::default();
        (0..64).for_each(|_| densities.saw(1, true));
        (0..7).for_each(|_| densities.saw(1, false));
        assert_eq!(densities.per_s(1), ONCE_KNOWN);
        densities.saw(1, false);
        assert_eq!(densities.per_s(1), WHILE_NEW);
        densities.forget(1);
        assert_eq!(densities.per_s(1), WHILE_NEW);
    }
}
