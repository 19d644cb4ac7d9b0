//! Findings to spans: ids, parents, bounds, attributes, within the limits.

use std::sync::Arc;

use super::{
    choice::findings::{Finding, Origin},
    evidence::lane::Exact,
    functions::Functions,
};
use crate::{
    clock::{Clock, Instant},
    event::{Frame, Language, Parent},
    ids::{SpanId, TargetId},
    settings::Settings,
    span::{Attributes, Dropped, Span, Status},
    spans::{
        attributes::AttributeList,
        finish::PROBE_ERROR_NS,
        identity::inferred_span_id,
        limits::{Budget, Candidate},
    },
    summary::{NotInferred, Tally},
    synth::Sink,
    time::{KernelTime, UnixTime},
};

/// What emitting needs of the rest of the core.
pub(crate) struct Means<'a> {
    pub clock: &'a Clock,
    pub settings: &'a Settings,
    pub budget: &'a mut Budget,
    pub tally: &'a mut Tally,
    pub now: KernelTime,
}

/// Whose child a finding becomes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Above {
    pub span_id: SpanId,
    pub is_synthetic: bool,
    /// Synthetic spans from the target's to this one; 0: it is the target's.
    pub depth: u32,
    pub start: UnixTime,
    pub end: UnixTime,
}

/// Emits one lane's findings.
pub(super) struct Emitter<'a, 'm> {
    pub means: &'a mut Means<'m>,
    pub functions: &'a Functions,
    pub target: TargetId,
    pub parent: Parent,
    pub thread: u32,
    pub exact: &'a [Exact],
    /// Makes ids of one run different from each other.
    pub serial: &'a mut u64,
}

impl Emitter<'_, '_> {
    /// Emits a finding and all below it.
    pub fn emit(&mut self, finding: &Finding, above: Above, out: &mut impl Sink) {
        match self.span(finding, above) {
            Ok(span) => {
                let here = Above {
                    span_id: span.span_id,
                    is_synthetic: true,
                    depth: above.depth + 1,
                    start: span.start,
                    end: span.end,
                };
                out.span(span);
                for child in &finding.children {
                    self.emit(child, here, out);
                }
            }
            Err(reason) => self.means.tally.not_inferred(reason, finding.count()),
        }
    }

    fn span(&mut self, finding: &Finding, above: Above) -> Result<Span, NotInferred> {
        let (Some(start), Some(end)) = (self.unix(finding.start), self.unix(finding.end)) else {
            return Err(NotInferred::NoClock);
        };
        let clock_error_ns = start.error_ns.max(end.error_ns);
        let within = |instant: Instant| instant.unix.clamp(above.start, above.end);
        let (start, end) = (within(start), within(end));
        if start >= end {
            return Err(NotInferred::Empty);
        }
        self.admit(above)?;
        *self.serial += 1;
        let error_ns = clock_error_ns
            .saturating_add(PROBE_ERROR_NS)
            .saturating_add(finding.error_ns);
        let (attributes, cut) = self.attributes(finding, error_ns);
        let source = self.parent.source_name();
        self.means
            .tally
            .inferred(self.target, finding.origin, source);
        Ok(Span {
            target: self.target,
            trace_id: self.parent.trace_id,
            span_id: inferred_span_id(self.means.settings.seed, *self.serial),
            parent_span_id: above.span_id,
            parent_is_synthetic: above.is_synthetic,
            parent_is_remote: self.parent.remote && !above.is_synthetic,
            name: Arc::from(finding.name.as_str()),
            start,
            end,
            attributes,
            events: Vec::new(),
            links: Vec::new(),
            status: Status::Unset,
            dropped: Dropped {
                attributes: cut,
                ..Dropped::default()
            },
        })
    }

    fn admit(&mut self, above: Above) -> Result<(), NotInferred> {
        let mut parent = self.parent.context();
        parent.span_id = above.span_id;
        let candidate = Candidate {
            parent,
            depth: above.depth + 1,
            is_worker: false,
        };
        let Means {
            settings,
            budget,
            tally,
            now,
            ..
        } = &mut *self.means;
        budget
            .admit(candidate, *now, &settings.limits, tally)
            .map_err(NotInferred::from)
    }

