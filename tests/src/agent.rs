//! The binary `hotspan`, used as people use it.

use std::{
    ffi::OsString,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    otlp::{self, Span},
    paths,
    process::Process,
};

/// Longest time from start to `attached` that a test waits for; the figure itself is measured.
const ARM_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest time from Ctrl-C to the end.
const END_TIMEOUT: Duration = Duration::from_secs(20);

/// How to attach.
#[derive(Clone, Debug, Default)]
pub struct Attach {
    arguments: Vec<OsString>,
    environment: Vec<(String, String)>,
    expects: bool,
}

/// An agent at work.
pub struct Agent {
    process: Process,
    spans: PathBuf,
    /// From start until its probes were armed.
    pub armed_after: Duration,
    /// The line that says so.
    pub attached_line: String,
    _dir: TempDir,
}

/// What an agent left when it ended.
#[derive(Debug)]
pub struct Outcome {
    /// All spans, in the order of the file.
    pub spans: Vec<Span>,
    /// What it wrote to stderr, with the summary.
    pub stderr: String,
    /// Its exit code.
    pub code: Option<i32>,
}

impl Attach {
    /// Attach to one process.
    pub fn pid(pid: u32) -> Self {
        Self::default().with(["attach", "--pid", &pid.to_string()])
    }

    /// Start a command and attach from its first instruction.
    pub fn run() -> Self {
        Self::default().with(["run"])
    }

    /// More arguments.
    #[must_use]
    pub fn with<I: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = I>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Waits for the libraries, too, that are armed before the target maps them.
    #[must_use]
    pub fn armed_ahead(mut self) -> Self {
        self.expects = true;
        self
    }

    /// An environment variable.
    #[must_use]
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.environment.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Starts it, spans going to a file, and waits until it is armed.
    pub fn start(self) -> Result<Agent> {
        let dir = TempDir::new().context("failed to make a temporary folder")?;
        let spans = dir.path().join("spans.jsonl");
        let mut export = OsString::from("jsonl=");
        export.push(&spans);
        let (options, command) = match self.arguments.iter().position(|argument| argument == "--") {
            Some(at) => self.arguments.split_at(at),
            None => (self.arguments.as_slice(), [].as_slice()),
        };
        let started = Instant::now();
        let mut process = Process::start(
            Command::new(paths::agent()?)
                .args(options)
                .arg("--export")
                .arg(export)
                .args(command)
                .envs(self.environment.iter().map(|(key, value)| (key, value))),
        )?;
        let attached_line = process.wait_stderr("hotspan: attached", ARM_TIMEOUT)?;
        let armed_after = started.elapsed();
        if self.expects {
            process.wait_stderr_ever("hotspan: armed before", ARM_TIMEOUT)?;
        }
        Ok(Agent {
            process,
            spans,
            armed_after,
            attached_line,
            _dir: dir,
        })
    }
}

impl Agent {
    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Waits until it is attached to one more process.
    pub fn wait_attached(&mut self, pid: u32) -> Result<String> {
        let line = format!("hotspan: attached to {pid} ");
        self.process.wait_stderr_ever(&line, ARM_TIMEOUT)
    }

    /// The spans written so far; a line still being written is left out.
    pub fn spans_so_far(&self) -> Result<Vec<Span>> {
        otlp::read_complete_lines(&self.spans)
    }

    /// Ctrl-C, its end, and what it left.
    pub fn stop(self) -> Result<Outcome> {
        self.process.signal(Signal::INT)?;
        self.ended()
    }

    /// Waits for its end by itself, and what it left.
    pub fn ended(mut self) -> Result<Outcome> {
        let status = self.process.wait(END_TIMEOUT)?;
        Ok(Outcome {
            spans: otlp::read(&self.spans)?,
            stderr: self.process.stderr(),
            code: status.code(),
        })
    }
}

/// Runs the binary to its end: exit code, stdout, stderr.
pub fn run<I: Into<OsString>>(
    arguments: impl IntoIterator<Item = I>,
) -> Result<(Option<i32>, String, String)> {
    run_as(Command::new(paths::agent()?), arguments)
}

/// Runs a command that runs the binary.
pub fn run_as<I: Into<OsString>>(
    mut command: Command,
    arguments: impl IntoIterator<Item = I>,
) -> Result<(Option<i32>, String, String)> {
    let mut process = Process::start(command.args(arguments.into_iter().map(Into::into)))?;
    process.close_input();
    let status = process.wait(Duration::from_secs(60))?;
    Ok((status.code(), process.stdout(), process.stderr()))
}
