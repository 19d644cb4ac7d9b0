//! Spans held against the truth.

mod inferred;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use crate::{load::quantile, otlp::Span, truth::Call};

/// How far a span may lie outside of the call it belongs to before it belongs to another.
const SLACK_NS: u64 = 2_000_000;
/// How far hotspan's clock may be from the target's, as it converts the kernel's.
const ANCHOR_NS: u64 = 5_000;

/// What a comparison showed.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Spans looked at.
    pub spans: usize,
    /// Spans whose chain of parents ends at the span that was active.
    pub right: usize,
    /// Spans whose chain ends elsewhere: what it should be, what it is.
    pub wrong: Vec<String>,
    /// Spans that no call of the truth contains.
    pub strays: Vec<String>,
    /// Spans whose chain ends at a span that nobody exported, where exports were given.
    pub dangling: Vec<String>,
    /// Calls under a sampled span that were long enough to be expected, by the name of their span.
    pub expected_by_name: BTreeMap<String, usize>,
    /// Of those, the ones without a span, by that name.
    pub missing_by_name: BTreeMap<String, usize>,
    /// The same, a line each.
    pub missing: Vec<String>,
    /// Spans made of calls that have no parent, or an unsampled one.
    pub unwanted: Vec<String>,
    /// Distance of starts from the truth, in nanoseconds, sorted.
    pub start_error_ns: Vec<u64>,
    /// Distance of ends from the truth, in nanoseconds, sorted.
    pub end_error_ns: Vec<u64>,
}

/// What to compare.
pub struct Case<'a> {
    /// hotspan's spans.
    pub spans: &'a [Span],
    /// The target's calls.
    pub calls: &'a [Call],
    /// The target's own exported spans; empty: not known.
    pub exported: &'a [Span],
    /// Calls shorter than this need not have a span.
    pub expect_from_ns: u64,
}

impl Verdict {
    /// Whether nothing is wrong, dangling, stray or unwanted, and nothing is missing.
    pub fn is_perfect(&self) -> bool {
        self.complaints().is_empty()
    }

    /// Everything that is not as it should be, a line each.
    pub fn complaints(&self) -> Vec<String> {
        let kinds = [
            ("wrong parent", &self.wrong),
            ("in no call", &self.strays),
            ("dangling parent", &self.dangling),
            ("missing", &self.missing),
            ("unwanted", &self.unwanted),
        ];
        kinds
            .iter()
            .flat_map(|(kind, list)| list.iter().map(move |line| format!("{kind}: {line}")))
            .collect()
    }

    /// Calls that were expected to have a span.
    pub fn expected(&self) -> usize {
        self.expected_by_name.values().sum()
    }

    /// For each name, how many of the expected calls have a span.
    pub fn found_by_name(&self) -> String {
        let found = |(name, expected): (&String, &usize)| {
            let missing = self.missing_by_name.get(name).copied().unwrap_or_default();
            format!("{name} {} of {expected}", expected - missing)
        };
        let names: Vec<String> = self.expected_by_name.iter().map(found).collect();
        names.join(", ")
    }

    /// One line with the figures.
    pub fn summary(&self) -> String {
        format!(
            "{} of {} spans under the right span, {} of {} expected calls have one; start off by {} us at the \
             median, {} us at p99; end off by {} us, {} us; {} stray, {} dangling, {} unwanted",
            self.right,
            self.spans,
            self.expected() - self.missing.len(),
            self.expected(),
            micros(&self.start_error_ns, 0.5),
            micros(&self.start_error_ns, 0.99),
            micros(&self.end_error_ns, 0.5),
            micros(&self.end_error_ns, 0.99),
            self.strays.len(),
            self.dangling.len(),
            self.unwanted.len(),
        )
    }
}

