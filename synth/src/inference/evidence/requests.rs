//! Requests under way: what was seen of each, by the target's span that it was seen under.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::{lane::Lane, request::Request};
use crate::{
    crossings::{
        item::Key,
        known::KnownCrossings,
        parents::{RequestKey, SpanContext},
    },
    event::{Parent, TargetSpan},
    ids::TargetId,
    latest::Latest,
    time::KernelTime,
};

/// A thread, and on an event loop the Python context in which a task runs there.
pub(crate) type LaneKey = (u32, u64);

/// What is remembered of a request that has ended, or of a part of it.
#[derive(Debug, Default)]
pub(in crate::inference) struct Ended {
    /// Until when spans were made of it.
    pub until: KernelTime,
    /// Crossings that had not ended: what comes of it later lies beside or in them.
    pub open: BTreeSet<(u32, Key)>,
}

/// All requests under way, and what is known of their spans.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    by_key: FxHashMap<RequestKey, Request>,
    /// Each with an instant up to which it was not quiet: put right when it comes first.
    order: BTreeSet<(KernelTime, TargetId, SpanContext)>,
    held: usize,
    spans: Latest<RequestKey, TargetSpan>,
    ended: Latest<RequestKey, Ended>,
}

impl Requests {
    /// The request of a span, begun if it is new; it is alive at `now`.
    pub fn touch(&mut self, key: RequestKey, parent: Parent, now: KernelTime) -> &mut Request {
        let Self {
            by_key,
            order,
            ended,
            ..
        } = self;
        let request = by_key.entry(key).or_insert_with(|| {
            order.insert((now, key.0, key.1));
            let ended = ended.get_mut(key);
            Request::new(parent, now, ended)
        });
        request.touched = request.touched.max(now);
        request
    }

    /// Until when spans have been made of a request that has ended.
    pub fn ended(&self, key: RequestKey) -> Option<KernelTime> {
        match self.by_key.get(&key) {
            Some(request) => request.resumed,
            None => self.ended.get(key).map(|ended| ended.until),
        }
    }

    /// Counts evidence that was added to a request.
    pub fn hold(&mut self, key: RequestKey) {
        if let Some(request) = self.by_key.get_mut(&key) {
            request.held += 1;
            self.held += 1;
        }
    }

    /// The same for a sample. If there are more than `limit` of them, every other one goes, and
    /// the rest stands for twice its time; returns how many went.
    pub fn hold_sample(&mut self, key: RequestKey, limit: u32) -> usize {
        self.hold(key);
        let Some(request) = self.by_key.get_mut(&key) else {
            return 0;
        };
        request.samples += 1;
        if request.samples <= limit as usize {
            return 0;
        }
        let lanes = request
            .lanes
            .values_mut()
            .chain(request.workers.values_mut());
        let gone: usize = lanes.map(Lane::thin).sum();
        request.samples -= gone;
        request.held -= gone;
        self.held -= gone;
        gone
    }

    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Pieces of evidence held for all requests.
    pub fn held(&self) -> usize {
        self.held
    }

    /// The request that has been quiet longest, and since when.
    pub fn quietest(&mut self) -> Option<(KernelTime, RequestKey)> {
        loop {
            let (since, target, context) = self.order.pop_first()?;
            let key = (target, context);
            let Some(request) = self.by_key.get_mut(&key) else {
                continue;
            };
            request.ordered = request.touched;
            self.order.insert((request.touched, target, context));
            if request.touched == since {
                return Some((since, key));
            }
        }
    }

    pub fn get(&self, key: RequestKey) -> Option<&Request> {
        self.by_key.get(&key)
    }

    /// Ends a request; the last `limit` that have ended are remembered.
    pub fn take(
        &mut self,
        key: RequestKey,
        limit: u32,
        is_early: bool,
        known: &KnownCrossings,
    ) -> Option<Request> {
        let mut request = self.by_key.remove(&key)?;
        let is_open = |key: Key| known.get(key).is_some_and(|known| known.exit.is_none());
        request.open.retain(|(_, key)| is_open(*key));
        self.order.remove(&(request.ordered, key.0, key.1));
        self.held -= request.held;
        request.sort();
        let last = request.over(is_early).or_else(|| request.last());
        let ended = Ended {
            until: last.max(request.resumed).unwrap_or_default(),
            open: request.open.clone(),
        };
        self.ended.insert(key, ended, limit as usize);
        Some(request)
    }

    /// The requests that began before `before`, in the order of their keys.
    pub fn older(&self, before: KernelTime) -> Vec<RequestKey> {
        let old = self
            .by_key
            .iter()
            .filter(|(_, request)| request.begun < before);
        let mut keys: Vec<RequestKey> = old.map(|(key, _)| *key).collect();
        keys.sort_unstable();
        keys
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
        self.spans
            .insert((span.target, context), span, limit as usize);
    }

    /// What is known of the target's span.
    pub fn span(&self, key: RequestKey) -> Option<&TargetSpan> {
        self.spans.get(key)
    }
}
