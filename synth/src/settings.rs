//! What a run is told: a seed and limits. Part of a recording, because the spans depend on it.

use serde::{Deserialize, Serialize};

/// What decides the spans besides the events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Span ids are derived from it. Two runs that export to one backend need different seeds.
    pub seed: u64,
    /// How long a request must be quiet before what is held until its end goes out, in nanoseconds of the events'
    /// time: the last of its engine's calls, and what is inferred of it. Samples come later than crossings, and a
    /// wait comes at its end.
    pub settle_ns: u64,
    /// Limits; each is counted when it is met.
    pub limits: Limits,
    /// What becomes of samples and waits; `None`: there are none, and nothing is kept for them.
    pub inference: Option<Inference>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            settle_ns: 1_000_000_000,
            limits: Limits::default(),
            inference: Some(Inference::default()),
        }
    }
}

/// What becomes of samples and waits. Times are in nanoseconds of the events' time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inference {
    /// A function becomes a span if it may have been at work for as long.
    pub min_span_ns: u64,
    /// A wait of this length becomes a span, and so does the rest of a function beside its spans.
    pub min_wait_ns: u64,
    /// The time between a crossing and what lies beside it becomes a span from this length on.
    pub min_phase_ns: u64,
    /// Time without evidence after which nothing is said of it, if three sampling intervals are not more: a
    /// thread that did not run is no less known for stacks that are close.
    pub hole_ns: u64,
    /// Spans that are inferred for one request.
    pub spans_per_request: u32,
    /// Inferred spans above each other.
    pub depth: u32,
    /// Requests held at a time; of more, the one that has been quiet longest ends at once.
    pub requests: u32,
    /// Samples, waits and crossings held for all requests, with the same effect.
    pub held_evidence: u32,
    /// Samples held for one request; of more, every other one goes.
    pub samples_per_request: u32,
    /// How long a request is followed before what was inferred so far goes out; what is at work then
    /// goes on in spans that say so.
    pub longest_ns: u64,
    /// Functions that stacks may name in a run.
    pub functions: u32,
}

impl Inference {
    /// What may go on unseen before and after all that was seen, in nanoseconds: a sampling interval, of which a hole is
    /// three.
    pub(crate) fn interval_ns(&self) -> u64 {
        self.hole_ns / 3
    }
}

impl Default for Inference {
    fn default() -> Self {
        Self {
            min_span_ns: 10_000_000,
            min_wait_ns: 1_000_000,
            min_phase_ns: 250_000,
            // Three intervals of 99 Hz.
            hole_ns: 30_303_030,
            spans_per_request: 256,
            depth: 8,
            requests: 4_096,
            held_evidence: 32_768,
            samples_per_request: 4_096,
            longest_ns: 30_000_000_000,
            functions: 65_536,
        }
    }
}

/// Bounds on what goes out and on what is held in memory. Zero means zero, not "no limit".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Spans that one trace gets.
    pub spans_per_trace: u32,
    /// Spans in one second, over all targets.
    pub spans_per_second: u32,
    /// Synthetic spans above each other, the outermost included.
    pub depth: u32,
    /// Attributes of a span, and of an event.
    pub attributes: u32,
    /// Bytes of a text attribute, cut at a character's boundary.
    pub attribute_bytes: u32,
    /// Events of a span; of more, the latest are kept.
    pub events_per_span: u32,
    /// Spans of worker threads under one parent; the rest is summed on the parent.
    pub workers_per_parent: u32,
    /// Crossings held back until their enclosing crossing is known, and span events held for
    /// spans that are still open.
    pub waiting_crossings: u32,
    /// Announced crossings that have not ended.
    pub open_crossings: u32,
    /// Ended crossings remembered for children that come late.
    pub remembered_crossings: u32,
    /// Traces, and parents of workers, for which spans are counted at a time.
    pub traces: u32,
    /// Requests in which crossings are being joined, at a time.
    pub sequences: u32,
    /// Requests in which engine calls are being numbered, at a time.
    pub numbered_requests: u32,
    /// Steps that are kept for requests that have not ended, for one target; of more, the latest.
    pub shared_steps: u32,
    /// Allocations of device memory that are followed for one target.
    pub allocations: u32,
    /// How long a crossing waits, after its end, for news of the crossing around it, in nanoseconds
    /// of the events' time.
    pub child_wait_ns: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            spans_per_trace: 1_000,
            spans_per_second: 10_000,
            depth: 32,
            attributes: 128,
            attribute_bytes: 1_024,
            events_per_span: 128,
            workers_per_parent: 64,
            waiting_crossings: 16_384,
            open_crossings: 4_096,
            remembered_crossings: 8_192,
            traces: 16_384,
            sequences: 4_096,
            numbered_requests: 4_096,
            shared_steps: 16_384,
            allocations: 65_536,
            child_wait_ns: 5_000_000_000,
        }
    }
}
