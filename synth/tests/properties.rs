//! What holds whatever comes in: no dangling parent, nothing lost uncounted, bounded memory, and
//! the same bytes from the same events.

use std::collections::{HashMap, HashSet};

use hotspan_synth::{
    Limits, Settings, Synth,
    event::{Crossing, Ending, Event, OpenCrossing, Parent, ParentRead, ParentSource, ThreadEnded},
    ids::{CrossingId, RegionId, SpanId, TargetId, TraceId},
    region::{AttributeRule, FoldRule, Meaning, Opening, Region, Role, Stage, ValueRule},
    span::Span,
    time::{ClockAnchor, KernelTime, UnixTime},
};
use proptest::prelude::*;

/// Events of a run that may make no sense at all: crossings without their enclosing ones, ends
/// before entries, announcements of what never ends.
fn nonsense() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(prop_oneof![8 => step(), 2 => tick()], 0..120).prop_map(|steps| {
        let steps = steps.into_iter().enumerate();
        header()
            .chain(steps.flat_map(|(index, step)| step.events(index as u64 + 1)))
            .collect()
    })
}

/// The same without ticks, so that nothing depends on when it is delivered.
fn timeless() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(step(), 0..60).prop_map(|steps| {
        let steps = steps.into_iter().enumerate();
        steps
            .flat_map(|(index, step)| step.events(index as u64 + 1))
            .collect()
    })
}

#[derive(Clone, Debug)]
enum Step {
    Crossing {
        crossing: Box<Crossing>,
        is_announced: bool,
        ends: u8,
    },
    Thread(ThreadEnded),
    Tick(KernelTime),
}

impl Step {
    /// Gives the crossing its number, larger than those before.
    fn events(self, number: u64) -> Vec<Event> {
        match self {
            Step::Tick(now) => vec![Event::Tick { now }],
            Step::Thread(thread) => vec![Event::ThreadEnded(thread)],
            Step::Crossing {
                mut crossing,
                is_announced,
                ends,
            } => {
                crossing.id = CrossingId(number);
                let open = is_announced.then(|| Event::Open(announcement(&crossing)));
                let ends = std::iter::repeat_n(Event::Crossing(*crossing), ends.into());
                open.into_iter().chain(ends).collect()
            }
        }
    }
}

fn announcement(crossing: &Crossing) -> OpenCrossing {
    OpenCrossing {
        id: crossing.id,
        target: crossing.target,
        region: crossing.region,
        thread: crossing.thread,
        enclosing: crossing.enclosing,
        entry: crossing.entry,
        seen: crossing.proven,
        parent: crossing.parent.clone(),
    }
}

fn time() -> impl Strategy<Value = KernelTime> {
    prop_oneof![20 => 0..100_u64, 1 => Just(u64::MAX)].prop_map(KernelTime)
}

fn tick() -> impl Strategy<Value = Step> {
    time().prop_map(Step::Tick)
}

fn step() -> impl Strategy<Value = Step> {
    let thread =
        (1..3_u32, 1..60_u64, time(), time()).prop_map(|(thread, birth, started, ended)| {
            let birth = CrossingId(birth);
            let target = TargetId(1);
            let (runqueue_ns, blocked_ns) = (1, 2);
            Step::Thread(ThreadEnded {
                target,
                thread,
                birth: Some(birth),
                started,
                ended,
                runqueue_ns,
                blocked_ns,
                queued_ns: 3,
            })
        });
    let crossing =
        (crossing(), any::<bool>(), 0..2_u8).prop_map(|(crossing, is_announced, ends)| {
            Step::Crossing {
                crossing: Box::new(crossing),
                is_announced,
                ends,
            }
        });
    prop_oneof![9 => crossing, 1 => thread]
}