    /// An instant as the spans of probes say it, if it is the side of one.
    fn unix(&self, time: KernelTime) -> Option<Instant> {
        let converted = self.means.clock.convert(time)?;
        let side = self.exact.iter().find_map(|exact| {
            if exact.entry == time {
                Some(exact.start)
            } else {
                (exact.exit == time).then_some(exact.end)
            }
        });
        Some(Instant {
            unix: side.unwrap_or(converted.unix),
            ..converted
        })
    }

    fn attributes(&mut self, finding: &Finding, error_ns: u64) -> (Attributes, u32) {
        let limits = &self.means.settings.limits;
        let mut list = AttributeList::new(limits);
        list.add("hotspan.origin", finding.origin.name());
        list.add("hotspan.parent.source", self.parent.source_name());
        if self.parent.remote {
            list.add("hotspan.parent.remote", true);
        }
        list.add_number("hotspan.error_ns", error_ns);
        if finding.samples > 0 {
            list.add_number("hotspan.samples", finding.samples.into());
        }
        if finding.left_out > 0 {
            list.add_number("hotspan.left_out", finding.left_out.into());
        }
        if let Some(workers) = finding.workers {
            list.add_number("hotspan.workers", workers.threads);
            list.add_number("hotspan.workers_cpu_ns", workers.cpu_ns);
        }
        if finding.is_merged {
            list.add("hotspan.merged", true);
        }
        if finding.is_continued {
            list.add("hotspan.continued", true);
        }
        if finding.runqueue_ns > 0 && finding.origin != Origin::Wait {
            list.add_number("hotspan.runqueue_ns", finding.runqueue_ns);
        }
        if finding.gil_ns > 0 && finding.origin != Origin::Wait {
            list.add_number("hotspan.gil_wait_ns", finding.gil_ns);
        }
        if let Some(frame) = finding.frame {
            of_code(&mut list, frame, self.functions);
        }
        list.add("thread.id", i64::from(self.thread));
        if finding.stack.len() > 1 {
            let text = stacktrace(
                &finding.stack,
                self.functions,
                limits.attribute_bytes as usize,
            );
            list.add("code.stacktrace", text);
        }
        list.finish(self.means.tally)
    }
}

fn of_code(list: &mut AttributeList<'_>, frame: Frame, functions: &Functions) {
    let Some(known) = functions.get(frame.function) else {
        return;
    };
    list.add("code.function.name", known.function.qualified.as_str());
    if !known.function.file.is_empty() {
        list.add("code.file.path", known.function.file.as_str());
    }
    if frame.line > 0 {
        list.add("code.line.number", i64::from(frame.line));
    }
}

/// Innermost first, one frame a line; of a long one, how many more there are.
fn stacktrace(stack: &[Frame], functions: &Functions, limit: usize) -> String {
    let mut text = String::with_capacity(limit.min(FRAME_BYTES * stack.len()));
    let mut numbers = itoa::Buffer::new();
    for (index, frame) in stack.iter().rev().enumerate() {
        let whole = text.len();
        if index > 0 {
            text.push('\n');
        }
        add_line(&mut text, *frame, functions);
        let left = numbers.format(stack.len() - index);
        let more = ["... ", left, " more"];
        let more_bytes: usize = more.iter().map(|part| part.len()).sum();
        // Two line ends beside it.
        if text.len() + more_bytes + usize::from(index == 0) + 1 > limit {
            text.truncate(whole);
            text.extend(more);
            break;
        }
    }
    text
}

/// What a line takes, as a rule.
const FRAME_BYTES: usize = 96;

fn add_line(text: &mut String, frame: Frame, functions: &Functions) {
    let Some(known) = functions.get(frame.function) else {
        return text.push('?');
    };
    let function = &known.function;
    text.push_str(&function.qualified);
    text.push_str(" (");
    match function.language {
        Language::Python => {
            text.push_str(&function.file);
            if frame.line > 0 {
                text.push(':');
                text.push_str(itoa::Buffer::new().format(frame.line));
            }
        }
        Language::Native | Language::Unnamed | Language::Kernel => text.push_str(&function.object),
    }
    text.push(')');
}
