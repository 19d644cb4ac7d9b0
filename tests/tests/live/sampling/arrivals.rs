//! When requests came in at their sockets, as the kernel programs tell it of their tasks.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
    time::Duration,
};

use hotspan::{kernel::Kernel, target};
use hotspan_common::{SampleReason, TargetFlags};
use hotspan_tests::{gate::require_bpf, paths, python, service::Batch};
use serde::Deserialize;
use tempfile::TempDir;

use super::{
    STEADY, VERSIONS,
    run::{self, Observed},
};

const ROUNDS: usize = 3;

/// What `arrivals.py` says of a span.
#[derive(Debug, Deserialize)]
struct Truth {
    name: String,
    span_id: String,
    /// Its task was made of what a socket brought.
    is_read: bool,
    /// The loop waited, and was woken up by it.
    is_woken: bool,
    /// `CLOCK_MONOTONIC`; it came in between these.
    sent_ns: u64,
    by_ns: u64,
}

/// Who runs the target's loop.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loop {
    /// The interpreter's own.
    Asyncio,
    /// What reads for its callbacks, outside of them.
    Uvloop,
}

/// What is probed besides where tasks are made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Steps {
    Probed,
    /// As while the guard has disarmed them.
    NotProbed,
}

/// What is told of the tasks of each span.
#[derive(Default)]
struct Told {
    /// When what they were made of came in.
    came_ns: BTreeMap<String, BTreeSet<u64>>,
    /// When their loop was woken up.
    woken_ns: BTreeMap<String, u64>,
}

fn check(minor: &str, by: Loop, steps: Steps) {
    let Some(_turn) = require_bpf(&format!("arrivals, CPython {minor}")) else {
        return;
    };
    let Some((told, truth)) = told(minor, by, steps) else {
        return;
    };
    let (mut known, mut woken, mut late_ns) = (0, 0, Vec::new());
    for request in &truth {
        let between = request.sent_ns..=request.by_ns;
        let id = &request.span_id;
        if request.is_woken && steps == Steps::Probed {
            let at_ns = &told.woken_ns[id];
            assert!(between.contains(at_ns), "{at_ns} of {request:?}");
            woken += 1;
        }
        let came_ns = told.came_ns.get(id);
        if !request.is_read {
            assert_eq!(came_ns, None, "{}: {request:?}", request.name);
            continue;
        }
        let came_ns = came_ns.unwrap_or_else(|| panic!("nothing is told of {request:?}"));
        let (first, last) = (came_ns.first().unwrap(), came_ns.last().unwrap());
        assert_eq!(first, last, "{request:?}");
        assert!(between.contains(first), "{first} of {request:?}");
        late_ns.push(first - request.sent_ns);
        known += 1;
    }
    late_ns.sort_unstable();
    eprintln!(
        "  {known} of {} came in as they were sent, {} us later at the median, {} at most",
        truth.len(),
        late_ns[late_ns.len() / 2] / 1_000,
        late_ns[late_ns.len() - 1] / 1_000,
    );
    // Of each round: one before the loop is held, that which holds it, two meanwhile, and three after that.
    assert_eq!(known, 7 * ROUNDS, "{truth:#?}");
    let expected = if steps == Steps::Probed { 4 } else { 0 };
    assert_eq!(woken, expected * ROUNDS, "{truth:#?}");
    assert_eq!(truth.len(), known + 5 * ROUNDS, "{truth:#?}");
}

/// When the work of each span's task came in, and what the target says.
fn told(minor: &str, by: Loop, steps: Steps) -> Option<(Told, Vec<Truth>)> {
    let (_, requirements, _) = VERSIONS.iter().find(|version| version.0 == minor)?;
    let requirements = match by {
        Loop::Asyncio => requirements,
        Loop::Uvloop => "uvloop",
    };
    let interpreter = run::interpreter(minor)?;
    let venv = python::Venv::with(requirements, &interpreter).unwrap();
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("arrivals.jsonl");
    let mut batch = Batch::start(
        Command::new(venv.python())
            .arg(paths::targets().join("arrivals.py"))
            .args((by == Loop::Uvloop).then_some("uvloop"))
            .env("ARRIVALS", &path),
    )
    .unwrap();
    // Imports are done, and OpenTelemetry's context exists.
    batch.work(1, Duration::from_secs(60)).unwrap();
    let before = read(&path).len();
    let mut observed = Observed::new(batch.pid(), TargetFlags::TELLS_ARRIVALS, STEADY);
    let kernel = &mut observed.kernel;
    let sockets = kernel.follow_sockets().unwrap();
    for port in target::listening_ports(batch.pid()) {
        kernel.follow_port(port).unwrap();
    }
    let created = observed.findings.coroutines.created.clone().unwrap();
    let mut points = vec![created];
    if steps == Steps::Probed {
        points.extend_from_slice(&observed.findings.coroutines.steps);
    }
    let armed = observed.arm(&points);
    batch.work(ROUNDS, Duration::from_secs(60)).unwrap();
    drop((sockets, armed));
    let told = of_spans(&mut observed.kernel);
    batch.finish().unwrap();
    Some((told, read(&path).split_off(before)))
}

fn of_spans(kernel: &mut Kernel) -> Told {
    let mut told = Told::default();
    let taken = kernel.samples(|sample| {
        let event = sample.event;
        let id = hex::encode(event.parent.span_id);
        let at_ns = event.arrival.at_ns;
        match SampleReason::from_wire(event.reason) {
            Some(SampleReason::Arrival) => {
                told.came_ns.entry(id).or_default().insert(at_ns);
            }
            Some(SampleReason::Await) => {
                told.woken_ns.insert(id, at_ns);
            }
            _ => {}
        }
    });
    assert!(!taken.more && taken.unknown == 0, "{taken:?}");
    told
}

fn read(path: &std::path::Path) -> Vec<Truth> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn arrivals_of_cpython_3_08() {
    check("3.8", Loop::Asyncio, Steps::Probed);
}

#[test]
fn arrivals_of_cpython_3_09() {
    check("3.9", Loop::Asyncio, Steps::Probed);
}

#[test]
fn arrivals_of_cpython_3_10() {
    check("3.10", Loop::Asyncio, Steps::Probed);
}

#[test]
fn arrivals_of_cpython_3_11() {
    check("3.11", Loop::Asyncio, Steps::Probed);
}

#[test]
fn arrivals_of_cpython_3_12() {
    check("3.12", Loop::Asyncio, Steps::Probed);
}

#[test]
fn arrivals_of_cpython_3_13() {
    check("3.13", Loop::Asyncio, Steps::Probed);
}

#[test]
fn arrivals_of_cpython_3_14() {
    check("3.14", Loop::Asyncio, Steps::Probed);
}

#[test]
fn arrivals_of_cpython_3_15() {
    check("3.15", Loop::Asyncio, Steps::Probed);
}

#[test]
fn arrivals_of_uvloop_on_cpython_3_11() {
    check("3.11", Loop::Uvloop, Steps::Probed);
}

#[test]
fn arrivals_of_uvloop_on_cpython_3_13() {
    check("3.13", Loop::Uvloop, Steps::Probed);
}

#[test]
fn arrivals_where_no_steps_are_probed() {
    check("3.11", Loop::Asyncio, Steps::NotProbed);
    check("3.11", Loop::Uvloop, Steps::NotProbed);
}
