//! The sampler, as the engine runs it: begun when the first target is armed, its ring read at each turn,
//! what it brings handed to the resolver.

use std::{io, num::NonZeroU32, sync::Arc};

use hotspan_common::{Target, TargetFlags};
use hotspan_synth::{event::Event, ids::FunctionId};

use super::{
    clock, density,
    intake::CountedBurst,
    resolver::{Outcomes, Resolver},
    say,
    tempo::Tempo,
    tick_cost::TickCost,
};
use crate::{
    kernel::{Kernel, Sampler, StackRules},
    stack::FIRST_SIZE,
    target::Process,
};

/// Batches of the ring in one turn, at the most.
const BATCHES_PER_TURN: usize = 4;
const SECOND_NS: u64 = 1_000_000_000;
/// How much more densely than others a young request is sampled, at the most.
const DENSITY: NonZeroU32 = NonZeroU32::new(10).expect("it is not zero");
/// Ticks a second and CPU, at the most, for that.
const MOST_TICKS: u32 = 999;

/// How targets are sampled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SamplingRules {
    /// The stacks that are taken; `None`: none.
    pub stacks: Option<StackRules>,
    /// Stacks are also taken of threads that work for nobody known.
    pub all_threads: bool,
}

impl SamplingRules {
    /// Ticks a second on each CPU; `None`: no sampling.
    pub fn frequency(&self) -> Option<NonZeroU32> {
        self.stacks.map(|stacks| stacks.frequency)
    }
}

/// The sampler and the resolver.
pub struct Sampling {
    rules: SamplingRules,
    sampler: Option<Sampler>,
    refused: bool,
    tempo: Tempo,
    tick_cost: TickCost,
    /// The kernel refused another pace.
    is_fixed: bool,
    resolver: Option<Resolver>,
    unknown_entries: u64,
}

impl Sampling {
    /// Not begun yet.
    ///
    /// # Errors
    /// No more threads.
    pub fn new(rules: SamplingRules) -> io::Result<Self> {
        let resolver = rules.stacks.map(|_| Resolver::start()).transpose()?;
        Ok(Self {
            rules,
            sampler: None,
            refused: false,
            tempo: Tempo::default(),
            tick_cost: TickCost::default(),
            is_fixed: false,
            resolver,
            unknown_entries: 0,
        })
    }

