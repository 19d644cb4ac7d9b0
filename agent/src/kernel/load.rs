//! Loading the kernel programs.

use std::{io, num::NonZeroU32, thread};

use aya::{
    Btf, BtfError, Ebpf, EbpfLoader,
    maps::{Array, HashMap, Map, MapData, PerCpuArray, RingBuf},
    programs::{BtfTracePoint, Program, TracePoint},
    util::online_cpus,
};
use hotspan_common::{
    Account, CrossingEvent, KeyCounts, RegionSpec, STACK_SIZES, Suspended, Target, Task,
    ThreadState,
};
use tokio::io::unix::AsyncFd;

use super::{
    StackRules, arrivals,
    probes::failed,
    sampler::SAMPLE,
    sweep::{Parking, Quiet},
    tracefs,
    wire::Value,
};
use crate::context::task::{self, TaskUnknown};

/// The kernel programs as `cargo xtask ebpf` built them.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../ebpf/object/hotspan.bpf.o"
));

/// The tracepoints, as (category, name); the program bears the same name.
const TRACEPOINTS: &[(&str, &str)] = &[
    ("task", "task_newtask"),
    ("sched", "sched_process_exit"),
    ("sched", "sched_process_exec"),
];

/// One that is met too often for the detour by perf that the others take.
const SWITCH: &str = "sched_switch";
/// Another, which only stacks need, and only where the kernel does not tell when threads are back: else its account of waits
/// for a CPU does.
const WAKEUP: &str = "sched_wakeup";

/// A third, which only stacks need, and not every kernel has: for looks at threads that have waited.
const RETURN: &str = "sched_exit_tp";

