//! The real services, started as their users start them.

use std::{
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::{
    http, native, paths,
    process::{self, Process},
    python::Venv,
    truth::{self, Call},
};

const START_TIMEOUT: Duration = Duration::from_secs(60);

/// What serves the application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Server {
    /// uvicorn, one process.
    #[default]
    Uvicorn,
    /// uvicorn with so many worker processes.
    UvicornWorkers(u32),
    /// gunicorn as master, with so many uvicorn workers.
    Gunicorn(u32),
    /// `own_server.py`: a program that runs uvicorn itself.
    Own,
}

/// Which service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum App {
    /// `solver_service.py`: calls of libraries that the catalogue knows.
    #[default]
    Solver,
    /// `dark_service.py`: work that no catalogue names.
    Dark,
    /// `split_service.py`: its engines are processes of their own.
    Split,
}

impl App {
    /// As an ASGI server takes it.
    fn module(self) -> &'static str {
        match self {
            Self::Solver => "solver_service:app",
            Self::Dark => "dark_service:app",
            Self::Split => "split_service:app",
        }
    }
}

/// How to start a service.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which one.
    pub app: App,
    /// What serves it.
    pub server: Server,
    /// uvloop rather than asyncio.
    pub uvloop: bool,
    /// `import ortools` only at the first request that solves.
    pub lazy: bool,
    /// In a pid and mount namespace of its own.
    pub namespace: bool,
    /// OpenTelemetry carries spans from thread to thread.
    pub threads: bool,
    /// It reads the clock right around each native solve of CP-SAT, too: [`Call::native_ns`].
    pub stamps: bool,
    /// Where it exports its own spans to (gRPC); none: it has no exporter.
    pub exports_to: Option<String>,
}

/// A running service.
pub struct Service {
    /// Where it listens.
    pub port: u16,
    process: Process,
    /// As this process sees it.
    pid: u32,
    truth: PathBuf,
    _dir: TempDir,
}

impl Options {
    /// Starts it, and waits until it answers.
    pub fn start(&self) -> Result<Service> {
        let dir = TempDir::new().context("failed to make a temporary folder")?;
        let (port, truth) = (free_port()?, dir.path().join("truth.jsonl"));
        let mut command = self.command(port)?;
        command
            .current_dir(paths::targets())
            .env("TRUTH_FILE", &truth)
            .env("OPENBLAS_NUM_THREADS", "1")
            .env("OTEL_SERVICE_NAME", SERVICE_NAME)
            .env("OTEL_METRICS_EXPORTER", "none")
            .env("OTEL_LOGS_EXPORTER", "none")
            .env("OTEL_BSP_SCHEDULE_DELAY", "300")
            .env("PYTHONDONTWRITEBYTECODE", "1");
        match &self.exports_to {
            Some(endpoint) => command
                .env("OTEL_TRACES_EXPORTER", "otlp")
                .env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
                .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
            None => command.env("OTEL_TRACES_EXPORTER", "none"),
        };
        if !self.threads {
            command.env("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "threading");
        }
        if self.lazy {
            command.env("LAZY", "1");
        }
        if self.stamps {
            command.env("SOLVE_STAMPS", native::program("libsolve_stamps.so")?);
        }
        let mut process = Process::start(&mut command)?;
        wait_for_port(port, &mut process)?;
        http::get(&http::client(), port, "/ping").with_context(|| process.stderr())?;
        let pid = if self.namespace {
            only_child(process.pid())?
        } else {
            process.pid()
        };
        Ok(Service {
            port,
            process,
            pid,
            truth,
            _dir: dir,
        })
    }

    fn command(&self, port: u16) -> Result<Command> {
        let venv = Venv::get("solver")?;
        let instrument = venv.program("opentelemetry-instrument");
        let mut command = if self.namespace {
            let mut command = Command::new("unshare");
            command
                .args(["--pid", "--mount", "--fork", "--kill-child", "--mount-proc"])
                .arg(instrument);
            command
        } else {
            Command::new(instrument)
        };
        let port = port.to_string();
        let event_loop = if self.uvloop { "uvloop" } else { "asyncio" };
        match self.server {
            Server::Uvicorn | Server::UvicornWorkers(_) => {
                command.arg(venv.program("uvicorn")).args([
                    self.app.module(),
                    "--log-level",
                    "warning",
                ]);
                command.args(["--host", "127.0.0.1", "--port", &port, "--loop", event_loop]);
            }
            Server::Gunicorn(workers) => {
                command.arg(venv.program("gunicorn")).args([
                    self.app.module(),
                    "--log-level",
                    "warning",
                ]);
                command.args([
                    "--bind",
                    &format!("127.0.0.1:{port}"),
                    "--workers",
                    &workers.to_string(),
                ]);
                command.args(["--worker-class", "uvicorn_worker.UvicornWorker"]);
            }
            Server::Own => {
                command.arg(venv.python()).args([
                    "own_server.py",
                    self.app.module(),
                    &port,
                    event_loop,
                ]);
            }
        }
        if let Server::UvicornWorkers(workers) = self.server {
            command.args(["--workers", &workers.to_string()]);
        }
        Ok(command)
    }
}

/// `service.name` of the services.
pub const SERVICE_NAME: &str = "solver-service";

impl Service {
    /// Its process id: what a user would name.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// A GET, answered with JSON.
    pub fn get(&self, path: &str) -> Result<serde_json::Value> {
        http::get(&http::client(), self.port, path)
    }

