//! Child processes that end with their owner, and whose lines can be waited for.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open},
};

/// A running child. Dropped, it and the processes below it are killed.
pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines,
    stderr: Lines,
    what: String,
}

/// Lines of one stream: those waited for are kept too.
struct Lines {
    incoming: Receiver<String>,
    seen: Vec<String>,
    next: usize,
}

impl Process {
    /// Starts `command` with all three streams connected.
    pub fn start(command: &mut Command) -> Result<Self> {
        let what = command.get_program().display().to_string();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("failed to start {what}"))?;
        let stdin = child.stdin.take();
        let stdout = Lines::of(child.stdout.take());
        let stderr = Lines::of(child.stderr.take());
        Ok(Self {
            child,
            stdin,
            stdout,
            stderr,
            what,
        })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes a line to its input.
    pub fn tell(&mut self, line: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().context("the input is closed")?;
        writeln!(stdin, "{line}")
            .and_then(|()| stdin.flush())
            .with_context(|| format!("{} does not read", self.what))
    }

    /// Closes its input.
    pub fn close_input(&mut self) {
        self.stdin = None;
    }

    /// Waits for a line of its output that begins with `prefix`, and returns it.
    pub fn wait_stdout(&mut self, prefix: &str, timeout: Duration) -> Result<String> {
        let found = self.stdout.wait(prefix, timeout);
        self.explain(found, prefix)
    }

    /// Waits for a line of its error output that begins with `prefix`, and returns it.
    pub fn wait_stderr(&mut self, prefix: &str, timeout: Duration) -> Result<String> {
        let found = self.stderr.wait(prefix, timeout);
        self.explain(found, prefix)
    }

    /// Waits until a line of its error output, new or old, begins with `prefix`.
    pub fn wait_stderr_ever(&mut self, prefix: &str, timeout: Duration) -> Result<String> {
        let next = std::mem::take(&mut self.stderr.next);
        let found = self.stderr.wait(prefix, timeout);
        self.stderr.next = next;
        self.explain(found, prefix)
    }

    /// Everything it wrote to its error output so far.
    pub fn stderr(&mut self) -> String {
        self.stderr.drain();
        self.stderr.seen.join("\n")
    }

    /// Everything it wrote to its output so far.
    pub fn stdout(&mut self) -> String {
        self.stdout.drain();
        self.stdout.seen.join("\n")
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(self.pid() as i32).context("a pid is not zero")?;
        kill_process(pid, signal).with_context(|| format!("failed to signal {}", self.what))
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Waits for its end.
    pub fn wait(&mut self, timeout: Duration) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            self.finish_output();
            return Ok(status);
        }
        let pid = Pid::from_raw(self.pid() as i32).context("a pid is not zero")?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).context("failed to open a pidfd")?;
        let limit = Timespec {
            tv_sec: timeout.as_secs() as i64,
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        let ready = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&limit))
            .context("failed to wait")?;
        if ready == 0 {
            let said = self.stderr();
            bail!(
                "{} still runs after {timeout:?}; it said:\n{said}",
                self.what
            );
        }
        let status = self.child.wait()?;
        self.finish_output();
        Ok(status)
    }

    /// Reads both streams to their end. A grandchild may hold them open, so the time is bounded.
    fn finish_output(&mut self) {
        self.stdout.finish(Duration::from_secs(2));
        self.stderr.finish(Duration::from_secs(2));
    }

    fn explain(&mut self, found: Option<String>, prefix: &str) -> Result<String> {
        if let Some(line) = found {
            return Ok(line);
        }
        let (out, err) = (self.stdout(), self.stderr());
        let state = if self.runs()? {
            "still runs"
        } else {
            "has ended"
        };
        bail!(
            "{} did not say `{prefix}` and {state}\nstdout:\n{out}\nstderr:\n{err}",
            self.what
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let below = descendants(self.pid());
        // Each fails only for a process that has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in below
            .into_iter()
            .filter_map(|pid| Pid::from_raw(pid as i32))
        {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// The processes below a process: a server's workers outlive their master's death otherwise.
pub fn descendants(pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let mut open = vec![pid];
    while let Some(pid) = open.pop() {
        let below = children(pid);
        found.extend(&below);
        open.extend(below);
    }
    found
}

/// Each thread has children of its own. What ends meanwhile has none.
fn children(pid: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    let lists =
        threads.into_iter().flatten().flatten().map(|thread| {
            std::fs::read_to_string(thread.path().join("children")).unwrap_or_default()
        });
    lists
        .flat_map(|list| {
            let ids = list.split_whitespace().map(str::to_owned);
            ids.collect::<Vec<_>>()
        })
        .filter_map(|id| id.parse().ok())
        .collect()
}

impl Lines {
    fn of(stream: Option<impl Read + Send + 'static>) -> Self {
        let (sender, incoming) = channel();
        if let Some(stream) = stream {
            std::thread::spawn(move || {
                for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                    if sender
                        .send(String::from_utf8_lossy(&line).into_owned())
                        .is_err()
                    {
                        break;
                    }
                }
            });
        }
        Self {
            incoming,
            seen: Vec::new(),
            next: 0,
        }
    }

    fn wait(&mut self, prefix: &str, timeout: Duration) -> Option<String> {
        let deadline = Instant::now() + timeout;
        loop {
            while let Some(line) = self.seen.get(self.next) {
                self.next += 1;
                if line.starts_with(prefix) {
                    return Some(line.clone());
                }
            }
            match self
                .incoming
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    fn drain(&mut self) {
        self.seen.extend(self.incoming.try_iter());
    }

    fn finish(&mut self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        while let Ok(line) = self
            .incoming
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            self.seen.push(line);
        }
    }
}
