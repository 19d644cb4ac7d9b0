//! The end of a request: what was gathered of it becomes spans.

use super::{
    Inference, coverage,
    emit::{Above, Emitter, Means},
    findings::Finding,
    lane::{self, Exact},
    longest,
    requests::{Request, RequestKey},
};
use crate::{
    event::Parent,
    ids::TargetId,
    known::KnownCrossings,
    summary::{NotInferred, SampleUse},
    synth::{NativeWork, Sink},
    time::{KernelTime, UnixTime},
};

impl Inference {
    /// Emits what is inferred of a request; of one that is not over, not beyond what was seen.
    pub(super) fn end(
        &mut self,
        key: RequestKey,
        is_early: bool,
        known: &KnownCrossings,
        means: &mut Means<'_>,
        out: &mut impl Sink,
    ) {
        let limit = means.settings.limits.traces;
        let Some(mut request) = self.requests.take(key, limit, is_early, known) else {
            return;
        };
        for ((thread, _), lane) in &mut request.lanes {
            for evidence in &mut lane.evidence {
                self.neighbours.narrow(*thread, key, evidence);
            }
        }
        let cut: usize = request.cut(known);
        means.tally.evidence(SampleUse::InOpenCrossing, cut);
        let name = self.requests.span(key).map(|span| span.name.as_str());
        if let Some(folded) = &mut self.folded {
            for lane in request.lanes.values() {
                folded.lane(name, lane, &self.functions);
            }
        }
        for (place, lane) in &mut request.lanes {
            let at = (*place, lane);
            self.nested
                .strip(at, key, &self.requests, known, &self.functions);
        }
        let start = self.start(key, &request, means);
        let start_unix = self.requests.span(key).map(|span| span.start);
        let first = request
            .lanes
            .iter()
            .min_by_key(|(key, lane)| (lane.first(), **key));
        let first = first.map(|(key, _)| *key);
        let mut lanes = Vec::new();
        for (lane_key, lane) in &request.lanes {
            let start = start.filter(|_| Some(*lane_key) == first);
            let between = request.between(start, is_early);
            let between = request.between_of(lane_key.0, lane, between);
            let mut found = lane.infer(&between, &self.functions, &means.settings.inference);
            if request.resumed.is_some() {
                lane::say_continued(&mut found);
            }
            lanes.push((lane_key.0, lane, found));
        }
        let limit = means.settings.inference.spans_per_request;
        let all = lanes.iter_mut().flat_map(|(.., found)| found);
        let left_out = longest::keep(all.map(|found| &mut found.findings), limit as usize);
        if left_out > 0 {
            means
                .tally
                .not_inferred(NotInferred::SpansPerRequest, left_out);
        }
        let all = lanes.iter().flat_map(|(.., found)| found);
        out.shape(key.0, self.shapes.met(key.0, name, all));
        let mut leaves = Vec::new();
        for (thread, lane, found) in &lanes {
            coverage::leaves(lane, found, &mut leaves);
            let mut emitter = Emitter {
                means,
                functions: &self.functions,
                target: key.0,
                parent: request.parent,
                thread: *thread,
                exact: &lane.exact,
                serial: &mut self.serial,
            };
            for found in found {
                let above = match found.host.and_then(|host| lane.exact.get(host)) {
                    Some(exact) => Above::crossing(exact),
                    None => Above::target(&request.parent, start_unix.unwrap_or_default()),
                };
                for finding in &found.findings {
                    emitter.emit(finding, above, out);
                    // What lies in a region is exact enough: its outermost function has probes.
                    if found.host.is_none() {
                        tell(key.0, finding, out);
                    }
                }
            }
        }
        if let Some((begun, last)) = start.or(request.first()).zip(request.last()) {
            let is_new = request.resumed.is_none();
            means
                .tally
                .coverage
                .request(name, is_new, begun, last, leaves);
        }
    }

    /// When the request began, if the target's own record says so and this is its first part.
    fn start(&self, key: RequestKey, request: &Request, means: &Means<'_>) -> Option<KernelTime> {
        if request.resumed.is_some() {
            return None;
        }
        let start = means.clock.kernel_time(self.requests.span(key)?.start)?;
        // The target's clock and the kernel's differ by less than a span may be off.
        Some(start.min(request.first()?))
    }
}

impl Above {
    fn crossing(exact: &Exact) -> Self {
        Self {
            span_id: exact.span_id,
            is_synthetic: true,
            depth: exact.depth,
            start: exact.start,
            end: exact.end,
        }
    }

    fn target(parent: &Parent, start: UnixTime) -> Self {
        Self {
            span_id: parent.span_id,
            is_synthetic: false,
            depth: 0,
            start,
            end: UnixTime(u64::MAX),
        }
    }
}

fn tell(target: TargetId, finding: &Finding, out: &mut impl Sink) {
    let mut natives = Vec::new();
    finding.natives(&mut natives);
    for (functions, length_ns) in natives {
        out.native(NativeWork {
            target,
            functions,
            length_ns,
        });
    }
}