/// What the kernel refused.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// tracefs is neither mounted nor mountable.
    #[error(
        "tracefs is not mounted and could not be: {0}; try: mount -t tracefs tracefs /sys/kernel/tracing"
    )]
    Tracefs(#[source] io::Error),
    /// The kernel does not describe its types.
    #[error("the kernel's type information (BTF)")]
    Types(#[source] BtfError),
    /// The kernel's threads are not described.
    #[error(transparent)]
    Task(#[from] TaskUnknown),
    /// The kernel's sockets are not described.
    #[error("the kernel does not describe its TCP sockets")]
    Sockets,
    /// The object was refused.
    #[error("the kernel refused hotspan's programs")]
    Load(#[source] Box<aya::EbpfError>),
    /// One program was refused.
    #[error("the kernel refused the program {name}")]
    Program {
        /// Program.
        name: String,
        /// Why.
        #[source]
        source: Box<aya::programs::ProgramError>,
    },
    /// A map operation failed.
    #[error("the map {name}")]
    Map {
        /// Map.
        name: &'static str,
        /// Why.
        #[source]
        source: Box<aya::maps::MapError>,
    },
    /// The object lacks a program or map: it is not the one this agent was built with.
    #[error("the BPF object has no {0}: it does not belong to this agent")]
    Foreign(String),
    /// The list of CPUs cannot be read.
    #[error("the list of CPUs cannot be read")]
    Cpus(#[source] io::Error),
    /// The event ring cannot be polled.
    #[error("the event ring")]
    Poll(#[source] io::Error),
}

/// The loaded programs and their maps. Dropping it detaches everything.
pub struct Kernel {
    pub(super) programs: Ebpf,
    pub(super) targets: HashMap<MapData, u32, Value<Target>>,
    pub(super) accounts: HashMap<MapData, u32, Value<Account>>,
    pub(super) regions: Array<MapData, Value<RegionSpec>>,
    pub(super) threads: HashMap<MapData, u32, Value<ThreadState>>,
    pub(super) suspended: HashMap<MapData, Value<Task>, Value<Suspended>>,
    pub(super) parked: HashMap<MapData, u64, Value<CrossingEvent>>,
    pub(super) key_counts: HashMap<MapData, u64, Value<KeyCounts>>,
    pub(super) ports: Array<MapData, u64>,
    pub(super) has_sockets: bool,
    pub(super) counters: PerCpuArray<MapData, u64>,
    pub(super) crossings: AsyncFd<RingBuf<MapData>>,
    pub(super) control: AsyncFd<RingBuf<MapData>>,
    pub(super) samples: AsyncFd<RingBuf<MapData>>,
    pub(super) quiet: Quiet,
    pub(super) parking: Parking,
}

impl Kernel {
    /// Loads the programs and attaches those that follow the scheduler and processes. Probes come
    /// with [`Kernel::arm`], ticks with [`Kernel::sample`], for which `stacks` makes room. Needs a tokio runtime.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn load(stacks: Option<StackRules>) -> Result<Self, KernelError> {
        tracefs::ensure().map_err(KernelError::Tracefs)?;
        let types = Btf::from_sys_fs().map_err(KernelError::Types)?;
        let task = task::layout()?;
        let sockets = task.sockets.unwrap_or_default();
        let samples_bytes = samples_bytes(stacks.map(|stacks| stacks.frequency))?;
        // When it could have run, the kernel's account of waits for a CPU tells then.
        let tells_returns = task.tells_returns && task.run_delay != 0;
        let is_sampling = u32::from(stacks.is_some());
        let kernel_frames = u32::from(stacks.is_some_and(|stacks| stacks.kernel_frames));
        let mut programs = EbpfLoader::new()
            .btf(&types)
            .map_max_entries("SAMPLES", samples_bytes)
            .override_global("IS_SAMPLING", &is_sampling, true)
            .override_global("KERNEL_FRAMES", &kernel_frames, true)
            .override_global("TELLS_RETURNS", &u32::from(tells_returns), true)
            .override_global("TASK_PID", &task.pid, true)
            .override_global("TASK_TGID", &task.tgid, true)
            .override_global("TASK_FS_BASE", &task.fs_base, true)
            .override_global("TASK_RUN_DELAY", &task.run_delay, true)
            .override_global("TASK_IN_IOWAIT", &task.in_iowait, true)
            .override_global("TASK_MM", &task.resources.memory, true)
            .override_global("TASK_SIGNAL", &task.resources.signal, true)
            .override_global("TASK_MAJOR_FAULTS", &task.resources.major_faults, true)
            .override_global("TASK_VOLUNTARY", &task.resources.voluntary, true)
            .override_global("TASK_INVOLUNTARY", &task.resources.involuntary, true)
            .override_global("TASK_PSI_FLAGS", &task.resources.psi_flags, true)
            .override_global("SIGNAL_THREADS", &task.resources.threads, true)
            .override_global("MM_RESIDENT", &task.resources.resident, true)
            .override_global("MM_RESIDENT_STEP", &task.resources.resident_step, true)
            .override_global("SOCKET_PORT", &sockets.port, true)
            .override_global("TCP_COPIED", &sockets.copied, true)
            .override_global("TCP_NEXT", &sockets.next, true)
            .load(OBJECT)
            .map_err(|error| KernelError::Load(Box::new(error)))?;
        let has_wakeups = stacks.is_some() && !tells_returns || task.run_delay == 0;
        let has_returns = stacks.is_some() && tells_returns;
        let unwanted = [
            (SAMPLE, stacks.is_none()),
            (WAKEUP, !has_wakeups),
            (RETURN, !has_returns),
        ];
        let unwanted = unwanted.map(|(name, is_unwanted)| is_unwanted.then_some(name));
        load_programs(&mut programs, &types, &unwanted)?;
        for (category, name) in TRACEPOINTS {
            attach_tracepoint(&mut programs, category, name)?;
        }
        attach_frequent(&mut programs, SWITCH)?;
        if has_wakeups {
            attach_frequent(&mut programs, WAKEUP)?;
        }
        if has_returns {
            attach_frequent(&mut programs, RETURN)?;
        }
        let ring_bytes = ring_bytes(&programs, "CROSSINGS")?;
        Ok(Self {
            targets: map(&mut programs, "TARGETS")?,
            accounts: map(&mut programs, "ACCOUNTS")?,
            regions: map(&mut programs, "REGIONS")?,
            threads: map(&mut programs, "THREADS")?,
            suspended: map(&mut programs, "LAST_STEPS")?,
            parked: map(&mut programs, "PARKED")?,
            key_counts: map(&mut programs, "KEY_COUNTS")?,
            ports: map(&mut programs, "PORTS")?,
            has_sockets: task.sockets.is_some(),
            counters: map(&mut programs, "COUNTERS")?,
            crossings: ring(&mut programs, "CROSSINGS")?,
            control: ring(&mut programs, "CONTROL")?,
            samples: ring(&mut programs, "SAMPLES")?,
            quiet: Quiet::default(),
            parking: Parking::new(ring_bytes),
            programs,
        })
    }
}

/// Bytes of the ring for stacks: four times what all CPUs' ticks bring between two turns of the agent if their
/// stacks are of the usual size, as the agent is woken at a half. The agent maps it twice over, so what is
/// not needed is not taken.
fn samples_bytes(frequency: Option<NonZeroU32>) -> Result<u32, KernelError> {
    let Some(frequency) = frequency else {
        return Ok(LEAST_SAMPLES_BYTES);
    };
    let cpus = online_cpus().map_err(|(_, error)| KernelError::Cpus(error))?;
    let ticks = frequency.get().saturating_mul(cpus.len() as u32) / TURNS_PER_S;
    let bytes = ticks.saturating_mul(4 * STACK_SIZES[1]).max(2 << 20);
    Ok(bytes
        .checked_next_power_of_two()
        .unwrap_or(MOST_SAMPLES_BYTES)
        .min(MOST_SAMPLES_BYTES))
}

/// A ring is a power of two and at least a page, also where nothing goes through it.
const LEAST_SAMPLES_BYTES: u32 = 4096;
const MOST_SAMPLES_BYTES: u32 = 8 << 20;
/// Turns of the agent at its rings in a second.
const TURNS_PER_S: u32 = 10;

/// The name of the one program that sits on armed instructions.
pub(super) const CROSSING: &str = "crossing";

/// Loads them on two threads: the verifier takes about as long for the one that sits on armed instructions as
/// for all others.
fn load_programs(
    programs: &mut Ebpf,
    types: &Btf,
    unwanted: &[Option<&str>],
) -> Result<(), KernelError> {
    let mut crossing = None;
    let mut others = Vec::new();
    for (name, program) in programs.programs_mut() {
        match name {
            CROSSING => crossing = Some(program),
            _ if unwanted.contains(&Some(name)) => {}
            // Few want them: [`Kernel::follow_sockets`].
            _ if arrivals::PROGRAMS.contains(&name) => {}
            _ => others.push((name, program)),
        }
    }
    let crossing = crossing.ok_or_else(|| KernelError::Foreign(format!("program {CROSSING}")))?;
    thread::scope(|scope| {
        let others = scope.spawn(|| {
            let mut others = others.into_iter();
            others.try_for_each(|(name, program)| load_program(name, program, types))
        });
        let crossing = load_program(CROSSING, crossing, types);
        let others = others
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        crossing.and(others)
    })
}

fn load_program(name: &str, program: &mut Program, types: &Btf) -> Result<(), KernelError> {
    let loaded = match program {
        Program::UProbe(program) => program.load(),
        Program::TracePoint(program) => program.load(),
        Program::BtfTracePoint(program) => program.load(name, types),
        // Should the kernel refuse, spans of regions go on: `Kernel::sample` tries again, and says why.
        Program::PerfEvent(program) => program.load().or(Ok(())),
        _ => return Err(KernelError::Foreign(format!("use for the program {name}"))),
    };
    loaded.map_err(refused(name))
}

fn attach_tracepoint(programs: &mut Ebpf, category: &str, name: &str) -> Result<(), KernelError> {
    let program: &mut TracePoint = program(programs, name)?;
    program.attach(category, name).map_err(refused(name))?;
    Ok(())
}

fn attach_frequent(programs: &mut Ebpf, name: &str) -> Result<(), KernelError> {
    let program: &mut BtfTracePoint = program(programs, name)?;
    program.attach().map_err(refused(name))?;
    Ok(())
}

pub(super) fn refused(name: &str) -> impl FnOnce(aya::programs::ProgramError) -> KernelError {
    move |error| KernelError::Program {
        name: name.to_owned(),
        source: Box::new(error),
    }
}

pub(super) fn program<'a, P>(programs: &'a mut Ebpf, name: &str) -> Result<&'a mut P, KernelError>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program>,
{
    programs
        .program_mut(name)
        .and_then(|program| program.try_into().ok())
        .ok_or_else(|| KernelError::Foreign(format!("program {name}")))
}

fn map<M>(programs: &mut Ebpf, name: &'static str) -> Result<M, KernelError>
where
    M: TryFrom<aya::maps::Map, Error = aya::maps::MapError>,
{
    let map = programs
        .take_map(name)
        .ok_or_else(|| KernelError::Foreign(format!("map {name}")))?;
    M::try_from(map).map_err(|error| KernelError::Map {
        name,
        source: Box::new(error),
    })
}

fn ring_bytes(programs: &Ebpf, name: &'static str) -> Result<u32, KernelError> {
    let Some(Map::RingBuf(ring)) = programs.map(name) else {
        return Err(KernelError::Foreign(format!("ring {name}")));
    };
    Ok(ring.info().map_err(failed(name))?.max_entries())
}

#[expect(unsafe_code, reason = "tokio's safe registration is deprecated")]
fn ring(programs: &mut Ebpf, name: &'static str) -> Result<AsyncFd<RingBuf<MapData>>, KernelError> {
    // SAFETY: a ring buffer owns its map's descriptor, the same one until it is dropped.
    unsafe { AsyncFd::register(map(programs, name)?) }
        .map_err(|error| KernelError::Poll(error.into_parts().1))
}
