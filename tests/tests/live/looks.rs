//! `hotspan regions` and `hotspan doctor`: what they say of a process, which they leave as it is.

use std::{process::Command, time::Duration};

use hotspan_tests::{gate::require_bpf, load, paths, process::Process, service::Options};
use rustix::process::Signal;
use tempfile::TempDir;

#[test]
fn regions_lists_what_it_finds() {
    let Some(_turn) = require_bpf("regions") else {
        return;
    };
    let service = Options::default().start().unwrap();
    let pid = service.pid().to_string();
    let (code, out, err) = hotspan_tests::agent::run(["regions", "--pid", &pid]).unwrap();
    assert_eq!(code, Some(0), "{err}");
    for name in [
        "cpsat.solve",
        "cpsat.presolve",
        "cpsat.search",
        "cpsat.worker",
        "routing.solve",
        "mp.solve",
        "blas.gemm",
        "python.regex",
    ] {
        assert!(out.contains(name), "{name} is not listed:\n{out}");
    }
    let (code, out, err) = hotspan_tests::agent::run(["regions", "--json", "--pid", &pid]).unwrap();
    assert_eq!(code, Some(0), "{err}");
    serde_json::from_str::<serde_json::Value>(&out).unwrap();
}

#[test]
fn doctor_knows_a_healthy_service() {
    let Some(_turn) = require_bpf("doctor --pid") else {
        return;
    };
    let service = Options {
        exports_to: None,
        ..Options::default()
    }
    .start()
    .unwrap();
    let pid = service.pid().to_string();
    let (code, out, err) = hotspan_tests::agent::run(["doctor", "--pid", &pid]).unwrap();
    assert!(matches!(code, Some(0 | 1)), "{code:?}\n{out}\n{err}");
    assert!(
        out.to_lowercase().contains("exporter"),
        "says nothing of the exporter, which is `none`:\n{out}"
    );
}

/// `python.regex` as it is in the catalogue, but each match counts, however short.
const EVERY_MATCH: &str = r#"
library = "python"

[[region]]
name = "python.regex"
symbols = ["_sre_SRE_Pattern_match"]
min_duration = "0ns"
max_rate = 1000000
"#;

#[test]
fn doctor_sees_a_context_that_gets_lost() {
    let Some(_turn) = require_bpf("doctor --watch") else {
        return;
    };
    let service = Options::default().start().unwrap();
    let pid = service.pid().to_string();
    let watch = |path: fn(usize) -> String, regions: &[&str]| {
        let mut doctor = Process::start(
            Command::new(paths::agent().unwrap())
                .args(["doctor", "--pid", &pid, "--watch", "5m"])
                .args(regions),
        )
        .unwrap();
        doctor
            .wait_stderr("hotspan: attached", Duration::from_secs(20))
            .unwrap();
        load::send(service.port, 12, 2, path).unwrap();
        // However long that took: it has seen enough.
        doctor.signal(Signal::INT).unwrap();
        doctor.wait(Duration::from_secs(20)).unwrap();
        let said = doctor.stdout();
        // A mark, the check's name, what was found.
        let is_check = |line: &&str| line.split_whitespace().nth(1) == Some("threads");
        let line = said.lines().find(is_check);
        line.unwrap_or_else(|| panic!("nothing of threads:\n{said}"))
            .to_owned()
    };
    let kept = watch(|seed| format!("/to_thread?seed={seed}"), &[]);
    assert!(kept.contains("an active span at each of"), "{kept}");
    let lost = watch(|seed| format!("/executor?seed={seed}"), &[]);
    assert!(
        lost.contains("without an active span (cpsat.") && lost.contains("run_in_executor"),
        "{lost}"
    );
    // A route is looked for before a request has a span: no thread has lost that, however long it took.
    let dir = TempDir::new().unwrap();
    let every_match = dir.path().join("match.toml");
    std::fs::write(&every_match, EVERY_MATCH).unwrap();
    let before = watch(
        |seed| format!("/to_thread?seed={seed}"),
        &["--regions", every_match.to_str().unwrap()],
    );
    assert!(
        before.contains("an active span at each of")
            && before.contains("on the main thread had none (python.regex)"),
        "{before}"
    );
}
