//! A thread's part in a request: its evidence between the crossings on it.

use std::sync::Arc;

use super::{
    choose::Chooser,
    findings::Finding,
    functions::Functions,
    timeline::{Bound, Edge, Evidence, Kind, lay_out},
};
use crate::{
    event::Frame,
    item::Key,
    settings::Inference,
    time::{KernelTime, UnixTime},
};

/// A span of probes on the thread.
#[derive(Clone, Debug)]
pub(crate) struct Exact {
    pub key: Key,
    pub name: Arc<str>,
    /// As the region names its function.
    pub function: String,
    pub entry: KernelTime,
    pub exit: KernelTime,
    pub start: UnixTime,
    pub end: UnixTime,
    /// Synthetic spans from the target's to this one.
    pub depth: u32,
    pub span_id: crate::ids::SpanId,
}

/// All that is known of one thread in one request.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    pub evidence: Vec<Evidence>,
    pub exact: Vec<Exact>,
    /// Stacks at the entries of crossings.
    pub entries: Vec<(Key, Vec<Frame>)>,
    /// Crossings that samples were taken in.
    pub inside: std::collections::BTreeSet<Key>,
}

/// Spans to be, below a crossing or directly below the target's span.
#[derive(Debug)]
pub(crate) struct Found {
    pub host: Option<usize>,
    pub findings: Vec<Finding>,
}

impl Lane {
    /// The earliest instant that is known of.
    pub fn first(&self) -> Option<KernelTime> {
        let entries = self.exact.iter().map(|exact| exact.entry);
        let starts = self.evidence.iter().map(|evidence| evidence.start);
        entries.chain(starts).min()
    }

    /// The latest.
    pub fn last(&self) -> Option<KernelTime> {
        let exits = self.exact.iter().map(|exact| exact.exit);
        exits
            .chain(self.evidence.iter().map(|evidence| evidence.end))
            .max()
    }

    /// Puts everything into the order of time.
    pub fn sort(&mut self) {
        self.evidence
            .sort_by_key(|evidence| (evidence.start, evidence.end));
        self.exact
            .sort_by_key(|exact| (exact.entry, std::cmp::Reverse(exact.exit), exact.key));
    }

    /// What the lane shows, which must be sorted. `start` is the request's, if this is the thread
    /// that it began on.
    pub fn infer(
        &self,
        start: Option<KernelTime>,
        functions: &Functions,
        rules: &Inference,
    ) -> Vec<Found> {
        let around = self.around();
        let application = self.application(functions);
        let mut found = Vec::new();
        for host in std::iter::once(None).chain((0..self.exact.len()).map(Some)) {
            let mut findings = Vec::new();
            for (left, right) in self.segments(host, start, &around, functions) {
                let evidence = self.evidence_in(&left, &right);
                let pieces = lay_out(&evidence, &left, &right, rules);
                let chooser = Chooser {
                    pieces: &pieces,
                    functions,
                    application,
                    rules,
                    left: &left,
                    right: &right,
                };
                findings.extend(match host.and_then(|host| self.exact.get(host)) {
                    Some(exact) => chooser.within(&exact.name, self.depth_of(exact, functions)),
                    None if left.region.is_some() || right.region.is_some() => chooser.phases(),
                    None => chooser.top(),
                });
            }
            found.push(Found { host, findings });
        }
        found
    }

    /// For each crossing, the one around it.
    fn around(&self) -> Vec<Option<usize>> {
        let mut open: Vec<usize> = Vec::new();
        let mut around = Vec::with_capacity(self.exact.len());
        for (index, exact) in self.exact.iter().enumerate() {
            while let Some(&last) = open.last()
                && self
                    .exact
                    .get(last)
                    .is_some_and(|last| last.exit < exact.exit)
            {
                open.pop();
            }
            around.push(open.last().copied());
            open.push(index);
        }
        around
    }