fn crossing() -> impl Strategy<Value = Crossing> {
    let place = (1..3_u32, 0..6_u32, 1..4_u32, prop::option::of(1..60_u64));
    let times = (time(), time(), time(), any::<u16>());
    (place, times, ending(), parent()).prop_map(
        |((target, region, thread, enclosing), (entry, exit, proven, bits), ending, parent)| {
            Crossing {
                id: CrossingId(0),
                target: TargetId(target),
                region: RegionId(region),
                thread,
                enclosing: enclosing.map(CrossingId),
                entry,
                exit,
                proven,
                ending,
                runqueue_ns: bits.into(),
                blocked_ns: bits.into(),
                resources: None,
                parent,
                values: vec![(0, bits.into())],
                text: Some((1, "überlang".to_owned())),
                called: None,
                members: Vec::new(),
            }
        },
    )
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        4 => Just(Ending::Returned),
        1 => Just(Ending::Caught),
        1 => Just(Ending::Replaced),
        1 => Just(Ending::Unwound),
        1 => Just(Ending::Detached),
    ]
}

fn parent() -> impl Strategy<Value = ParentRead> {
    let found = (0..3_u8, 0..3_u8, prop::bool::weighted(0.9), any::<bool>());
    let found = found.prop_map(|(trace, span, sampled, by_lineage)| {
        ParentRead::Found(Parent {
            trace_id: TraceId([trace; 16]),
            span_id: SpanId([span; 8]),
            sampled,
            remote: false,
            source: ParentSource::Python,
            by_lineage,
        })
    });
    prop_oneof![8 => found, 1 => Just(ParentRead::None("no_active_span".to_owned()))]
}

fn limits() -> impl Strategy<Value = Limits> {
    let out = (0..20_u32, 0..20_u32, 0..4_u32, 0..4_u32);
    let held = (0..20_u32, 0..4_u32, 0..4_u32, 0..50_u64);
    (out, held, 0..12_u32).prop_map(|(out, held, cut)| Limits {
        spans_per_trace: out.0,
        spans_per_second: out.1,
        depth: out.2,
        workers_per_parent: out.3,
        waiting_crossings: held.0,
        open_crossings: held.1,
        events_per_span: held.2,
        child_wait_ns: held.3,
        attributes: cut,
        attribute_bytes: cut,
        traces: cut,
        sequences: cut,
        numbered_requests: cut,
        ..Limits::default()
    })
}

/// How the crossings of regions 3 and 4 are joined.
fn fold(region: u32) -> Option<Box<FoldRule>> {
    let opening = Opening {
        name: "test.opening".to_owned(),
        until: "test.region_4".to_owned(),
        length: 0,
        position: None,
        each: None,
        numbered: true,
        attributes: Vec::new(),
        until_count: Some("until".to_owned()),
        first_result: None,
    };
    (region >= 3).then(|| {
        Box::new(FoldRule {
            idle_ns: 20,
            sum: vec![0],
            opening: (region == 3).then_some(opening),
            ..FoldRule::default()
        })
    })
}

/// The clock and five regions; the sixth is never announced.
fn header() -> impl Iterator<Item = Event> {
    let clock = ClockAnchor {
        kernel: KernelTime(0),
        unix: UnixTime(1_000_000),
        error_ns: 3,
    };
    let roles = [
        Role::Span,
        Role::Worker,
        Role::SpanEvent,
        Role::Span,
        Role::Span,
    ];
    let regions = (0..).zip(roles).map(|(id, role)| {
        let text = AttributeRule {
            key: "text".into(),
            value: ValueRule::Text { slot: 1 },
        };
        let name = format!("test.region_{id}");
        Event::Region(Region {
            role,
            meaning: Meaning {
                attributes: vec![text],
                numbered: id == 0,
                stage: [Some(Stage::Request), Some(Stage::Forward)]
                    .get(id as usize)
                    .copied()
                    .flatten(),
                fold: fold(id),
                ..Meaning::default()
            },
            ..Region::span(RegionId(id), &name, "f", "libtest.so")
        })
    });
    std::iter::once(Event::Clock(clock)).chain(regions)
}

