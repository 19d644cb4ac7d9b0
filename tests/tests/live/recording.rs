//! A recording holds everything: replaying it gives the same spans, byte for byte.

use std::{fs, process::Command, time::Duration};

use hotspan_tests::{
    agent,
    collector::Receiver,
    gate::require_bpf,
    judge::{Case, judge},
    load, otlp, paths,
    process::Process,
    service::Options,
};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::scene::{EXPECT_FROM_NS, excused};

#[test]
fn a_replay_gives_the_same_spans() {
    let Some(_turn) = require_bpf("record and replay") else {
        return;
    };
    let dir = TempDir::new().unwrap();
    let (recording, live) = (dir.path().join("recording"), dir.path().join("live.jsonl"));
    let receiver = Receiver::start().unwrap();
    let service = Options {
        exports_to: Some(receiver.endpoint()),
        ..Options::default()
    }
    .start()
    .unwrap();
    let mut recorder = Process::start(
        Command::new(paths::agent().unwrap())
            .args(["record", "--pid", &service.pid().to_string(), "--output"])
            .arg(&recording)
            .arg("--export")
            .arg(format!("jsonl={}", live.display())),
    )
    .unwrap();
    recorder
        .wait_stderr("hotspan: attached", Duration::from_secs(20))
        .unwrap();
    load::send(service.port, 60, 4, load::mixed).unwrap();
    recorder.signal(Signal::INT).unwrap();
    let status = recorder.wait(Duration::from_secs(20)).unwrap();
    assert_eq!(status.code(), Some(0), "{}", recorder.stderr());

    let replay = |name: &str| {
        let out = dir.path().join(name);
        let recording = recording.to_str().unwrap();
        let export = format!("jsonl={}", out.display());
        let (code, _, err) = agent::run(["replay", recording, "--export", &export]).unwrap();
        assert_eq!(code, Some(0), "{err}");
        fs::read(out).unwrap()
    };
    let (first, second) = (replay("first.jsonl"), replay("second.jsonl"));
    assert!(first == second, "two replays differ");
    let mut spans = [
        otlp::read(&live).unwrap(),
        otlp::read(&dir.path().join("first.jsonl")).unwrap(),
    ];
    for list in &mut spans {
        list.sort_by(|a, b| (&a.trace_id, &a.span_id).cmp(&(&b.trace_id, &b.span_id)));
    }
    assert_eq!(
        format!("{:#?}", spans[0]),
        format!("{:#?}", spans[1]),
        "the replay differs from the live run"
    );
    let calls = service.truth().unwrap();
    let exported = receiver.wait_for_calls(&calls).unwrap();
    let verdict = judge(&Case {
        spans: &spans[1],
        calls: &calls,
        exported: &exported,
        expect_from_ns: EXPECT_FROM_NS,
    });
    let complaints = excused(verdict.complaints(), &recorder.stderr());
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));

    // A recording cut short anywhere is said to be so; what it holds up to there may be shown.
    let whole = fs::read(&recording).unwrap();
    let cut = dir.path().join("cut");
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let (code, _, err) = agent::run(["replay", cut.to_str().unwrap()]).unwrap();
    assert_eq!(code, Some(1), "{err}");
    assert!(
        err.to_lowercase().contains("truncated") || err.contains("cut"),
        "{err}"
    );
}
