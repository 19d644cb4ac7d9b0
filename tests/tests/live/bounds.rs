//! Bounds, by the clock that the target reads right around the native call, with no interpreter's lock in between.

use hotspan_tests::{
    gate::require_bpf,
    load,
    native_clock::{Distances, Stamped, stamped},
    service::Options,
};

use crate::scene;

/// Requests: of twelve, seven solve under a span, and one of these twice.
const REQUESTS: usize = 96;

/// Each span of a solve lies between the two readings, whatever the machine is busy with: its probes fire after the first
/// and before the second. Most cover nearly all of the time between: the thread would have to lose its CPU in the few
/// microseconds beside the solve in every second one.
fn check(test: &str, at_once: usize) {
    let Some(_turn) = require_bpf(test) else {
        return;
    };
    let options = Options {
        stamps: true,
        ..Options::default()
    };
    let scene = scene::service(&options, |service| {
        load::send(service.port, REQUESTS, at_once, load::mixed).unwrap();
    });
    scene.must_be_perfect(REQUESTS / 4);
    let solves = stamped(&scene.outcome.spans, &scene.calls);
    eprintln!("  {}", Distances::of(&solves).summary());
    assert!(solves.len() >= REQUESTS / 3, "only {} solves", solves.len());
    let outside: Vec<&Stamped<'_>> = solves.iter().filter(|at| at.outside_ns() > 0).collect();
    assert!(outside.is_empty(), "{outside:#?}");
    let mostly = solves.iter().filter(|at| at.covered() >= 0.9).count();
    assert!(
        mostly * 2 >= solves.len(),
        "{mostly} of {} cover their call",
        solves.len()
    );
}

#[test]
fn a_solve_lies_between_the_targets_readings_of_the_clock() {
    check("bounds", 1);
}

#[test]
fn a_solve_lies_between_them_at_eight_at_once() {
    check("bounds at eight at once", 8);
}