    /// What it wrote of its native calls so far.
    pub fn truth(&self) -> Result<Vec<Call>> {
        truth::read(&self.truth)
    }

    /// Ends it; what it wrote of its native calls. Its last spans may not be exported: wait for them
    /// before.
    pub fn stop(self) -> Result<Vec<Call>> {
        let Self {
            process,
            truth,
            _dir,
            ..
        } = self;
        drop(process);
        truth::read(&truth)
    }
}

/// A script of `tests/targets` or a native program that works on command: `ready`, counts, `done`.
pub struct Batch {
    process: Process,
    truth: PathBuf,
    _dir: TempDir,
}

impl Batch {
    /// Starts it and waits until it is ready. `TRUTH_FILE` is set.
    pub fn start(command: &mut Command) -> Result<Self> {
        let dir = TempDir::new().context("failed to make a temporary folder")?;
        let truth = dir.path().join("truth.jsonl");
        command
            .env("TRUTH_FILE", &truth)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        let mut process = Process::start(command)?;
        process.wait_stdout("ready", START_TIMEOUT)?;
        Ok(Self {
            process,
            truth,
            _dir: dir,
        })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Has it do its work `count` times, and waits until it is done.
    pub fn work(&mut self, count: usize, timeout: Duration) -> Result<()> {
        self.process.tell(&count.to_string())?;
        self.process.wait_stdout("done", timeout).map(drop)
    }

    /// What it wrote of its native calls so far.
    pub fn truth(&self) -> Result<Vec<Call>> {
        truth::read(&self.truth)
    }

    /// Ends its input; it must end well.
    pub fn finish(mut self) -> Result<Vec<Call>> {
        self.process.close_input();
        let status = self.process.wait(Duration::from_secs(20))?;
        ensure!(
            status.success(),
            "the target ended with {status}:\n{}",
            self.process.stderr()
        );
        truth::read(&self.truth)
    }
}

/// A port of the loopback that nobody uses now.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}

/// Waits until somebody listens. There is no event for that, so it asks, ever more rarely.
pub fn wait_for_port(port: u16, process: &mut Process) -> Result<()> {
    let deadline = Instant::now() + START_TIMEOUT;
    let mut pause = Duration::from_millis(10);
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if Instant::now() > deadline || !process.runs()? {
            bail!("nobody listens on port {port}:\n{}", process.stderr());
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(200));
    }
    Ok(())
}

fn only_child(pid: u32) -> Result<u32> {
    let below = process::descendants(pid);
    below
        .first()
        .copied()
        .context("the namespace's first process is missing")
}
