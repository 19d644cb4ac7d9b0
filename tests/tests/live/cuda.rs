//! The CUDA runtime: a stub with its ABI, for there is no GPU here, and the real one, whose calls fail
//! without a driver while the probes fire.

use std::{ffi::OsString, fs, path::PathBuf, process::Command};

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

fn driver() -> PathBuf {
    native::program("libcuda_stub.so").unwrap()
}

/// The stub as it is linked into an application.
fn linked() -> PathBuf {
    native::program("libcuda_app.so").unwrap()
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

/// What the runtime does is also what the driver does for it: both are seen, and counted once.
#[test]
fn the_driver_below_the_runtime_and_beside_it() {
    let Some(_turn) = require_bpf("CUDA driver") else {
        return;
    };
    for runtime in [stub(), linked()] {
        let mut command = target("cuda_driver", runtime);
        let scene = scene::batch(command.env("CUDA_DRIVER", driver()), Attach::pid, PASSES);
        let verdict = scene.judge();
        eprintln!("  {}", verdict.summary());
        assert!(verdict.wrong.is_empty(), "{:?}", verdict.wrong);
        assert_eq!(scene.calls.len(), 5 * PASSES);
        for call in &scene.calls {
            let inside: Vec<&Span> = (scene.outcome.spans.iter())
                .filter(|span| span.name == call.region && span.parent == call.span_id)
                .filter(|span| span.start_ns >= call.start_ns && span.end_ns <= call.end_ns)
                .collect();
            let Some(launched) = call.facts["count"].as_i64() else {
                assert_eq!(inside.len(), 1, "{call:?}\n{}", scene.outcome.stderr);
                continue;
            };
            let counts = inside.iter().filter_map(|span| span.int("hotspan.count"));
            assert_eq!(
                counts.sum::<i64>(),
                launched,
                "{call:?}\n{}",
                scene.outcome.stderr
            );
        }
        let copies = scene.named("cuda.memcpy");
        for copy in copies {
            assert_eq!(copy.text("cuda.direction"), Some("host_to_device"));
            assert_eq!(copy.int("cuda.bytes"), Some(4096));
        }
        assert!(scene.outcome.stderr.contains("kernel.part_of_another"));
    }
}

#[test]
fn kernels_that_were_launched_most() {
    let Some(_turn) = require_bpf("CUDA kernels") else {
        return;
    };
    let unguarded = |pid| Attach::pid(pid).with(["--no-rate-guard"]);
    let scene = scene::batch(&mut target("cuda_kinds", stub()), unguarded, 6);
    let launches: Vec<&Call> = (scene.calls.iter())
        .filter(|call| call.region == "cuda.launch")
        .collect();
    assert_eq!(launches.len(), 12);
    for (number, call) in launches.into_iter().enumerate() {
        let rounds = 10 + number / 2;
        let expected = if call.route == "few" {
            vec![
                format!("{} kernel_00", 4 * rounds),
                format!("{rounds} kernel_01"),
                format!("{rounds} kernel_02"),
            ]
        } else {
            // Eight kernels are beyond those that are told apart, with more launches than each of the rest.
            vec!["300 kernel_00".to_owned()]
        };
        let span = span(&scene, call);
        assert_eq!(span.texts("cuda.kernels"), expected, "{span:?}");
    }
}

/// What is held, on the span of the region around, as the application knows it itself.
#[test]
fn memory_that_is_held_since_the_attach() {
    let Some(_turn) = require_bpf("CUDA memory") else {
        return;
    };
    let regions = native::catalogue("cuda_app");
    let attach =
        |pid| Attach::pid(pid).with::<OsString>(["--regions".into(), regions.clone().into()]);
    let alone = scene::batch(&mut target("cuda_memory", linked()), attach, 12);
    check_memory(&alone, 12);
    let mut command = target("cuda_memory", linked());
    let with_driver = scene::batch(command.env("CUDA_DRIVER", driver()), attach, 12);
    // After the tenth call, a context is gone, and with it what it held.
    check_memory(&with_driver, 10);
    assert!(with_driver.outcome.stderr.contains("device_memory_unknown"));
}

fn check_memory(scene: &Scene, known: usize) {
    assert_eq!(scene.calls.len(), 12);
    for (number, call) in scene.calls.iter().enumerate() {
        let span = span(scene, call);
        let held = call.number("held").unwrap() / 1e6;
        let expected = (number < known).then_some(held);
        assert_eq!(
            span.number("ml.gpu.memory_allocated_mb"),
            expected,
            "{span:?}"
        );
        let since = span.text("ml.gpu.memory_allocated_since");
        assert_eq!(since, expected.map(|_| "attach"));
    }
}

/// Two contexts in one process, each with a request: launches are each request's own, memory the process's.
#[test]
fn two_contexts_in_one_process() {
    let Some(_turn) = require_bpf("two CUDA contexts") else {
        return;
    };
    let mut command = target("cuda_contexts", stub());
    let scene = scene::batch(command.env("CUDA_DRIVER", driver()), Attach::pid, 12);
    let of = |region: &'static str| scene.calls.iter().filter(move |call| call.region == region);
    assert_eq!(of("cuda.launch").count(), 2 * 12);
    for call in of("cuda.launch") {
        let count = span(&scene, call).int("hotspan.count");
        assert_eq!(count, call.facts["count"].as_i64(), "{call:?}");
    }
    for (number, call) in of("cuda.synchronize").enumerate() {
        // With the tenth call a context has gone.
        let held = call.number("held").filter(|_| number < 2 * 10);
        assert_eq!(
            span(&scene, call).number("ml.gpu.memory_allocated_mb"),
            held.map(|bytes| bytes / 1e6),
            "{call:?}"
        );
    }
    assert!(scene.outcome.stderr.contains("device_memory_unknown"));
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
