//! A process in one line, without anything secret.

use std::{fmt, fs, path::PathBuf, time::Duration};

use procfs::{Current, Uptime, process::Stat};

/// A process that could be meant, as a list shows it.
///
/// Of the command line only the script's or module's name is kept: options may hold secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its id in hotspan's pid namespace.
    pub pid: u32,
    /// Its executable as the kernel prints it, or its main thread's name if that is not readable.
    pub exe: PathBuf,
    /// For a Python program, the name of its script or module.
    pub script: Option<String>,
    /// How long it has been running; `None` if the system's uptime cannot be read.
    pub age: Option<Duration>,
}

impl Candidate {
    /// Describes the process with this stat.
    pub(super) fn new(stat: &Stat, command_line: &[String]) -> Self {
        let pid = stat.pid as u32;
        let exe = fs::read_link(format!("/proc/{pid}/exe"))
            .unwrap_or_else(|_| PathBuf::from(format!("({})", stat.comm)));
        Self {
            pid,
            script: script(command_line),
            exe,
            age: age(stat),
        }
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--pid {:<7} {}", self.pid, self.exe.display())?;
        if let Some(script) = &self.script {
            write!(f, " {script}")?;
        }
        if let Some(age) = self.age {
            let seconds = Duration::from_secs(age.as_secs());
            write!(f, ", started {} ago", humantime::format_duration(seconds))?;
        }
        Ok(())
    }
}

/// The name of the script or module that a Python command line runs: `uvicorn` for both
/// `python -X dev /venv/bin/uvicorn app:app` and `python -m uvicorn app:app`.
pub(super) fn script(command_line: &[String]) -> Option<String> {
    let (program, words) = command_line.split_first()?;
    if !base_name(program).starts_with("python") {
        return None;
    }
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-m" => return words.next().cloned(),
            "-c" => return None,
            // These take the next word as their value.
            "-W" | "-X" | "--check-hash-based-pycs" => {
                words.next();
            }
            option if option.starts_with('-') => {}
            script => return Some(base_name(script).to_owned()),
        }
    }
    None
}

/// What follows the last slash.
pub(super) fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn age(stat: &Stat) -> Option<Duration> {
    let uptime = Uptime::current().ok()?.uptime_duration();
    let ticks_per_second = rustix::param::clock_ticks_per_second();
    let started = Duration::from_secs(stat.starttime / ticks_per_second.max(1));
    Some(uptime.saturating_sub(started))
}
