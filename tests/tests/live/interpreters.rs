//! The parent is read out of every `CPython` that design.md names.

use std::process::Command;

use hotspan_tests::{agent::Attach, gate::require_bpf, paths, python};

use crate::scene;

/// Minor version, requirements.
const VERSIONS: &[(&str, &str)] = &[
    ("3.8", "sdk-3.8"),
    ("3.9", "sdk-3.9"),
    ("3.10", "sdk"),
    ("3.11", "sdk"),
    ("3.12", "sdk"),
    ("3.13", "sdk"),
    ("3.14", "sdk"),
    ("3.15", "sdk"),
];

/// Spans to look at on each.
const SPANS: usize = 30;

fn check(minor: &str) {
    let Some(_turn) = require_bpf(minor) else {
        return;
    };
    let requirements = VERSIONS
        .iter()
        .find(|(version, _)| *version == minor)
        .map(|(_, name)| *name)
        .unwrap();
    let Some(interpreter) = python::version(minor) else {
        eprintln!(
            "NOT COVERED: CPython {minor} is not installed here, nor unpacked by tests/interpreters/from-debian"
        );
        return;
    };
    let venv = python::Venv::with(requirements, &interpreter).unwrap();
    let mut command = Command::new(venv.python());
    command.arg(paths::targets().join("batch.py")).arg("regex");
    scene::batch(&mut command, Attach::pid, SPANS).must_be_perfect(SPANS);
}

#[test]
fn cpython_3_08() {
    check("3.8");
}

#[test]
fn cpython_3_09() {
    check("3.9");
}

#[test]
fn cpython_3_10() {
    check("3.10");
}

#[test]
fn cpython_3_11() {
    check("3.11");
}

#[test]
fn cpython_3_12() {
    check("3.12");
}

#[test]
fn cpython_3_13() {
    check("3.13");
}

#[test]
fn cpython_3_14() {
    check("3.14");
}

#[test]
fn cpython_3_15() {
    check("3.15");
}
