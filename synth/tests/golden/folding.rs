//! One span for many crossings: an engine that decodes a prompt in chunks, and then a token a step.

use hotspan_synth::{
    Limits, Settings, Synth,
    event::{Crossing, Ending, Event, Parent, ParentRead, ParentSource, TargetSpan},
    ids::{CrossingId, RegionId, SpanId, TargetId, TraceId},
    region::{AttributeRule, FailureRule, FoldRule, Meaning, Opening, Rate, Region, ValueRule},
    time::{ClockAnchor, KernelTime, UnixTime},
};

use crate::{
    drawing::{BASE, MS},
    tree, unindented,
};

const DECODE: RegionId = RegionId(1);
const SAMPLE: RegionId = RegionId(2);
const OUTER: RegionId = RegionId(3);
const IDLE_NS: u64 = 100 * MS;

const CONTEXT: u32 = 0;
const LENGTH: u32 = 1;
const POSITION: u32 = 2;
const EACH: u32 = 3;
const RESULT: u32 = 4;

const SHOWN: &[&str] = &[
    "hotspan.count",
    "hotspan.busy_ns",
    "tokens",
    "prompt",
    "sampled",
    "first",
    "rate",
    "error.type",
    "hotspan.attempt",
    "hotspan.attempts",
];

fn attribute(key: &str) -> AttributeRule {
    AttributeRule {
        key: key.to_owned(),
        value: ValueRule::Int { slot: LENGTH },
    }
}

fn region(id: RegionId, name: &str) -> Region {
    Region::span(id, name, name, "libengine.so")
}

fn regions() -> [Region; 3] {
    let by = || FoldRule {
        by: Some(CONTEXT),
        idle_ns: IDLE_NS,
        ..FoldRule::default()
    };
    let opening = Opening {
        name: "engine.prefill".to_owned(),
        until: "engine.sample".to_owned(),
        length: LENGTH,
        position: Some(POSITION),
        each: Some(EACH),
        numbered: true,
        attributes: vec![attribute("prompt")],
        until_count: Some("sampled".to_owned()),
        first_result: Some("first".to_owned()),
    };
    let decode = region(DECODE, "engine.decode").with_meaning(Meaning {
        attributes: vec![attribute("tokens")],
        failure: Some(FailureRule {
            slot: RESULT,
            errors: [(1, "NO_SLOT".to_owned())].into(),
        }),
        fold: Some(Box::new(FoldRule {
            sum: vec![LENGTH],
            rate: Some(Rate {
                key: "rate".to_owned(),
                slot: LENGTH,
            }),
            opening: Some(opening),
            ..by()
        })),
        ..Meaning::default()
    });
    let sample = region(SAMPLE, "engine.sample").with_meaning(Meaning {
        fold: Some(Box::new(by())),
        ..Meaning::default()
    });
    [decode, sample, region(OUTER, "engine.outer")]
}

fn parent(letter: u8) -> ParentRead {
    ParentRead::Found(Parent {
        trace_id: TraceId([letter; 16]),
        span_id: SpanId([letter; 8]),
        sampled: true,
        remote: false,
        source: ParentSource::Python,
        by_lineage: false,
    })
}

/// A crossing of milliseconds.
struct Step {
    region: RegionId,
    from: u64,
    to: u64,
    parent: u8,
    values: Vec<(u32, u64)>,
    enclosing: Option<u64>,
}

impl Step {
    fn under(mut self, parent: u8) -> Self {
        self.parent = parent;
        self
    }

    fn with(mut self, slot: u32, value: u64) -> Self {
        self.values.retain(|(known, _)| *known != slot);
        self.values.push((slot, value));
        self
    }

    fn inside(mut self, of: u64) -> Self {
        self.enclosing = Some(of);
        self
    }

    fn event(&self) -> Event {
        Event::Crossing(Crossing {
            id: CrossingId(self.from * 1_000 + u64::from(self.region.0)),
            target: TargetId(1),
            region: self.region,
            thread: 1,
            enclosing: self
                .enclosing
                .map(|from| CrossingId(from * 1_000 + u64::from(OUTER.0))),
            entry: KernelTime(self.from * MS),
            exit: KernelTime(self.to * MS),
            proven: KernelTime(self.to * MS),
            ending: Ending::Returned,
            runqueue_ns: 0,
            blocked_ns: 0,
            resources: None,
            parent: parent(self.parent),
            values: self.values.clone(),
            text: None,
            called: None,
            members: Vec::new(),
        })
    }
}

