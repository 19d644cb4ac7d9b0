//! Spans out: OTLP, the terminal, JSON lines; and sampled stacks.
//!
//! Each exporter has a bounded queue and a thread of its own, so that the engine never waits for an
//! endpoint, a disk or a terminal. What does not arrive is counted by reason.

mod config;
mod counts;
mod encode;
mod folded;
mod json;
mod jsonl;
mod otlp;
mod output;
mod queue;
#[cfg(test)]
mod sample;
mod sampler;
mod targets;
pub mod waterfall;
mod worker;

use std::{fmt, sync::Arc, time::Duration};

use hotspan_synth::{event::Target, ids::TargetId, span::Span};
use tokio::time::Instant;

pub use config::{
    BatchConfig, Compression, ConfigError, EnvironmentOrigin, ExportChoice, ExportConfig,
    ExportOverrides, JsonlDestination, OtlpConfig, Protocol, Sampler, TlsFiles,
};
pub use counts::{DropReason, ExportSummary, ExporterSummary};

use counts::Counts;
use folded::FoldedFile;
use queue::{Queue, Queued};
use targets::Targets;
use worker::Worker;

/// Where exporters say, in one line each, what a person should know now: the first failure of an
/// endpoint, its recovery. Called on exporters' threads.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// The exporters of a run.
pub struct Exporters {
    workers: Vec<Worker>,
    folded: Vec<FoldedFile>,
    say: Say,
    targets: Targets,
    sampler: Sampler,
    sampled_out: u64,
    /// Spans on their way to the workers; empty in between.
    kept: Vec<Queued>,
}

impl fmt::Debug for Exporters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporters")
            .field("workers", &self.workers)
            .field("folded", &self.folded)
            .finish_non_exhaustive()
    }
}

/// An exporter that could not be started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {reason}")]
pub struct ExportError {
    what: String,
    reason: String,
}

impl ExportError {
    fn new(what: impl Into<String>, reason: &dyn fmt::Display) -> Self {
        Self {
            what: what.into(),
            reason: reason.to_string(),
        }
    }
}

impl Exporters {
    /// Starts what `config` asks for. Nothing is sent yet: an endpoint that does not answer shows
    /// later, through `say`.
    ///
    /// # Errors
    /// TLS files that cannot be read or used, JSON files that cannot be opened, no more threads.
    pub fn start(config: &ExportConfig, say: &Say) -> Result<Self, ExportError> {
        let queue = || Queue::new(config.batch, Arc::new(Counts::default()));
        let mut workers = Vec::new();
        if let Some(otlp) = &config.otlp {
            workers.push(otlp::start(otlp, queue(), Arc::clone(say))?);
        }
        for destination in &config.jsonl {
            workers.push(jsonl::start(destination, queue(), Arc::clone(say))?);
        }
        if config.waterfall {
            workers.push(waterfall::live::start(queue(), Arc::clone(say))?);
        }
        let folded = config.folded.iter().map(|path| FoldedFile::create(path));
        Ok(Self {
            workers,
            folded: folded.collect::<Result<_, _>>()?,
            say: Arc::clone(say),
            targets: Targets::default(),
            sampler: config.sampler,
            sampled_out: 0,
            kept: Vec::new(),
        })
    }

    /// Takes a target's description, before its spans or whenever more is known of it.
    pub fn target(&mut self, target: &Target) {
        self.targets.describe(target.clone());
    }

    /// Forgets a target that has ended; its spans that wait are still sent.
    pub fn forget(&mut self, target: TargetId) {
        self.targets.forget(target);
    }

    /// Hands spans to all exporters. Never waits: the oldest spans give way where a queue is full.
    pub fn export(&mut self, spans: impl IntoIterator<Item = Span>) {
        for span in spans {
            if sampler::keeps(self.sampler, span.trace_id) {
                self.kept.push(Queued {
                    target: self.targets.slot(span.target),
                    span: Arc::new(span),
                });
            } else {
                self.sampled_out += 1;
            }
        }
        for worker in &self.workers {
            worker.queue().push(self.kept.iter().cloned());
        }
        self.kept.clear();
    }

    /// Whether somebody asked for [`Exporters::write_folded`].
    pub fn wants_folded(&self) -> bool {
        !self.folded.is_empty()
    }

    /// Writes sampled stacks, with their times in nanoseconds, to the files that want them.
    pub fn write_folded(&mut self, stacks: &[(String, u64)]) {
        for file in self.folded.drain(..) {
            file.write(stacks, &self.say);
        }
    }

    /// Waits until every queue is half free: for sources that can wait, such as a replay. An endpoint
    /// that is away makes it wait for as long, so give it a timeout.
    pub async fn room(&self) {
        for worker in &self.workers {
            worker.queue().room().await;
        }
    }

    /// The counters as they stand.
    pub fn summary(&self) -> ExportSummary {
        ExportSummary {
            sampled_out: self.sampled_out,
            exporters: self.workers.iter().map(Worker::summary).collect(),
        }
    }

    /// Sends what waits, for at most `timeout`, and ends the exporters. What could not be sent is
    /// counted as [`DropReason::Shutdown`]. An endpoint that fails is not waited for.
    pub async fn shutdown(self, timeout: Duration) -> ExportSummary {
        let deadline = Instant::now() + timeout;
        for worker in &self.workers {
            worker.close(deadline);
        }
        let mut exporters = Vec::new();
        for worker in self.workers {
            exporters.push(worker.finish(deadline).await);
        }
        ExportSummary {
            sampled_out: self.sampled_out,
            exporters,
        }
    }
}
