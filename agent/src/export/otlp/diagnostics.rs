//! What opentelemetry-otlp says only through `tracing`: that a failure is for good, how often it tried
//! again, how many spans the receiver rejected. Nothing of it is in the exporter's result.
//!
//! The listener is the default of the exporter's thread alone. Names of events are those of
//! opentelemetry-otlp 0.33; the tests of this module's parent notice when they change.

use std::{
    cell::RefCell,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::DefaultGuard,
};

/// The target of opentelemetry-otlp's events.
const TARGET: &str = "opentelemetry-otlp";

thread_local! {
    /// The cause of the last network error: it too is lost on the way through the exporter.
    static FAILURE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Notes why a request could not be made, for [`Diagnostics::take`] on the same thread.
pub(super) fn note_failure(cause: &str) {
    FAILURE.with(|failure| *failure.borrow_mut() = Some(cause.to_owned()));
}

/// What was heard during one call of the exporter.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// Requests beyond the first.
    pub(super) retries: u64,
    /// The failure is for good: the same request would fail again.
    pub(super) permanent: bool,
    /// Spans that the receiver did not take, though it took the request.
    pub(super) rejected: u64,
    /// The receiver's words for it.
    pub(super) rejection: String,
    /// Why there was no answer.
    pub(super) failure: Option<String>,
}

/// The listener's end that is asked.
#[derive(Debug, Default)]
pub(super) struct Diagnostics(Arc<Mutex<Heard>>);

impl Diagnostics {
    /// Listens on this thread until the guard is dropped.
    pub(super) fn listen() -> (Self, DefaultGuard) {
        let heard = Arc::<Mutex<Heard>>::default();
        let guard = tracing::subscriber::set_default(Listener(Arc::clone(&heard)));
        (Self(heard), guard)
    }

    /// What was heard since the last call.
    pub(super) fn take(&self) -> Heard {
        let mut heard = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        heard.failure = FAILURE.with(RefCell::take);
        heard
    }
}

struct Listener(Arc<Mutex<Heard>>);

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target() == TARGET && *metadata.level() <= Level::DEBUG
    }

    fn event(&self, event: &Event<'_>) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match event.metadata().name() {
            "Export.InProgress.Retrying" | "Export.InProgress.Throttled" => heard.retries += 1,
            "Export.Failed.NonRetryable" => heard.permanent = true,
            "TonicTracesClient.PartialSuccess" | "HttpTraceClient.PartialSuccess" => {
                event.record(&mut *heard);
            }
            _ => {}
        }
    }

    // Spans are never enabled; the trait wants these all the same.
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Reads the fields of a partial success.
impl Visit for Heard {
    fn record_i64(&mut self, field: &Field, value: i64) {
        if field.name() == "rejected_spans" {
            self.rejected += u64::try_from(value).unwrap_or(0);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "error_message" {
            value.clone_into(&mut self.rejection);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}
