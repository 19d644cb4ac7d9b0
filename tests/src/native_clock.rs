//! Spans held against the clock that the target reads right around the native call.

use crate::{judge::span_for, load::quantile, otlp::Span, truth::Call};

/// What of the error that a span states lies between the call and its probe's stamp. That lies inside of the call, so
/// that only the rest of it, the error of the conversion from the kernel's clock, can carry a side out of the call.
const PROBE_ERROR_NS: u64 = 5_000;

/// A call by that clock, and its span.
#[derive(Clone, Copy, Debug)]
pub struct Stamped<'a> {
    /// What the target wrote.
    pub call: &'a Call,
    /// Unix time right before the native call, in nanoseconds.
    pub before_ns: u64,
    /// Unix time right after it.
    pub after_ns: u64,
    /// hotspan's span of it.
    pub span: &'a Span,
}

/// The calls that the target stamped so and that have a span.
pub fn stamped<'a>(spans: &'a [Span], calls: &'a [Call]) -> Vec<Stamped<'a>> {
    let pair = |call: &'a Call| {
        let (before_ns, after_ns) = call.native_ns()?;
        Some(Stamped {
            call,
            before_ns,
            after_ns,
            span: span_for(spans, call)?,
        })
    };
    calls.iter().filter_map(pair).collect()
}

impl Stamped<'_> {
    /// How far the span lies outside of the call beyond what the clock's conversion explains, in nanoseconds.
    pub fn outside_ns(&self) -> u64 {
        let stated_ns = self.span.int("hotspan.error_ns").unwrap_or_default();
        let clock_ns = (stated_ns as u64).saturating_sub(PROBE_ERROR_NS);
        let early_ns = self.before_ns.saturating_sub(self.span.start_ns);
        let late_ns = self.span.end_ns.saturating_sub(self.after_ns);
        early_ns.max(late_ns).saturating_sub(clock_ns)
    }

    /// The part of the call that the span covers.
    pub fn covered(&self) -> f64 {
        self.span.duration_ns() as f64 / self.after_ns.saturating_sub(self.before_ns).max(1) as f64
    }
}

/// How far sides lie from that clock, in nanoseconds, sorted.
#[derive(Debug, Default)]
pub struct Distances {
    starts_ns: Vec<u64>,
    ends_ns: Vec<u64>,
    outside: usize,
}

impl Distances {
    /// Of all these.
    pub fn of(stamped: &[Stamped<'_>]) -> Self {
        let sorted = |distance: fn(&Stamped<'_>) -> u64| {
            let mut all: Vec<u64> = stamped.iter().map(distance).collect();
            all.sort_unstable();
            all
        };
        Self {
            starts_ns: sorted(|at| at.span.start_ns.abs_diff(at.before_ns)),
            ends_ns: sorted(|at| at.span.end_ns.abs_diff(at.after_ns)),
            outside: stamped.iter().filter(|at| at.outside_ns() > 0).count(),
        }
    }

    /// One line with the figures.
    pub fn summary(&self) -> String {
        let spread = |sorted: &[u64]| {
            let at = |q| quantile(sorted, q).unwrap_or_default() as f64 / 1e3;
            format!("{:.0} us at the median, {:.0} us at p99", at(0.5), at(0.99))
        };
        format!(
            "start off by {}; end off by {}; {} of {} outside of it",
            spread(&self.starts_ns),
            spread(&self.ends_ns),
            self.outside,
            self.starts_ns.len()
        )
    }
}
