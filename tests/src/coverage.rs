//! How much of each request has a name, held against what the service itself says it did when.

use std::collections::{HashMap, HashSet};

use crate::{otlp::Span, truth::Call};

/// `SpanKind` of a server's span, on the wire.
const SERVER: i32 = 2;
/// How far the service's own stamps lie from the work they enclose.
const STAMP_NS: u64 = 100_000;
/// The service stamps the call that waits, and that is more than its wait: before it and after it the thread may wait for a
/// CPU or a lock for less than hotspan tells of.
const CALL_NS: u64 = 1_000_000;

/// A request: the server's span, what the service wrote of it, and hotspan's spans in its trace.
#[derive(Debug)]
pub struct Request<'a> {
    /// The service's own span.
    pub root: &'a Span,
    /// What it did, in its own words.
    pub phases: Vec<&'a Call>,
    spans: Vec<&'a Span>,
}

/// A side of an inferred span whose true place is known.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// What the service says of that work.
    pub phase: &'a Call,
    /// The span of its name.
    pub span: &'a Span,
    /// Whether it is the start.
    pub is_start: bool,
    /// How far it lies inside of the work, in nanoseconds; negative: outside.
    pub inside_ns: i64,
}

/// Sides of spans whose true place is known, and how many lay within the stated error, beyond which a wait's may lie as far
/// inside of its call as the call may take besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sides {
    /// Within.
    pub within: usize,
    /// All.
    pub all: usize,
    /// Of all, those of waits.
    pub of_waits: usize,
    /// Of those within, those of waits that only the call's own time excuses.
    pub excused: usize,
}

/// Requests out of three records, in the order of their start. Requests without a phase are left out.
pub fn requests<'a>(
    exported: &'a [Span],
    calls: &'a [Call],
    spans: &'a [Span],
) -> Vec<Request<'a>> {
    let mut phases: HashMap<&str, Vec<&Call>> = HashMap::new();
    for call in calls {
        phases.entry(&call.trace_id).or_default().push(call);
    }
    let mut inside: HashMap<&str, Vec<&Span>> = HashMap::new();
    for span in spans {
        inside.entry(&span.trace_id).or_default().push(span);
    }
    let roots = exported.iter().filter(|span| span.kind == SERVER);
    let mut requests: Vec<_> = roots
        .filter_map(|root| {
            Some(Request {
                root,
                phases: phases.remove(root.trace_id.as_str())?,
                spans: inside.remove(root.trace_id.as_str()).unwrap_or_default(),
            })
        })
        .collect();
    requests.sort_by_key(|request| request.root.start_ns);
    requests
}

