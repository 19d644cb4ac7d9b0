//! Those who watch the service: hotspan, and what people would use instead.

use std::{
    ffi::OsString,
    fs,
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use hotspan_tests::{
    agent::{Agent, Attach},
    process::Process,
};
use tempfile::TempDir;

/// Longest time from a tool's start until it watches.
const PATIENCE: Duration = Duration::from_secs(30);
/// Samples a second of those that sample.
const HERTZ: u32 = 99;
/// And of the one that samples densely.
const DENSE_HERTZ: u32 = 999;

/// Who watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Watcher {
    /// Nobody: what is measured then is the measurement's own error.
    Nobody,
    /// hotspan without sampling.
    Exact,
    /// hotspan at 99 samples a second and CPU.
    Sampling,
    /// hotspan at 999.
    Dense,
    /// `perf record` with stacks of 8 KiB.
    Perf,
    /// bpftrace, which counts stacks by frame pointers.
    Bpftrace,
}

/// One at work; dropping it ends it.
pub struct Watching(Tool);

enum Tool {
    Agent(Agent),
    Other { process: Process, _dir: TempDir },
}

impl Watcher {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Nobody,
        Self::Exact,
        Self::Sampling,
        Self::Dense,
        Self::Perf,
        Self::Bpftrace,
    ];

    /// For the table.
    pub fn name(self) -> String {
        match self {
            Self::Nobody => "nobody".to_owned(),
            Self::Exact => "hotspan --no-sampling".to_owned(),
            Self::Sampling => format!("hotspan --frequency {HERTZ}"),
            Self::Dense => format!("hotspan --frequency {DENSE_HERTZ}"),
            Self::Perf => format!("perf record -F {HERTZ} --call-graph dwarf"),
            Self::Bpftrace => format!("bpftrace profile:hz:{HERTZ} ustack"),
        }
    }

    /// Why it cannot be had here; `None`: it can.
    pub fn missing(self) -> Option<String> {
        let program = match self {
            Self::Nobody | Self::Exact | Self::Sampling | Self::Dense => return None,
            Self::Perf => "perf",
            Self::Bpftrace => "bpftrace",
        };
        match Command::new(program).arg("--version").output() {
            Ok(output) if output.status.success() => None,
            Ok(output) => Some(format!(
                "`{program} --version` ended with {}",
                output.status
            )),
            Err(error) => Some(format!("{program}: {error}")),
        }
    }

    /// Starts it on a process, and waits until it watches; `None`: there is nobody to start.
    pub fn start(self, pid: u32, regions: &[PathBuf]) -> Result<Option<Watching>> {
        let sampling = |hertz: u32| {
            let how = ["--frequency".into(), hertz.to_string().into()];
            agent(pid, regions, how)
        };
        let tool = match self {
            Self::Nobody => return Ok(None),
            Self::Exact => agent(pid, regions, ["--no-sampling".into()])?,
            Self::Sampling => sampling(HERTZ)?,
            Self::Dense => sampling(DENSE_HERTZ)?,
            Self::Perf => perf(pid)?,
            Self::Bpftrace => bpftrace(pid)?,
        };
        Ok(Some(Watching(tool)))
    }
}

impl Watching {
    /// Its process.
    pub fn pid(&self) -> u32 {
        match &self.0 {
            Tool::Agent(agent) => agent.pid(),
            Tool::Other { process, .. } => process.pid(),
        }
    }

    /// Its end. The others are killed: what they would print takes minutes of looking up symbols, and is not
    /// what is measured.
    pub fn stop(self) -> Result<()> {
        match self.0 {
            Tool::Agent(agent) => agent.stop().map(drop),
            Tool::Other { process, _dir } => {
                drop(process);
                Ok(())
            }
        }
    }
}

fn agent<const N: usize>(pid: u32, regions: &[PathBuf], how: [OsString; N]) -> Result<Tool> {
    let files = regions
        .iter()
        .flat_map(|file| ["--regions".into(), file.clone().into_os_string()]);
    let agent = Attach::pid(pid).with(how).with::<OsString>(files).start()?;
    Ok(Tool::Agent(agent))
}

fn perf(pid: u32) -> Result<Tool> {
    let dir = TempDir::new().context("failed to make a temporary folder")?;
    let mut process = Process::start(
        Command::new("perf")
            .args(["record", "-F", &HERTZ.to_string()])
            .args(["--call-graph", "dwarf", "-p", &pid.to_string(), "-o"])
            .arg(dir.path().join("perf.data")),
    )?;
    wait_for_events(&mut process)?;
    Ok(Tool::Other { process, _dir: dir })
}

fn bpftrace(pid: u32) -> Result<Tool> {
    let dir = TempDir::new().context("failed to make a temporary folder")?;
    let program = format!(
        "BEGIN {{ printf(\"ready\\n\"); }} profile:hz:{HERTZ} /pid == {pid}/ {{ @[ustack] = count(); }}"
    );
    let mut process = Process::start(Command::new("bpftrace").args(["-e", &program]))?;
    process.wait_stdout("ready", PATIENCE)?;
    Ok(Tool::Other { process, _dir: dir })
}

/// Waits until perf has opened its events, of which it says nothing: so it is looked at.
fn wait_for_events(process: &mut Process) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !has_events(process.pid())? {
        if Instant::now() > deadline || !process.runs()? {
            bail!("perf does not begin:\n{}", process.stderr());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn has_events(pid: u32) -> Result<bool> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).context("perf has ended")?;
    // One that is closed meanwhile is none of perf's events.
    Ok(descriptors
        .flatten()
        .filter_map(|descriptor| fs::read_link(descriptor.path()).ok())
        .any(|link| link.as_os_str() == "anon_inode:[perf_event]"))
}
