//! llama-cpp-python's own HTTP server under OpenTelemetry, with a tiny model.

use std::{
    io::Write as _,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, ensure};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    http::{self, Posted, Streamed},
    paths,
    process::Process,
    python::Venv,
    service::{free_port, wait_for_port},
    truth::{self, Call},
};

/// Who runs a server's event loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventLoop {
    /// The interpreter's own.
    Asyncio,
    /// What `uvicorn[standard]` brings along.
    Uvloop,
}

impl EventLoop {
    /// As uvicorn calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Asyncio => "asyncio",
            Self::Uvloop => "uvloop",
        }
    }
}

/// The server.
pub struct Server {
    /// Where it listens.
    pub port: u16,
    process: Process,
    truth: PathBuf,
    _dir: TempDir,
}

impl Server {
    /// Starts it, and waits until it answers.
    pub fn start(event_loop: EventLoop) -> Result<Self> {
        let venv = Venv::get("llama")?;
        let dir = TempDir::new().context("failed to make a temporary folder")?;
        let model = model(&venv, Size::Tiny, dir.path())?;
        let (port, truth) = (free_port()?, dir.path().join("truth.jsonl"));
        let mut command = Command::new(venv.program("opentelemetry-instrument"));
        command
            .arg(venv.python())
            .arg("llama_service.py")
            .args(["--port", &port.to_string(), "--verbose", "false"])
            .args(["--n_ctx", "1024", "--n_batch", "128"])
            // Else a request that waits ends the one before it, if that is streamed.
            .args(["--interrupt_requests", "false"])
            .args(["--n_threads", "1", "--n_threads_batch", "1"])
            .arg("--model")
            .arg(model)
            .current_dir(paths::targets())
            .env("TRUTH_FILE", &truth)
            .env("EVENT_LOOP", event_loop.name())
            .env("OTEL_SERVICE_NAME", "llama-service")
            .env("OTEL_TRACES_EXPORTER", "none")
            .env("OTEL_METRICS_EXPORTER", "none")
            .env("OTEL_LOGS_EXPORTER", "none")
            .env("PYTHONDONTWRITEBYTECODE", "1");
        let mut process = Process::start(&mut command)?;
        wait_for_port(port, &mut process)?;
        Ok(Self {
            port,
            process,
            truth,
            _dir: dir,
        })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Has a request keep its loop busy.
    pub fn hold(&self) -> Result<Hold> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
        set_socket_timeout(&listener, Timeout::Recv, Some(TIMEOUT))?;
        let path = format!("/hold?port={}", listener.local_addr()?.port());
        let port = self.port;
        let answer = thread::spawn(move || http::get(&http::client(), port, &path));
        let (connection, _) = listener.accept().context("the loop is not held")?;
        Ok(Hold { connection, answer })
    }

    /// What it wrote of its native calls so far.
    pub fn truth(&self) -> Result<Vec<Call>> {
        truth::read(&self.truth)
    }
}

/// The server's loop is busy.
pub struct Hold {
    connection: TcpStream,
    answer: JoinHandle<Result<Value>>,
}

impl Hold {
    /// Lets it go. Returns until when it was busy at least, in Unix time, in nanoseconds.
    pub fn release(mut self) -> Result<f64> {
        self.connection.write_all(b"x")?;
        let answer = self.answer.join();
        let answer = answer.map_err(|_| anyhow!("the request that holds the loop panicked"))??;
        (answer["released_ns"].as_f64()).with_context(|| format!("no time in {answer}"))
    }
}

/// Longest time that it takes until the loop is held.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The token of the letter A. It is always sampled: one of half a character would keep its event back.
const LETTER: &str = "68";

/// A completion that is streamed, as part of a trace.
pub fn stream(port: u16, trace_id: &str, prompt: &str, max_tokens: usize) -> Result<Streamed> {
    send(port, trace_id, prompt, max_tokens)?.events()
}

/// The same, that has gone out and is not answered yet.
pub fn send(port: u16, trace_id: &str, prompt: &str, max_tokens: usize) -> Result<Posted> {
    let body = json!({
        "prompt": prompt,
        "max_tokens": max_tokens,
        "stream": true,
        "logit_bias": { LETTER: 100.0 },
    });
    let parent = format!("00-{trace_id}-00000000000000aa-01");
    http::post_in_trace(port, "/v1/completions", &body, &parent)
}

/// How large a model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// A token takes less than a millisecond of one core.
    Tiny,
    /// As the smallest that people use: some ten milliseconds.
    Small,
}

impl Size {
    /// As `random_model.py` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Small => "small",
        }
    }
}

/// Writes a model with random weights into a folder.
pub fn model(venv: &Venv, size: Size, dir: &Path) -> Result<PathBuf> {
    let path = dir.join(format!("{}.gguf", size.name()));
    let status = Command::new(venv.python())
        .arg(paths::targets().join("random_model.py"))
        .arg(size.name())
        .arg(&path)
        .status()
        .context("failed to start Python")?;
    ensure!(status.success(), "the model could not be written");
    Ok(path)
}
