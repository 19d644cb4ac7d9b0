//! Stacks as the kernel programs take them, against what the target knows of itself.

mod arrivals;
mod changes;
mod checks;
mod run;

use std::{num::NonZeroU32, time::Duration};

use hotspan_tests::gate::require_bpf;

use checks::{check_awaits, check_timer, check_waits};
use run::{Pace, Rounds, sampled};

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
/// A stack at each tick.
const STEADY: Pace = Pace {
    frequency: FREQUENCY,
    ticks_per_sample: 1,
    dense_per_s: 0,
};
/// Rounds of `stacks.py`.
const ROUNDS: usize = 6;

fn check(minor: &str) {
    let Some(_turn) = require_bpf(minor) else {
        return;
    };
    let rounds = Rounds {
        count: ROUNDS,
        stretch: Duration::from_millis(50),
    };
    let Some(run) = sampled(minor, STEADY, rounds) else {
        return;
    };
    check_timer(&run.samples, &run.stretches);
    check_waits(&run);
    check_awaits(&run);
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
