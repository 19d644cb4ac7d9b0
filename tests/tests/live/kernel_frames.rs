//! Stacks that go on into the kernel, of a service that has it work.

use std::fs;

use hotspan_tests::{
    agent::Attach,
    gate::require_bpf,
    otlp::Span,
    service::{App, Options, Service},
};
use tempfile::TempDir;

/// Behind a function of the kernel's in folded stacks.
const MARK: &str = "_[k]";
/// The function that has the kernel work, and the one where all of its work begins.
const CALLER: &str = "draw_keys";
const BEGIN: &str = "do_syscall_64";

/// What was seen of one request that has the kernel work and of one that sleeps: spans, and folded stacks with
/// their time.
fn seen(service: &Service, options: &[&str]) -> (Vec<Span>, Vec<(String, u64)>) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("stacks.folded");
    let agent = Attach::pid(service.pid())
        .with(["--export", &format!("folded={}", path.display())])
        .with(options.iter().copied())
        .start()
        .unwrap();
    service.get("/work/kernel?ms=800").unwrap();
    service.get("/await").unwrap();
    service.get("/background").unwrap();
    // It answers at once, and sleeps after that.
    service.get("/work/kernel?ms=1500").unwrap();
    let outcome = agent.stop().unwrap();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(
        !outcome.stderr.contains("kernel_frames_unnamed"),
        "{}",
        outcome.stderr
    );
    assert!(
        !outcome.stderr.contains("kernel_stacks_unread"),
        "{}",
        outcome.stderr
    );
    let folded = fs::read_to_string(path).unwrap();
    let lines = folded.lines().map(|line| {
        let (stack, time) = line.rsplit_once(' ').unwrap();
        (stack.to_owned(), time.parse().unwrap())
    });
    (outcome.spans, lines.collect())
}

#[test]
fn stacks_go_on_into_the_kernel_if_asked_to() {
    let Some(_turn) = require_bpf("kernel frames") else {
        return;
    };
    let service = Options {
        app: App::Dark,
        ..Options::default()
    }
    .start()
    .unwrap();
    service.get("/work/kernel?ms=20").unwrap();

    let (spans, folded) = seen(&service, &["--kernel-frames"]);
    let own = folded.iter().filter(|(stack, _)| stack.contains(CALLER));
    let (mut all, mut inside) = (0, 0);
    for (stack, time) in own {
        let frames: Vec<&str> = stack.split(';').collect();
        let caller = frames.iter().rposition(|frame| frame.ends_with(CALLER));
        let begin = frames
            .iter()
            .position(|frame| *frame == format!("{BEGIN}{MARK}"));
        all += time;
        if let Some(begin) = begin {
            inside += time;
            assert!(caller < Some(begin), "{stack}");
            let below = &frames[begin..];
            assert!(below.iter().all(|frame| frame.ends_with(MARK)), "{stack}");
        }
    }
    assert!(
        inside > all / 2,
        "{inside} of {all} ns in the kernel: {folded:#?}"
    );

    let drew = spans.iter().filter(|span| span.name == CALLER);
    let drew: Vec<&str> = drew
        .filter_map(|span| span.text("code.stacktrace"))
        .collect();
    assert!(!drew.is_empty(), "no {CALLER} among {spans:#?}");
    for stack in drew {
        let lines: Vec<&str> = stack.lines().collect();
        assert!(lines[0].ends_with(" ([kernel])"), "{stack}");
        assert!(lines.contains(&"do_syscall_64 ([kernel])"), "{stack}");
        let caller = lines.iter().position(|line| line.starts_with(CALLER));
        let kernel = lines.iter().rposition(|line| line.ends_with("([kernel])"));
        assert!(kernel < caller, "{stack}");
    }
    let of_kernel = spans.iter().filter(|span| {
        let stack = span.text("code.stacktrace").unwrap_or_default();
        let named = span.text("code.function.name").unwrap_or_default();
        stack
            .lines()
            .any(|line| line == format!("{named} ([kernel])"))
    });
    assert_eq!(of_kernel.count(), 0, "{spans:#?}");

    let slept = (spans.iter())
        .find(|span| {
            span.name == "wait.sleep" && span.text("code.function.name") == Some("send_report")
        })
        .unwrap_or_else(|| panic!("no sleep among {spans:#?}"));
    let stack: Vec<&str> = slept.text("code.stacktrace").unwrap().lines().collect();
    assert_eq!(stack[0], "__schedule ([kernel])", "{stack:#?}");
    assert!(stack.contains(&"do_syscall_64 ([kernel])"), "{stack:#?}");
    assert!(
        stack.iter().any(|line| line.contains("nanosleep")),
        "{stack:#?}"
    );
    assert!(
        stack.last().unwrap().starts_with("send_report"),
        "{stack:#?}"
    );

    let (spans, folded) = seen(&service, &[]);
    assert!(
        !folded.iter().any(|(stack, _)| stack.contains(MARK)),
        "{folded:#?}"
    );
    let traces = spans.iter().filter_map(|span| span.text("code.stacktrace"));
    assert!(traces.into_iter().all(|trace| !trace.contains("[kernel]")));
}