impl Request<'_> {
    /// The union of the leaf spans over the root, with what goes on behind it. A leaf counts where the service says that the work
    /// it is named after (or a span above it is) was done, and nowhere else.
    pub fn coverage(&self) -> f64 {
        let parents: HashSet<&str> = self.spans.iter().map(|span| span.parent.as_str()).collect();
        let leaves = self
            .spans
            .iter()
            .filter(|span| !parents.contains(span.span_id.as_str()));
        let mut pieces: Vec<(u64, u64)> = Vec::new();
        for leaf in leaves {
            for phase in &self.phases {
                if self.bears(leaf, &phase.region) {
                    pieces.extend(common(leaf, phase.start_ns, phase.end_ns).and_then(
                        |(start, end)| clip(start, end, self.root.start_ns, self.end_ns()),
                    ));
                }
            }
        }
        let whole_ns = self.end_ns().saturating_sub(self.root.start_ns);
        union_ns(pieces) as f64 / whole_ns.max(1) as f64
    }

    /// What a careful hand would reach: the union of what the service says it did, over the same time. The rest is the web
    /// framework's, which no span by hand covers either.
    pub fn by_hand(&self) -> f64 {
        let whole = (self.root.start_ns, self.end_ns());
        let phases = self.phases.iter();
        let pieces =
            phases.filter_map(|phase| clip(phase.start_ns, phase.end_ns, whole.0, whole.1));
        union_ns(pieces.collect()) as f64 / whole.1.saturating_sub(whole.0).max(1) as f64
    }

    /// When the last of its work ended: a service's span ends with the answer, which background tasks outlive.
    fn end_ns(&self) -> u64 {
        let work = self.phases.iter().map(|phase| phase.end_ns);
        work.fold(self.root.end_ns, u64::max)
    }

    /// Phases of which no more than half lies under spans that bear their name, each with the spans that lie there.
    pub fn misnamed(&self) -> Vec<(&Call, Vec<&Span>)> {
        let misnamed = self.phases.iter().filter(|phase| !self.is_named(phase));
        let there = |phase: &Call| {
            let spans = self.spans.iter().copied();
            let inside = |span: &&Span| common(span, phase.start_ns, phase.end_ns).is_some();
            spans.filter(inside).collect()
        };
        misnamed.map(|phase| (*phase, there(phase))).collect()
    }

    fn is_named(&self, phase: &Call) -> bool {
        let named = self
            .spans
            .iter()
            .filter(|span| self.bears(span, &phase.region));
        let pieces = named.filter_map(|span| common(span, phase.start_ns, phase.end_ns));
        union_ns(pieces.collect()) * 2 > phase.duration_ns()
    }

    /// hotspan's spans in it, in the order of the file.
    pub fn spans(&self) -> &[&Span] {
        &self.spans
    }

    /// Starts and ends of inferred spans that bear a phase's very name, against the phase's.
    pub fn sides(&self) -> Vec<Side<'_>> {
        let mut sides = Vec::new();
        for &phase in &self.phases {
            let mine = self.spans.iter().copied().filter(|span| {
                span.name == phase.region
                    && span.text("hotspan.origin") != Some("probe")
                    && common(span, phase.start_ns, phase.end_ns).is_some()
            });
            // The outer sides: what lies between two spans of one phase is coverage's business.
            let first = mine.clone().min_by_key(|span| span.start_ns);
            let last = mine.max_by_key(|span| span.end_ns);
            sides.extend(first.map(|span| Side {
                phase,
                span,
                is_start: true,
                inside_ns: signed(span.start_ns, phase.start_ns),
            }));
            sides.extend(last.map(|span| Side {
                phase,
                span,
                is_start: false,
                inside_ns: signed(phase.end_ns, span.end_ns),
            }));
        }
        sides
    }

    /// Whether a span, or one above it, is named after this work.
    fn bears(&self, span: &Span, region: &str) -> bool {
        let mut at = Some(span);
        // A chain of parents is no longer than the spans there are; a cycle would be.
        for _ in 0..=self.spans.len() {
            let Some(here) = at else { return false };
            if is_named_after(&here.name, region) {
                return true;
            }
            at = self
                .spans
                .iter()
                .find(|above| above.span_id == here.parent)
                .copied();
        }
        false
    }
}

impl Side<'_> {
    /// Whether it lies within the error that the span states.
    pub fn is_within(&self) -> bool {
        self.is_within_error() || self.is_excused()
    }

    fn is_within_error(&self) -> bool {
        self.inside_ns.unsigned_abs() <= self.allowed_ns()
    }

    /// Whether it is a wait's, and its call accounts for the rest.
    fn is_excused(&self) -> bool {
        let inside_ns = u64::try_from(self.inside_ns);
        self.is_wait() && inside_ns.is_ok_and(|inside| inside <= self.allowed_ns() + CALL_NS)
    }

    fn is_wait(&self) -> bool {
        self.span.text("hotspan.origin") == Some("wait")
    }

    fn allowed_ns(&self) -> u64 {
        let error_ns = self.span.int("hotspan.error_ns").unwrap_or_default();
        u64::try_from(error_ns).unwrap_or(0) + STAMP_NS
    }
}

impl Sides {
    /// Counts these, too.
    pub fn add(&mut self, sides: &[Side<'_>]) {
        self.all += sides.len();
        self.within += sides.iter().filter(|side| side.is_within()).count();
        self.of_waits += sides.iter().filter(|side| side.is_wait()).count();
        let excused = |side: &&Side<'_>| side.is_within() && !side.is_within_error();
        self.excused += sides.iter().filter(excused).count();
    }
}

/// What else a solve may be called where no region names it: the functions that make the call.
fn names(region: &str) -> &'static [&'static str] {
    match region {
        "cpsat.solve" => &[
            "solve_cpsat",
            "CpSolver.solve",
            "solve",
            "timed",
            "SolveCpModel",
            "SolveWrapper::Solve",
        ],
        "routing.solve" => &[
            "routing",
            "search_routes",
            "RoutingModel.SolveWithParameters",
            "SolveWithParameters",
            "RoutingModel::SolveWithParameters",
            "RoutingModel::SolveFromAssignmentWithParameters",
            "RoutingModel::SolveFromAssignmentsWithParameters",
        ],
        _ => &[],
    }
}

/// Who calls the work and the region after it: where no stack shows more, what comes before that is named after
/// these.
fn callers(region: &str) -> &'static str {
    match region {
        "build_model" => "cpsat",
        "routing_model" => "routing",
        _ => "",
    }
}

fn is_named_after(name: &str, region: &str) -> bool {
    let is_callers = || {
        let before = name.split_once(".before_");
        before.is_some_and(|(caller, _)| caller == callers(region))
    };
    name == region || names(region).contains(&name) || is_callers()
}

