//! When one function gives way to another, by what ticks between the stacks see: against what the target knows of itself.

use std::{num::NonZeroU32, time::Duration};

use hotspan_common::Change;
use hotspan_tests::{
    gate::require_bpf,
    stretches::{Kind, Stretch},
};

use super::run::{Named, Pace, Rounds, sampled};

/// A tick a millisecond, and a stack at every tenth of them or, of young requests, more often.
const DENSE: Pace = Pace {
    frequency: NonZeroU32::new(990).unwrap(),
    ticks_per_sample: 10,
    dense_per_s: 1_000,
};
const ROUNDS: Rounds = Rounds {
    count: 12,
    stretch: Duration::from_millis(50),
};

fn check(minor: &str) {
    let Some(_turn) = require_bpf(&format!("changes, CPython {minor}")) else {
        return;
    };
    let Some(run) = sampled(minor, DENSE, ROUNDS) else {
        return;
    };
    let told: Vec<&Named> = run
        .samples
        .iter()
        .filter(|sample| sample.event.change != Change::default())
        .collect();
    let runs: Vec<&Stretch> = run
        .stretches
        .iter()
        .filter(|stretch| stretch.kind == Kind::Runs)
        .collect();
    for sample in &told {
        let Change {
            after_ns, by_ns, ..
        } = sample.event.change;
        let tid = sample.event.ns_tid;
        let within = runs
            .iter()
            .find(|stretch| stretch.holds(tid, after_ns) && stretch.holds(tid, by_ns));
        assert!(
            within.is_none(),
            "from {after_ns} to {by_ns}, {} took the place of another within {within:?}",
            sample.names.join("<")
        );
    }
    let begun = run.samples.iter().map(|sample| sample.event.time_ns).min();
    let turns: Vec<_> = turns(&runs)
        .filter(|(first, _)| Some(first.start_ns) > begun)
        .collect();
    let mut lengths_ns: Vec<u64> = turns
        .iter()
        .filter_map(|turn| told.iter().find(|sample| is_of(sample, turn)))
        .map(|sample| sample.event.change.by_ns - sample.event.change.after_ns)
        .collect();
    lengths_ns.sort_unstable();
    eprintln!(
        "  {} of {} changes are told of, within {:?} us",
        lengths_ns.len(),
        turns.len(),
        lengths_ns.iter().map(|ns| ns / 1_000).collect::<Vec<_>>()
    );
    // The first round may have begun before the sampler.
    assert!(turns.len() >= 3 * (ROUNDS.count - 1), "{runs:#?}");
    assert!(lengths_ns.len() * 4 >= turns.len() * 3, "{turns:#?}");
}

/// Stretches of a round of which one follows the other: in the first 50 ms of a request, when its stacks are closer than usual, and
/// when they are not any more.
fn turns<'a>(runs: &[&'a Stretch]) -> impl Iterator<Item = (&'a Stretch, &'a Stretch)> {
    runs.windows(2).filter_map(|pair| {
        let (first, second) = (pair[0], pair[1]);
        (first.span_id == second.span_id).then_some((first, second))
    })
}

/// Whether it says when the second of these took the first's place: in the function that calls both.
fn is_of(sample: &Named, (first, second): &(&Stretch, &Stretch)) -> bool {
    let Change {
        after_ns,
        by_ns,
        frames,
        ..
    } = sample.event.change;
    sample.event.ns_tid == first.tid
        && after_ns < second.start_ns
        && by_ns > first.end_ns
        && sample.names.get(frames as usize) == first.around.last()
}

#[test]
fn changes_of_cpython_3_08() {
    check("3.8");
}

#[test]
fn changes_of_cpython_3_09() {
    check("3.9");
}

#[test]
fn changes_of_cpython_3_10() {
    check("3.10");
}

#[test]
fn changes_of_cpython_3_11() {
    check("3.11");
}

#[test]
fn changes_of_cpython_3_12() {
    check("3.12");
}

#[test]
fn changes_of_cpython_3_13() {
    check("3.13");
}

#[test]
fn changes_of_cpython_3_14() {
    check("3.14");
}

#[test]
fn changes_of_cpython_3_15() {
    check("3.15");
}