fn run(events: &[Event], limits: &Limits) -> (Vec<Span>, Synth) {
    let mut synth = Synth::new(Settings {
        seed: 7,
        limits: limits.clone(),
        ..Settings::default()
    });
    let mut spans = Vec::new();
    for event in events {
        synth.handle(event.clone(), &mut spans);
        let joined = 3 * limits.sequences.max(1);
        // At most two engines are numbered in a request, and a tick comes late.
        let numbered = 2 * (limits.numbered_requests + 120);
        let bound = limits.waiting_crossings.max(1) + limits.open_crossings + joined + numbered;
        assert!(synth.held() <= bound as usize, "{} are held", synth.held());
    }
    synth.finish(KernelTime(200), &mut spans);
    (spans, synth)
}

/// The spans of the target that crossings were read under, and may be named.
fn readable(events: &[Event]) -> HashSet<(TargetId, TraceId, SpanId)> {
    let read = |event: &Event| match event {
        Event::Crossing(Crossing {
            target,
            parent: ParentRead::Found(parent),
            ..
        })
        | Event::Open(OpenCrossing {
            target,
            parent: ParentRead::Found(parent),
            ..
        }) => parent
            .sampled
            .then_some((*target, parent.trace_id, parent.span_id)),
        _ => None,
    };
    events.iter().filter_map(read).collect()
}

fn check_spans(events: &[Event], spans: &[Span]) {
    let readable = readable(events);
    let by_id: HashMap<_, _> = spans
        .iter()
        .map(|span| ((span.target, span.trace_id, span.span_id), span))
        .collect();
    assert_eq!(by_id.len(), spans.len(), "ids are unique");
    for span in spans {
        let parent = (span.target, span.trace_id, span.parent_span_id);
        if span.parent_is_synthetic {
            assert!(by_id.contains_key(&parent), "dangling: {span:?}");
        } else {
            assert!(
                readable.contains(&parent),
                "nobody read this parent: {span:?}"
            );
        }
        assert!(span.end >= span.start, "{span:?}");
        assert!(
            span.span_id.is_valid() && span.span_id != span.parent_span_id,
            "{span:?}"
        );
    }
}

fn json(spans: &[Span]) -> String {
    serde_json::to_string(spans).expect("spans can be written as JSON")
}

proptest! {
    // No file of past failures: a case that failed once becomes a golden timeline.
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_dangles_and_nothing_is_lost_uncounted(events in nonsense(), limits in limits()) {
        let (spans, synth) = run(&events, &limits);
        check_spans(&events, &spans);
        prop_assert_eq!(synth.held(), 0);
        let summary = synth.summary();
        let nobodys: u64 = summary.unattributed.iter().map(|entry| entry.work.crossings).sum();
        let is_crossing = |reason: &&str| *reason != "duplicate_crossing";
        let dropped: u64 = summary
            .dropped
            .iter()
            .filter(|(reason, _)| is_crossing(reason))
            .map(|(_, count)| count)
            .sum();
        prop_assert_eq!(summary.spans, spans.len() as u64);
        prop_assert_eq!(
            summary.crossings,
            summary.spans + summary.joined + summary.span_events + nobodys + dropped
        );
    }

    #[test]
    fn a_replay_is_identical(events in nonsense(), limits in limits()) {
        prop_assert_eq!(json(&run(&events, &limits).0), json(&run(&events, &limits).0));
    }

    #[test]
    fn what_is_delivered_twice_counts_once(events in timeless()) {
        let twice = |event: &Event| std::iter::repeat_n(event.clone(), match event {
            Event::Crossing(_) | Event::Open(_) => 2,
            _ => 1,
        });
        let once: Vec<Event> = header().chain(events.iter().cloned()).collect();
        let twice: Vec<Event> = header().chain(events.iter().flat_map(twice)).collect();
        let (once, twice) = (run(&once, &Limits::default()), run(&twice, &Limits::default()));
        prop_assert_eq!(json(&once.0), json(&twice.0));
    }

    #[test]
    fn the_order_of_delivery_between_ticks_does_not_matter(
        events in timeless().prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle()))
    ) {
        let sorted = |events: &[Event]| {
            let events: Vec<Event> = header().chain(events.iter().cloned()).collect();
            let mut spans = run(&events, &Limits::default()).0;
            spans.sort_by_key(|span| span.span_id);
            json(&spans)
        };
        prop_assert_eq!(sorted(&events.0), sorted(&events.1));
    }
}
