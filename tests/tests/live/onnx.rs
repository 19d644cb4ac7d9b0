//! ONNX Runtime as its wheel is: stripped, so that runs and operators are found by anchors.

use std::process::Command;

use hotspan_tests::{agent::Attach, gate::require_bpf, otlp::Span, paths, python::Venv};

use crate::scene;

const RUNS: usize = 300;

fn target(kind: &str) -> Command {
    let mut command = Command::new(Venv::get("onnx").unwrap().python());
    command
        .args(["batch.py", kind])
        .current_dir(paths::targets());
    command
}

#[test]
fn runs_and_operators_of_a_stripped_library() {
    let Some(_turn) = require_bpf("ONNX Runtime") else {
        return;
    };
    let scene = scene::batch(
        &mut target("onnx"),
        |pid| Attach::pid(pid).armed_ahead(),
        RUNS,
    );
    let verdict = scene.judge();
    eprintln!("  {}", verdict.summary());
    assert!(verdict.wrong.is_empty(), "{:?}", verdict.wrong);
    assert!(verdict.strays.is_empty(), "{:?}", verdict.strays);
    assert!(verdict.missing.is_empty(), "{:?}", verdict.missing);
    let runs: Vec<&Span> = scene.named("onnx.run").collect();
    assert_eq!(runs.len(), RUNS, "a span for each run");
    let load: Vec<&Span> = scene.named("onnx.load").collect();
    assert_eq!(load.len(), 1);
    let cold = load[0].attributes.get("hotspan.cold_start");
    assert_eq!(cold, Some(&true.into()));
    for run in runs {
        let products: Vec<&Span> = scene
            .named("onnx.matmul")
            .filter(|span| span.parent == run.span_id)
            .collect();
        assert_eq!(
            products.len(),
            1,
            "one span a run\n{}",
            scene.outcome.stderr
        );
        assert_eq!(products[0].int("hotspan.count"), Some(6));
        assert_eq!(
            products[0].text("code.function.name"),
            Some("onnxruntime::MatMul<float>::Compute")
        );
        assert!(run.start_ns <= products[0].start_ns && products[0].end_ns <= run.end_ns);
    }
}

#[test]
fn a_run_that_fails_inside() {
    let Some(_turn) = require_bpf("ONNX Runtime, wrong shapes") else {
        return;
    };
    let scene = scene::batch(
        &mut target("onnx_raises"),
        |pid| Attach::pid(pid).armed_ahead(),
        20,
    );
    let verdict = scene.judge();
    eprintln!("  {}", verdict.summary());
    assert!(verdict.wrong.is_empty(), "{:?}", verdict.wrong);
    assert_eq!(
        scene.named("onnx.matmul").count(),
        0,
        "nothing was computed"
    );
}
