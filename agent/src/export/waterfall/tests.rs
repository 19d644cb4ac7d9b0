use std::{
    io::{self, Read, Write},
    sync::Arc,
    time::Duration,
};

use hotspan_synth::{
    ids::{SpanId, TargetId, TraceId},
    span::{Span, Status, Value},
    time::UnixTime,
};
use tokio::time::Instant;

use super::{
    super::{
        BatchConfig, DropReason, ExporterSummary, Say,
        queue::{Queue, Queued},
        sample,
        targets::{TargetSlot, Targets},
    },
    Row, Style,
    live::{draw, start_on},
    pending::{Pending, SETTLE},
    render, tags,
};
use crate::terminal::{text, units::duration};

const PLAIN: Style = Style { colour: false };

/// `depth name start..end tags`, times in milliseconds; a `~` before the name: not synthetic, a `!`:
/// failed.
fn rows(drawing: &str) -> Vec<Row> {
    let mut above = Vec::new();
    let mut rows = Vec::new();
    for (index, line) in drawing
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .enumerate()
    {
        let depth = (line.len() - line.trim_start().len()) / 2;
        let mut words = line.trim_start().splitn(3, "  ");
        let name = words.next().expect("a name");
        let times = words.next().expect("times");
        let (start, end) = times.split_once("..").expect("start..end");
        let time = |text: &str| UnixTime((text.parse::<f64>().expect("a number") * 1e6) as u64);
        above.truncate(depth);
        let id = SpanId((index as u64 + 1).to_be_bytes());
        rows.push(Row {
            id,
            parent: above.last().copied().unwrap_or_default(),
            name: name.trim_start_matches(['~', '!']).to_owned(),
            start: time(start),
            end: time(end),
            synthetic: !name.starts_with('~'),
            failed: name.starts_with('!'),
            tags: words.next().unwrap_or_default().to_owned(),
        });
        above.push(id);
    }
    rows
}

const SOLVE: &str = "
~POST /solve  0..1074
  ~POST /solve http receive  0.1..0.2
  cpsat.solve  8..1071  OPTIMAL, objective 42, 3 events
    cpsat.presolve  9..35
    cpsat.search  36..1067
      cpsat.worker  40..1060  default_lp
      !cpsat.worker  41..700  quick_restart, ERROR
  ~POST /solve http send  1072..1073
";

#[track_caller]
fn check(drawing: &str, columns: usize, expected: &str) {
    let drawn = render(&rows(drawing), columns, PLAIN);
    for line in drawn.lines() {
        assert!(text::width(line) <= columns, "wider than {columns}: {line}");
    }
    assert_eq!(drawn, expected.trim_start_matches('\n'), "\n{drawn}");
}

#[test]
fn in_120_columns() {
    let expected = "
POST /solve                                     ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒   1.07 s
├ POST /solve http receive                      ▏                                                                 100 µs
├ cpsat.solve  OPTIMAL, objective 42, 3 events  ███████████████████████████████████████████████████████████████   1.06 s
│ ├ cpsat.presolve                              ███                                                              26.0 ms
│ └ cpsat.search                                  █████████████████████████████████████████████████████████████   1.03 s
│   ├ cpsat.worker  default_lp                    █████████████████████████████████████████████████████████████   1.02 s
│   └ cpsat.worker  quick_restart, ERROR          ████████████████████████████████████████                        659 ms
└ POST /solve http send                                                                                       ▏  1.00 ms
";
    check(SOLVE, 120, expected);
}

#[test]
fn in_80_columns() {
    let expected = "
POST /solve                                     ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒   1.07 s
├ POST /solve http receive                      ▏                         100 µs
├ cpsat.solve  OPTIMAL, objective 42, 3 events  ███████████████████████   1.06 s
│ ├ cpsat.presolve                              █                        26.0 ms
│ └ cpsat.search                                ███████████████████████   1.03 s
│   ├ cpsat.worker  default_lp                  ███████████████████████   1.02 s
│   └ cpsat.worker  quick_restart, ERROR        ███████████████           659 ms
└ POST /solve http send                                               ▏  1.00 ms
";
    check(SOLVE, 80, expected);
}