fn step(region: RegionId, from: u64, to: u64, values: &[(u32, u64)]) -> Step {
    Step {
        region,
        from,
        to,
        parent: b'a',
        values: [&[(CONTEXT, 77)], values].concat(),
        enclosing: None,
    }
}

fn decode(from: u64, to: u64, position: u64, length: u64) -> Step {
    step(DECODE, from, to, &[(POSITION, position), (LENGTH, length)])
}

fn sample(at: u64) -> Step {
    step(SAMPLE, at, at + 1, &[])
}

/// A prompt of 10 tokens in chunks of 4, and 3 sampled tokens.
fn generation() -> Vec<Step> {
    vec![
        decode(10, 14, 0, 4),
        decode(14, 18, 4, 4),
        decode(18, 20, 8, 2),
        sample(20),
        decode(22, 24, 10, 1),
        sample(24),
        decode(26, 28, 11, 1),
        sample(28),
    ]
}

fn run(steps: &[Step], limits: Limits) -> (Vec<hotspan_synth::span::Span>, hotspan_synth::Summary) {
    let mut synth = Synth::new(Settings {
        seed: 1,
        limits,
        ..Settings::default()
    });
    let mut spans = Vec::new();
    let clock = ClockAnchor {
        kernel: KernelTime(0),
        unix: UnixTime(BASE),
        error_ns: 0,
    };
    let request = TargetSpan {
        target: TargetId(1),
        trace_id: TraceId([b'a'; 16]),
        span_id: SpanId([b'a'; 8]),
        name: "POST /v1/completions".to_owned(),
        start: UnixTime(BASE + MS),
    };
    let announced = regions().map(Event::Region);
    for event in [Event::Clock(clock), Event::Span(request)]
        .into_iter()
        .chain(announced)
    {
        synth.handle(event, &mut spans);
    }
    let last = steps.iter().map(|step| step.to).max().unwrap_or(0);
    for now in 1..=last + 1 {
        let ended = steps.iter().filter(|step| step.to == now);
        for event in ended.map(Step::event) {
            synth.handle(event, &mut spans);
        }
        let now = KernelTime(now * MS + MS / 2);
        synth.handle(Event::Tick { now }, &mut spans);
    }
    synth.finish(KernelTime((last + 2) * MS), &mut spans);
    let summary = synth.summary();
    let counted = summary.spans + summary.joined + summary.dropped.values().sum::<u64>();
    assert_eq!(summary.crossings, counted, "{summary:?}");
    (spans, summary)
}

#[track_caller]
fn check(steps: &[Step], expected: &str) {
    let (spans, summary) = run(steps, Limits::default());
    let found = tree::render(&spans, &summary, SHOWN);
    let expected = unindented(expected);
    assert!(
        found == expected,
        "\nexpected:\n{expected}\nfound:\n{found}"
    );
}

#[test]
fn chunks_are_the_prefill_and_steps_the_decode() {
    check(
        &generation(),
        "
        a
          engine.prefill 10..20 count=3 busy_ns=10000000 first=0.02 rate=1000 prompt=10
          engine.sample 20..29 count=3 busy_ns=3000000
          engine.decode 22..28 count=2 busy_ns=4000000 sampled=3 rate=333.3333333333333 tokens=2
        ",
    );
}

#[test]
fn a_last_chunk_of_one_token_is_still_the_prompt() {
    check(
        &[
            decode(10, 14, 0, 4),
            decode(14, 15, 4, 1),
            sample(15),
            decode(17, 18, 5, 1),
            sample(18),
        ],
        "
        a
          engine.prefill 10..15 count=2 busy_ns=5000000 first=0.015 rate=1000 prompt=5
          engine.sample 15..19 count=2 busy_ns=2000000
          engine.decode 17..18 count=1 busy_ns=1000000 sampled=2 rate=1000 tokens=1
        ",
    );
}

