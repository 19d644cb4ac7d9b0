//! The sampler, as the engine runs it: begun when the first target is armed, its ring read at each turn.

use std::num::NonZeroU32;

use hotspan_common::{STACK_SIZES, SampleReason, Target};

use super::say;
use crate::kernel::{Kernel, RawSample, Sampler};

/// Batches of the ring in one turn, at the most.
const BATCHES_PER_TURN: usize = 4;
const SECOND_NS: u64 = 1_000_000_000;

/// How targets are sampled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SamplingRules {
    /// Ticks a second on each CPU; `None`: no sampling.
    pub frequency: Option<NonZeroU32>,
}

/// The sampler and what it brought.
pub struct Sampling {
    rules: SamplingRules,
    sampler: Option<Sampler>,
    refused: bool,
    unknown_entries: u64,
    by_reason: [u64; SampleReason::ALL.len()],
    with_python: u64,
    stack_bytes: u64,
}

impl Sampling {
    /// Not begun yet.
    pub fn new(rules: SamplingRules) -> Self {
        Self {
            rules,
            sampler: None,
            refused: false,
            unknown_entries: 0,
            by_reason: [0; SampleReason::ALL.len()],
            with_python: 0,
            stack_bytes: 0,
        }
    }

    /// Begins, if it has not. A kernel that refuses is told of once; spans of regions go on.
    pub fn start(&mut self, kernel: &mut Kernel) {
        let Some(frequency) = self.rules.frequency else {
            return;
        };
        if self.sampler.is_some() || self.refused {
            return;
        }
        match kernel.sample(frequency) {
            Ok(sampler) => self.sampler = Some(sampler),
            Err(error) => {
                self.refused = true;
                say::error(
                    "the kernel refuses to sample; spans of regions go on",
                    &error,
                );
            }
        }
    }

    /// Whether stacks are to be taken.
    pub fn is_wanted(&self) -> bool {
        self.rules.frequency.is_some() && !self.refused
    }

    /// Ends it: nothing is added to the ring any more.
    pub fn stop(&mut self) {
        self.sampler = None;
    }

    /// What the kernel programs are told about sampling a target.
    pub fn configure(&self, target: &mut Target) {
        let Some(frequency) = self.rules.frequency else {
            return;
        };
        target.tick_ns = SECOND_NS / u64::from(frequency.get());
        target.ticks_per_sample = 1;
        target.stack_bytes = STACK_SIZES[1];
    }

    /// For people: how often, or that it is off.
    pub fn label(&self) -> String {
        match (&self.sampler, self.rules.frequency) {
            (Some(_), Some(frequency)) => format!("sampling {frequency} Hz"),
            _ => "sampling off".to_owned(),
        }
    }

    /// Takes what is in the ring.
    pub fn take_in(&mut self, kernel: &mut Kernel) {
        for _ in 0..BATCHES_PER_TURN {
            let taken = kernel.samples(|sample| self.take(&sample));
            self.unknown_entries += taken.unknown;
            if !taken.more {
                return;
            }
        }
    }

    fn take(&mut self, sample: &RawSample<'_>) {
        let Some(reason) = SampleReason::from_wire(sample.event.reason) else {
            self.unknown_entries += 1;
            return;
        };
        self.by_reason[reason as usize - 1] += 1;
        self.with_python += u64::from(sample.event.python_len != 0);
        self.stack_bytes += sample.stack.len() as u64;
    }

    /// What came, and what went wrong here, by name.
    pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let [timer, entry, off, resumed] = self.by_reason;
        [
            ("agent.unknown_sample_entries", self.unknown_entries),
            ("samples.by_timer", timer),
            ("samples.at_regions", entry),
            ("samples.of_waits", off),
            ("samples.of_awaits", resumed),
            ("samples.with_python_frames", self.with_python),
            ("samples.stack_bytes", self.stack_bytes),
        ]
        .into_iter()
        .filter(|(_, total)| *total != 0)
    }
}