    /// The stretches of a crossing's time, or of the lane's, that no crossing in it covers.
    fn segments(
        &self,
        host: Option<usize>,
        start: Option<KernelTime>,
        around: &[Option<usize>],
        functions: &Functions,
    ) -> Vec<(Edge, Edge)> {
        let edge = |time, bound| Edge {
            time,
            bound,
            region: None,
            callers: Vec::new(),
        };
        let (mut left, end) = match host.and_then(|host| self.exact.get(host)) {
            Some(exact) => (
                edge(exact.entry, Bound::Exact),
                edge(exact.exit, Bound::Exact),
            ),
            None => (
                start.map_or_else(
                    || edge(KernelTime::default(), Bound::Open),
                    |start| edge(start, Bound::Start),
                ),
                edge(KernelTime(u64::MAX), Bound::Open),
            ),
        };
        let mut segments = Vec::new();
        for (exact, above) in self.exact.iter().zip(around) {
            if *above != host || exact.entry < left.time {
                continue;
            }
            let callers = if host.is_none() {
                self.callers(exact, functions)
            } else {
                Vec::new()
            };
            let beside = |time| Edge {
                time,
                bound: Bound::Exact,
                region: Some(Arc::clone(&exact.name)),
                callers: callers.clone(),
            };
            segments.push((left, beside(exact.entry)));
            left = beside(exact.exit);
        }
        segments.push((left, end));
        segments
    }

    /// Evidence in a segment; waits that reach out of it are cut.
    fn evidence_in(&self, left: &Edge, right: &Edge) -> Vec<Evidence> {
        let from = self
            .evidence
            .partition_point(|evidence| evidence.start < left.time);
        // A wait may have begun before the segment; waits of a thread do not overlap.
        let from = self.evidence.get(..from).map_or(0, |before| {
            before
                .iter()
                .rposition(|evidence| evidence.end > left.time)
                .unwrap_or(from)
        });
        let all = self.evidence.get(from..).unwrap_or_default();
        let here = all
            .iter()
            .take_while(|evidence| evidence.start < right.time);
        let is_in = |evidence: &&Evidence| match evidence.kind {
            Kind::Sample { .. } => evidence.start >= left.time,
            Kind::Wait(_) => evidence.end > left.time,
        };
        here.filter(is_in)
            .map(|evidence| Evidence {
                start: evidence.start.max(left.time),
                end: evidence
                    .end
                    .min(right.time)
                    .max(evidence.start.max(left.time)),
                ..evidence.clone()
            })
            .collect()
    }

    /// Who called a crossing's region: by the stack at its entry, else by what all stacks in it have
    /// in common.
    fn callers(&self, exact: &Exact, functions: &Functions) -> Vec<Frame> {
        let entry = self.entries.iter().find(|(key, _)| *key == exact.key);
        let common = match entry {
            Some((_, stack)) => stack.clone(),
            None => self.common(exact),
        };
        let application = self.application(functions);
        let is_own = |frame: &Frame| {
            functions.layer(frame.function, application) == super::functions::Layer::User
        };
        let own = common.iter().rposition(is_own).map_or(0, |last| last + 1);
        common.get(..own).unwrap_or_default().to_vec()
    }

    /// The frames that all stacks in a crossing have in common.
    fn common(&self, exact: &Exact) -> Vec<Frame> {
        let mut inside = self
            .evidence
            .iter()
            .filter(|evidence| exact.entry <= evidence.start && evidence.end <= exact.exit);
        let first = inside
            .next()
            .map_or_else(Vec::new, |first| first.stack.clone());
        inside.fold(first, |mut common, evidence| {
            let same = common.iter().zip(&evidence.stack);
            let len = same.take_while(|(a, b)| a.function == b.function).count();
            common.truncate(len);
            common
        })
    }

    /// How many frames of the stacks in a crossing are its callers and its own.
    fn depth_of(&self, exact: &Exact, functions: &Functions) -> usize {
        let common = self.common(exact);
        let is_it = |frame: &Frame| {
            functions.get(frame.function).is_some_and(|known| {
                known.function.qualified == exact.function || known.function.name == exact.function
            })
        };
        if let Some(own) = common.iter().rposition(is_it) {
            return own + 1;
        }
        self.callers(exact, functions).len()
    }

    /// The application's package, unless its functions are known to be its own.
    fn application<'a>(&self, functions: &'a Functions) -> Option<&'a str> {
        let mut package = None;
        for evidence in &self.evidence {
            let Some(first) = evidence.stack.first() else {
                continue;
            };
            if functions.layer(first.function, None) == super::functions::Layer::User {
                return None;
            }
            package = package.or_else(|| functions.application(&evidence.stack));
        }
        package
    }
}