#[test]
fn in_50_columns_bars_shrink() {
    let expected = "
POST /solve                      ▒▒▒▒▒▒▒▒   1.07 s
├ POST /solve http receive       ▏          100 µs
├ cpsat.solve  OPTIMAL, object…  ████████   1.06 s
│ ├ cpsat.presolve               ▏         26.0 ms
│ └ cpsat.search                 ████████   1.03 s
│   ├ cpsat.worker  default_lp   ████████   1.02 s
│   └ cpsat.worker  quick_rest…  ██████     659 ms
└ POST /solve http send                 ▏  1.00 ms
";
    check(SOLVE, 50, expected);
}

#[test]
fn in_40_columns_bars_vanish() {
    let expected = "
POST /solve                       1.07 s
├ POST /solve http receive        100 µs
├ cpsat.solve  OPTIMAL, object…   1.06 s
│ ├ cpsat.presolve               26.0 ms
│ └ cpsat.search                  1.03 s
│   ├ cpsat.worker  default_lp    1.02 s
│   └ cpsat.worker  quick_rest…   659 ms
└ POST /solve http send          1.00 ms
";
    check(SOLVE, 40, expected);
}

#[test]
fn wide_and_dangerous_names() {
    let expected = "
検索  █████████████  10.0 ms
\u{fffd}[2J        ███████  5.00 ms
";
    check("検索  0..10\n\u{1b}[2J  5..10\n", 28, expected);
}

#[test]
fn nothing_breaks_in_a_window_without_room() {
    for columns in 0..12 {
        let drawn = render(&rows(SOLVE), columns, PLAIN);
        assert_eq!(drawn.lines().count(), 8, "{columns}");
    }
    assert_eq!(render(&[], 80, PLAIN), "");
}

#[test]
fn many_rows_are_counted() {
    let drawing = "a  0..1\n".repeat(45);
    let drawn = render(&rows(&drawing), 80, PLAIN);
    assert_eq!(drawn.lines().count(), 41);
    assert_eq!(drawn.lines().last(), Some("… 5 more"));
}

#[test]
fn a_cycle_of_parents_ends() {
    let mut rows = rows("a  0..2\nb  0..1\n");
    rows[0].parent = rows[1].id;
    rows[1].parent = rows[0].id;
    let expected = "a    ████████  2.00 ms\n└ b  ████      1.00 ms\n";
    assert_eq!(render(&rows, 22, PLAIN), expected);
}

#[test]
fn colours_tell_the_kinds_apart() {
    let drawn = render(
        &rows("~sdk  0..1\n!failed  0..1\nours  0..1"),
        40,
        Style { colour: true },
    );
    for (line, colour) in drawn
        .lines()
        .zip(["\u{1b}[34m", "\u{1b}[31m", "\u{1b}[32m"])
    {
        assert_eq!(line.matches(colour).count(), 2, "name and bar: {line}");
    }
    assert_eq!(drawn.lines().count(), 3);
}

#[test]
fn durations() {
    #[track_caller]
    fn check(nanos: u64, expected: &str) {
        assert_eq!(duration(nanos), expected);
    }
    check(0, "0 ns");
    check(999, "999 ns");
    check(1_000, "1.00 µs");
    check(9_996, "10.0 µs");
    check(99_960, "100 µs");
    check(999_499, "999 µs");
    check(999_500, "1.00 ms");
    check(999_600_000, "1.00 s");
    check(59_949_000_000, "59.9 s");
    check(59_990_000_000, "1m 00s");
    check(3_599_000_000_000, "59m 59s");
    check(3_599_900_000_000, "60m 00s");
    check(7_260_000_000_000, "2h 01m");
}

#[test]
fn tags_of_a_span() {
    #[track_caller]
    fn check(attributes: &[(&str, Value)], status: Status, expected: &str) {
        let attributes = attributes
            .iter()
            .map(|(key, value)| ((*key).to_owned().into(), value.clone()))
            .collect();
        assert_eq!(
            tags(&Span {
                attributes,
                status,
                ..sample::span(1, 1)
            }),
            expected
        );
    }
    let objective = |value: f64| [("optim.objective_value", Value::Float(value))];
    let error = Status::Error {
        description: "boom".to_owned(),
    };
    check(&[], Status::Unset, "");
    check(
        &[("error.type", "ValueError".into())],
        error,
        "ERROR, ValueError",
    );
    check(&objective(42.0), Status::Unset, "objective 42");
    check(&objective(0.1 + 0.2), Status::Unset, "objective 0.3");
    check(&objective(123_456.75), Status::Unset, "objective 123457");
    check(&objective(-1e300), Status::Unset, "objective -1.000e300");
    check(
        &[
            ("cpsat.subsolver", "lns".into()),
            ("hotspan.count", 7.into()),
        ],
        Status::Unset,
        "lns, ×7",
    );
    let full = sample::full_span(1, 1);
    assert_eq!(
        tags(&full),
        "ERROR, OPTIMAL, objective 12.5, workers a b, 1 event"
    );
}

/// Spans that come, at times in milliseconds, and what is drawn when.
struct Live {
    pending: Pending,
    target: Arc<TargetSlot>,
    start: Instant,
}

impl Live {
    fn new() -> Self {
        let mut targets = Targets::default();
        targets.describe(sample::target(1, "shop"));
        Self {
            pending: Pending::default(),
            target: targets.slot(TargetId(1)),
            start: Instant::now(),
        }
    }

    fn at(&self, millis: u64) -> Instant {
        self.start + Duration::from_millis(millis)
    }

    /// A span of this trace, with its id and its parent; 101 and 102 are the target's own.
    fn add(&mut self, millis: u64, trace: u8, id: u64, parent: u64) {
        let span = Span {
            trace_id: TraceId([trace; 16]),
            parent_span_id: SpanId(parent.to_be_bytes()),
            parent_is_synthetic: !(101..=102).contains(&parent),
            attributes: vec![("hotspan.parent.source".into(), "otel.python".into())],
            ..sample::span(1, id)
        };
        let queued = Queued {
            target: Arc::clone(&self.target),
            span: Arc::new(span),
        };
        self.pending.add(vec![queued], self.at(millis));
    }

    /// What is drawn: for each tree its parent, whether it is complete, and its spans.
    #[track_caller]
    fn check(&mut self, millis: u64, expected: &[(u64, bool, &[u64])]) {
        let trees = self.pending.take_due(self.at(millis), false);
        let drawn: Vec<_> = trees
            .iter()
            .map(|tree| {
                let ids: Vec<_> = tree
                    .spans
                    .iter()
                    .map(|span| u64::from_be_bytes(span.span_id.0))
                    .collect();
                (u64::from_be_bytes(tree.parent.0), tree.complete, ids)
            })
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|&(parent, complete, ids)| (parent, complete, ids.to_vec()))
            .collect();
        assert_eq!(drawn, expected);
    }

    #[track_caller]
    fn check_next(&self, millis: Option<u64>) {
        assert_eq!(
            self.pending.next_due(),
            millis.map(|millis| self.at(millis))
        );
    }
}

