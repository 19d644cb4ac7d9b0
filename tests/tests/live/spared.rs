//! Stacks inside of a region that nobody asks what it does inside: seldom, and with all of its time.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    process::Command,
    time::Duration,
};

use hotspan::recording::RecordingReader;
use hotspan_synth::{
    event::{Crossing, Event, ParentRead, Sample, SampleReason},
    ids::FunctionId,
};
use hotspan_tests::{gate::require_bpf, paths, process::Process, service::Options};
use rustix::process::Signal;
use tempfile::TempDir;

/// A solve that does not end by itself before its limit, which is shorter than the age to which requests are sampled densely.
const SOLVE: &str = "/cpsat?jobs=12&machines=12&limit=0.08&seed=";
const REQUESTS: usize = 15;
/// The regions on the thread that solves.
const OPAQUE: [&str; 4] = [
    "cpsat.solve",
    "cpsat.presolve",
    "cpsat.search",
    "cpsat.worker",
];
/// The distance that stacks at the usual frequency have at the least, jittered, in nanoseconds.
const USUAL_NS: u64 = 7_000_000;
/// The longest one, which a thread may have run for when its last solve ended.
const MOST_NS: u64 = 14_000_000;

#[derive(Default)]
struct Seen {
    regions: HashMap<u32, String>,
    functions: HashMap<FunctionId, String>,
    crossings: BTreeMap<u64, Crossing>,
    samples: Vec<Sample>,
}

fn record(service_pid: u32, work: impl FnOnce()) -> (Seen, String) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("recording");
    let mut recorder = Process::start(
        Command::new(paths::agent().unwrap())
            .args(["record", "--pid", &service_pid.to_string(), "--output"])
            .arg(&path)
            .args(["--export", "jsonl=/dev/null"]),
    )
    .unwrap();
    recorder
        .wait_stderr("hotspan: attached", Duration::from_secs(20))
        .unwrap();
    work();
    recorder.signal(Signal::INT).unwrap();
    let status = recorder.wait(Duration::from_secs(20)).unwrap();
    assert_eq!(status.code(), Some(0), "{}", recorder.stderr());
    let mut seen = Seen::default();
    for event in RecordingReader::open(&path).unwrap() {
        match event.unwrap() {
            Event::Region(region) => _ = seen.regions.insert(region.id.0, region.name),
            Event::Function(function) => _ = seen.functions.insert(function.id, function.name),
            Event::Crossing(crossing) => _ = seen.crossings.insert(crossing.id.0, crossing),
            Event::Sample(sample) => seen.samples.push(sample),
            _ => {}
        }
    }
    (seen, recorder.stderr())
}

#[test]
fn a_solve_is_looked_at_as_often_as_usual_and_none_of_its_time_is_lost() {
    let Some(_turn) = require_bpf("stacks inside of regions") else {
        return;
    };
    let service = Options::default().start().unwrap();
    let (seen, stderr) = record(service.pid(), || {
        for seed in 1..=REQUESTS {
            service.get(&format!("{SOLVE}{seed}")).unwrap();
        }
    });
    assert!(stderr.contains("kernel.samples_spared"), "{stderr}");
    let region = |crossing: &Crossing| seen.regions[&crossing.region.0].as_str();
    let (mut inside, mut inside_ns, mut outside) = (0, 0, 0);
    let mut threads = BTreeSet::new();
    for sample in &seen.samples {
        let (SampleReason::Timer(ran_ns), ParentRead::Found(parent)) =
            (sample.reason, &sample.parent)
        else {
            continue;
        };
        let enclosing = sample.enclosing.and_then(|id| seen.crossings.get(&id.0));
        match enclosing {
            Some(crossing) if OPAQUE.contains(&region(crossing)) && !parent.by_lineage => {
                inside += 1;
                inside_ns += ran_ns;
                threads.insert(sample.thread);
            }
            Some(_) => {}
            None => outside += 1,
        }
    }
    // By the scheduler's account of the solves, without the crossings in them that are somebody's callback.
    let ran_ns = |name: &str| -> u64 {
        let crossings = seen.crossings.values();
        crossings
            .filter(|crossing| region(crossing) == name)
            .map(|crossing| {
                let off_ns = crossing.runqueue_ns + crossing.blocked_ns;
                crossing.exit.since(crossing.entry).saturating_sub(off_ns)
            })
            .sum()
    };
    let solved_ns = ran_ns("cpsat.solve").saturating_sub(ran_ns("cpsat.solution"));
    eprintln!(
        "  {inside} stacks in {solved_ns} ns of solves stand for {inside_ns} ns, on {} threads; {outside} outside",
        threads.len()
    );
    assert!(outside > 0, "nothing was sampled densely");
    // Each thread's first comes at once.
    let usual = inside_ns / USUAL_NS + threads.len() as u64;
    assert!(
        inside <= usual,
        "{inside} stacks, at most {usual} at the usual distance"
    );
    // Ticks meet a thread by chance, and what ran since a thread's last stack has none yet.
    let slack_ns = solved_ns / 10 + MOST_NS * (threads.len() as u64 + 1);
    assert!(
        inside_ns.abs_diff(solved_ns) <= slack_ns,
        "{inside_ns} ns of {solved_ns}, which may be off by {slack_ns}"
    );
}

/// Python that the library calls back is the program's own, and asked about as all else is.
#[test]
fn what_a_solve_calls_back_is_looked_at_densely() {
    let Some(_turn) = require_bpf("stacks of callbacks") else {
        return;
    };
    let service = Options::default().start().unwrap();
    let (seen, stderr) = record(service.pid(), || {
        for seed in 1..=REQUESTS {
            let path = format!("/cpsat_callback?think_ms=10&seed={seed}");
            service.get(&path).unwrap();
        }
    });
    let thinks = |sample: &&Sample| {
        let mut names = sample
            .stack
            .iter()
            .map(|frame| &seen.functions[&frame.function]);
        names.any(|name| name == "_think")
    };
    let thinking: Vec<&Sample> = seen.samples.iter().filter(thinks).collect();
    let is_dense = |sample: &&&Sample| matches!(sample.reason, SampleReason::Timer(ran_ns) if ran_ns < USUAL_NS / 2);
    let dense = thinking.iter().filter(is_dense).count();
    eprintln!(
        "  {dense} of {} stacks of callbacks are dense",
        thinking.len()
    );
    assert!(
        thinking.iter().any(|sample| sample.enclosing.is_some()),
        "{stderr}"
    );
    assert!(dense > REQUESTS, "{dense} of {}\n{stderr}", thinking.len());
}
