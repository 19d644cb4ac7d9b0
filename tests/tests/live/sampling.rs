//! Stacks as the kernel programs take them, against what the target knows of itself.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use hotspan::{
    context::{self, memory::Memory, python::StepPoint},
    kernel::{Armed, Kernel, ProbePoint, StackRules},
    target::Process,
};
use hotspan_common::{Cookie, RegionSpec, SampleEvent, SampleFlags, SampleReason, Target};
use hotspan_tests::{
    gate::require_bpf,
    paths, python,
    service::Batch,
    stretches::{self, Kind, Stretch},
};
use tempfile::TempDir;
use tokio::runtime;

/// Minor version, requirements, and `PyCodeObject.co_name`.
const VERSIONS: &[(&str, &str, u64)] = &[
    ("3.8", "sdk-3.8", 112),
    ("3.9", "sdk-3.9", 112),
    ("3.10", "sdk", 112),
    ("3.11", "sdk", 120),
    ("3.12", "sdk", 120),
    ("3.13", "sdk", 120),
    ("3.14", "sdk", 120),
    ("3.15", "sdk", 120),
];
/// Ticks a second; at this rate the ring holds all of a run.
const FREQUENCY: NonZeroU32 = NonZeroU32::new(99).unwrap();
/// Rounds of `stacks.py`.
const ROUNDS: usize = 6;

/// A stack, with its functions' names as the target's memory has them at the end.
struct Named {
    event: SampleEvent,
    names: Vec<String>,
}

impl Named {
    fn describe(&self) -> String {
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
struct Run {
    samples: Vec<Named>,
    stretches: Vec<Stretch>,
    /// Looks at leaving threads for which there was no time left, or that could not be read, and returns that
    /// the kernel did not tell of: each may be a wait.
    unseen: u64,
}

/// Has `stacks.py` do its rounds under the sampler.
fn sampled(minor: &str) -> Option<Run> {
    let (_, requirements, name_offset) = VERSIONS.iter().find(|version| version.0 == minor)?;
    let Some(interpreter) = python::version(minor) else {
        eprintln!(
            "NOT COVERED: CPython {minor} is not installed here, nor unpacked by tests/interpreters/from-debian"
        );
        return None;
    };
    let venv = python::Venv::with(requirements, &interpreter).unwrap();
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("stretches.jsonl");
    let mut batch = Batch::start(
        Command::new(venv.python())
            .arg(paths::targets().join("stacks.py"))
            .env("STRETCHES", &path),
    )
    .unwrap();
    // Imports are done, and OpenTelemetry's context exists.
    batch.work(1, Duration::from_secs(60)).unwrap();
    let process = Arc::new(Process::open(batch.pid()).unwrap());
    let findings = context::inspect(&process, &process.mappings().unwrap());
    assert_eq!(findings.frames.enabled, 1, "{}", findings.label);
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _inside = runtime.enter();
    let started = Instant::now();
    let mut kernel = Kernel::load(Some(StackRules {
        frequency: FREQUENCY,
        kernel_frames: false,
    }))
    .unwrap();
    let loaded = started.elapsed();
    kernel
        .set_target(
            process.root_pid().unwrap(),
            Target {
                pidns_dev: process.pid_namespace().dev,
                pidns_ino: process.pid_namespace().ino,
                tick_ns: 1_000_000_000 / u64::from(FREQUENCY.get()),
                python: findings.python,
                frames: findings.frames,
                coroutines: findings.coroutines.layout,
                ..Target::default()
            },
        )
        .unwrap();
    let started = Instant::now();
    let ticking = kernel.sample(FREQUENCY).unwrap();
    eprintln!(
        "  programs loaded in {loaded:?}, the sampler in {:?}, by {}",
        started.elapsed(),
        ticking.clock
    );
    let _steps = follow_coroutines(&mut kernel, &process, &findings.coroutines.steps);
    batch.work(ROUNDS, Duration::from_secs(60)).unwrap();
    drop(ticking);
    let memory = Memory::open(batch.pid()).unwrap();
    let mut names = Names {
        memory: &memory,
        name_offset: *name_offset,
        text_offset: u64::from(findings.python.ascii_text),
        known: HashMap::new(),
    };
    let mut samples = Vec::new();
    loop {
        let taken = kernel.samples(|sample| {
            let frames = &sample.event.python[..sample.event.python_len as usize];
            samples.push(Named {
                event: *sample.event,
                names: frames.iter().map(|frame| names.of(frame.code)).collect(),
            });
        });
        assert_eq!(taken.unknown, 0);
        if !taken.more {
            break;
        }
    }
    let counters = kernel.counters().unwrap();
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
    })
}