#[test]
fn what_is_inferred_of_a_request_is_drawn_with_its_crossings() {
    let core = Duration::from_nanos(hotspan_synth::Settings::default().settle_ns);
    assert!(SETTLE > 2 * core);
}

#[test]
fn a_tree_waits_for_its_outermost_span() {
    let mut live = Live::new();
    live.check_next(None);
    live.add(0, 1, 3, 2);
    live.check_next(Some(10_000));
    live.add(100, 1, 2, 1);
    live.add(500, 1, 1, 101);
    live.check_next(Some(3_000));
    live.check(2_999, &[]);
    live.check(3_000, &[(101, true, &[3, 2, 1])]);
    live.check_next(None);
}

#[test]
fn what_follows_soon_is_drawn_together_but_not_for_ever() {
    let mut live = Live::new();
    for step in 0..10 {
        live.add(step * 1_000, 1, step + 1, if step < 5 { 101 } else { 102 });
    }
    live.check_next(Some(10_000));
    live.check(
        10_000,
        &[
            (101, true, &[1, 2, 3, 4, 5]),
            (102, true, &[6, 7, 8, 9, 10]),
        ],
    );
}

#[test]
fn under_a_span_that_is_long_open() {
    let mut live = Live::new();
    live.add(0, 1, 3, 2);
    // Another tree of the same trace does not take it along.
    live.add(10, 1, 7, 101);
    live.check(2_510, &[(101, true, &[7])]);
    live.check_next(Some(10_000));
    live.check(10_000, &[(2, false, &[3])]);
    live.add(11_000, 1, 2, 101);
    live.check(13_500, &[(101, true, &[2])]);
}

