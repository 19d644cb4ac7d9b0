//! Parents from OTEP 4947's thread context, as a published implementation writes it.

use std::{ffi::OsString, process::Command};

use hotspan_tests::{agent::Attach, gate::require_bpf, paths};

use crate::scene;

const THREADS: usize = 40;
/// Calls of each thread under a sampled parent.
const SAMPLED: usize = 3;

#[test]
fn a_published_implementation() {
    let Some(_turn) = require_bpf("thread context") else {
        return;
    };
    let catalogue = paths::targets().join("publisher/publisher.toml");
    let attach = |pid| Attach::pid(pid).with([OsString::from("--regions"), catalogue.into()]);
    let mut publisher = Command::new(env!("CARGO_BIN_EXE_publisher"));
    let scene = scene::batch(&mut publisher, attach, THREADS);
    scene.must_be_perfect(SAMPLED * THREADS);
    for span in scene.named("publisher.work") {
        assert_eq!(
            span.text("hotspan.parent.source"),
            Some("otel.thread_context"),
            "{span:?}"
        );
    }
    assert_eq!(scene.named("publisher.work").count(), SAMPLED * THREADS);
}
