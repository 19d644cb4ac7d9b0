//! How fast the sampler's timer ticks: densely while that shows something, at the usual frequency else.
//!
//! Each tick interrupts whoever runs on its CPU, of a target or not. In a virtual machine that is an exit to the host,
//! and ten times what it is elsewhere.

use super::engine::Engine;

/// The timer's pace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tempo {
    /// As often as young requests may be looked at.
    #[default]
    Dense,
    /// Still so, but each stack allows for the next one coming as late as it will.
    Slowing,
    /// As often as all others are.
    Usual,
}

impl Tempo {
    /// The next one. What was said of the next stacks in a hurry is over before the timer slows down.
    fn next(self, wants_dense: bool) -> Self {
        match self {
            _ if wants_dense => Self::Dense,
            Self::Dense => Self::Slowing,
            Self::Slowing | Self::Usual => Self::Usual,
        }
    }
}

impl Engine {
    /// Has the timer tick as fast as the targets are worth.
    pub(super) fn keep_time(&mut self, now_ns: u64) -> anyhow::Result<()> {
        if !self.sampling.changes_tempo() {
            return Ok(());
        }
        let ticks_cost = self.sampling.dense_ticks_cost();
        for target in self.targets.keys() {
            if let Some(account) = self.kernel.account(*target)? {
                self.densities.pays(*target, account, ticks_cost, now_ns);
            }
        }
        let wants_dense = (self.targets.keys()).any(|target| self.densities.is_dense(*target));
        let before = self.sampling.tempo();
        let tempo = before.next(wants_dense);
        if tempo == before {
            return Ok(());
        }
        // Meanwhile a tick stands for too much rather than too little.
        match (before, tempo) {
            (Tempo::Usual, _) => {
                if self.sampling.tick(&mut self.kernel, tempo) {
                    self.tell_tempo(tempo)?;
                }
            }
            (_, Tempo::Usual) => {
                self.tell_tempo(tempo)?;
                if !self.sampling.tick(&mut self.kernel, tempo) {
                    self.tell_tempo(Tempo::Dense)?;
                }
            }
            _ => self.tell_tempo(tempo)?,
        }
        Ok(())
    }

    fn tell_tempo(&mut self, tempo: Tempo) -> anyhow::Result<()> {
        self.sampling.set_tempo(tempo);
        for (target, watched) in &mut self.targets {
            // One that is not configured yet is not sampled.
            if watched.wire.tick_ns != 0 {
                self.sampling.set_ticks(&mut watched.wire);
                self.kernel.set_target(*target, watched.wire)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Tempo::{self, *};

    #[test]
    fn it_slows_down_in_two_steps_and_quickens_in_one() {
        let wants = [true, false, true, false, false, false, true];
        let mut tempo = Tempo::default();
        let seen = wants.map(|wants| {
            tempo = tempo.next(wants);
            tempo
        });
        assert_eq!(seen, [Dense, Slowing, Dense, Slowing, Usual, Usual, Dense]);
    }
}