fn common(span: &Span, start_ns: u64, end_ns: u64) -> Option<(u64, u64)> {
    clip(span.start_ns, span.end_ns, start_ns, end_ns)
}

fn clip(start: u64, end: u64, from: u64, to: u64) -> Option<(u64, u64)> {
    let (start, end) = (start.max(from), end.min(to));
    (start < end).then_some((start, end))
}

fn signed(a: u64, b: u64) -> i64 {
    let apart = i64::try_from(a.abs_diff(b)).unwrap_or(i64::MAX);
    if a < b { -apart } else { apart }
}

fn union_ns(mut pieces: Vec<(u64, u64)>) -> u64 {
    pieces.sort_unstable();
    let (mut total, mut covered_to) = (0, 0);
    for (start, end) in pieces {
        total += end.saturating_sub(start.max(covered_to));
        covered_to = covered_to.max(end);
    }
    total
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn span(id: &str, parent: &str, name: &str, start_ns: u64, end_ns: u64) -> Span {
        Span {
            trace_id: "aa".to_owned(),
            span_id: id.to_owned(),
            parent: parent.to_owned(),
            parent_is_remote: false,
            name: name.to_owned(),
            start_ns,
            end_ns,
            kind: if parent.is_empty() { SERVER } else { 1 },
            status: 0,
            attributes: [
                ("hotspan.origin".to_owned(), json!("sample")),
                ("hotspan.error_ns".to_owned(), json!(10_000_000)),
            ]
            .into(),
            events: Vec::new(),
            scope: String::new(),
            links: Vec::new(),
            resource: [].into(),
        }
    }

    fn phase(region: &str, start_ns: u64, end_ns: u64) -> Call {
        Call {
            region: region.to_owned(),
            route: "/".to_owned(),
            trace_id: "aa".to_owned(),
            span_id: "r".to_owned(),
            sampled: true,
            pid: 1,
            tid: 1,
            start_ns,
            end_ns,
            facts: json!({}),
        }
    }

    const MS: u64 = 1_000_000;

    #[test]
    fn only_leaves_in_their_phase_and_by_its_name_count() {
        let exported = [span("r", "", "GET", 0, 100 * MS)];
        let calls = [phase("work", 0, 60 * MS), phase("rest", 60 * MS, 100 * MS)];
        let spans = [
            // A parent does not count, its leaf does, by the name above it.
            span("a", "r", "work", 0, 50 * MS),
            span("b", "a", "inner", 0, 30 * MS),
            // By another name, and beyond its phase.
            span("c", "r", "other", 60 * MS, 80 * MS),
            span("d", "r", "work", 55 * MS, 70 * MS),
        ];
        let requests = requests(&exported, &calls, &spans);
        assert!((requests[0].coverage() - 0.35).abs() < 1e-9);
        assert!((requests[0].by_hand() - 1.0).abs() < 1e-9);
        let misnamed = requests[0].misnamed();
        let names: Vec<&str> = misnamed[0].1.iter().map(|span| &*span.name).collect();
        assert_eq!(misnamed.len(), 1);
        assert_eq!(
            (&*misnamed[0].0.region, names),
            ("rest", vec!["other", "work"])
        );
    }

    #[test]
    fn sides_are_held_against_the_stated_error() {
        let exported = [span("r", "", "GET", 0, 100 * MS)];
        let calls = [phase("work", 20 * MS, 60 * MS)];
        let spans = [span("a", "r", "work", 5 * MS, 65 * MS)];
        let mut found = Sides::default();
        found.add(&requests(&exported, &calls, &spans)[0].sides());
        let expected = Sides {
            within: 1,
            all: 2,
            ..Sides::default()
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_wait_is_a_part_of_its_call() {
        let exported = [span("r", "", "GET", 0, 100 * MS)];
        let calls = [phase("wait.sleep", 20 * MS, 60 * MS)];
        let sides = |start_ns, end_ns| {
            let mut wait = span("a", "r", "wait.sleep", start_ns, end_ns);
            let said = [
                ("hotspan.origin".to_owned(), json!("wait")),
                ("hotspan.error_ns".to_owned(), json!(0)),
            ];
            wait.attributes.extend(said);
            let mut found = Sides::default();
            found.add(&requests(&exported, &calls, &[wait])[0].sides());
            (found.within, found.of_waits, found.excused)
        };
        assert_eq!(sides(20 * MS, 60 * MS), (2, 2, 0));
        assert_eq!(sides(20 * MS + MS / 2, 59 * MS), (2, 2, 2));
        assert_eq!(sides(19 * MS + MS / 2, 58 * MS), (0, 2, 0));
    }
}
