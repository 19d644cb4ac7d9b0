//! Requests under way: what was seen of each, by the target's span that it was seen under.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rustc_hash::FxHashMap;

use super::lane::Lane;
use crate::{
    event::{Parent, TargetSpan},
    ids::TargetId,
    parents::SpanContext,
    time::KernelTime,
};

/// A span of the target, in whose service work was seen.
pub(crate) type RequestKey = (TargetId, SpanContext);

/// What was seen of a request.
#[derive(Debug)]
pub(crate) struct Request {
    pub parent: Parent,
    /// By thread.
    pub lanes: BTreeMap<u32, Lane>,
    /// Pieces of evidence held.
    pub held: usize,
    touched: KernelTime,
}

/// All requests under way, and what is known of their spans.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    by_key: FxHashMap<RequestKey, Request>,
    order: BTreeSet<(KernelTime, TargetId, SpanContext)>,
    held: usize,
    spans: FxHashMap<RequestKey, TargetSpan>,
    spans_order: VecDeque<RequestKey>,
}

impl Requests {
    /// The request of a span, begun if it is new; it is alive at `now`.
    pub fn touch(&mut self, key: RequestKey, parent: Parent, now: KernelTime) -> &mut Request {
        let request = self.by_key.entry(key).or_insert_with(|| Request {
            parent,
            lanes: BTreeMap::new(),
            held: 0,
            touched: now,
        });
        self.order.remove(&(request.touched, key.0, key.1));
        request.touched = request.touched.max(now);
        self.order.insert((request.touched, key.0, key.1));
        request
    }

    /// Counts evidence that was added to a request.
    pub fn hold(&mut self, key: RequestKey) {
        if let Some(request) = self.by_key.get_mut(&key) {
            request.held += 1;
            self.held += 1;
        }
    }

    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Pieces of evidence held for all requests.
    pub fn held(&self) -> usize {
        self.held
    }

    /// The request that has been quiet longest, and since when.
    pub fn quietest(&self) -> Option<(KernelTime, RequestKey)> {
        let (touched, target, context) = *self.order.first()?;
        Some((touched, (target, context)))
    }

    pub fn get(&self, key: RequestKey) -> Option<&Request> {
        self.by_key.get(&key)
    }

    /// Ends a request.
    pub fn take(&mut self, key: RequestKey) -> Option<Request> {
        let request = self.by_key.remove(&key)?;
        self.order.remove(&(request.touched, key.0, key.1));
        self.held -= request.held;
        Some(request)
    }

    /// Lets a request live on from `now`.
    pub fn keep(&mut self, key: RequestKey, now: KernelTime) {
        if let Some(parent) = self.by_key.get(&key).map(|request| request.parent) {
            self.touch(key, parent, now);
        }
    }

    /// Takes in what is known of a span, for at most `limit` of them.
    pub fn describe(&mut self, span: TargetSpan, limit: u32) {
        let context = SpanContext {
            trace_id: span.trace_id,
            span_id: span.span_id,
        };
        let key = (span.target, context);
        if self.spans.insert(key, span).is_none() {
            self.spans_order.push_back(key);
        }
        while self.spans_order.len() > limit.max(1) as usize
            && let Some(oldest) = self.spans_order.pop_front()
        {
            self.spans.remove(&oldest);
        }
    }

    /// What is known of the target's span.
    pub fn span(&self, key: RequestKey) -> Option<&TargetSpan> {
        self.spans.get(&key)
    }
}
