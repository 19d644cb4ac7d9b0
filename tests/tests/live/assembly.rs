//! Code that nobody wrote unwind information for.

use std::process::Command;

use hotspan_tests::{agent::Attach, gate::require_bpf, judge::span_for, native, truth::Call};

use crate::scene;

const COUNT: usize = 8;

#[test]
fn the_callers_of_hand_written_assembly_are_found() {
    let Some(_turn) = require_bpf("hand-written assembly") else {
        return;
    };
    let mut command = Command::new(native::program("assembly").unwrap());
    let scene = scene::batch(&mut command, Attach::pid, COUNT);
    let missing: Vec<&Call> = scene
        .calls
        .iter()
        .filter(|call| {
            let span = span_for(&scene.outcome.spans, call);
            let top = span.map(|span| scene.above(span).last().unwrap_or(span));
            top.is_none_or(|top| top.parent != call.span_id)
        })
        .collect();
    eprintln!(
        "  {} of {} calls have no span",
        missing.len(),
        scene.calls.len()
    );
    assert_eq!(scene.calls.len(), 2 * COUNT);
    assert!(
        missing.len() <= 1,
        "{missing:#?}\n{:#?}\n{}",
        scene.outcome.spans,
        scene.outcome.stderr
    );
    let lost = ["samples.incomplete_stack", "stacks.no_unwind_info"];
    for counter in lost {
        assert!(
            !scene.outcome.stderr.contains(counter),
            "{}",
            scene.outcome.stderr
        );
    }
}
