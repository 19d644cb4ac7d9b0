//! Hugging Face's tokenizers, as their wheel is: Rust, with its symbols.

use std::process::Command;

use hotspan_tests::{agent::Attach, gate::require_bpf, judge::span_for, paths, python::Venv};

use crate::scene::{self, EXPECT_FROM_NS};

#[test]
fn texts_and_a_vocabulary_that_is_loaded_in_a_request() {
    let Some(_turn) = require_bpf("tokenizers") else {
        return;
    };
    let mut command = Command::new(Venv::get("tokenizers").unwrap().python());
    command
        .args(["batch.py", "tokenize"])
        .current_dir(paths::targets());
    let scene = scene::batch(&mut command, |pid| Attach::pid(pid).armed_ahead(), 8);
    scene.must_be_perfect(16);
    for call in &scene.calls {
        let Some(span) = span_for(&scene.outcome.spans, call) else {
            assert!(call.duration_ns() < EXPECT_FROM_NS, "{call:?}");
            continue;
        };
        let is_load = call.region == "tokenizer.load";
        let cold = span.attributes.get("hotspan.cold_start");
        assert_eq!(cold, is_load.then_some(&true.into()), "{span:?}");
    }
}
