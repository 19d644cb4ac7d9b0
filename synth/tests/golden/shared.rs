//! Steps that an engine makes for several requests at once.

use hotspan_synth::{
    Limits, Settings, Synth,
    event::{Crossing, Event, Member, ParentRead},
    ids::{CrossingId, RegionId, TraceId},
    region::{AttributeRule, FoldRule, Opening, Rate, Region, ValueRule},
    span::Span,
    time::KernelTime,
};

use crate::{crossing as plain, timeline::MS, tree, unindented};

const GENERATE: RegionId = RegionId(1);
const STEP: RegionId = RegionId(2);
const SEQUENCE: u32 = 0;
const LENGTH: u32 = 1;

const SHOWN: &[&str] = &["hotspan.count", "hotspan.shared_with", "tokens", "results"];

fn regions() -> [Region; 2] {
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
        Region {
            sequence: Some(SEQUENCE),
            ..span(GENERATE, "engine.generate")
        },
        Region {
            attributes: vec![tokens()],
            fold: Some(Box::new(FoldRule {
                sum: vec![LENGTH],
                rate: Some(Rate {
                    key: "rate".to_owned(),
                    slot: LENGTH,
                }),
                opening: Some(opening),
                ..FoldRule::default()
            })),
            ..span(STEP, "engine.decode")
        },
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
        values: vec![(SEQUENCE, sequence)],
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
        members: members.iter().map(member).collect(),
        ..crossing(STEP, 9, from, to, ParentRead::None("no_span".to_owned()))
    }
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
        a
          engine.generate 10..30
            engine.prefill 12..18 count=2 shared_with=1 tokens=11
            engine.decode 20..26 count=2 shared_with=2 tokens=2 results=3
        b
          engine.generate 15..40
            engine.prefill 16..22 count=2 shared_with=1 tokens=10
            engine.decode 24..33 count=2 shared_with=2 tokens=2 results=3
        unattributed engine.decode no_span: 5, 10 ms
        ",
    );
    // Whoever ends later links to those that have ended.
    let of = |parent: u8, name: &str| {
        let of_trace = |span: &&Span| span.trace_id == TraceId([parent; 16]) && *span.name == *name;
        spans.iter().find(of_trace).unwrap()
    };
    assert!(of(b'a', "engine.decode").links.is_empty());
    for name in ["engine.prefill", "engine.decode"] {
        let links = &of(b'b', name).links;
        assert_eq!(links.len(), 1);
        assert_eq!(links[0].span_id, of(b'a', "engine.generate").span_id);
        assert_eq!(links[0].trace_id, TraceId([b'a'; 16]));
    }
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