/// Compares.
pub fn judge(case: &Case<'_>) -> Verdict {
    let index = Index::of(case);
    let mut verdict = Verdict {
        spans: case.spans.len(),
        ..Verdict::default()
    };
    for span in case.spans {
        index.parent_of(span, &mut verdict);
    }
    for call in case.calls {
        index.span_of(call, case.expect_from_ns, &mut verdict);
    }
    verdict.start_error_ns.sort_unstable();
    verdict.end_error_ns.sort_unstable();
    verdict
}

/// The span that was made of a call: its name, its thread, and the most time in common.
pub fn span_for<'a>(spans: &'a [Span], call: &Call) -> Option<&'a Span> {
    spans
        .iter()
        .filter(|span| span.name == call.region && span.int("thread.id") == Some(call.tid))
        .filter_map(|span| Some((common_ns(span, call)?, span)))
        .max_by_key(|(common, _)| *common)
        .map(|(_, span)| span)
}

/// Nanoseconds that a span and a call have in common; `None` if they lie apart. A span whose end is
/// unknown is an instant: it has 0 in common with the call it lies in.
fn common_ns(span: &Span, call: &Call) -> Option<u64> {
    span.end_ns
        .min(call.end_ns)
        .checked_sub(span.start_ns.max(call.start_ns))
}

fn lies_in(span: &Span, parent: &Span) -> bool {
    parent.start_ns <= span.start_ns && span.end_ns <= parent.end_ns
}

struct Index<'a> {
    by_id: HashMap<(&'a str, &'a str), &'a Span>,
    by_thread: HashMap<i64, Vec<&'a Call>>,
    spans_by_thread: HashMap<i64, Vec<&'a Span>>,
    exported: HashMap<(&'a str, &'a str), &'a Span>,
}

impl<'a> Index<'a> {
    fn of(case: &Case<'a>) -> Self {
        let mut by_thread: HashMap<i64, Vec<&Call>> = HashMap::new();
        for call in case.calls {
            by_thread.entry(call.tid).or_default().push(call);
        }
        let mut spans_by_thread: HashMap<i64, Vec<&Span>> = HashMap::new();
        for span in case.spans {
            spans_by_thread
                .entry(span.int("thread.id").unwrap_or_default())
                .or_default()
                .push(span);
        }
        let key = |span: &'a Span| (span.trace_id.as_str(), span.span_id.as_str());
        Self {
            by_id: case.spans.iter().map(|span| (key(span), span)).collect(),
            by_thread,
            spans_by_thread,
            exported: case.exported.iter().map(|span| (key(span), span)).collect(),
        }
    }