/// Arms the places where steps of tasks begin, as region 0.
fn follow_coroutines(kernel: &mut Kernel, process: &Process, steps: &[StepPoint]) -> Armed {
    let points: Vec<ProbePoint> = steps
        .iter()
        .map(|step| ProbePoint {
            file_offset: step.file_offset,
            cookie: Cookie {
                region: 0,
                kind: step.kind.wire(),
                condition: 0,
                generation: 0,
            },
        })
        .collect();
    assert!(points.len() >= 2, "{steps:?}");
    kernel.set_region(0, RegionSpec::default()).unwrap();
    let pid = NonZeroU32::new(process.pid()).unwrap();
    kernel.arm(pid, &steps[0].object, &points).unwrap()
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

fn check(minor: &str) {
    let Some(_turn) = require_bpf(minor) else {
        return;
    };
    let Some(run) = sampled(minor) else {
        return;
    };
    check_timer(&run.samples, &run.stretches);
    check_waits(&run);
    check_awaits(&run.samples, &run.stretches);
}

/// Nearly all stacks within a stretch begin with its functions, and belong to its span.
fn check_timer(samples: &[Named], stretches: &[Stretch]) {
    let (mut seen, mut wrong) = (0, Vec::new());
    for sample in samples {
        if sample.event.reason != SampleReason::Timer.wire() {
            continue;
        }
        let within = stretches.iter().find(|stretch| {
            stretch.kind == Kind::Runs && stretch.holds(sample.event.ns_tid, sample.event.time_ns)
        });
        let Some(stretch) = within else {
            continue;
        };
        seen += 1;
        if !is_of(sample, stretch) {
            wrong.push(format!(
                "{} is not {:?}",
                sample.names.join("<"),
                stretch.name
            ));
        }
    }
    eprintln!("  {seen} stacks, {} wrong", wrong.len());
    // The first round, before the sampler began, is no part of it.
    let begun = samples.iter().map(|sample| sample.event.time_ns).min();
    let ran: u64 = stretches
        .iter()
        .filter(|stretch| stretch.kind == Kind::Runs && Some(stretch.start_ns) > begun)
        .map(|stretch| stretch.cpu_ns)
        .sum();
    let due = ran as f64 * f64::from(FREQUENCY.get()) / 1e9;
    eprintln!("  {due:.0} stacks were due");
    // A stretch that is interrupted meets its ticks by chance: three standard deviations.
    assert!(
        (seen as f64 - due).abs() < due.sqrt() * 3.0,
        "{seen} stacks where {due:.0} were due"
    );
    assert!(wrong.len() * 100 <= seen, "{}", wrong.join("\n"));
}

/// Each stretch in which a thread waited is nearly filled by a wait of that function, but for those that
/// were counted as unseen.
fn check_waits(run: &Run) {
    let Run {
        samples, stretches, ..
    } = run;
    let waits: Vec<&Named> = samples
        .iter()
        .filter(|sample| sample.event.reason == SampleReason::Off.wire())
        .collect();
    let begun = samples.iter().map(|sample| sample.event.time_ns).min();
    let stretches = stretches
        .iter()
        .filter(|stretch| Some(stretch.start_ns) > begun);
    let (mut expected, mut missing, mut gil) = (0, Vec::new(), 0);
    for stretch in stretches {
        let fits = |wait: &&&Named| {
            wait.event.ns_tid == stretch.tid
                && wait.event.time_ns >= stretch.start_ns
                && wait.event.period_or_end_ns <= stretch.end_ns
        };
        if stretch.kind == Kind::Contends {
            gil += waits
                .iter()
                .filter(fits)
                .filter(|wait| wait.event.flags & SampleFlags::GIL != 0 && is_of(wait, stretch))
                .count();
        }
        if stretch.kind != Kind::Waits {
            continue;
        }
        expected += 1;
        let covered: u64 = waits
            .iter()
            .filter(fits)
            .filter(|wait| {
                wait.event.flags & SampleFlags::GIL == 0 && wait.names.contains(&stretch.name)
            })
            .map(|wait| wait.event.period_or_end_ns - wait.event.time_ns)
            .sum();
        if covered * 10 < (stretch.end_ns - stretch.start_ns) * 9 {
            let seen: Vec<String> = waits
                .iter()
                .filter(|wait| wait.event.ns_tid == stretch.tid)
                .filter(|wait| wait.event.period_or_end_ns > stretch.start_ns)
                .filter(|wait| wait.event.time_ns < stretch.end_ns)
                .map(|wait| wait.describe())
                .collect();
            missing.push(format!(
                "{} for {covered} ns of {stretch:?}, but: {}",
                stretch.name,
                seen.join("; ")
            ));
        }
    }
    eprintln!(
        "  {expected} waits, {} missing, {} looks without an answer; {gil} for the interpreter's lock",
        missing.len(),
        run.unseen
    );
    assert!(expected >= 3 * ROUNDS);
    assert!(
        missing.len() * 10 <= expected && missing.len() as u64 <= run.unseen,
        "{}",
        missing.join("\n")
    );
    assert!(gil > 0, "no wait for the interpreter's lock");
}

/// Each suspension is told of, with its chain of awaits, under its task's span, and no others are.
fn check_awaits(samples: &[Named], stretches: &[Stretch]) {
    let begun = samples.iter().map(|sample| sample.event.time_ns).min();
    let expected: Vec<&Stretch> = stretches
        .iter()
        .filter(|stretch| stretch.kind == Kind::Awaits && Some(stretch.start_ns) > begun)
        .collect();
    let awaits: Vec<&Named> = samples
        .iter()
        .filter(|sample| sample.event.reason == SampleReason::Await.wire())
        .collect();
    let fits = |sample: &Named, stretch: &Stretch| {
        let (start, end) = (sample.event.time_ns, sample.event.period_or_end_ns);
        let span = hex::decode(&stretch.span_id).unwrap();
        sample
            .names
            .iter()
            .rev()
            .take(2)
            .eq([&stretch.around[0], &stretch.name])
            && sample.event.parent.span_id == *span
            && start >= stretch.start_ns
            && end <= stretch.end_ns
            && (end - start) * 10 > (stretch.end_ns - stretch.start_ns) * 9
    };
    let missing: Vec<_> = expected
        .iter()
        .filter(|stretch| !awaits.iter().any(|sample| fits(sample, stretch)))
        .collect();
    let strange: Vec<_> = awaits
        .iter()
        .filter(|sample| !expected.iter().any(|stretch| fits(sample, stretch)))
        .map(|sample| {
            let (start, end) = (sample.event.time_ns, sample.event.period_or_end_ns);
            format!("{} for {} ns", sample.names.join(">"), end - start)
        })
        .collect();
    eprintln!(
        "  {} awaits, {} missing, {} strange",
        expected.len(),
        missing.len(),
        strange.len()
    );
    assert!(expected.len() >= 6 * ROUNDS);
    assert!(missing.is_empty(), "{missing:#?}\n{strange:#?}");
    assert!(strange.is_empty(), "{strange:#?}");
}

fn is_of(sample: &Named, stretch: &Stretch) -> bool {
    let expected = [&stretch.name].into_iter().chain(&stretch.around);
    let span = hex::decode(&stretch.span_id).unwrap();
    sample.names.len() > stretch.around.len()
        && expected
            .zip(&sample.names)
            .all(|(expected, name)| expected == name)
        && sample.event.parent.span_id == *span
}

#[test]
fn stacks_of_cpython_3_08() {
    check("3.8");
}

#[test]
fn stacks_of_cpython_3_09() {
    check("3.9");
}

#[test]
fn stacks_of_cpython_3_10() {
    check("3.10");
}

#[test]
fn stacks_of_cpython_3_11() {
    check("3.11");
}

#[test]
fn stacks_of_cpython_3_12() {
    check("3.12");
}

#[test]
fn stacks_of_cpython_3_13() {
    check("3.13");
}

#[test]
fn stacks_of_cpython_3_14() {
    check("3.14");
}

#[test]
fn stacks_of_cpython_3_15() {
    check("3.15");
}
