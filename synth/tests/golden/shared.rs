//! Steps that an engine makes for several requests at once.

use hotspan_synth::{
    Limits, Settings, Synth,
    event::{Crossing, Event, Member, ParentRead},
    ids::{CrossingId, RegionId, TraceId},
    region::{AttributeRule, FoldRule, Meaning, Opening, Rate, Region, ValueRule},
    span::Span,
    time::KernelTime,
};

use crate::{crossing as plain, drawing::MS, tree, unindented};

const GENERATE: RegionId = RegionId(1);
const STEP: RegionId = RegionId(2);
/// A request of which is not said whose engine it is at.
const ANYWHERE: RegionId = RegionId(3);
const SEQUENCE: u32 = 0;
const LENGTH: u32 = 1;
const ENGINE: u32 = 2;

const SHOWN: &[&str] = &[
    "hotspan.count",
    "hotspan.shared_with",
    "hotspan.sequences",
    "tokens",
    "results",
];

fn regions() -> [Region; 3] {
    let span = |id, name: &str| Region::span(id, name, name, "libengine.so");
    let tokens = || AttributeRule {
        key: "tokens".to_owned(),
        value: ValueRule::Int { slot: LENGTH },
    };
    let opening = Opening {
        name: "engine.prefill".to_owned(),
        until: "engine.sample".to_owned(),
        length: LENGTH,
        position: None,
        each: None,
        numbered: false,
        attributes: vec![tokens()],
        until_count: Some("results".to_owned()),
        first_result: None,
    };
    [
        span(GENERATE, "engine.generate").with_meaning(Meaning {
            sequence: Some(SEQUENCE),
            engine: Some(ENGINE),
            ..Meaning::default()
        }),
        span(STEP, "engine.decode").with_meaning(Meaning {
            attributes: vec![tokens()],
            batch: Some("engine.batch".to_owned()),
            fold: Some(Box::new(FoldRule {
                by: Some(ENGINE),
                idle_ns: 1_000 * MS,
                sum: vec![LENGTH],
                rate: Some(Rate {
                    key: "rate".to_owned(),
                    slot: LENGTH,
                }),
                opening: Some(opening),
                ..FoldRule::default()
            })),
            ..Meaning::default()
        }),
        span(ANYWHERE, "engine.anywhere").with_meaning(Meaning {
            sequence: Some(SEQUENCE),
            ..Meaning::default()
        }),
    ]
}

fn crossing(region: RegionId, thread: u32, from: u64, to: u64, parent: ParentRead) -> Crossing {
    Crossing {
        id: CrossingId(from * 10 + u64::from(thread)),
        thread,
        parent,
        ..plain::crossing(region, from, to)
    }
}

/// A request of this letter that holds a sequence.
fn generate(letter: u8, sequence: u64, from: u64, to: u64) -> Crossing {
    let parent = ParentRead::Found(plain::under(char::from(letter)));
    Crossing {
        values: vec![(SEQUENCE, sequence), (ENGINE, 1)],
        ..crossing(GENERATE, u32::from(letter), from, to, parent)
    }
}

/// A step of the engine's own thread: sequence, tokens, results that are wanted.
fn step(from: u64, to: u64, members: &[(u64, u64, u64)]) -> Crossing {
    let member = |&(sequence, tokens, wanted): &(u64, u64, u64)| Member {
        sequence,
        tokens,
        wanted,
    };
    Crossing {
        values: vec![(ENGINE, 1)],
        members: members.iter().map(member).collect(),
        ..crossing(STEP, 9, from, to, ParentRead::None("no_span".to_owned()))
    }
}

/// The same of another engine's context.
fn at(engine: u64, mut crossing: Crossing) -> Crossing {
    for (slot, value) in &mut crossing.values {
        if *slot == ENGINE {
            *value = engine;
        }
    }
    crossing
}

fn spans(crossings: &[Crossing], limits: Limits) -> (Vec<Span>, String) {
    let mut synth = Synth::new(Settings {
        seed: 1,
        limits,
        ..Settings::default()
    });
    let mut spans = Vec::new();
    let clock = Event::Clock(plain::clock());
    let header = std::iter::once(clock).chain(regions().map(Event::Region));
    for event in header.chain(crossings.iter().cloned().map(Event::Crossing)) {
        synth.handle(event, &mut spans);
    }
    // The ends of the requests, in their order.
    for now in (0..100).map(|ms| KernelTime(ms * MS)) {
        synth.handle(Event::Tick { now }, &mut spans);
    }
    synth.finish(KernelTime(2_000 * MS), &mut spans);
    let text = tree::render(&spans, &synth.summary(), SHOWN);
    (spans, text)
}

#[track_caller]
fn check(crossings: &[Crossing], expected: &str) -> Vec<Span> {
    let (spans, found) = spans(crossings, Limits::default());
    let expected = unindented(expected);
    assert!(
        found == expected,
        "\nexpected:\n{expected}\nfound:\n{found}"
    );
    spans
}

