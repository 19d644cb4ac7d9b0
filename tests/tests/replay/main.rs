//! The recording of a real service (`FastAPI`, OR-Tools, `NumPy` under auto-instrumentation; one request
//! to each kind of endpoint) gives the spans that it gave when it was made, byte for byte. Needs
//! neither root nor BPF.
//!
//! After a change that is meant to change spans: `UPDATE_FIXTURES=1 cargo test -p hotspan-tests --test
//! replay`, and read the difference.

use std::{env, fmt::Write as _, fs, path::PathBuf};

use hotspan::recording::RecordingReader;
use hotspan_synth::{Synth, span::Span};

#[test]
fn the_recorded_service_gives_its_spans_again() {
    let made = replay();
    let expected = fixtures().join("demo.spans.jsonl");
    if env::var_os("UPDATE_FIXTURES").is_some() {
        fs::write(&expected, &made).unwrap();
    }
    let expected = fs::read_to_string(expected).unwrap();
    for (line, (made, expected)) in made.lines().zip(expected.lines()).enumerate() {
        assert_eq!(made, expected, "span {line}");
    }
    assert_eq!(made.lines().count(), expected.lines().count());
}

#[test]
fn a_replay_depends_on_nothing_but_the_recording() {
    assert_eq!(replay(), replay());
}

fn replay() -> String {
    let mut reader = RecordingReader::open(&fixtures().join("demo.jsonl.gz")).unwrap();
    let mut synth = Synth::new(reader.settings().clone());
    let mut spans: Vec<Span> = Vec::new();
    for event in &mut reader {
        synth.handle(event.unwrap(), &mut spans);
    }
    synth.finish(reader.end().unwrap().finished, &mut spans);
    assert!(!spans.is_empty());
    spans.iter().fold(String::new(), |mut text, span| {
        writeln!(text, "{}", serde_json::to_string(span).unwrap()).unwrap();
        text
    })
}

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}
