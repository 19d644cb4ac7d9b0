//! What most live tests do: a service with a receiver, an agent attached, load, and the comparison.

use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

use hotspan_tests::{
    agent::{Agent, Attach, Outcome},
    collector::Receiver,
    judge::{Case, Verdict, judge},
    otlp::Span,
    process::descendants,
    service::{Batch, Options, Service},
    truth::Call,
};

/// Calls from this length on must have a span.
pub const EXPECT_FROM_NS: u64 = 1_000_000;
/// Longest time for a batch of work.
pub const WORK_TIMEOUT: Duration = Duration::from_secs(120);

/// Waits until something has come about in another process, of which there is no event.
pub fn wait_until(what: &str, mut has_come: impl FnMut() -> bool) {
    const PATIENCE: Duration = Duration::from_secs(20);
    let deadline = Instant::now() + PATIENCE;
    while !has_come() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Everything that is left after a scene.
pub struct Scene {
    pub outcome: Outcome,
    pub calls: Vec<Call>,
    pub exported: Vec<Span>,
}

impl Scene {
    /// The agent ends first, and the service goes on.
    pub fn end(agent: Agent, receiver: &Receiver, service: Service) -> Self {
        let outcome = agent.stop().unwrap();
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let exported = receiver.wait_for_calls(&service.truth().unwrap()).unwrap();
        let calls = service.stop().unwrap();
        Self {
            outcome,
            calls,
            exported,
        }
    }
}

/// A service under `options`, attached to, driven, and ended.
pub fn service(options: &Options, drive: impl FnOnce(&Service)) -> Scene {
    service_with(options, Attach::pid, drive)
}

/// The same with an agent of one's own.
pub fn service_with(
    options: &Options,
    attach: impl FnOnce(u32) -> Attach,
    drive: impl FnOnce(&Service),
) -> Scene {
    let receiver = Receiver::start().unwrap();
    let service = Options {
        exports_to: Some(receiver.endpoint()),
        ..options.clone()
    }
    .start()
    .unwrap();
    let mut agent = attach(service.pid()).start().unwrap();
    // A server's workers are attached to after their master.
    for worker in descendants(service.pid()) {
        eprintln!("  {}", agent.wait_attached(worker).unwrap());
    }
    eprintln!("  {} (after {:?})", agent.attached_line, agent.armed_after);
    drive(&service);
    Scene::end(agent, &receiver, service)
}

/// A batch target, attached to and given work. It lives on after the detach, works, and ends well.
pub fn batch(command: &mut Command, attach: impl FnOnce(u32) -> Attach, count: usize) -> Scene {
    let (mut batch, scene) = attached(command, attach, count);
    batch.work(1, WORK_TIMEOUT).unwrap();
    batch.finish().unwrap();
    scene
}

/// The same without work after the detach.
pub fn batch_for(command: &mut Command, attach: impl FnOnce(u32) -> Attach, count: usize) -> Scene {
    let (batch, scene) = attached(command, attach, count);
    batch.finish().unwrap();
    scene
}

fn attached(
    command: &mut Command,
    attach: impl FnOnce(u32) -> Attach,
    count: usize,
) -> (Batch, Scene) {
    let mut batch = Batch::start(command).unwrap();
    let agent = attach(batch.pid()).start().unwrap();
    eprintln!("  {} (after {:?})", agent.attached_line, agent.armed_after);
    batch.work(count, WORK_TIMEOUT).unwrap();
    let calls = batch.truth().unwrap();
    let outcome = agent.stop().unwrap();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    (
        batch,
        Scene {
            outcome,
            calls,
            exported: Vec::new(),
        },
    )
}

impl Scene {
    /// Compares all spans with all calls.
    pub fn judge(&self) -> Verdict {
        judge(&Case {
            spans: &self.outcome.spans,
            calls: &self.calls,
            exported: &self.exported,
            expect_from_ns: EXPECT_FROM_NS,
        })
    }

    /// Compares, and demands that nothing is wrong and at least so many calls were expected.
    pub fn must_be_perfect(&self, at_least: usize) -> Verdict {
        let verdict = self.judge();
        eprintln!("  {}", verdict.summary());
        let complaints = excused(verdict.complaints(), &self.outcome.stderr);
        assert!(
            complaints.is_empty(),
            "{}\n{}",
            complaints.join("\n"),
            self.outcome.stderr
        );
        assert!(
            verdict.expected() >= at_least,
            "only {} calls to look at",
            verdict.expected()
        );
        verdict
    }

    /// The synthetic spans above a span, nearest first.
    pub fn above<'a>(&'a self, span: &'a Span) -> impl Iterator<Item = &'a Span> {
        let parent = |of: &Span| {
            self.outcome
                .spans
                .iter()
                .find(|above| above.span_id == of.parent)
        };
        std::iter::successors(parent(span), move |at| parent(at))
    }

    /// The spans of one name.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Span> {
        self.outcome
            .spans
            .iter()
            .filter(move |span| span.name == name)
    }
}

/// Complaints without those about what the rate guard announced. A burst of quick patterns (a
/// framework's start) may trip the guard of this one region; the guard has tests of its own.
pub fn excused(mut complaints: Vec<String>, stderr: &str) -> Vec<String> {
    if stderr.contains("python.regex in process") {
        complaints.retain(|line| !line.starts_with("missing: python.regex "));
    }
    complaints
}
