//! Native threads that work for a request: what they do, under what made them.

use std::{
    ffi::OsString,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use hotspan_tests::{agent::Attach, gate::require_bpf, native, otlp::Span, truth::Call};

use crate::scene::{self, Scene};

const THREADS: &str = "2";
/// Solves. The last is left out: its spans are made when nothing more comes.
const COUNT: usize = 8;
/// The target's stamps enclose the work, and the threads wait for a CPU between.
const STAMP_NS: u64 = 2_000_000;
/// The same where others take the CPU for longer.
const LOADED_STAMP_NS: u64 = 60_000_000;
/// Threads that compute beside those that are watched, for each CPU.
const BURNERS_PER_CPU: usize = 4;

/// Threads that do nothing but compute.
struct Burners {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Burners {
    fn start() -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let cpus = thread::available_parallelism().unwrap().get();
        let burn = |is_over: Arc<AtomicBool>| {
            move || {
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            }
        };
        let threads = (0..cpus * BURNERS_PER_CPU)
            .map(|_| thread::spawn(burn(Arc::clone(&is_over))))
            .collect();
        Self { is_over, threads }
    }
}

impl Drop for Burners {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

fn workers() -> Command {
    let mut command = Command::new(native::program("workers").unwrap());
    command.arg(THREADS);
    command
}

fn span_of<'a>(scene: &'a Scene, call: &'a Call) -> Option<&'a Span> {
    let mut own = scene.named(&call.region);
    own.find(|span| span.trace_id == call.trace_id && span.int("thread.id") == Some(call.tid))
}

/// How far a span's sides are off beyond what it says of itself, in nanoseconds.
fn excess_ns(span: &Span, call: &Call, stamp_ns: u64) -> u64 {
    let error_ns = span.int("hotspan.error_ns").unwrap_or_default();
    let allowed = u64::try_from(error_ns).unwrap_or_default() + stamp_ns;
    let start = span.start_ns.abs_diff(call.start_ns);
    start
        .max(span.end_ns.abs_diff(call.end_ns))
        .saturating_sub(allowed)
}

/// Nearly all parts have their span, with bounds as good as it says; gives those spans.
fn parts(scene: &Scene, stamp_ns: u64) -> Vec<(&Call, &Span)> {
    let parts = scene.calls.iter().filter(|call| call.route == "workers");
    let parts: Vec<&Call> = parts
        .filter(|call| call.region.ends_with("_part"))
        .collect();
    let found: Vec<(&Call, &Span)> = parts
        .iter()
        .filter_map(|call| Some((*call, span_of(scene, call)?)))
        .collect();
    let bounded: Vec<_> = found
        .iter()
        // One that says that it went on where nothing is known bounds what was seen.
        .filter(|(_, span)| !span.attributes.contains_key("hotspan.continued"))
        .collect();
    eprintln!(
        "  {} of {} parts have a span, {} of them on both sides",
        found.len(),
        parts.len(),
        bounded.len()
    );
    assert!(
        found.len() * 100 >= parts.len() * 95,
        "{:#?}\n{}",
        scene.outcome.spans,
        scene.outcome.stderr
    );
    assert!(bounded.len() * 100 >= found.len() * 75, "{found:#?}");
    let off = bounded
        .iter()
        .filter(|(call, span)| excess_ns(span, call, stamp_ns) > 0);
    let off: Vec<_> = off.collect();
    assert!(off.len() * 100 <= found.len() * 2, "{off:#?}");
    for (_, span) in &found {
        assert_eq!(span.text("hotspan.origin"), Some("sample"), "{span:?}");
        assert_eq!(
            span.text("hotspan.parent.source"),
            Some("lineage"),
            "{span:?}"
        );
    }
    found
}

#[test]
fn threads_of_a_region_have_spans_under_it() {
    let Some(_turn) = require_bpf("workers of a region") else {
        return;
    };
    let catalogue = native::catalogue("workers");
    let attach = |pid| Attach::pid(pid).with([OsString::from("--regions"), catalogue.into()]);
    let scene = scene::batch(&mut workers(), attach, COUNT);
    for (_, span) in parts(&scene, STAMP_NS) {
        let around = scene.above(span).next();
        assert_eq!(
            around.map(|around| around.name.as_str()),
            Some("native.solve"),
            "{span:?}"
        );
    }
    assert_eq!(scene.named("native.solve").count(), COUNT);
}

#[test]
fn threads_of_a_request_without_a_region_have_spans_under_its_own() {
    let Some(_turn) = require_bpf("workers of a request") else {
        return;
    };
    let scene = scene::batch(&mut workers(), Attach::pid, COUNT);
    for (call, span) in parts(&scene, STAMP_NS) {
        assert_eq!(span.parent, call.span_id, "{span:?}");
    }
}

#[test]
fn threads_that_lose_the_cpu_to_others_have_their_spans_all_the_same() {
    let Some(_turn) = require_bpf("workers under load") else {
        return;
    };
    let catalogue = native::catalogue("workers");
    let attach = |pid| Attach::pid(pid).with([OsString::from("--regions"), catalogue.into()]);
    let burners = Burners::start();
    let scene = scene::batch(&mut workers(), attach, COUNT);
    drop(burners);
    parts(&scene, LOADED_STAMP_NS);
}
