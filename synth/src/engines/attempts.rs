//! Engine calls that are made again in one request: which of them is the last shows only later, so
//! the latest is held until there is another, or the request has been quiet for a while.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use rustc_hash::FxHashMap;

use crate::{
    crossings::{item::Key, parents::SpanContext},
    engines::engine::Within,
    event::Parent,
    ids::TargetId,
    settings::Settings,
    span::Span,
    spans::making::{Draft, Making},
    summary::{Noted, Tally},
    synth::{Sink, Synth},
    time::KernelTime,
};

/// A span of the target, in whose service engines are called.
type RequestKey = (TargetId, SpanContext);

/// An engine: its region, and its context if it has several (a draft model beside the one it drafts for).
type EngineKey = (Arc<str>, Option<u64>);

/// A call's number among those of its engine in one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    call: Key,
    number: u64,
    context: Option<u64>,
}

/// The calls of one engine in one request.
#[derive(Debug)]
struct Calls {
    begun: u64,
    latest: Key,
    latest_entry: KernelTime,
    /// The latest end of those that are complete.
    ended: KernelTime,
    /// Two were made at a time: that is no repetition, so no number is given any more.
    overlap: bool,
    /// The latest, complete. Requests are remembered for long after they hold one.
    held: Option<Box<(u64, Span)>>,
}

#[derive(Debug, Default)]
struct Request {
    /// `None`: it has been quiet for long, and holds nothing.
    touched: Option<KernelTime>,
    engines: BTreeMap<EngineKey, Calls>,
}

/// All requests in which engines were called, bounded in number.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    requests: FxHashMap<RequestKey, Request>,
    order: BTreeSet<(KernelTime, RequestKey)>,
    /// Spans that another call has followed since.
    released: Vec<Span>,
    /// Requests that hold nothing. One that has come back to life may stand here still.
    quiet: VecDeque<RequestKey>,
}

impl Attempts {
    /// Spans that are held.
    pub fn held(&self) -> usize {
        let requests = self.requests.values();
        let calls = requests.flat_map(|request| request.engines.values());
        calls.filter(|calls| calls.held.is_some()).count()
    }

    /// Work for the request was seen at `now`.
    pub fn touch(&mut self, target: TargetId, parent: &Parent, now: KernelTime) {
        let key = (target, parent.context());
        if let Some(request) = self.requests.get_mut(&key)
            && let Some(touched) = request.touched
            && now > touched
        {
            self.order.remove(&(touched, key));
            self.order.insert((now, key));
            request.touched = Some(now);
        }
    }

    /// A call has begun: its number. The call before it is released if it was held.
    fn begin(&mut self, draft: &Draft, making: &Making, now: KernelTime) -> Attempt {
        let key = (draft.item.key.target, draft.parent.context());
        let request = self.requests.entry(key).or_default();
        if request.touched.is_none() {
            request.touched = Some(now);
            self.order.insert((now, key));
        }
        let entry = draft.item.entry;
        let context = context(draft);
        let calls = request
            .engines
            .entry((Arc::clone(&draft.region.name), context))
            .or_insert_with(|| Calls {
                begun: 0,
                latest: draft.item.key,
                latest_entry: entry,
                ended: KernelTime::default(),
                overlap: false,
                held: None,
            });
        let lasts = making.lasts_to(calls.latest, entry).unwrap_or(false);
        calls.overlap |= lasts || calls.ended > entry;
        calls.begun += 1;
        (calls.latest, calls.latest_entry) = (draft.item.key, entry);
        let held = calls.held.take();
        let released = held.map(|held| calls.numbered(held.0, held.1));
        self.released.extend(released);
        Attempt {
            call: draft.item.key,
            number: calls.begun,
            context,
        }
    }

    /// A call is complete: given back if another has begun since, also where its request was forgotten in
    /// between and counts anew.
    fn complete(
        &mut self,
        key: RequestKey,
        attempt: Attempt,
        (exit, now): (KernelTime, KernelTime),
        span: Span,
    ) -> Option<Span> {
        let Some(request) = self.requests.get_mut(&key) else {
            return Some(span);
        };
        if request.touched.is_none() {
            request.touched = Some(now);
            self.order.insert((now, key));
        }
        let engine = (Arc::clone(&span.name), attempt.context);
        let Some(calls) = request.engines.get_mut(&engine) else {
            return Some(span);
        };
        calls.ended = calls.ended.max(exit);
        if attempt.call != calls.latest {
            calls.overlap |= exit > calls.latest_entry;
            return Some(calls.numbered(attempt.number, span));
        }
        calls.held = Some(Box::new((attempt.number, span)));
        None
    }

