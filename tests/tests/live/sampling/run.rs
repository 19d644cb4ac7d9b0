//! `stacks.py` under the sampler.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    path::PathBuf,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use hotspan::{
    context::{self, ContextFindings, memory::Memory, python::StepPoint},
    kernel::{Armed, Kernel, KernelCounters, ProbePoint, StackRules},
    target::Process,
};
use hotspan_common::{Cookie, RegionSpec, ResultAt, ReturnSp, SampleEvent, Target};
use hotspan_tests::{
    paths, python,
    service::Batch,
    stretches::{self, Stretch},
};
use tempfile::TempDir;
use tokio::runtime::{self, Runtime};

use super::VERSIONS;

/// A stack, with its functions' names as the target's memory has them at the end.
pub struct Named {
    pub event: SampleEvent,
    pub names: Vec<String>,
}

impl Named {
    pub fn describe(&self) -> String {
        let SampleEvent {
            time_ns,
            period_or_end_ns,
            flags,
            ..
        } = self.event;
        format!(
            "{time_ns}..{period_or_end_ns} flags {flags:#x} in {}",
            self.names.join("<")
        )
    }
}

/// What was seen, and what there was.
pub struct Run {
    pub samples: Vec<Named>,
    pub stretches: Vec<Stretch>,
    /// Looks at leaving threads for which there was no time left, or that could not be read, and returns that
    /// the kernel did not tell of: each may be a wait.
    pub unseen: u64,
    /// Suspensions that the kernel programs counted in place of telling of them, and switches of threads that the kernel did not
    /// tell of.
    pub awaits_unseen: u64,
}

/// How often stacks are taken.
#[derive(Clone, Copy)]
pub struct Pace {
    /// Ticks a second.
    pub frequency: NonZeroU32,
    /// From one stack to the next, as a rule.
    pub ticks_per_sample: u32,
    /// Stacks a second that may be closer.
    pub dense_per_s: u32,
}

/// Rounds of `stacks.py`.
#[derive(Clone, Copy)]
pub struct Rounds {
    pub count: usize,
    /// Of each function that computes.
    pub stretch: Duration,
}

/// Has `stacks.py` do its rounds under the sampler.
pub fn sampled(minor: &str, pace: Pace, rounds: Rounds) -> Option<Run> {
    let (_, requirements, name_offset) = VERSIONS.iter().find(|version| version.0 == minor)?;
    let interpreter = interpreter(minor)?;
    let venv = python::Venv::with(requirements, &interpreter).unwrap();
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("stretches.jsonl");
    let mut batch = Batch::start(
        Command::new(venv.python())
            .arg(paths::targets().join("stacks.py"))
            .env("STRETCHES", &path)
            .env("STRETCH_NS", rounds.stretch.as_nanos().to_string()),
    )
    .unwrap();
    // Imports are done, and OpenTelemetry's context exists.
    batch.work(1, Duration::from_secs(60)).unwrap();
    let mut observed = Observed::new(batch.pid(), 0, pace);
    let findings = &observed.findings;
    assert_eq!(findings.frames.enabled, 1, "{}", findings.label);
    let ascii_text = findings.python.ascii_text;
    let started = Instant::now();
    let ticking = observed.kernel.sample(pace.frequency).unwrap();
    eprintln!(
        "  the sampler in {:?}, by {}",
        started.elapsed(),
        ticking.clock
    );
    let steps = observed.findings.coroutines.steps.clone();
    let _steps = observed.arm(&steps);
    batch.work(rounds.count, Duration::from_secs(60)).unwrap();
    drop(ticking);
    let memory = Memory::open(batch.pid()).unwrap();
    let mut names = Names {
        memory: &memory,
        name_offset: *name_offset,
        text_offset: u64::from(ascii_text),
        known: HashMap::new(),
    };
    let samples = taken(&mut observed.kernel, &mut names);
    let counters = observed.kernel.counters().unwrap();
    eprintln!("  {}", said(&counters));
    assert_eq!(counters.get("kernel.samples_lost"), 0);
    let stretches = stretches::read(&path).unwrap();
    batch.finish().unwrap();
    Some(Run {
        samples,
        stretches,
        unseen: ["waits_unseen", "work_unreadable", "switches_missed"]
            .map(|name| counters.get(&format!("kernel.{name}")))
            .iter()
            .sum(),
        awaits_unseen: ["awaits_unseen", "switches_missed"]
            .map(|name| counters.get(&format!("kernel.{name}")))
            .iter()
            .sum(),
    })
}

