//! `PyTorch` on the CPU. Its wheel has more than a gigabyte: the test takes an interpreter that has it.

use std::process::Command;

use hotspan_tests::{agent::Attach, gate::require_bpf, judge::span_for, paths};

use crate::scene;

/// Its interpreter, with `torch` and `opentelemetry-sdk`.
const INTERPRETER: &str = "HOTSPAN_TORCH_PYTHON";
const ROUNDS: usize = 8;

#[test]
fn operators_and_a_backward_pass() {
    let Some(_turn) = require_bpf("PyTorch") else {
        return;
    };
    let Some(python) = std::env::var_os(INTERPRETER) else {
        eprintln!("NOT COVERED: PyTorch: {INTERPRETER} names no interpreter that has it");
        return;
    };
    let mut command = Command::new(python);
    command
        .args(["batch.py", "torch"])
        .current_dir(paths::targets());
    let scene = scene::batch(&mut command, Attach::pid, ROUNDS);
    assert_eq!(scene.calls.len(), 6 * (ROUNDS + 1));
    // Those before the agent came are none of its.
    for call in scene.calls.iter().skip(6) {
        let span = span_for(&scene.outcome.spans, call)
            .unwrap_or_else(|| panic!("no span for {call:?}\n{}", scene.outcome.stderr));
        assert_eq!(
            span.int("hotspan.count"),
            call.facts["count"].as_i64(),
            "{span:?}"
        );
        assert!(call.start_ns <= span.start_ns + 50_000 && span.end_ns <= call.end_ns + 50_000);
    }
    // The pass multiplies itself, in its own thread.
    for pass in scene.named("torch.backward") {
        let inside = scene
            .named("torch.matmul")
            .filter(|span| span.parent == pass.span_id);
        assert_eq!(inside.count(), 1, "{pass:?}");
    }
}
