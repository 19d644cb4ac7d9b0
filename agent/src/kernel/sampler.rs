//! The sampler: a perf event on each CPU, and the ring that stacks come through.

use std::{fmt, num::NonZeroU32};

use aya::{
    maps::MapError,
    programs::{
        PerfEvent,
        perf_event::{
            HardwareEvent, PerfEventConfig, PerfEventLinkId, PerfEventScope, SamplePolicy,
            SoftwareEvent,
        },
    },
    util::online_cpus,
};
use hotspan_common::{Account, RecordKind, SampleEvent};

use super::{
    Kernel, KernelError,
    load::{program, refused},
    probes::failed,
    wire::{self, Value},
};

/// The program that runs at each tick.
pub(super) const SAMPLE: &str = "sample";
const SECOND_NS: u64 = 1_000_000_000;
/// Entries that one turn takes at the most.
const TURN: usize = 4096;

/// What stacks are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackRules {
    /// So many ticks a second on each CPU.
    pub frequency: NonZeroU32,
    /// They go on into the kernel.
    pub kernel_frames: bool,
}

/// What makes the sampler tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The processor's cycle counter.
    Cycles,
    /// The kernel's timer, where there is no counter.
    CpuClock,
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cycles => "cycles",
            Self::CpuClock => "cpu-clock",
        })
    }
}

/// A sampler at work; dropping it ends it.
pub struct Sampler {
    /// Held for their drop.
    _links: Vec<aya::programs::perf_event::PerfEventLink>,
    /// What it ticks by.
    pub clock: Clock,
}

/// A stack as it lies in the ring.
#[derive(Clone, Copy, Debug)]
pub struct SampleView<'a> {
    /// Everything but the stack; of `python` only `python_len` frames mean something.
    pub event: &'a SampleEvent,
    /// The user stack from `event.sp` upwards.
    pub stack: &'a [u8],
}

/// What one turn at the samples ring brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Samples.
    pub samples: usize,
    /// Entries that are no samples: the object is of another build than the agent.
    pub unknown: u64,
    /// More is waiting.
    pub more: bool,
}

impl Kernel {
    /// Starts the sampler at `frequency` ticks a second on each CPU that is online.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn sample(&mut self, frequency: NonZeroU32) -> Result<Sampler, KernelError> {
        let cpus = online_cpus().map_err(|(_, error)| KernelError::Cpus(error))?;
        let program: &mut PerfEvent = program(&mut self.programs, SAMPLE)?;
        if program.fd().is_err() {
            program.load().map_err(refused(SAMPLE))?;
        }
        let mut clock = Clock::Cycles;
        let mut links = Vec::with_capacity(cpus.len());
        for cpu in cpus {
            let attached = match attach(program, clock, cpu, frequency) {
                // Virtual machines often have no counters, or lend them for some CPUs only.
                Err(_) if clock == Clock::Cycles => {
                    clock = Clock::CpuClock;
                    attach(program, clock, cpu, frequency)
                }
                attached => attached,
            };
            let link = attached.and_then(|id| program.take_link(id));
            links.push(link.map_err(refused(SAMPLE))?);
        }
        Ok(Sampler {
            _links: links,
            clock,
        })
    }

    /// What the timer's stacks may still take of a target's time; `None`: no tick has met it yet.
    ///
    /// # Errors
    /// The kernel's.
    pub fn account(&self, pid: u32) -> Result<Option<Account>, KernelError> {
        match self.accounts.get(&pid, 0) {
            Ok(Value(account)) => Ok(Some(account)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(failed("ACCOUNTS")(error)),
        }
    }

    /// Hands what is in the samples ring now to `take`, bounded.
    pub fn samples(&mut self, mut take: impl FnMut(SampleView<'_>)) -> Taken {
        let mut taken = Taken::default();
        let ring = self.samples.get_mut();
        while taken.samples < TURN {
            let Some(entry) = ring.next() else {
                return taken;
            };
            match decode(&entry) {
                Some(sample) => {
                    taken.samples += 1;
                    take(sample);
                }
                None => taken.unknown += 1,
            }
        }
        taken.more = true;
        taken
    }
}

fn attach(
    program: &mut PerfEvent,
    clock: Clock,
    cpu: u32,
    frequency: NonZeroU32,
) -> Result<PerfEventLinkId, aya::programs::ProgramError> {
    let per_second = u64::from(frequency.get());
    let (config, policy) = match clock {
        Clock::Cycles => (
            PerfEventConfig::Hardware(HardwareEvent::CpuCycles),
            SamplePolicy::Frequency(per_second),
        ),
        // It counts nanoseconds. Asked for a frequency, the kernel would keep adapting the period, and lets
        // it grow on CPUs that idle.
        Clock::CpuClock => (
            PerfEventConfig::Software(SoftwareEvent::CpuClock),
            SamplePolicy::Period(SECOND_NS / per_second),
        ),
    };
    let scope = PerfEventScope::AllProcessesOneCpu { cpu };
    program.attach(config, scope, policy, false)
}

fn decode(bytes: &[u8]) -> Option<SampleView<'_>> {
    let event: &SampleEvent = wire::view(bytes)?;
    if event.kind != RecordKind::Sample.wire() || event.python_len as usize > event.python.len() {
        return None;
    }
    let stack = bytes
        .get(size_of::<SampleEvent>()..)?
        .get(..event.stack_len as usize)?;
    Some(SampleView { event, stack })
}