fn said(counters: &KernelCounters) -> String {
    let each = counters
        .iter()
        .map(|(name, total)| format!("{name} {total}"));
    each.collect::<Vec<_>>().join(", ")
}

/// The interpreter, if there is one of this version.
pub fn interpreter(minor: &str) -> Option<PathBuf> {
    let interpreter = python::version(minor);
    if interpreter.is_none() {
        eprintln!(
            "NOT COVERED: CPython {minor} is not installed here, nor unpacked by tests/interpreters/from-debian"
        );
    }
    interpreter
}

/// The kernel programs, told of a process.
pub struct Observed {
    pub kernel: Kernel,
    pub findings: ContextFindings,
    process: Arc<Process>,
    _runtime: Runtime,
}

impl Observed {
    pub fn new(pid: u32, flags: u32, pace: Pace) -> Self {
        let process = Arc::new(Process::open(pid).unwrap());
        let findings = context::inspect(&process, &process.mappings().unwrap());
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let inside = runtime.enter();
        let kernel = loaded(&process, &findings, flags, pace);
        drop(inside);
        Self {
            kernel,
            findings,
            process,
            _runtime: runtime,
        }
    }

    /// Arms places where tasks' steps begin, or tasks are made, as region 0.
    pub fn arm(&mut self, places: &[StepPoint]) -> Armed {
        let points: Vec<ProbePoint> = places.iter().map(point).collect();
        assert!(!points.is_empty(), "nothing to arm");
        let kernel = &mut self.kernel;
        kernel.set_region(0, RegionSpec::default()).unwrap();
        let pid = NonZeroU32::new(self.process.pid()).unwrap();
        kernel.arm(pid, &places[0].object, &points).unwrap()
    }
}

fn point(place: &StepPoint) -> ProbePoint {
    ProbePoint {
        file_offset: place.file_offset,
        cookie: Cookie {
            region: 0,
            sp: ReturnSp::HERE,
            result: ResultAt::RAX,
            kind: place.kind.wire(),
            condition: 0,
            generation: 0,
        },
    }
}

fn loaded(process: &Process, findings: &ContextFindings, flags: u32, pace: Pace) -> Kernel {
    let started = Instant::now();
    let mut kernel = Kernel::load(Some(StackRules {
        frequency: pace.frequency,
        kernel_frames: false,
    }))
    .unwrap();
    eprintln!("  programs loaded in {:?}", started.elapsed());
    kernel
        .set_target(
            process.root_pid().unwrap(),
            Target {
                pidns_dev: process.pid_namespace().dev,
                pidns_ino: process.pid_namespace().ino,
                flags,
                tick_ns: 1_000_000_000 / u64::from(pace.frequency.get()),
                ticks_per_sample: pace.ticks_per_sample,
                dense_per_s: pace.dense_per_s,
                python: findings.python,
                frames: findings.frames,
                coroutines: findings.coroutines.layout,
                ..Target::default()
            },
        )
        .unwrap();
    kernel
}

/// The samples of a run, all of which the ring has held.
fn taken(kernel: &mut Kernel, names: &mut Names<'_>) -> Vec<Named> {
    let mut samples = Vec::new();
    loop {
        let taken = kernel.samples(|sample| {
            let frames = &sample.event.python[..sample.event.python_len as usize];
            let mut innermost_first: Vec<_> =
                frames.iter().map(|frame| names.of(frame.code)).collect();
            if sample.event.begins_outermost() {
                innermost_first.reverse();
            }
            samples.push(Named {
                event: *sample.event,
                names: innermost_first,
            });
        });
        assert_eq!(taken.unknown, 0);
        if !taken.more {
            break;
        }
    }
    samples
}

struct Names<'a> {
    memory: &'a Memory,
    name_offset: u64,
    text_offset: u64,
    known: HashMap<u64, String>,
}

impl Names<'_> {
    fn of(&mut self, code: u64) -> String {
        let read = || {
            let text = self.memory.read_u64(code + self.name_offset)?;
            self.memory.read_c_string(text + self.text_offset, 64)
        };
        self.known
            .entry(code)
            .or_insert_with(|| match read() {
                Ok(Some(name)) => String::from_utf8_lossy(&name).into_owned(),
                _ => "?".to_owned(),
            })
            .clone()
    }
}
