//! The parent is read out of every `CPython` that design.md names.

use std::process::Command;

use hotspan_tests::{agent::Attach, gate::require_bpf, native, paths, python};

use crate::scene;

/// Minor version, requirements, and what of `batch.py` is done.
const VERSIONS: &[(&str, &str, Work)] = &[
    ("3.8", "sdk-3.8", Work::Regex),
    ("3.9", "sdk-3.9", Work::Regex),
    ("3.10", "sdk", Work::Regex),
    ("3.11", "sdk", Work::Regex),
    ("3.12", "sdk", Work::Regex),
    ("3.13", "sdk", Work::Regex),
    // Debian's builds are stripped: nothing tells where their regular expressions are.
    ("3.14", "sdk", Work::Library),
    ("3.15", "sdk", Work::Library),
];

/// Spans to look at on each.
const SPANS: usize = 30;

#[derive(Clone, Copy, PartialEq)]
enum Work {
    /// The interpreter's own regular expressions.
    Regex,
    /// A function of a C library.
    Library,
}

fn check(minor: &str) {
    let Some(_turn) = require_bpf(minor) else {
        return;
    };
    let (_, requirements, work) = VERSIONS
        .iter()
        .find(|(version, ..)| *version == minor)
        .unwrap();
    let Some(interpreter) = python::version(minor) else {
        eprintln!(
            "NOT COVERED: CPython {minor} is not installed here, nor unpacked by tests/interpreters/from-debian"
        );
        return;
    };
    let venv = python::Venv::with(requirements, &interpreter).unwrap();
    let mut command = Command::new(venv.python());
    command.arg(paths::targets().join("batch.py"));
    let scene = match work {
        Work::Regex => scene::batch(command.arg("regex"), Attach::pid, SPANS),
        Work::Library => {
            command
                .arg("native")
                .env("NATIVE_LIBRARY", native::library().unwrap());
            let regions = ["--regions".into(), native::catalogue("library")];
            scene::batch(&mut command, |pid| Attach::pid(pid).with(regions), SPANS)
        }
    };
    scene.must_be_perfect(SPANS);
    first_call(&venv);
}

/// A library where the interpreter looks for packages: its very first call is seen, as it is armed before it is mapped.
fn first_call(venv: &python::Venv) {
    let library = native::library().unwrap();
    let mut command = Command::new(venv.python());
    command
        .arg(paths::targets().join("batch.py"))
        .arg("native_at_once")
        .env("PYTHONPATH", library.parent().unwrap())
        .env("LATE_LIBRARY", &library);
    let regions = ["--regions".into(), native::catalogue("library")];
    let scene = scene::batch(
        &mut command,
        |pid| Attach::pid(pid).with(regions).armed_ahead(),
        1,
    );
    scene.must_be_perfect(1);
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
