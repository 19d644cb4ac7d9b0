//! What became of the spans: counted while it happens, summed up at the end.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Counters of one exporter, shared between its thread and the engine.
#[derive(Debug, Default)]
pub(super) struct Counts {
    accepted: AtomicU64,
    sent: AtomicU64,
    dropped: [AtomicU64; DropReason::ALL.len()],
    retries: AtomicU64,
    last_error: Mutex<Option<String>>,
}

/// Why a span was not exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// The queue was full: the oldest span gave way.
    QueueFull,
    /// The receiver refused the request for good (wrong path, no permission, malformed).
    Refused,
    /// The receiver took the request and rejected some of its spans.
    Rejected,
    /// The file or terminal could not be written.
    WriteFailed,
    /// hotspan ended before the span could be sent.
    Shutdown,
}

impl DropReason {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 5] = [
        Self::QueueFull,
        Self::Refused,
        Self::Rejected,
        Self::WriteFailed,
        Self::Shutdown,
    ];

    /// Its name in summaries.
    pub fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue full",
            Self::Refused => "request refused",
            Self::Rejected => "rejected by the receiver",
            Self::WriteFailed => "write failed",
            Self::Shutdown => "not sent before the end",
        }
    }
}

impl Counts {
    pub(super) fn accept(&self, spans: usize) {
        self.accepted.fetch_add(spans as u64, Relaxed);
    }

    pub(super) fn send(&self, spans: usize) {
        self.sent.fetch_add(spans as u64, Relaxed);
    }

    pub(super) fn drop_spans(&self, reason: DropReason, spans: usize) {
        self.dropped[reason as usize].fetch_add(spans as u64, Relaxed);
    }

    pub(super) fn retry(&self, attempts: u64) {
        self.retries.fetch_add(attempts, Relaxed);
    }

    pub(super) fn fail(&self, error: &str) {
        *self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(error.to_owned());
    }

    /// Spans dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.iter().map(|count| count.load(Relaxed)).sum()
    }

    /// Spans that were accepted and of which nothing else is known yet.
    pub(super) fn open(&self) -> u64 {
        self.accepted
            .load(Relaxed)
            .saturating_sub(self.sent.load(Relaxed) + self.dropped())
    }

    /// The counters as they stand.
    pub(super) fn summary(&self, exporter: &str) -> ExporterSummary {
        let dropped = DropReason::ALL
            .into_iter()
            .map(|reason| (reason, self.dropped[reason as usize].load(Relaxed)))
            .filter(|&(_, spans)| spans > 0)
            .collect();
        ExporterSummary {
            exporter: exporter.to_owned(),
            accepted: self.accepted.load(Relaxed),
            sent: self.sent.load(Relaxed),
            dropped,
            retries: self.retries.load(Relaxed),
            last_error: self
                .last_error
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        }
    }
}

/// What became of the spans of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportSummary {
    /// Spans that `OTEL_TRACES_SAMPLER` took away before any exporter.
    pub sampled_out: u64,
    /// Each exporter.
    pub exporters: Vec<ExporterSummary>,
}

impl ExportSummary {
    /// Spans that exporters dropped, for whatever reason.
    pub fn dropped(&self) -> u64 {
        self.exporters
            .iter()
            .map(ExporterSummary::dropped_total)
            .sum()
    }
}

/// What became of the spans that one exporter was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExporterSummary {
    /// Which exporter, and where it sends to, without credentials.
    pub exporter: String,
    /// Spans given to it.
    pub accepted: u64,
    /// Spans that arrived.
    pub sent: u64,
    /// Spans that did not, by reason; only reasons that occurred.
    pub dropped: Vec<(DropReason, u64)>,
    /// Requests that were repeated.
    pub retries: u64,
    /// The last failure.
    pub last_error: Option<String>,
}

impl ExporterSummary {
    /// Spans dropped for this reason.
    pub fn dropped_for(&self, reason: DropReason) -> u64 {
        self.dropped
            .iter()
            .filter(|(other, _)| *other == reason)
            .map(|(_, spans)| spans)
            .sum()
    }

    /// Spans dropped for any reason.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.iter().map(|(_, spans)| spans).sum()
    }
}

impl fmt::Display for ExporterSummary {
    /// One line, such as `otlp http://c:4318/v1/traces: 12 spans sent, 3 dropped (queue full 3), 2
    /// retries, last error: ...`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} spans sent", self.exporter, self.sent)?;
        if !self.dropped.is_empty() {
            let reasons: Vec<_> = self
                .dropped
                .iter()
                .map(|(reason, spans)| format!("{} {spans}", reason.name()))
                .collect();
            write!(
                f,
                ", {} dropped ({})",
                self.dropped_total(),
                reasons.join(", ")
            )?;
        }
        if self.retries > 0 {
            write!(f, ", {} retries", self.retries)?;
        }
        if let Some(error) = &self.last_error {
            write!(f, ", last error: {error}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, DropReason};

    #[test]
    fn summary_line() {
        let counts = Counts::default();
        counts.accept(10);
        counts.send(4);
        counts.drop_spans(DropReason::QueueFull, 3);
        counts.drop_spans(DropReason::Rejected, 1);
        counts.retry(2);
        counts.fail("no route");
        assert_eq!(counts.open(), 2);
        assert_eq!(
            counts.summary("otlp http://c").to_string(),
            "otlp http://c: 4 spans sent, 4 dropped (queue full 3, rejected by the receiver 1), \
             2 retries, last error: no route"
        );
    }
}
