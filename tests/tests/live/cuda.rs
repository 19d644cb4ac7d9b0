//! The CUDA runtime: a stub with its ABI, for there is no GPU here, and the real one, whose calls fail
//! without a driver while the probes fire.

use std::{fs, path::PathBuf, process::Command};

use hotspan_tests::{
    agent::Attach, gate::require_bpf, judge::span_for, native, otlp::Span, paths, python::Venv,
    truth::Call,
};

use crate::scene::{self, Scene};

const PASSES: usize = 20;

fn target(kind: &str, runtime: PathBuf) -> Command {
    let mut command = Command::new(Venv::get("cuda").unwrap().python());
    command
        .args(["batch.py", kind])
        .env("CUDART", runtime)
        .current_dir(paths::targets());
    command
}

fn stub() -> PathBuf {
    native::program("libcudart_stub.so").unwrap()
}

/// The real runtime of the registry's wheel.
fn real() -> PathBuf {
    let venv = Venv::get("cuda").unwrap();
    let lib = venv.program("../lib");
    let python = fs::read_dir(lib).unwrap().flatten().next().unwrap().path();
    python.join("site-packages/nvidia/cuda_runtime/lib/libcudart.so.12")
}

fn span<'a>(scene: &'a Scene, call: &Call) -> &'a Span {
    span_for(&scene.outcome.spans, call)
        .unwrap_or_else(|| panic!("no span for {call:?}\n{}", scene.outcome.stderr))
}

#[test]
fn launches_are_counted_and_copies_have_their_bytes() {
    let Some(_turn) = require_bpf("CUDA stub") else {
        return;
    };
    let scene = scene::batch(&mut target("cuda", stub()), Attach::pid, PASSES);
    let verdict = scene.judge();
    eprintln!("  {}", verdict.summary());
    assert!(verdict.wrong.is_empty(), "{:?}", verdict.wrong);
    assert!(verdict.strays.is_empty(), "{:?}", verdict.strays);
    assert_eq!(scene.calls.len(), 4 * PASSES);
    for call in &scene.calls {
        let span = span(&scene, call);
        if let Some(count) = call.facts["count"].as_i64() {
            assert_eq!(span.int("hotspan.count"), Some(count), "{call:?}");
        }
    }
    let mut copies: Vec<_> = scene
        .named("cuda.memcpy")
        .map(|span| (span.text("cuda.direction"), span.int("cuda.bytes")))
        .collect();
    copies.sort_unstable();
    copies.dedup();
    assert_eq!(
        copies,
        [
            (Some("device_to_host"), Some(1 << 19)),
            (Some("host_to_device"), Some(1 << 20)),
        ]
    );
}

/// Exactly all, at rates below the guard's.
#[test]
fn launches_at_a_thousand_and_at_five_thousand_a_second() {
    let Some(_turn) = require_bpf("CUDA launches at rates") else {
        return;
    };
    for rate in ["1000", "5000"] {
        let mut command = target("cuda_at_rate", stub());
        let scene = scene::batch(command.env("RATE", rate), Attach::pid, 2);
        counts_are_exact(&scene);
    }
}

/// Exactly all, whatever they cost, if shedding is switched off; else what is missing is said.
#[test]
fn launches_at_a_hundred_thousand_a_second() {
    let Some(_turn) = require_bpf("CUDA launches at high rates") else {
        return;
    };
    let mut command = target("cuda_at_rate", stub());
    command.env("RATE", "100000");
    let unguarded = |pid| Attach::pid(pid).with(["--no-rate-guard"]);
    counts_are_exact(&scene::batch(&mut command, unguarded, 2));
    let scene = scene::batch(&mut command, Attach::pid, 2);
    let stderr = &scene.outcome.stderr;
    assert!(stderr.contains("cuda.launch in process"), "{stderr}");
    assert!(stderr.contains("kernel.over_rate"), "{stderr}");
}

fn counts_are_exact(scene: &Scene) {
    for call in &scene.calls {
        let of_call = |span: &&Span| span.name == "cuda.launch" && span.parent == call.span_id;
        let counted: Vec<i64> = (scene.outcome.spans.iter().filter(of_call))
            .filter_map(|span| span.int("hotspan.count"))
            .collect();
        let took_ns = call.duration_ns();
        let launched = call.facts["count"].as_i64().unwrap();
        eprintln!(
            "  {launched} launches in {} ms, {} counted in {} bursts",
            took_ns / 1_000_000,
            counted.iter().sum::<i64>(),
            counted.len()
        );
        assert_eq!(
            counted.iter().sum::<i64>(),
            launched,
            "{}",
            scene.outcome.stderr
        );
    }
}

#[test]
fn the_real_runtime_fails_without_a_driver() {
    let Some(_turn) = require_bpf("real CUDA runtime") else {
        return;
    };
    let scene = scene::batch(&mut target("cuda_real", real()), Attach::pid, PASSES);
    assert_eq!(scene.calls.len(), 2 * PASSES);
    for call in &scene.calls {
        let span = span(&scene, call);
        let error = call.facts["error"].as_i64().unwrap();
        let expected = match error {
            0 => None,
            35 => Some("cudaErrorInsufficientDriver"),
            100 => Some("cudaErrorNoDevice"),
            other => panic!("error {other}"),
        };
        assert_eq!(span.text("error.type"), expected, "{call:?}");
    }
}