    /// Begins, if it has not. A kernel that refuses is told of once; spans of regions go on.
    pub fn start(&mut self, kernel: &mut Kernel) {
        let Some(frequency) = self.rules.frequency() else {
            return;
        };
        if self.sampler.is_some() || self.refused {
            return;
        }
        match kernel.sample(self.ticks(frequency, self.tempo)) {
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

    /// Whether the timer's pace can change.
    pub fn changes_tempo(&self) -> bool {
        let most = self.rules.frequency().map(|usual| self.most_ticks(usual));
        self.sampler.is_some() && !self.is_fixed && most.is_some_and(|most| most.get() > 1)
    }

    /// How fast the timer is to tick.
    pub fn tempo(&self) -> Tempo {
        self.tempo
    }

    /// What the ticks that the usual frequency would not have take of whoever runs, in nanoseconds a second. Found out as it is
    /// asked for the first few times while the timer ticks densely, which takes almost a hundredth of a second each.
    pub fn dense_ticks_cost(&mut self) -> u64 {
        let Some(frequency) = self.rules.frequency() else {
            return 0;
        };
        if self.tempo == Tempo::Usual {
            return 0;
        }
        let ticks = self.ticks(frequency, self.tempo);
        let each = self.tick_cost.ns(ticks, clock::now_ns);
        each * u64::from(ticks.get() - frequency.get())
    }

    /// What the kernel programs are told is this pace from now on.
    pub fn set_tempo(&mut self, tempo: Tempo) {
        self.tempo = tempo;
    }

    /// Has the timer tick at this pace. `false`: the kernel refuses, which is told of once, and it stays as it was.
    #[must_use]
    pub fn tick(&mut self, kernel: &mut Kernel, tempo: Tempo) -> bool {
        let Some(frequency) = self.rules.frequency() else {
            return false;
        };
        match kernel.sample(self.ticks(frequency, tempo)) {
            Ok(sampler) => self.sampler = Some(sampler),
            Err(error) => {
                self.is_fixed = true;
                say::error("the kernel refuses to sample at another pace", &error);
            }
        }
        !self.is_fixed
    }

    /// Whether stacks are to be taken.
    pub fn is_wanted(&self) -> bool {
        self.rules.frequency().is_some() && !self.refused
    }

    /// Ends it: nothing is added to the ring any more.
    pub fn stop(&mut self) {
        self.sampler = None;
    }

    /// What the kernel programs are told about sampling a target.
    pub fn configure(&self, target: &mut Target) {
        let Some(frequency) = self.rules.frequency() else {
            return;
        };
        self.set_ticks(target);
        target.dense_per_s = if self.most_ticks(frequency).get() > 1 {
            density::WHILE_NEW
        } else {
            0
        };
        if self.rules.all_threads {
            target.flags |= TargetFlags::SAMPLES_ALL;
        }
        if target.stack_bytes == 0 {
            // The resolver asks for another size when it has seen what the stacks need.
            target.stack_bytes = FIRST_SIZE;
        }
    }

    /// What the kernel programs are told about the timer's pace.
    pub fn set_ticks(&self, target: &mut Target) {
        let Some(frequency) = self.rules.frequency() else {
            return;
        };
        let ticks = self.ticks(frequency, self.tempo).get();
        target.tick_ns = SECOND_NS / u64::from(ticks);
        target.ticks_per_sample = ticks / frequency.get();
        target.late_ns = match self.tempo {
            Tempo::Slowing => SECOND_NS / u64::from(frequency.get()),
            Tempo::Dense | Tempo::Usual => 0,
        };
    }

    /// Ticks a second and CPU.
    fn ticks(&self, frequency: NonZeroU32, tempo: Tempo) -> NonZeroU32 {
        match tempo {
            Tempo::Dense | Tempo::Slowing => frequency.saturating_mul(self.most_ticks(frequency)),
            Tempo::Usual => frequency,
        }
    }

    /// Ticks of the kernel's timer for each stack at the usual frequency, at the most: those between are for young
    /// requests.
    fn most_ticks(&self, frequency: NonZeroU32) -> NonZeroU32 {
        if self.rules.all_threads {
            return NonZeroU32::MIN;
        }
        let most = NonZeroU32::new(MOST_TICKS / frequency.get());
        most.map_or(NonZeroU32::MIN, |most| most.min(DENSITY))
    }

    /// For people: how often, or that it is off.
    pub fn label(&self) -> String {
        match (&self.sampler, self.rules.frequency()) {
            (Some(_), Some(frequency)) => {
                let ticks = self.ticks(frequency, Tempo::Dense);
                if ticks == frequency {
                    format!("sampling {frequency} Hz")
                } else {
                    format!("sampling {frequency} to {ticks} Hz")
                }
            }
            _ => "sampling off".to_owned(),
        }
    }

    /// A process is watched from now on.
    pub fn adopt(&mut self, target: u32, process: &Arc<Process>) {
        if let Some(resolver) = &mut self.resolver {
            resolver.adopt(target, Arc::clone(process));
        }
    }

    /// A target mapped code.
    pub fn mapped(&mut self, target: u32) {
        if let Some(resolver) = &mut self.resolver {
            resolver.mapped(target);
        }
    }

    /// A target has ended.
    pub fn forget(&mut self, target: u32) {
        if let Some(resolver) = &mut self.resolver {
            resolver.forget(target);
        }
    }

    /// Takes what is in the ring.
    pub fn take_in(&mut self, kernel: &mut Kernel) {
        self.gather(kernel);
        if let Some(resolver) = &mut self.resolver {
            resolver.submit();
        }
    }

    /// Takes what fills the ring up. As a rule it is resolved with what comes until the turn: to be woken, and to find its
    /// caches cold, costs the resolver more than a stack does.
    pub fn make_room(&mut self, kernel: &mut Kernel) {
        self.gather(kernel);
        if let Some(resolver) = &mut self.resolver {
            resolver.submit_urgent();
        }
    }

    fn gather(&mut self, kernel: &mut Kernel) {
        let Some(resolver) = &mut self.resolver else {
            return;
        };
        for _ in 0..BATCHES_PER_TURN {
            let taken = kernel.samples(|sample| resolver.gather(&sample));
            self.unknown_entries += taken.unknown;
            if !taken.more {
                return;
            }
        }
    }

    /// Has names found for what a burst called. The burst, to go without them, if there is no resolver, or
    /// too much waits there.
    #[must_use]
    pub fn name(&mut self, burst: Box<CountedBurst>) -> Option<Box<CountedBurst>> {
        match &mut self.resolver {
            Some(resolver) => resolver.name(burst),
            None => Some(burst),
        }
    }

    /// Puts an event behind the stacks that were taken in before it. `false`: it must go its own way, as
    /// there is no resolver, none of them is there any more, or too much waits there.
    #[must_use]
    pub fn follow(&mut self, event: &Event) -> bool {
        self.resolver
            .as_mut()
            .is_some_and(|resolver| resolver.pass(event))
    }

    /// Asks where a native function begins. `false`: there is no resolver, or too much waits there.
    #[must_use]
    pub fn locate(&mut self, target: u32, function: FunctionId) -> bool {
        self.resolver
            .as_mut()
            .is_some_and(|resolver| resolver.locate(target, function))
    }

    /// What came of stacks; waits for ever where none are taken.
    pub async fn next(&mut self) -> Outcomes {
        let outcomes = match &mut self.resolver {
            Some(resolver) => resolver.next().await,
            None => None,
        };
        match outcomes {
            Some(outcomes) => outcomes,
            None => std::future::pending().await,
        }
    }

    /// What comes of the stacks that wait still.
    pub async fn finish(&mut self) -> Vec<Outcomes> {
        match self.resolver.take() {
            Some(resolver) => resolver.finish().await,
            None => Vec::new(),
        }
    }

    /// What went wrong here, by name.
    pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let unknown = ("agent.unknown_sample_entries", self.unknown_entries);
        let own = (unknown.1 != 0).then_some(unknown);
        let resolver = self.resolver.iter().flat_map(Resolver::counters);
        own.into_iter().chain(resolver)
    }
}
