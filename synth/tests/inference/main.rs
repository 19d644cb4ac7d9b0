//! What holds of inferred spans whatever comes in: inside of their parents, never across a crossing,
//! of bounded number and memory, the same from the same events.

mod runs;

use std::collections::{HashMap, HashSet};

use hotspan_synth::{
    Inference, Settings, Synth,
    event::Event,
    ids::SpanId,
    span::{Span, Value},
    time::KernelTime,
};
use proptest::prelude::*;

use runs::{run_events, settings};

fn rules(settings: &Settings) -> &Inference {
    settings.inference.as_ref().expect("something is inferred")
}

fn run(events: &[Event], settings: &Settings) -> (Vec<Span>, Synth) {
    let mut synth = Synth::new(settings.clone());
    let mut spans = Vec::new();
    let mut since_tick = 0;
    for event in events {
        synth.handle(event.clone(), &mut spans);
        since_tick = match event {
            Event::Tick { .. } => 0,
            _ => since_tick + 1,
        };
        let bound = rules(settings).held_evidence as usize + since_tick;
        assert!(
            synth.held_evidence() <= bound,
            "{} pieces are held",
            synth.held_evidence()
        );
    }
    synth.finish(KernelTime(700), &mut spans);
    (spans, synth)
}

fn is_inferred(span: &Span) -> bool {
    text(span, "hotspan.origin") != Some("probe")
}

fn text<'a>(span: &'a Span, key: &str) -> Option<&'a str> {
    span.attributes
        .iter()
        .find_map(|(name, value)| match value {
            Value::Text(text) if name == key => Some(text.as_str()),
            _ => None,
        })
}

fn thread(span: &Span) -> Option<&Value> {
    let found = span.attributes.iter().find(|(name, _)| name == "thread.id");
    found.map(|(_, value)| value)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 600,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn inferred_spans_lie_in_their_parents(events in run_events(), settings in settings()) {
        let (spans, synth) = run(&events, &settings);
        let by_id: HashMap<_, _> = spans.iter().map(|span| (span.span_id, span)).collect();
        prop_assert_eq!(by_id.len(), spans.len(), "ids are unique");
        for span in &spans {
            prop_assert!(span.start <= span.end);
            if !span.parent_is_synthetic {
                continue;
            }
            let above = by_id.get(&span.parent_span_id);
            let inside = above.is_some_and(|above| above.start <= span.start && span.end <= above.end);
            prop_assert!(inside, "{:?} is not inside of {:?}", span, above);
        }
        prop_assert_eq!(synth.held_evidence(), 0);
        prop_assert_eq!(synth.summary().spans, spans.len() as u64);
    }

    #[test]
    fn no_inferred_span_reaches_across_a_crossing(events in run_events(), settings in settings()) {
        let (spans, _) = run(&events, &settings);
        // Only the request whose span the crossings were read under is bound by them.
        let ours = |span: &&Span| span.span_id != SpanId([2; 8]) && is_of(span, 1, &spans);
        let exact: Vec<&Span> = spans.iter().filter(|span| !is_inferred(span)).collect();
        for span in spans.iter().filter(|span| is_inferred(span)).filter(ours) {
            for exact in exact.iter().filter(|exact| thread(exact) == thread(span)) {
                let is_apart = span.end <= exact.start || exact.end <= span.start;
                let is_inside = exact.start <= span.start && span.end <= exact.end;
                prop_assert!(is_apart || is_inside, "{:?} reaches across {:?}", span, exact);
            }
        }
    }

    #[test]
    fn siblings_on_a_thread_do_not_overlap(events in run_events(), settings in settings()) {
        let (spans, _) = run(&events, &settings);
        let mut by_parent: HashMap<_, Vec<&Span>> = HashMap::new();
        for span in &spans {
            let thread = thread(span).map(|thread| format!("{thread:?}"));
            by_parent.entry((span.parent_span_id, thread)).or_default().push(span);
        }
        for siblings in by_parent.values_mut() {
            siblings.sort_by_key(|span| (span.start, span.end));
            for pair in siblings.windows(2) {
                prop_assert!(pair[0].end <= pair[1].start, "{:?} overlaps {:?}", pair[0], pair[1]);
            }
        }
    }

    #[test]
    fn a_replay_is_identical(events in run_events(), settings in settings()) {
        let bytes = |(spans, synth): (Vec<Span>, Synth)| {
            serde_json::to_string(&(spans, synth.summary())).expect("JSON can be written")
        };
        prop_assert_eq!(bytes(run(&events, &settings)), bytes(run(&events, &settings)));
    }

    #[test]
    fn where_nothing_is_inferred_probes_spans_are_the_same(events in run_events(), settings in settings()) {
        let (spans, _) = run(&events, &settings);
        let silent = Settings { inference: None, ..settings };
        let mut synth = Synth::new(silent);
        let mut alone: Vec<Span> = Vec::new();
        for event in &events {
            synth.handle(event.clone(), &mut alone);
        }
        synth.finish(KernelTime(700), &mut alone);
        let exact: Vec<&Span> = spans.iter().filter(|span| !is_inferred(span)).collect();
        prop_assert_eq!(alone.iter().collect::<Vec<_>>(), exact);
        let evidence = events.iter().filter(|event| matches!(event, Event::Sample(_) | Event::Wait(_))).count();
        let counted = synth.summary().evidence.get("not_inferred").copied().unwrap_or(0);
        prop_assert_eq!((counted, synth.held_evidence()), (evidence as u64, 0));
    }

    #[test]
    fn names_are_those_of_functions_and_regions(events in run_events(), settings in settings()) {
        let (spans, _) = run(&events, &settings);
        let names: HashSet<&str> = ["handler", "load", "parse", "crunch", "test.region", "wait"].into();
        for span in &spans {
            let first = span.name.split('.').next().unwrap_or_default();
            prop_assert!(names.contains(first) || names.contains(&*span.name) || first == "test", "{}", span.name);
        }
    }
}

/// Whether a span lies below that span of the target.
fn is_of(span: &Span, root: u8, spans: &[Span]) -> bool {
    let mut at = span;
    while at.parent_is_synthetic {
        match spans
            .iter()
            .find(|above| above.span_id == at.parent_span_id)
        {
            Some(above) => at = above,
            None => return false,
        }
    }
    at.parent_span_id == SpanId([root; 8])
}
