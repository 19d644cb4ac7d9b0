//! Batches to the endpoint, one target at a time, for as long as it takes.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use hotspan_synth::span::Span;
use opentelemetry::InstrumentationScope;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tokio::time::sleep;

use super::{
    diagnostics::{Diagnostics, Heard},
    health::Health,
};
use crate::export::{
    counts::DropReason,
    encode,
    queue::{Queue, by_target},
    targets::TargetSlot,
};

/// Pauses between calls of the exporter while an endpoint is away: they begin where its own quick
/// retries (a few within its timeout) end.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The exporter and what stands around it.
pub(super) struct Delivery {
    exporter: SpanExporter,
    scope: InstrumentationScope,
    diagnostics: Diagnostics,
    health: Health,
    queue: Arc<Queue>,
}

/// What one call of the exporter came to.
enum Outcome {
    /// Taken, but for the rejected ones.
    Taken { rejected: u64, rejection: String },
    /// Refused for good.
    Refused(String),
    /// Worth another try.
    Failed(String),
}

impl Delivery {
    pub(super) fn new(
        exporter: SpanExporter,
        diagnostics: Diagnostics,
        health: Health,
        queue: Arc<Queue>,
    ) -> Self {
        Self {
            exporter,
            scope: encode::scope(),
            diagnostics,
            health,
            queue,
        }
    }

    /// Sends until the queue is closed and empty, its deadline has passed, or the endpoint fails
    /// after the close.
    pub(super) async fn run(mut self) {
        let queue = Arc::clone(&self.queue);
        tokio::select! {
            () = queue.expired() => {}
            () = self.send_all() => {}
        }
    }

    async fn send_all(&mut self) {
        while let Some(batch) = self.queue.next().await {
            for (target, spans) in by_target(batch) {
                if self.deliver(&target, &spans).await.is_break() {
                    return;
                }
            }
        }
    }

    /// Sends one target's spans; tries again until they are taken or refused, or the queue is closed.
    async fn deliver(&mut self, target: &TargetSlot, spans: &[Arc<Span>]) -> ControlFlow<()> {
        let mut pauses = pauses();
        loop {
            match self.attempt(target, spans).await {
                Outcome::Taken {
                    rejected,
                    rejection,
                } => {
                    self.taken(spans.len(), rejected, &rejection);
                    return ControlFlow::Continue(());
                }
                Outcome::Refused(error) => {
                    self.refused(spans.len(), &error);
                    return ControlFlow::Continue(());
                }
                Outcome::Failed(error) => self.failed(&error),
            }
            if self.queue.is_closed() {
                return ControlFlow::Break(());
            }
            self.pause(pauses.next().unwrap_or(LONGEST_PAUSE)).await;
            self.queue.counts().retry(1);
        }
    }

    async fn attempt(&mut self, target: &TargetSlot, spans: &[Arc<Span>]) -> Outcome {
        self.exporter
            .set_resource(&encode::resource(&target.target()));
        let data: Vec<SpanData> = spans
            .iter()
            .map(|span| encode::span_data(span, &self.scope))
            .collect();
        let result = self.exporter.export(data).await;
        let heard = self.diagnostics.take();
        self.queue.counts().retry(heard.retries);
        match result {
            Ok(()) => Outcome::Taken {
                rejected: heard.rejected,
                rejection: heard.rejection,
            },
            Err(error) => failure(&error.to_string(), heard),
        }
    }

    fn taken(&mut self, spans: usize, rejected: u64, rejection: &str) {
        let counts = self.queue.counts();
        let lost = spans.min(usize::try_from(rejected).unwrap_or(usize::MAX));
        counts.send(spans - lost);
        counts.drop_spans(DropReason::Rejected, lost);
        self.health.succeeded(counts.dropped());
        if lost > 0 {
            counts.fail("the receiver rejected spans");
        }
        if lost > 0 || !rejection.is_empty() {
            self.health.rejected(rejected, rejection);
        }
    }

    fn refused(&mut self, spans: usize, error: &str) {
        let counts = self.queue.counts();
        counts.fail(error);
        counts.drop_spans(DropReason::Refused, spans);
        self.health.refused(error);
    }

    fn failed(&mut self, error: &str) {
        let counts = self.queue.counts();
        counts.fail(error);
        self.health.failed(error, counts.dropped());
    }

    /// Waits before the next try; the close cuts it short.
    async fn pause(&self, duration: Duration) {
        tokio::select! {
            () = sleep(duration) => {}
            () = self.queue.closed() => {}
        }
    }
}

fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .without_max_times()
        .with_jitter()
        .build()
}

/// The exporter's error text never holds the receiver's words, which may repeat credentials.
fn failure(error: &str, heard: Heard) -> Outcome {
    const PREFIXES: [&str; 3] = [
        "Operation failed: ",
        "TonicTracesClient export failed with ",
        "HTTP export failed with ",
    ];
    let error = PREFIXES.iter().fold(error, |text, prefix| {
        text.strip_prefix(prefix).unwrap_or(text)
    });
    // Layers of a client name the same cause.
    let mut causes: Vec<&str> = error.split(": ").collect();
    causes.dedup();
    let error = heard.failure.unwrap_or_else(|| causes.join(": "));
    if heard.permanent {
        Outcome::Refused(error)
    } else {
        Outcome::Failed(error)
    }
}