#[test]
fn a_second_prompt_in_one_request_is_a_second_prefill() {
    let mut steps = generation();
    // It shares a prefix of 6 tokens, and one token is new.
    steps.extend([decode(30, 31, 6, 1), sample(31), decode(33, 34, 7, 1)]);
    check(
        &steps,
        "
        a
          engine.prefill 10..20 count=3 busy_ns=10000000 first=0.02 rate=1000 prompt=10 attempt=1
          engine.sample 20..32 count=4 busy_ns=4000000
          engine.decode 22..28 count=2 busy_ns=4000000 sampled=3 rate=333.3333333333333 tokens=2
          engine.prefill 30..31 count=1 busy_ns=1000000 first=0.031 rate=1000 prompt=1 attempt=2 attempts=2
          engine.decode 33..34 count=1 busy_ns=1000000 sampled=1 rate=1000 tokens=1
        ",
    );
}

#[test]
fn speculated_tokens_are_steps_and_a_prompt_that_goes_on_is_none() {
    let speculated = [
        decode(10, 12, 0, 3),
        sample(12),
        decode(14, 16, 3, 4).with(EACH, 1),
    ];
    check(
        &speculated,
        "
        a
          engine.prefill 10..12 count=1 busy_ns=2000000 first=0.012 rate=1500 prompt=3
          engine.sample 12..13 count=1 busy_ns=1000000
          engine.decode 14..16 count=1 busy_ns=2000000 sampled=1 rate=2000 tokens=4
        ",
    );
    let goes_on = [
        decode(10, 12, 0, 3),
        sample(12),
        decode(14, 16, 3, 4).with(EACH, 0),
    ];
    check(
        &goes_on,
        "
        a
          engine.prefill 10..12 count=1 busy_ns=2000000 first=0.012 rate=1500 prompt=3 attempt=1
          engine.sample 12..13 count=1 busy_ns=1000000
          engine.prefill 14..16 count=1 busy_ns=2000000 rate=2000 prompt=4 attempt=2 attempts=2
        ",
    );
}

#[test]
fn requests_and_contexts_are_kept_apart() {
    check(
        &[
            decode(10, 12, 0, 2),
            decode(12, 14, 0, 2).under(b'b'),
            decode(14, 16, 2, 2),
            decode(16, 18, 0, 2).with(CONTEXT, 78),
        ],
        "
        a
          engine.prefill 10..16 count=2 busy_ns=4000000 rate=666.6666666666666 prompt=4
          engine.prefill 16..18 count=1 busy_ns=2000000 rate=1000 prompt=2
        b
          engine.prefill 12..14 count=1 busy_ns=2000000 rate=1000 prompt=2
        ",
    );
}

#[test]
fn a_pause_ends_the_span() {
    check(
        &[sample(10), sample(12), sample(200), sample(202)],
        "
        a
          engine.sample 10..13 count=2 busy_ns=2000000
          engine.sample 200..203 count=2 busy_ns=2000000
        ",
    );
}

#[test]
fn a_step_that_fails_fails_the_span() {
    check(
        &[
            decode(10, 12, 0, 2).with(RESULT, 0),
            decode(12, 14, 2, 2).with(RESULT, 1),
            decode(14, 16, 4, 2).with(RESULT, 0),
        ],
        "
        a
          engine.prefill 10..16 count=3 busy_ns=6000000 rate=1000 prompt=6 error.type=NO_SLOT ERROR(NO_SLOT)
            * exception 16
        ",
    );
}

#[test]
fn what_is_folded_in_a_span_stays_in_it() {
    let steps = [
        decode(12, 14, 0, 2).inside(10),
        decode(14, 16, 2, 2).inside(10),
        step(OUTER, 10, 20, &[]),
        // Under the request itself, not under the outer span: another sequence.
        decode(22, 24, 4, 2),
    ];
    check(
        &steps,
        "
        a
          engine.outer 10..20
            engine.prefill 12..16 count=2 busy_ns=4000000 rate=1000 prompt=4 attempt=1
          engine.prefill 22..24 count=1 busy_ns=2000000 rate=1000 prompt=2 attempt=2 attempts=2
        ",
    );
}

#[test]
fn the_requests_at_a_time_are_bounded() {
    let limits = Limits {
        sequences: 1,
        ..Limits::default()
    };
    let (spans, summary) = run(
        &[sample(10), sample(12).under(b'b'), sample(14).under(b'b')],
        limits,
    );
    assert_eq!(spans.len(), 2);
    assert_eq!(summary.noted.get("limit.sequences"), Some(&1));
}
