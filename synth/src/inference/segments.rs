//! A lane's time, cut at its crossings and where its thread served others: each segment is laid out by itself.

use std::sync::Arc;

use super::{
    choice::{
        choose::Chooser,
        findings::{Finding, Origin},
    },
    evidence::lane::{Exact, Lane},
    functions::{Functions, Layer, frames::Stack},
    timeline::{Bound, Edge, Evidence, Within, lay_out, roots},
};
use crate::{event::Frame, settings::Inference, time::KernelTime};

/// The part of a request's time that spans are made of.
#[derive(Debug)]
pub(crate) struct Between {
    pub start: Edge,
    pub end: Edge,
}

impl Between {
    /// The same up to a crossing that has not ended.
    fn until(&self, open: Option<KernelTime>) -> Self {
        let open = open.filter(|open| *open < self.end.time);
        Self {
            start: self.start.clone(),
            end: open.map_or_else(|| self.end.clone(), |open| Edge::plain(open, Bound::Exact)),
        }
    }
}

/// Spans to be, below a crossing or directly below the target's span.
#[derive(Debug)]
pub(crate) struct Found {
    pub host: Option<usize>,
    pub findings: Vec<Finding>,
}

/// Whose time a lane is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// That of a thread that serves the request.
    Handler,
    /// That of a native thread that descends from one of its crossings.
    Worker,
}

impl Lane {
    /// What the lane shows, which must be sorted, between these instants.
    pub fn infer(
        &self,
        whose: Whose,
        between: &Between,
        functions: &Functions,
        rules: &Inference,
    ) -> Vec<Found> {
        let application = match whose {
            Whose::Handler => self.application(functions),
            Whose::Worker => None,
        };
        let lane = Sorted {
            lane: self,
            whose,
            functions,
            rules,
            application,
            inside: self.inside(),
        };
        let between = between.until(self.open);
        // Without stacks and waits, nobody asked for more than the regions.
        let is_sampled = !self.evidence.is_empty() || !self.entries.is_empty();
        let holds = |host: usize| {
            is_sampled
                && lane
                    .inside
                    .get(host + 1)
                    .is_some_and(|inside| !inside.is_empty())
        };
        let is_host = |host: usize, exact: &Exact| {
            !exact.is_folded && (holds(host) || !self.evidence_of(exact).is_empty())
        };
        let hosts = self.exact.iter().enumerate();
        let hosts: Vec<usize> = hosts
            .filter(|(host, exact)| is_host(*host, exact))
            .map(|(host, _)| host)
            .collect();
        std::iter::once(None)
            .chain(hosts.into_iter().map(Some))
            .map(|host| lane.found(host, &between))
            .collect()
    }

    /// For the lane, and then for each crossing, the crossings directly in it.
    fn inside(&self) -> Vec<Vec<usize>> {
        let mut inside = vec![Vec::new(); self.exact.len() + 1];
        let mut open: Vec<usize> = Vec::new();
        for (index, exact) in self.exact.iter().enumerate() {
            while let Some(&last) = open.last()
                && self
                    .exact
                    .get(last)
                    .is_some_and(|last| last.exit < exact.exit)
            {
                open.pop();
            }
            let around = open.last().map_or(0, |around| around + 1);
            if let Some(inside) = inside.get_mut(around) {
                inside.push(index);
            }
            open.push(index);
        }
        inside
    }

    /// The application's package, unless its functions are known to be its own.
    fn application<'a>(&self, functions: &'a Functions) -> Option<&'a str> {
        let mut package = None;
        for evidence in &self.evidence {
            let Some(first) = evidence.stack.first() else {
                continue;
            };
            if functions.layer(first.function, None) == Layer::User {
                return None;
            }
            package = package.or_else(|| functions.application(&evidence.stack));
        }
        package
    }
}

/// Waits before a segment that are looked at for one that reaches into it. Those of one thread do
/// not overlap; those of tasks on a loop may.
const NEIGHBOURS: usize = 8;

/// A lane in the order of time, with what inferring needs.
struct Sorted<'a> {
    lane: &'a Lane,
    whose: Whose,
    functions: &'a Functions,
    rules: &'a Inference,
    application: Option<&'a str>,
    inside: Vec<Vec<usize>>,
}

