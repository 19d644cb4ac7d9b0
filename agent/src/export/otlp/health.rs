//! What people are told of an endpoint: its first failure and its recovery, one line each.

use tokio::time::Instant;

use super::{OtlpConfig, Say};
use crate::export::config::Protocol;

/// Longest text of a receiver that is shown.
const MAX_MESSAGE_CHARS: usize = 200;

/// The state of an endpoint, as far as it was told.
pub(super) struct Health {
    endpoint: String,
    protocol: Protocol,
    say: Say,
    down: Option<Down>,
    refusal: Option<String>,
    rejection_was_said: bool,
}

struct Down {
    since: Instant,
    dropped_before: u64,
}

impl Health {
    pub(super) fn new(config: &OtlpConfig, say: Say) -> Self {
        Self {
            endpoint: config.shown_endpoint(),
            protocol: config.protocol,
            say,
            down: None,
            refusal: None,
            rejection_was_said: false,
        }
    }

    /// A request failed, and is worth another try. `dropped` is the count of spans dropped so far.
    pub(super) fn failed(&mut self, error: &str, dropped: u64) {
        if self.down.is_none() {
            self.down = Some(Down {
                since: Instant::now(),
                dropped_before: dropped,
            });
            self.tell(&format!(
                "cannot send to {}: {error}; spans wait",
                self.endpoint
            ));
        }
    }

    /// A request was refused for good.
    pub(super) fn refused(&mut self, error: &str) {
        if self.refusal.as_deref() == Some(error) {
            return;
        }
        self.refusal = Some(error.to_owned());
        let hint = if self.protocol == Protocol::HttpProtobuf && error.contains("404") {
            " (is the path right?)"
        } else {
            ""
        };
        self.tell(&format!(
            "{} refuses spans: {error}{hint}; they are dropped",
            self.endpoint
        ));
    }

    /// A request was taken, but not all of its spans.
    pub(super) fn rejected(&mut self, spans: u64, message: &str) {
        if !self.rejection_was_said {
            self.rejection_was_said = true;
            let message = printable(message);
            self.tell(&format!(
                "{} rejected {spans} spans: {message}",
                self.endpoint
            ));
        }
    }

    /// A request was taken.
    pub(super) fn succeeded(&mut self, dropped: u64) {
        self.refusal = None;
        if let Some(down) = self.down.take() {
            let seconds = down.since.elapsed().as_secs_f64();
            let lost = dropped - down.dropped_before;
            self.tell(&format!(
                "sending to {} again after {seconds:.1} s; {lost} spans were dropped meanwhile",
                self.endpoint
            ));
        }
    }

    fn tell(&self, text: &str) {
        (self.say)(&format!("OTLP: {text}"));
    }
}

/// A receiver's words must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|char| !char.is_control())
        .take(MAX_MESSAGE_CHARS)
        .collect()
}
