//! `cargo xtask test`: all tests, and one line at the end that says how many.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use hotspan_tests::python::{self, Venv};

use crate::cargo;

/// `cargo xtask test`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Only the tests that need no root and no services.
    #[arg(long, conflicts_with = "live")]
    unit: bool,
    /// Only the live tests.
    #[arg(long)]
    live: bool,
    /// Only tests whose name contains this.
    filter: Option<String>,
}

/// Requirements that the live tests will ask for, on the usual interpreter.
const ENVIRONMENTS: &[&str] = &[
    "solver",
    "llama",
    "onnx",
    "cuda",
    "tokenizers",
    "cython",
    "rotel",
    "highs",
    "gevent",
    "ortools-9.13",
    "ortools-9.14",
];
/// The same on interpreters of their own.
const INTERPRETERS: &[(&str, &str)] = &[
    ("3.8", "sdk-3.8"),
    ("3.9", "sdk-3.9"),
    ("3.10", "sdk"),
    ("3.11", "sdk"),
    ("3.12", "sdk"),
    ("3.13", "sdk"),
];

/// What the test programs reported.
#[derive(Default)]
struct Tally {
    passed: u32,
    failed: u32,
    ignored: u32,
    failures: Vec<String>,
    not_covered: Vec<String>,
}

/// Runs them.
pub fn run(arguments: &Arguments) -> Result<()> {
    let started = Instant::now();
    let mut tally = Tally::default();
    if !arguments.live {
        cargo::say("unit and integration tests");
        let mut command = cargo::command(&["test", "--workspace", "--no-fail-fast"])?;
        // The live tests come after: they want the agent's binary and the environments.
        command
            .args(["--exclude", "hotspan-tests"])
            .args(&arguments.filter);
        tally.watch(&mut command)?;
    }
    if !arguments.unit {
        let agent = cargo::release_agent()?;
        cargo::say("environments for the live tests");
        environments(&mut tally)?;
        cargo::say("live tests, one at a time");
        let mut command =
            cargo::command(&["test", "--package", "hotspan-tests", "--no-fail-fast"])?;
        command
            .args(&arguments.filter)
            .args(["--", "--test-threads=1", "--nocapture"])
            .env("HOTSPAN_BIN", agent);
        tally.watch(&mut command)?;
    }
    tally.report(started);
    ensure!(tally.failed == 0, "{} tests failed", tally.failed);
    Ok(())
}

fn environments(tally: &mut Tally) -> Result<()> {
    for name in ENVIRONMENTS {
        Venv::get(name)?;
    }
    for (minor, requirements) in INTERPRETERS {
        match python::version(minor) {
            Some(interpreter) => drop(Venv::with(requirements, &interpreter)?),
            None => tally
                .not_covered
                .push(format!("CPython {minor}: not installed here")),
        }
    }
    Ok(())
}

impl Tally {
    /// Runs `cargo test`, passes its output on, and counts.
    fn watch(&mut self, command: &mut Command) -> Result<()> {
        // One pipe for both: the notes of the live tests stand beside their names.
        let (reader, writer) = std::io::pipe().context("failed to make a pipe")?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(writer.try_clone().context("failed to share a pipe")?)
            .stderr(writer)
            .spawn()
            .context("failed to start cargo")?;
        // The command holds the pipe's other end until it is replaced; then the reader can come to an end.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let failed_before = self.failed;
        for line in BufReader::new(reader).split(b'\n') {
            let line = line.context("failed to read cargo's output")?;
            let line = String::from_utf8_lossy(&line).into_owned();
            println!("{line}");
            self.read(&line);
        }
        let status = child.wait().context("failed to wait for cargo")?;
        if !status.success() && self.failed == failed_before {
            // It did not get as far as a test: that must not look like success.
            self.failed += 1;
            self.failures.push(format!("cargo test itself: {status}"));
        }
        Ok(())
    }

    fn read(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("test result: ") {
            self.passed += before(rest, " passed");
            self.failed += before(rest, " failed");
            self.ignored += before(rest, " ignored");
        } else if let Some(what) = line.split_once("NOT COVERED: ") {
            self.not_covered.push(what.1.to_owned());
        } else if let Some(name) = line.strip_prefix("    ").filter(|name| is_test_name(name)) {
            self.failures.push(name.to_owned());
        }
    }

    fn report(&self, started: Instant) {
        println!(
            "\n==> all tests, in {:.0} s",
            started.elapsed().as_secs_f64()
        );
        let mut failures = self.failures.clone();
        failures.sort();
        failures.dedup();
        for name in failures {
            println!("failed: {name}");
        }
        for what in &self.not_covered {
            println!("NOT COVERED: {what}");
        }
        if self.ignored > 0 {
            println!("{} ignored", self.ignored);
        }
        println!("{} passed, {} failed", self.passed, self.failed);
    }
}

/// The number that stands before `word`.
fn before(text: &str, word: &str) -> u32 {
    let head = text.split(word).next().unwrap_or_default();
    head.rsplit(' ')
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

/// In libtest's list of failures each name stands alone on its line.
fn is_test_name(line: &str) -> bool {
    line.contains("::")
        && line
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_:".contains(&byte))
}
