//! Spans that wait for the rest of their tree.
//!
//! Children come before their parents. A tree is drawn when its outermost synthetic span is there and
//! nothing has followed for a moment (one request often has several in a row), or when it has waited
//! for long: then its outermost span is still open.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use hotspan_synth::{
    ids::{SpanId, TraceId},
    span::Span,
};
use tokio::time::Instant;

use super::super::{queue::Queued, targets::TargetSlot};

/// Quiet time after which a tree with an outermost span is drawn. What the core infers of a request comes after the
/// request's last crossing, by up to twice its `Settings::settle_ns`, and belongs into the same picture.
pub(super) const SETTLE: Duration = Duration::from_millis(2_500);
/// Longest wait of a tree with an outermost span.
const MAX_SETTLE: Duration = Duration::from_secs(10);
/// Longest wait of spans whose outermost span is not there.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// Spans that may wait; beyond, all are drawn as they are.
const MAX_SPANS: usize = 8192;

/// Spans under one parent, to be drawn together.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) target: Arc<TargetSlot>,
    /// What stands above it: the target's span, or a synthetic one that is still open or was drawn before.
    pub(super) parent: SpanId,
    /// Whether the outermost span is there.
    pub(super) complete: bool,
    pub(super) spans: Vec<Arc<Span>>,
}

/// All spans that wait.
#[derive(Debug, Default)]
pub(super) struct Pending {
    traces: HashMap<(*const TargetSlot, TraceId), Trace>,
    spans: usize,
}

#[derive(Debug)]
struct Trace {
    target: Arc<TargetSlot>,
    spans: Vec<Arc<Span>>,
    first: Instant,
    last: Instant,
    /// When the first outermost span came.
    outermost: Option<Instant>,
}

impl Trace {
    fn due(&self) -> Instant {
        match self.outermost {
            Some(since) => (self.last + SETTLE).min(since + MAX_SETTLE),
            None => self.first + MAX_WAIT,
        }
    }
}

impl Pending {
    /// Takes spans that came at `now`.
    pub(super) fn add(&mut self, spans: Vec<Queued>, now: Instant) {
        self.spans += spans.len();
        for Queued { target, span } in spans {
            let trace = self
                .traces
                .entry((Arc::as_ptr(&target), span.trace_id))
                .or_insert_with(|| Trace {
                    target,
                    spans: Vec::new(),
                    first: now,
                    last: now,
                    outermost: None,
                });
            trace.last = now;
            if !span.parent_is_synthetic {
                trace.outermost.get_or_insert(now);
            }
            trace.spans.push(span);
        }
    }

    /// When something is to be drawn next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.traces.values().map(Trace::due).min()
    }

    /// Takes what is to be drawn at `now`, in the order of time; `all` at the end.
    pub(super) fn take_due(&mut self, now: Instant, all: bool) -> Vec<Tree> {
        let all = all || self.spans > MAX_SPANS;
        let due: Vec<_> = self
            .traces
            .iter()
            .filter(|(_, trace)| all || trace.due() <= now)
            .map(|(&key, _)| key)
            .collect();
        let mut trees = Vec::new();
        for key in due {
            if let Some(trace) = self.traces.remove(&key) {
                let keep = !all && trace.first + MAX_WAIT > now;
                let (drawn, open) = split(&trace);
                if keep && !open.spans.is_empty() {
                    self.traces.insert(key, open);
                } else {
                    trees.extend(trees_of(&open, false));
                }
                trees.extend(trees_of(&drawn, true));
            }
        }
        self.spans = self.traces.values().map(|trace| trace.spans.len()).sum();
        trees.sort_by_key(|tree| tree.spans.iter().map(|span| span.start).min());
        trees
    }
}

/// Parts the spans under an outermost span that is there from those that wait for theirs.
fn split(trace: &Trace) -> (Trace, Trace) {
    let by_id: HashMap<SpanId, &Arc<Span>> = trace
        .spans
        .iter()
        .map(|span| (span.span_id, span))
        .collect();
    let complete: HashSet<SpanId> = trace
        .spans
        .iter()
        .filter(|span| !top(span, &by_id).parent_is_synthetic)
        .map(|span| span.span_id)
        .collect();
    let (drawn, open) = trace
        .spans
        .iter()
        .cloned()
        .partition(|span| complete.contains(&span.span_id));
    let with = |spans| Trace {
        target: Arc::clone(&trace.target),
        spans,
        outermost: None,
        first: trace.first,
        last: trace.last,
    };
    (with(drawn), with(open))
}

/// The topmost span above `span` that is there.
fn top<'a>(span: &'a Arc<Span>, by_id: &HashMap<SpanId, &'a Arc<Span>>) -> &'a Arc<Span> {
    let mut top = span;
    // No chain is longer than there are spans; a cycle would be.
    for _ in 0..by_id.len() {
        match by_id.get(&top.parent_span_id) {
            Some(parent) if top.parent_is_synthetic => top = parent,
            _ => break,
        }
    }
    top
}

/// One tree for each parent.
fn trees_of(trace: &Trace, complete: bool) -> Vec<Tree> {
    let by_id: HashMap<SpanId, &Arc<Span>> = trace
        .spans
        .iter()
        .map(|span| (span.span_id, span))
        .collect();
    let mut trees: Vec<Tree> = Vec::new();
    let mut places = HashMap::new();
    for span in &trace.spans {
        let parent = top(span, &by_id).parent_span_id;
        let place = *places.entry(parent).or_insert_with(|| {
            let target = Arc::clone(&trace.target);
            trees.push(Tree {
                target,
                parent,
                complete,
                spans: Vec::new(),
            });
            trees.len() - 1
        });
        trees[place].spans.push(Arc::clone(span));
    }
    trees
}