#[test]
fn headline() {
    let mut live = Live::new();
    live.add(0, 0xab, 1, 101);
    let tree = live.pending.take_due(live.at(2_500), false).remove(0);
    let drawn = draw(&tree, 120, PLAIN);
    let expected =
        "trace abababababababababababababababab under span 0000000000000065 (otel.python)  shop";
    assert_eq!(drawn.lines().next(), Some(expected));
    assert_eq!(
        drawn.lines().nth(1).map(|line| &line[..11]),
        Some("cpsat.solve")
    );
}

/// Hands spans to a live waterfall and ends it.
async fn show(writer: Box<dyn Write + Send>, spans: Vec<Span>) -> ExporterSummary {
    let mut targets = Targets::default();
    targets.describe(sample::target(1, "shop"));
    let say: Say = Arc::new(|_: &str| {});
    let queue = Queue::new(BatchConfig::default(), Arc::default());
    let worker = start_on(writer, PLAIN, queue, say).expect("started");
    let queued = |span| Queued {
        target: targets.slot(TargetId(1)),
        span: Arc::new(span),
    };
    worker.queue().push(
        spans
            .into_iter()
            .map(queued)
            .collect::<Vec<_>>()
            .into_iter(),
    );
    let deadline = Instant::now() + Duration::from_secs(20);
    worker.close(deadline);
    worker.finish(deadline).await
}

#[tokio::test]
async fn the_end_draws_what_waits() {
    let (mut reader, writer) = io::pipe().expect("a pipe");
    let mut open = sample::span(1, 2);
    open.parent_is_synthetic = true;
    let summary = show(Box::new(writer), vec![open, sample::span(1, 1)]).await;
    assert_eq!((summary.sent, summary.dropped_total()), (2, 0));
    let mut drawn = String::new();
    reader.read_to_string(&mut drawn).expect("read");
    let trace = "trace 07070707070707070707070707070707";
    let heads: Vec<_> = drawn
        .lines()
        .filter(|line| line.starts_with("trace"))
        .collect();
    assert_eq!(
        heads,
        [
            format!("{trace} in span 0909090909090909, still open or shown before  shop"),
            format!("{trace} under span 0909090909090909  shop"),
        ]
    );
}

#[tokio::test]
async fn a_terminal_that_is_gone_is_counted() {
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    let summary = show(Box::new(writer), vec![sample::span(1, 1)]).await;
    assert_eq!(summary.dropped, [(DropReason::WriteFailed, 1)]);
    assert_eq!(
        summary.last_error.as_deref(),
        Some("Broken pipe (os error 32)")
    );
}