    /// Gives back what is held for requests that have been quiet for long, and for those that there is
    /// no room for.
    fn settle(
        &mut self,
        now: KernelTime,
        settings: &Settings,
        making: &Making,
        tally: &mut Tally,
    ) -> Vec<Span> {
        let limit = settings.limits.numbered_requests as usize;
        let mut spans = Vec::new();
        let mut at_work = Vec::new();
        while let Some(&(touched, key)) = self.order.first() {
            let is_full = self.order.len() > limit;
            if now.since(touched) <= settings.settle_ns && !is_full {
                break;
            }
            self.order.pop_first();
            let Some(request) = self.requests.get_mut(&key) else {
                continue;
            };
            let is_at_work = (request.engines.values()).any(|calls| making.contains(calls.latest));
            if is_at_work && !is_full {
                request.touched = Some(now);
                at_work.push((now, key));
                continue;
            }
            tally.noted(Noted::NumberedRequests, u64::from(is_full));
            request.touched = None;
            self.quiet.push_back(key);
            spans.extend(request.engines.values_mut().filter_map(Calls::last));
        }
        self.order.extend(at_work);
        while self.quiet.len() > limit
            && let Some(key) = self.quiet.pop_front()
        {
            let is_quiet = |request: &Request| request.touched.is_none();
            if self.requests.get(&key).is_some_and(is_quiet) {
                self.requests.remove(&key);
            }
        }
        spans
    }

    /// Gives back all that is held.
    fn finish(&mut self) -> Vec<Span> {
        let mut requests: Vec<_> = std::mem::take(&mut self.requests).into_iter().collect();
        requests.sort_unstable_by_key(|(key, _)| *key);
        self.order.clear();
        self.quiet.clear();
        let calls = requests
            .into_iter()
            .flat_map(|(_, request)| request.engines.into_values());
        calls.filter_map(|mut calls| calls.last()).collect()
    }
}

impl Calls {
    /// One that another has followed.
    fn numbered(&self, number: u64, mut span: Span) -> Span {
        if !self.overlap {
            add(&mut span, "hotspan.attempt", number);
        }
        span
    }

    /// The last one.
    fn last(&mut self) -> Option<Span> {
        let (number, mut span) = *self.held.take()?;
        if number > 1 && !self.overlap {
            add(&mut span, "hotspan.attempt", number);
            add(&mut span, "hotspan.attempts", number);
        }
        Some(span)
    }
}

/// The engine's own context, where that tells calls apart.
fn context(draft: &Draft) -> Option<u64> {
    let by = draft.region.meaning().fold.as_ref()?.by?;
    draft.item.end.as_ref()?.slots().bits(by)
}

/// Beyond the limit of attributes, of which there are two: without them the span would not say that it
/// is one of several.
fn add(span: &mut Span, key: &'static str, number: u64) {
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    span.attributes.push((key.into(), number.into()));
}

impl Synth {
    /// Numbers a call that begins, if it is an engine's outermost.
    pub(crate) fn number(&mut self, draft: &mut Draft) {
        if !draft.region.meaning().numbered || Within::of(draft.around).numbered {
            return;
        }
        // The root of a trace is made once.
        if draft.around.is_none() && draft.parent.begins_trace() {
            return;
        }
        let attempt = self.attempts.begin(draft, &self.making, self.now);
        draft.attempt = Some(attempt);
    }

    /// Sends a complete span, or holds it if it may be its engine's last in the request.
    pub(crate) fn send(
        &mut self,
        (attempt, parent): (Option<Attempt>, &Parent),
        exit: KernelTime,
        span: Span,
        out: &mut impl Sink,
    ) {
        self.attempts.touch(span.target, parent, self.now);
        let sent = match attempt {
            Some(attempt) => {
                let key = (span.target, parent.context());
                (self.attempts).complete(key, attempt, (exit, self.now), span)
            }
            None => Some(span),
        };
        if let Some(span) = sent {
            out.span(span);
        }
    }

    /// Sends the calls that others have followed.
    pub(crate) fn send_followed(&mut self, out: &mut impl Sink) {
        for span in self.attempts.released.drain(..) {
            out.span(span);
        }
    }

    /// Sends the last calls of requests that are quiet.
    pub(crate) fn settle_attempts(&mut self, out: &mut impl Sink) {
        let spans = (self.attempts).settle(self.now, &self.settings, &self.making, &mut self.tally);
        for span in spans {
            out.span(span);
        }
    }

    /// Sends all that is held.
    pub(crate) fn finish_attempts(&mut self, out: &mut impl Sink) {
        for span in self.attempts.finish() {
            out.span(span);
        }
    }
}
