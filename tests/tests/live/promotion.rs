//! Native functions that no catalogue names, and that become exact because stacks find them again and again.

use std::{
    collections::HashMap,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use hotspan_tests::{
    agent::{self, Agent, Attach},
    catalogue,
    gate::require_bpf,
    http, native,
    otlp::{self, Span},
    paths,
    python::Venv,
    service::{App, Batch, Options, Service},
    truth::Call,
};
use tempfile::TempDir;

/// From the first request on, within which an unknown library's spans become exact.
const PROMISED: Duration = Duration::from_secs(5);
/// Load after that.
const AFTERWARDS: Duration = Duration::from_secs(3);
/// OR-Tools' own function below its Python module.
const SOLVE: &str = "SolveWrapper::Solve";

fn solves(service: &Service, length: Duration) {
    let (client, begun) = (http::client(), Instant::now());
    while begun.elapsed() < length {
        http::get(&client, service.port, "/cpsat?ms=150").unwrap();
    }
}

fn dark() -> Service {
    let dark = Options {
        app: App::Dark,
        ..Options::default()
    };
    dark.start().unwrap()
}

fn is_exact(span: &Span) -> bool {
    span.text("hotspan.origin") == Some("probe")
}

/// The spans of a recording, as text.
fn replayed(recording: &Path, dir: &Path) -> Vec<String> {
    let out = dir.join("replayed.jsonl");
    let export = format!("jsonl={}", out.display());
    let (code, _, err) =
        agent::run(["replay", recording.to_str().unwrap(), "--export", &export]).unwrap();
    assert_eq!(code, Some(0), "{err}");
    sorted(&otlp::read(&out).unwrap())
}

fn sorted(spans: &[Span]) -> Vec<String> {
    let mut spans: Vec<String> = spans.iter().map(|span| format!("{span:?}")).collect();
    spans.sort();
    spans
}

#[test]
fn an_unknown_solvers_spans_become_exact() {
    let Some(_turn) = require_bpf("promotion on OR-Tools") else {
        return;
    };
    let dir = TempDir::new().unwrap();
    let service = dark();
    let none = catalogue::none(dir.path()).unwrap();
    let recording = dir.path().join("recording");
    let agent = Attach::default()
        .with(["record", "--pid", &service.pid().to_string(), "--output"])
        .with([&recording])
        .with(none)
        .start()
        .unwrap();
    solves(&service, PROMISED + AFTERWARDS);
    let calls = service.truth().unwrap();
    let outcome = agent.stop().unwrap();
    assert_eq!(replayed(&recording, dir.path()), sorted(&outcome.spans));
    let calls: Vec<&Call> = (calls.iter().filter(|call| call.region == "cpsat.solve")).collect();
    let exact: Vec<&Span> = (outcome.spans.iter())
        .filter(|span| is_exact(span) && span.name == SOLVE)
        .collect();
    let by_trace: HashMap<&str, &Span> = exact
        .iter()
        .map(|span| (span.trace_id.as_str(), *span))
        .collect();
    assert_eq!(by_trace.len(), exact.len(), "two spans in one request");
    let first = exact.iter().map(|span| span.start_ns).min();
    let first = first.unwrap_or_else(|| panic!("nothing promoted:\n{}", outcome.stderr));
    let after = Duration::from_nanos(first - calls[0].start_ns);
    eprintln!("  exact {after:?} after the first request");
    assert!(after < PROMISED, "{after:?}");
    for call in calls.iter().filter(|call| call.start_ns >= first) {
        let span = by_trace[call.trace_id.as_str()];
        let (start, end) = (span.start_ns, span.end_ns);
        assert!(
            call.start_ns <= start && end <= call.end_ns,
            "{start}..{end} is not in {}..{}",
            call.start_ns,
            call.end_ns
        );
        assert!(
            span.duration_ns() * 10 >= call.duration_ns() * 9,
            "{} of {} ns",
            span.duration_ns(),
            call.duration_ns()
        );
        // Nothing of the request is named after it without having its probes.
        let same = |other: &&Span| other.trace_id == call.trace_id && other.name == SOLVE;
        assert_eq!(outcome.spans.iter().filter(same).count(), 1);
    }
    assert!(
        outcome.stderr.contains("exact from now on")
            && outcome.stderr.contains("promotion.promoted"),
        "not said:\n{}",
        outcome.stderr
    );
}

#[test]
fn nothing_is_promoted_that_was_not_to_be() {
    let Some(_turn) = require_bpf("--no-promotion") else {
        return;
    };
    let dir = TempDir::new().unwrap();
    let service = dark();
    let none = catalogue::none(dir.path()).unwrap();
    let agent = Attach::pid(service.pid())
        .with(none)
        .with(["--no-promotion"])
        .start()
        .unwrap();
    solves(&service, PROMISED);
    let outcome = agent.stop().unwrap();
    assert!(!outcome.spans.is_empty());
    let exact = outcome.spans.iter().find(|span| is_exact(span));
    assert!(exact.is_none(), "{exact:?}");
    assert!(!outcome.stderr.contains("promot"), "{}", outcome.stderr);
}

/// `burn.py` and the agent.
struct Burning {
    batch: Batch,
    agent: Agent,
    _dir: TempDir,
}

impl Burning {
    fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let batch = Batch::start(
            Command::new(Venv::get("sdk").unwrap().python())
                .arg(paths::targets().join("burn.py"))
                .arg(native::library().unwrap()),
        )
        .unwrap();
        let none = catalogue::none(dir.path()).unwrap();
        let agent = Attach::pid(batch.pid()).with(none).start().unwrap();
        Self {
            batch,
            agent,
            _dir: dir,
        }
    }

    /// A request of so many calls of so many microseconds.
    fn burn(&mut self, calls: u32, us: u32) {
        let process = self.batch.process();
        process.tell(&format!("{calls} {us}")).unwrap();
        process
            .wait_stdout("done", Duration::from_secs(30))
            .unwrap();
    }

    /// Requests of one call of 60 ms until the agent says this.
    fn burn_until(&mut self, said: &str) {
        let begun = Instant::now();
        while !self.agent.process().stderr().contains(said) {
            assert!(begun.elapsed() < 2 * PROMISED, "never said: {said}");
            self.burn(1, 60_000);
        }
    }
}

