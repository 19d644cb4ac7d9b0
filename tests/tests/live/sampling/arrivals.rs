//! When requests came in at their sockets, as the kernel programs tell it of their tasks.

use std::{collections::BTreeMap, fs, process::Command, time::Duration};

use hotspan::{kernel::Kernel, target};
use hotspan_common::{Arrival, SampleReason, TargetFlags};
use hotspan_tests::{gate::require_bpf, paths, python, service::Batch};
use serde::Deserialize;
use tempfile::TempDir;

use super::{
    VERSIONS,
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

/// Of the task of each span.
type Told = BTreeMap<String, Arrival>;

fn check(minor: &str) {
    let Some(_turn) = require_bpf(&format!("arrivals, CPython {minor}")) else {
        return;
    };
    let Some((told, truth)) = told(minor) else {
        return;
    };
    let (mut known, mut woken, mut late_ns) = (0, 0, Vec::new());
    for request in &truth {
        let arrival = told
            .get(&request.span_id)
            .unwrap_or_else(|| panic!("nothing is told of {request:?}"));
        let came = &arrival.came_ns;
        let between = request.sent_ns..=request.by_ns;
        if request.is_woken {
            assert!(
                between.contains(&arrival.woken_ns),
                "{arrival:?} of {request:?}"
            );
            woken += 1;
        }
        if !request.is_read {
            assert_eq!(*came, 0, "{}: {request:?}", request.name);
            continue;
        }
        assert!(
            between.contains(came),
            "{}: {came} of {request:?}",
            request.name
        );
        late_ns.push(came - request.sent_ns);
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
    assert_eq!(woken, 3 * ROUNDS, "{truth:#?}");
    assert_eq!(truth.len(), known + 4 * ROUNDS, "{truth:#?}");
}

/// When the work of each span's task came in, and what the target says.
fn told(minor: &str) -> Option<(Told, Vec<Truth>)> {
    let (_, requirements, _) = VERSIONS.iter().find(|version| version.0 == minor)?;
    let interpreter = run::interpreter(minor)?;
    let venv = python::Venv::with(requirements, &interpreter).unwrap();
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("arrivals.jsonl");
    let mut batch = Batch::start(
        Command::new(venv.python())
            .arg(paths::targets().join("arrivals.py"))
            .env("ARRIVALS", &path),
    )
    .unwrap();
    // Imports are done, and OpenTelemetry's context exists.
    batch.work(1, Duration::from_secs(60)).unwrap();
    let before = read(&path).len();
    let mut observed = Observed::new(batch.pid(), TargetFlags::TELLS_ARRIVALS);
    let kernel = &mut observed.kernel;
    let sockets = kernel.follow_sockets().unwrap();
    for port in target::listening_ports(batch.pid()) {
        kernel.follow_port(port).unwrap();
    }
    let created = observed.findings.coroutines.created.clone().unwrap();
    let points = [observed.findings.coroutines.steps.clone(), vec![created]].concat();
    let armed = observed.arm(&points);
    batch.work(ROUNDS, Duration::from_secs(60)).unwrap();
    drop((sockets, armed));
    let told = of_spans(&mut observed.kernel);
    batch.finish().unwrap();
    Some((told, read(&path).split_off(before)))
}

fn of_spans(kernel: &mut Kernel) -> Told {
    let mut told = Told::new();
    let taken = kernel.samples(|sample| {
        let event = sample.event;
        if event.reason == SampleReason::Await.wire() {
            told.insert(hex::encode(event.parent.span_id), event.arrival);
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
    check("3.8");
}

#[test]
fn arrivals_of_cpython_3_09() {
    check("3.9");
}

#[test]
fn arrivals_of_cpython_3_10() {
    check("3.10");
}

#[test]
fn arrivals_of_cpython_3_11() {
    check("3.11");
}

#[test]
fn arrivals_of_cpython_3_12() {
    check("3.12");
}

#[test]
fn arrivals_of_cpython_3_13() {
    check("3.13");
}

#[test]
fn arrivals_of_cpython_3_14() {
    check("3.14");
}

#[test]
fn arrivals_of_cpython_3_15() {
    check("3.15");
}