#[test]
fn each_request_has_its_share() {
    let spans = check(
        &[
            step(12, 14, &[(0, 8, 0)]),
            step(16, 18, &[(0, 3, 1), (1, 8, 0)]),
            step(20, 22, &[(0, 1, 1), (1, 2, 1)]),
            step(24, 26, &[(0, 1, 1), (1, 1, 1), (7, 1, 1)]),
            generate(b'a', 0, 10, 30),
            step(31, 33, &[(1, 1, 1)]),
            generate(b'b', 1, 15, 40),
        ],
        "
        -
          engine.batch 16..22 count=2 sequences=2 tokens=14
        a
          engine.generate 10..30
            engine.prefill 12..18 count=2 shared_with=1 tokens=11
            engine.decode 20..26 count=2 shared_with=2 tokens=2 results=3
        b
          engine.generate 15..40
            engine.prefill 16..22 count=2 shared_with=1 tokens=10
            engine.decode 24..33 count=2 shared_with=2 tokens=2 results=3
        -
          engine.batch 24..26 count=1 sequences=3 tokens=3
        unattributed engine.decode no_span: 5, 10 ms
        ",
    );
    let of = |parent: u8, name: &str| {
        let of_trace = |span: &&Span| span.trace_id == TraceId([parent; 16]) && *span.name == *name;
        spans.iter().find(of_trace).unwrap()
    };
    let linked = |span: &Span| -> Vec<String> {
        let of = |id| spans.iter().find(|span| span.span_id == id).unwrap();
        let label = |to: &Span| format!("{} {}", to.name, to.start.0 / MS % 100);
        span.links
            .iter()
            .map(|link| label(of(link.span_id)))
            .collect()
    };
    // To the steps, and whoever ends later to those that have ended.
    assert_eq!(linked(of(b'a', "engine.prefill")), ["engine.batch 16"]);
    assert_eq!(
        linked(of(b'a', "engine.decode")),
        ["engine.batch 16", "engine.batch 24"]
    );
    let first = "engine.generate 10";
    assert_eq!(
        linked(of(b'b', "engine.prefill")),
        ["engine.batch 16", first]
    );
    assert_eq!(
        linked(of(b'b', "engine.decode")),
        ["engine.batch 24", first]
    );
}

#[test]
fn a_sequence_that_is_held_again_is_another_requests() {
    check(
        &[
            step(12, 14, &[(0, 8, 1)]),
            generate(b'a', 0, 10, 20),
            step(22, 24, &[(0, 4, 1)]),
            generate(b'b', 0, 21, 30),
        ],
        "
        a
          engine.generate 10..20
            engine.prefill 12..14 count=1 shared_with=0 tokens=8
        b
          engine.generate 21..30
            engine.prefill 22..24 count=1 shared_with=0 tokens=4
        unattributed engine.decode no_span: 2, 4 ms
        ",
    );
}

#[test]
fn a_share_is_whole_or_left_out() {
    let one = Limits {
        shared_steps: 1,
        ..Limits::default()
    };
    let bounded = [
        step(12, 14, &[(0, 8, 1)]),
        step(15, 17, &[(0, 1, 1)]),
        generate(b'a', 0, 10, 20),
    ];
    let (_, text) = spans(&bounded, one);
    let expected = "
        a
          engine.generate 10..20
        unattributed engine.decode no_span: 2, 4 ms
        limit.shared_steps: 1
        shares_unknown: 1
        ";
    assert_eq!(text, unindented(expected));
    let unknown = [
        step(12, 14, &[(0, 8, 1), (Member::UNKNOWN, 90, 0)]),
        step(15, 17, &[(0, 1, 1)]),
        generate(b'a', 0, 10, 20),
    ];
    let expected = "
        a
          engine.generate 10..20
        unattributed engine.decode no_span: 2, 4 ms
        shares_unknown: 1
        ";
    check(&unknown, expected);
}

#[test]
fn sequences_of_two_contexts_are_not_the_same() {
    let own = |letter, engine| at(engine, generate(letter, 0, 10, 30));
    let steps = [
        step(12, 14, &[(0, 8, 1), (1, 1, 1)]),
        at(2, step(13, 15, &[(0, 5, 1), (1, 1, 1)])),
        step(16, 18, &[(0, 1, 1), (1, 1, 1)]),
        at(2, step(17, 19, &[(0, 1, 1)])),
    ];
    let with = |requests: [Crossing; 2]| [&steps[..], &requests[..]].concat();
    check(
        &with([own(b'a', 1), own(b'b', 2)]),
        "
        -
          engine.batch 13..15 count=1 sequences=2 tokens=6
        a
          engine.generate 10..30
            engine.prefill 12..14 count=1 shared_with=1 tokens=8
            engine.decode 16..18 count=1 shared_with=1 tokens=1 results=2
        b
          engine.generate 10..30
            engine.prefill 13..15 count=1 shared_with=1 tokens=5
            engine.decode 17..19 count=1 shared_with=0 tokens=1 results=2
        -
          engine.batch 12..18 count=2 sequences=2 tokens=11
        unattributed engine.decode no_span: 4, 8 ms
        ",
    );
    let anywhere = Crossing {
        region: ANYWHERE,
        values: vec![(SEQUENCE, 0)],
        ..generate(b'a', 0, 10, 30)
    };
    // Which of the two it is at is not known.
    check(
        &with([anywhere.clone(), own(b'b', 2)]),
        "
        -
          engine.batch 13..15 count=1 sequences=2 tokens=6
        a
          engine.anywhere 10..30
        b
          engine.generate 10..30
            engine.prefill 13..15 count=1 shared_with=1 tokens=5
            engine.decode 17..19 count=1 shared_with=0 tokens=1 results=2
        unattributed engine.decode no_span: 4, 8 ms
        shares_unknown: 1
        ",
    );
    let (_, text) = spans(&[steps[0].clone(), anywhere], Limits::default());
    assert!(text.contains("engine.prefill 12..14"), "{text}");
}
