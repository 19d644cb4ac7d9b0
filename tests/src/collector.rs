//! Receivers of OTLP that hotspan's authors did not write.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::{
    otlp::{self, Span},
    paths,
    process::Process,
    python::Venv,
    service::free_port,
    truth::Call,
};

/// The official protocol's generated gRPC server, which writes what it gets.
pub struct Receiver {
    port: u16,
    file: PathBuf,
    _process: Process,
    _dir: TempDir,
}

impl Receiver {
    /// Starts it on a port of its own.
    pub fn start() -> Result<Self> {
        let dir = TempDir::new().context("failed to make a temporary folder")?;
        let file = dir.path().join("received.jsonl");
        let mut process = Process::start(
            Command::new(Venv::get("solver")?.python())
                .arg(paths::targets().join("receiver.py"))
                .arg(&file),
        )?;
        let line = process.wait_stdout("listening ", Duration::from_secs(20))?;
        let port = line
            .trim_start_matches("listening ")
            .trim()
            .parse()
            .context("no port in its first line")?;
        Ok(Self {
            port,
            file,
            _process: process,
            _dir: dir,
        })
    }

    /// Its endpoint, gRPC.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What has arrived.
    pub fn spans(&self) -> Result<Vec<Span>> {
        otlp::read_complete_lines(&self.file)
    }

    /// Waits until the span of every call has arrived: a service that is ended may lose its last ones.
    pub fn wait_for_calls(&self, calls: &[Call]) -> Result<Vec<Span>> {
        let wanted: HashSet<&str> = calls
            .iter()
            .filter(|call| call.has_parent())
            .map(|call| call.span_id.as_str())
            .collect();
        self.wait(
            "the service's own spans",
            Duration::from_secs(15),
            |spans| {
                let there: HashSet<&str> = spans.iter().map(|span| span.span_id.as_str()).collect();
                wanted.is_subset(&there)
            },
        )
    }

    /// Waits until what arrived satisfies `enough`.
    pub fn wait(
        &self,
        what: &str,
        timeout: Duration,
        enough: impl Fn(&[Span]) -> bool,
    ) -> Result<Vec<Span>> {
        let deadline = Instant::now() + timeout;
        loop {
            let spans = self.spans()?;
            if enough(&spans) {
                return Ok(spans);
            }
            if Instant::now() > deadline {
                bail!(
                    "{what} did not arrive in {timeout:?}; {} spans did",
                    spans.len()
                );
            }
            // A file gives no event when it grows past what another process reads of it.
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Rotel, a collector: takes OTLP over gRPC and over HTTP and passes it on to a [`Receiver`].
pub struct Rotel {
    /// Its gRPC endpoint.
    pub grpc: String,
    /// Its HTTP endpoint.
    pub http: String,
    _process: Process,
    _dir: TempDir,
}

impl Rotel {
    /// Starts it in front of a receiver.
    pub fn start(receiver: &Receiver) -> Result<Self> {
        let dir = TempDir::new().context("failed to make a temporary folder")?;
        let (grpc, http) = (free_port()?, free_port()?);
        let mut process = Process::start(
            Command::new(rotel_binary()?)
                .arg("start")
                .arg("--otlp-grpc-endpoint")
                .arg(format!("127.0.0.1:{grpc}"))
                .arg("--otlp-http-endpoint")
                .arg(format!("127.0.0.1:{http}"))
                .args([
                    "--exporter",
                    "otlp",
                    "--otlp-exporter-protocol",
                    "grpc",
                    "--otlp-exporter-endpoint",
                ])
                .arg(receiver.endpoint())
                .arg("--pid-file")
                .arg(dir.path().join("pid"))
                .arg("--log-file")
                .arg(dir.path().join("log")),
        )?;
        for port in [grpc, http] {
            crate::service::wait_for_port(port, &mut process)?;
        }
        Ok(Self {
            grpc: format!("http://127.0.0.1:{grpc}"),
            http: format!("http://127.0.0.1:{http}"),
            _process: process,
            _dir: dir,
        })
    }
}

/// The collector's binary lies inside its Python package.
fn rotel_binary() -> Result<PathBuf> {
    let venv = Venv::get("rotel")?;
    let output = Command::new(venv.python())
        .args([
            "-c",
            "import os, rotel; print(os.path.dirname(rotel.__file__))",
        ])
        .output()
        .context("failed to ask for rotel's place")?;
    let package = String::from_utf8(output.stdout).context("rotel's place is no text")?;
    let binary = Path::new(package.trim()).join("rotel-agent");
    if !binary.exists() {
        bail!(
            "{} is missing: {}",
            binary.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(binary)
}
