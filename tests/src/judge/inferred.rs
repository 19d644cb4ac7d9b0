//! What is inferred, held against the truth: by the error that it declares for itself.

use super::{Index, SLACK_NS, Verdict};
use crate::{otlp::Span, truth::Call};

/// How long a thread may be without a CPU between the end of a span and letting go of it, on a machine with more work
/// than it has CPUs.
const LOST_CPU_NS: u64 = 50_000_000;

/// Whether a span comes of samples or waits, or fills the time beside probes.
pub(super) fn is_inferred(span: &Span) -> bool {
    span.text("hotspan.origin")
        .is_some_and(|origin| origin != "probe")
}

impl Index<'_> {
    /// What is inferred lies where it says, give or take what it declares. Several calls may be under way on a
    /// thread at a time (greenlets): one of them must have its parent.
    pub(super) fn inferred_parent_of(
        &self,
        top: &Span,
        parent: Option<&Span>,
        what: &str,
        verdict: &mut Verdict,
    ) {
        let calls = top
            .int("thread.id")
            .and_then(|tid| self.by_thread.get(&tid));
        let around: Vec<&Call> = calls
            .into_iter()
            .flatten()
            .filter(|call| surely_lies_in(top, call.start_ns, call.end_ns))
            .copied()
            .collect();
        // The active span may be one that was opened inside of the call: without exports, its trace must do.
        let active = self.exported_above(&top.trace_id, &top.parent);
        let is_its = |call: &&Call| {
            call.trace_id == top.trace_id
                && (self.exported.is_empty() || active.contains(&call.span_id.as_str()))
        };
        if around.iter().any(is_its) {
            verdict.right += 1;
        } else if let Some(call) = around
            .iter()
            .find(|call| self.is_alone(call) && !self.may_be_suspended(top, call))
        {
            let (trace, parent) = (&top.trace_id, &top.parent);
            let stack = top.text("code.stacktrace").unwrap_or_default();
            verdict.wrong.push(format!(
                "{what} in {} of {}: {trace} {parent}; its stack:\n{stack}",
                call.route, call.trace_id
            ));
        } else if self.exported.is_empty() && !self.knows_trace(&top.trace_id) {
            // A request of which the service records nothing.
            verdict.spans -= 1;
        } else if parent.is_none_or(|parent| belongs_to(top, parent)) {
            verdict.right += 1;
        } else {
            let bounds = parent.map(|parent| (parent.start_ns, parent.end_ns));
            let error_ns = declared_error_ns(top);
            verdict
                .strays
                .push(format!("{what}: off by {error_ns}, its parent {bounds:?}"));
        }
    }

    /// Whether its thread did nothing for other traces meanwhile (greenlets take turns).
    fn is_alone(&self, call: &Call) -> bool {
        let others = self.by_thread.get(&call.tid).into_iter().flatten();
        let overlaps = |other: &&Call| other.start_ns < call.end_ns && call.start_ns < other.end_ns;
        others
            .filter(|other| overlaps(other))
            .all(|other| other.trace_id == call.trace_id)
    }

    /// Whether it may be the wait of a task, or a function that did little but wait, that is suspended while the event
    /// loop, which is the process's first thread, computes for another request.
    fn may_be_suspended(&self, span: &Span, call: &Call) -> bool {
        call.tid == i64::from(call.pid) && (is_wait(span) || self.mostly_waits(span))
    }

    fn mostly_waits(&self, span: &Span) -> bool {
        let inside = self.by_id.values().filter(|below| {
            is_wait(below) && (&below.trace_id, &below.parent) == (&span.trace_id, &span.span_id)
        });
        inside.map(|wait| wait.duration_ns()).sum::<u64>() * 2 >= span.duration_ns()
    }

    /// A span of the target and the exported ones above it.
    fn exported_above<'b>(&'b self, trace_id: &'b str, span_id: &'b str) -> Vec<&'b str> {
        let above = |at: &&'b str| {
            let exported = self.exported.get(&(trace_id, *at))?;
            (!exported.parent.is_empty()).then_some(exported.parent.as_str())
        };
        std::iter::successors(Some(span_id), above)
            .take(self.exported.len() + 1)
            .collect()
    }

    fn knows_trace(&self, trace_id: &str) -> bool {
        let mut calls = self.by_thread.values().flatten();
        calls.any(|call| call.trace_id == trace_id)
    }
}

fn is_wait(span: &Span) -> bool {
    span.text("hotspan.origin") == Some("wait")
}

/// Whether a span can lie in its parent. A span is still the current one while it is handed to its exporter,
/// and who waits then (for the CPU, say) waits as long as it takes, and maybe again.
fn belongs_to(span: &Span, parent: &Span) -> bool {
    let slack_ns = if is_wait(span) { LOST_CPU_NS } else { SLACK_NS };
    let current_until_ns = parent.end_ns + slack_ns;
    let begins = Span {
        end_ns: span.start_ns,
        ..span.clone()
    };
    may_lie_in(&begins, parent.start_ns, current_until_ns)
        && (is_wait(span) || may_lie_in(span, parent.start_ns, current_until_ns))
}

/// Whether a span can have been within these bounds, each of its sides as far off as it declares.
fn may_lie_in(span: &Span, start_ns: u64, end_ns: u64) -> bool {
    let error_ns = declared_error_ns(span);
    let reaches_into =
        |side_ns: u64| side_ns + error_ns >= start_ns && side_ns <= end_ns + error_ns;
    reaches_into(span.start_ns) && reaches_into(span.end_ns)
}

/// Whether it must have been, wherever its sides truly are: with what it surely covers, if there is such a time, else
/// with all that it may.
fn surely_lies_in(span: &Span, start_ns: u64, end_ns: u64) -> bool {
    let error_ns = declared_error_ns(span);
    let (first, last) = (
        span.start_ns + error_ns,
        span.end_ns.saturating_sub(error_ns),
    );
    let (first, last) = if first <= last {
        (first, last)
    } else {
        (
            span.start_ns.saturating_sub(error_ns),
            span.end_ns + error_ns,
        )
    };
    start_ns <= first && last <= end_ns
}

fn declared_error_ns(span: &Span) -> u64 {
    let error_ns = span.int("hotspan.error_ns");
    error_ns.unwrap_or_default().unsigned_abs()
}