impl Sorted<'_> {
    fn found(&self, host: Option<usize>, between: &Between) -> Found {
        let exact = host.and_then(|host| self.lane.exact.get(host));
        let own = exact.map_or_else(Vec::new, |exact| self.own(exact));
        let seen = self.lane.first().zip(self.lane.ended());
        let lane_ns = seen.map_or(0, |(first, ended)| ended.since(first));
        let within = Within {
            host_ns: exact.map_or(lane_ns, |exact| exact.exit.since(exact.entry)),
            lane_ns,
        };
        let mut findings = Vec::new();
        for (left, right) in self.segments(host, between) {
            let mut evidence = self.evidence_in(&left, &right);
            roots::complete(&mut evidence, self.functions, self.rules);
            for evidence in &mut evidence {
                rebase(&mut evidence.stack, &own);
            }
            let pieces = lay_out(&evidence, &left, &right, within, self.rules);
            let chooser = Chooser {
                pieces: &pieces,
                functions: self.functions,
                application: self.application,
                rules: self.rules,
                left: &left,
                right: &right,
            };
            findings.extend(match exact {
                Some(exact) => chooser.region(&exact.region.name, own.len()),
                None if self.whose == Whose::Worker => chooser.workers(),
                None if left.region.is_some() || right.region.is_some() => chooser.phases(),
                None => chooser.top(),
            });
        }
        Found { host, findings }
    }

    /// The stretches of a crossing's time, or of the lane's, that no crossing in it covers.
    fn segments(&self, host: Option<usize>, between: &Between) -> Vec<(Edge, Edge)> {
        let (mut left, end) = match host.and_then(|host| self.lane.exact.get(host)) {
            // Of the time before this part, crossings in it are no longer known.
            Some(exact)
                if exact.entry < between.start.time && between.start.bound == Bound::Open =>
            {
                (between.start.clone(), Edge::plain(exact.exit, Bound::Exact))
            }
            Some(exact) => (
                Edge::plain(exact.entry, Bound::Exact),
                Edge::plain(exact.exit, Bound::Exact),
            ),
            None => (between.start.clone(), between.end.clone()),
        };
        let mut segments = Vec::new();
        let inside = self.inside.get(host.map_or(0, |host| host + 1));
        for exact in inside.into_iter().flatten() {
            let Some(exact) = self.lane.exact.get(*exact) else {
                continue;
            };
            if exact.exit <= left.time {
                continue;
            }
            let callers = if host.is_none() {
                self.callers(exact)
            } else {
                Vec::new()
            };
            let beside = |time| Edge {
                region: Some(Arc::clone(&exact.region.name)),
                callers: callers.clone(),
                ..Edge::plain(time, Bound::Exact)
            };
            // One that a part of the request ended in has begun before this part.
            if exact.entry >= left.time {
                segments.push((left, beside(exact.entry)));
            }
            left = beside(exact.exit);
        }
        segments.push((left, end));
        let apart = |(left, right)| self.apart(left, right);
        segments.into_iter().flat_map(apart).collect()
    }

    /// A segment without the time that its thread spent with others: how close to that its own work came is not known.
    fn apart(&self, mut left: Edge, right: Edge) -> Vec<(Edge, Edge)> {
        let mut parts = Vec::new();
        for (from, to) in &self.lane.elsewhere {
            if *to <= left.time || right.time <= *from {
                continue;
            }
            if left.time < *from {
                parts.push((left, Edge::plain(*from, Bound::Open)));
            }
            left = Edge::plain(*to, Bound::Open);
        }
        parts.push((left, right));
        parts
    }

    /// Evidence in a segment; waits that reach out of it are cut.
    fn evidence_in(&self, left: &Edge, right: &Edge) -> Vec<Evidence> {
        let all = &self.lane.evidence;
        let from = all.partition_point(|evidence| evidence.start < left.time);
        let to = all.partition_point(|evidence| evidence.start < right.time);
        let reaching = all
            .get(from.saturating_sub(NEIGHBOURS)..from)
            .unwrap_or_default();
        let reaching = reaching.iter().filter(|before| before.end > left.time);
        reaching
            .chain(all.get(from..to).unwrap_or_default())
            .map(|evidence| {
                let start = evidence.start.max(left.time);
                Evidence {
                    start,
                    end: evidence.end.min(right.time).max(start),
                    ..evidence.clone()
                }
            })
            .collect()
    }

    /// Who called a crossing's region: by the stack at its entry, else by what all stacks in it have
    /// in common.
    fn callers(&self, exact: &Exact) -> Vec<Frame> {
        let entry = self.lane.entries.iter().find(|(key, _)| *key == exact.key);
        let common = match entry {
            Some((_, stack)) => stack.to_vec(),
            None => self.common(exact),
        };
        let is_own =
            |frame: &Frame| self.functions.layer(frame.function, self.application) == Layer::User;
        let own = common.iter().rposition(is_own).map_or(0, |last| last + 1);
        common.get(..own).unwrap_or_default().to_vec()
    }

    /// The frames that all stacks in a crossing have in common.
    fn common(&self, exact: &Exact) -> Vec<Frame> {
        let mut inside = self.lane.evidence_of(exact).iter();
        let first = inside
            .next()
            .map_or_else(Vec::new, |first| first.stack.to_vec());
        inside.fold(first, |mut common, evidence| {
            let same = common.iter().zip(&*evidence.stack);
            let len = same.take_while(|(a, b)| a.function == b.function).count();
            common.truncate(len);
            common
        })
    }

    /// The stack of a crossing itself: its callers and its own function. Where no stack in it shows that,
    /// its callers down to the innermost of the application's.
    fn own(&self, exact: &Exact) -> Vec<Frame> {
        let is_it = |frame: &Frame| {
            let known = self.functions.get(frame.function);
            known.is_some_and(|known| exact.region.is_function(&known.function))
        };
        let mut stacks = self.lane.evidence_of(exact).iter();
        let shown = stacks.find_map(|evidence| {
            let own = evidence.stack.iter().position(is_it)?;
            evidence.stack.get(..=own)
        });
        shown.map_or_else(|| self.callers(exact), <[Frame]>::to_vec)
    }
}

/// Puts a stack that was taken in a crossing below the crossing's own: one that was cut short, as those of
/// waits often are, lacks some of it.
fn rebase(stack: &mut Stack, own: &[Frame]) {
    let same = stack.iter().zip(own);
    let same = same.take_while(|(a, b)| a.function == b.function).count();
    if same < own.len() {
        *stack = [own, &stack[same..]].concat().into();
    }
}

/// Says of the first span of a lane whose request has been going on that it may have, too.
pub(super) fn say_continued(found: &mut [Found]) {
    let all = found.iter_mut().flat_map(|found| &mut found.findings);
    let first = all.min_by_key(|finding| finding.start);
    if let Some(first) = first.filter(|first| first.origin == Origin::Sample) {
        first.is_continued = true;
    }
}
