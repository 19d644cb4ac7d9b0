//! What a tick of the sampler's timer costs whoever runs: some 15 µs in many a virtual machine, where it is an exit to the host,
//! one or two elsewhere.
//!
//! Nothing but reading a clock again and again shows it: the timer is the only one that comes as often.

use std::num::NonZeroU32;

/// Ticks that a look waits for. Half of them may be hidden behind something longer, as when another thread had its turn.
const TICKS: usize = 8;
/// Looks, each when the cost is asked for. One in four takes a half or more too much, as the first does, with cold caches.
const LOOKS: usize = 5;
const SECOND_NS: u64 = 1_000_000_000;

/// What was found so far, in nanoseconds, in their order.
#[derive(Debug, Default)]
pub struct TickCost(Vec<u64>);

impl TickCost {
    /// In nanoseconds, while the timer ticks so often a second on each CPU. `now_ns` reads a clock, and never goes back.
    pub fn ns(&mut self, ticks_per_s: NonZeroU32, now_ns: impl FnMut() -> u64) -> u64 {
        if self.0.len() < LOOKS {
            self.0.push(measured_ns(ticks_per_s, now_ns));
            self.0.sort_unstable();
        }
        self.0[self.0.len() / 2]
    }
}

fn measured_ns(ticks_per_s: NonZeroU32, mut now_ns: impl FnMut() -> u64) -> u64 {
    let lasts_ns = TICKS as u64 * SECOND_NS / u64::from(ticks_per_s.get());
    let begin = now_ns();
    let (mut before, mut shortest) = (begin, u64::MAX);
    let mut longest = [0; TICKS];
    while before - begin < lasts_ns {
        let now = now_ns();
        let gap = now - before;
        before = now;
        shortest = shortest.min(gap);
        // The shortest of the longest is the first.
        if gap > longest[0] {
            longest[0] = gap;
            longest.sort_unstable();
        }
    }
    longest[TICKS / 2].saturating_sub(shortest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURN_NS: u64 = 40;

    /// A clock that stands still for whoever reads it: at each millisecond for a tick, at some for much longer.
    fn cost_ns(tick_ns: u64, others: &[u64]) -> u64 {
        let (mut now, mut tick) = (7, 0);
        measured_ns(NonZeroU32::new(1_000).expect("it is not zero"), || {
            now += TURN_NS;
            if now / 1_000_000 > tick {
                tick = now / 1_000_000;
                now += if others.contains(&tick) {
                    4_000_000
                } else {
                    tick_ns
                };
            }
            now
        })
    }

    #[test]
    fn it_is_what_most_ticks_take() {
        assert_eq!(cost_ns(15_000, &[]), 15_000);
        assert_eq!(cost_ns(1_200, &[]), 1_200);
    }

    #[test]
    fn turns_of_others_are_none() {
        assert_eq!(cost_ns(15_000, &[3, 10]), 15_000);
    }

    #[test]
    fn most_looks_agree() {
        let mut cost = TickCost::default();
        let ticks_per_s = NonZeroU32::new(1_000).expect("it is not zero");
        let mut look = |tick_ns: u64| {
            let (mut now, mut tick) = (7, 0);
            cost.ns(ticks_per_s, || {
                now += TURN_NS;
                if now / 1_000_000 > tick {
                    tick = now / 1_000_000;
                    now += tick_ns;
                }
                now
            })
        };
        let found = [22_000, 15_000, 70_000, 14_000, 16_000, 9_000].map(&mut look);
        assert_eq!(found, [22_000, 22_000, 22_000, 22_000, 16_000, 16_000]);
    }

    #[test]
    fn without_ticks_it_is_nothing() {
        let mut now = 0;
        let cost = measured_ns(NonZeroU32::new(1_000).expect("it is not zero"), || {
            now += TURN_NS;
            now
        });
        assert_eq!(cost, 0);
    }
}