#[test]
fn a_promoted_function_that_is_called_too_often_is_given_up() {
    let Some(_turn) = require_bpf("promotion given up") else {
        return;
    };
    let mut burning = Burning::start();
    burning.burn_until("promoted hs_burn (libhsregions.so): exact from now on");
    for _ in 0..5 {
        burning.burn(1, 60_000);
    }
    let exact = burning.batch.truth().unwrap();
    let exact: Vec<&Call> = exact.iter().rev().take(5).collect();
    // Some hundred hits, and it is given up.
    burning.burn(2_000, 0);
    burning
        .agent
        .process()
        .wait_stderr_ever("hotspan: hs_burn (libhsregions.so) is entered", PROMISED)
        .unwrap();
    for _ in 0..12 {
        burning.burn(1, 60_000);
    }
    let all = burning.batch.truth().unwrap();
    let after = &all[all.len() - 12..];
    let outcome = burning.agent.stop().unwrap();
    let of = |call: &Call| -> Vec<&Span> {
        let of_trace = outcome
            .spans
            .iter()
            .filter(|span| span.trace_id == call.trace_id);
        of_trace.filter(|span| is_exact(span)).collect()
    };
    for call in &exact {
        let [span] = of(call)[..] else {
            panic!("{} exact spans of one call", of(call).len());
        };
        assert_eq!(span.name, "hs_burn");
        assert!(call.start_ns <= span.start_ns && span.end_ns <= call.end_ns);
        assert!(span.duration_ns() >= 60_000_000);
    }
    for call in after {
        assert!(of(call).is_empty(), "probed again");
        let is_named = |span: &Span| span.trace_id == call.trace_id && !is_exact(span);
        assert!(
            outcome.spans.iter().any(is_named),
            "nothing inferred any more"
        );
    }
    let promoted = outcome.stderr.matches("promoted hs_burn").count();
    assert_eq!(promoted, 1, "tried again:\n{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("promotion.given_up"),
        "{}",
        outcome.stderr
    );
}