    /// The outermost synthetic span above (or equal to) this one.
    fn outermost(&self, span: &'a Span) -> &'a Span {
        let mut at = span;
        // A chain of parents is no longer than the spans there are; a cycle would be.
        for _ in 0..self.by_id.len() {
            match self.by_id.get(&(at.trace_id.as_str(), at.parent.as_str())) {
                Some(above) => at = above,
                None => break,
            }
        }
        at
    }

    fn parent_of(&self, span: &'a Span, verdict: &mut Verdict) {
        let top = self.outermost(span);
        let what = format!(
            "{} {}..{} on {:?}",
            span.name,
            span.start_ns,
            span.end_ns,
            span.int("thread.id")
        );
        if top.parent.is_empty() {
            return self.begins_trace(top, what, verdict);
        }
        let parent = self
            .exported
            .get(&(top.trace_id.as_str(), top.parent.as_str()));
        if parent.is_none() && !self.exported.is_empty() {
            verdict
                .dangling
                .push(format!("{what}: {} {}", top.trace_id, top.parent));
        }
        if inferred::is_inferred(top) {
            return self.inferred_parent_of(top, parent.copied(), &what, verdict);
        }
        let Some(call) = self.call_around(top) else {
            // The service does not record what its framework computes (routing matches patterns): such a
            // span must at least lie in the time of the span it hangs under, where that is known, or hang
            // under a span that was active on its thread.
            if parent.map_or_else(|| self.was_active(top), |parent| lies_in(top, parent)) {
                verdict.right += 1;
            } else {
                verdict.strays.push(what);
            }
            return;
        };
        if (&call.trace_id, &call.span_id) == (&top.trace_id, &top.parent) {
            verdict.right += 1;
        } else {
            let (trace, parent) = (&top.trace_id, &top.parent);
            verdict.wrong.push(format!(
                "{what} in {}: {trace} {parent}, not {} {}",
                call.route, call.trace_id, call.span_id
            ));
        }
    }

    /// A trace of its own is for what no span was active for.
    fn begins_trace(&self, top: &Span, what: String, verdict: &mut Verdict) {
        match self.call_around(top) {
            None => verdict.strays.push(what),
            Some(call) if call.has_parent() => verdict.wrong.push(format!(
                "{what} in {}: none, not {} {}",
                call.route, call.trace_id, call.span_id
            )),
            Some(_) => verdict.right += 1,
        }
    }

    /// Whether a call on the span's thread had the span's parent.
    fn was_active(&self, span: &Span) -> bool {
        let calls = span
            .int("thread.id")
            .and_then(|tid| self.by_thread.get(&tid));
        calls.is_some_and(|calls| {
            calls
                .iter()
                .any(|call| (&call.trace_id, &call.span_id) == (&span.trace_id, &span.parent))
        })
    }

    /// The call that contains a span's time on its thread.
    fn call_around(&self, span: &Span) -> Option<&'a Call> {
        let calls = self.by_thread.get(&span.int("thread.id")?)?;
        let around = calls.iter().copied().filter(|call| {
            span.start_ns + SLACK_NS >= call.start_ns
                && span.end_ns <= call.end_ns + SLACK_NS
                && common_ns(span, call).is_some_and(|common| common * 2 >= span.duration_ns())
        });
        // Of several (a callback's call in its solve's, two greenlets on one thread) the last that had begun: the
        // thread reads its clock before the call, and may lose the CPU in between for longer than until the next one.
        let (begun, later): (Vec<&Call>, Vec<&Call>) =
            around.partition(|call| call.start_ns <= span.start_ns + ANCHOR_NS);
        let last_begun = begun.into_iter().max_by_key(|call| call.start_ns);
        last_begun.or_else(|| later.into_iter().min_by_key(|call| call.start_ns))
    }

    fn span_of(&self, call: &Call, expect_from_ns: u64, verdict: &mut Verdict) {
        let what = || {
            format!(
                "{} in {} at {} for {} us",
                call.region,
                call.route,
                call.start_ns,
                call.duration_ns() / 1000
            )
        };
        let mine = self.spans_by_thread.get(&call.tid).into_iter().flatten();
        let found = mine
            .filter(|span| span.name == call.region)
            .filter_map(|span| Some((common_ns(span, call)?, span)))
            .max_by_key(|(common, _)| *common);
        match found {
            Some((_, span)) if call.has_parent() => {
                verdict
                    .start_error_ns
                    .push(span.start_ns.abs_diff(call.start_ns));
                verdict.end_error_ns.push(span.end_ns.abs_diff(call.end_ns));
                if call.duration_ns() >= expect_from_ns {
                    count(&mut verdict.expected_by_name, call);
                }
            }
            Some((_, span)) if span.parent.is_empty() => {}
            Some((_, span)) => {
                verdict
                    .unwanted
                    .push(format!("{}: {} {}", what(), span.trace_id, span.parent));
            }
            None if call.has_parent() && call.duration_ns() >= expect_from_ns => {
                count(&mut verdict.expected_by_name, call);
                count(&mut verdict.missing_by_name, call);
                verdict.missing.push(what());
            }
            None => {}
        }
    }
}

fn count(by_name: &mut BTreeMap<String, usize>, call: &Call) {
    *by_name.entry(call.region.clone()).or_default() += 1;
}

fn micros(sorted: &[u64], q: f64) -> u64 {
    quantile(sorted, q).unwrap_or_default() / 1000
}
