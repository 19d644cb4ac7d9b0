use std::{error::Error, fs, path::PathBuf};

use hotspan_synth::{
    Settings, Synth,
    event::{Crossing, Ending, Event, Parent, ParentRead, ParentSource, Target},
    ids::{CrossingId, RegionId, SpanId, TargetId, TraceId},
    recording::{End, LineError},
    region::Region,
    span::{Span, Value},
    time::{ClockAnchor, KernelTime, UnixTime},
};

use super::{RecordingError, RecordingReader, RecordingWriter};

const FINISHED: KernelTime = KernelTime(500);

fn events() -> Vec<Event> {
    let region = Region::span(
        RegionId(1),
        "cpsat.solve",
        "operations_research::sat::SolveCpModel",
        "libortools.so.9",
    );
    // Text that JSON must escape, and a number that a careless parser would round.
    let resource = vec![
        (
            "service.name".to_owned(),
            Value::Text("p\u{e4}nta\n\"rei\"".to_owned()),
        ),
        ("float".to_owned(), Value::Float(122.416_294_033_786_58)),
    ];
    let target = Target {
        id: TargetId(7),
        ns_pid: 1,
        executable: "python3".to_owned(),
        resource,
        begins_traces: true,
    };
    let anchor = ClockAnchor {
        kernel: KernelTime(0),
        unix: UnixTime(1_700_000_000_000),
        error_ns: 30,
    };
    let mut events = vec![
        Event::Clock(anchor),
        Event::Target(target),
        Event::Region(region),
    ];
    events.extend((1..4).map(crossing));
    events.push(Event::Counter {
        name: "entries".to_owned(),
        total: u64::MAX,
    });
    events.push(Event::Tick {
        now: KernelTime(300),
    });
    events
}

fn crossing(number: u64) -> Event {
    let parent = Parent {
        trace_id: TraceId([1; 16]),
        span_id: SpanId([2; 8]),
        sampled: true,
        remote: false,
        source: ParentSource::Python,
        by_lineage: false,
    };
    Event::Crossing(Crossing {
        id: CrossingId(number),
        target: TargetId(7),
        region: RegionId(1),
        thread: 4,
        enclosing: None,
        entry: KernelTime(100 * number),
        exit: KernelTime(100 * number + 50),
        proven: KernelTime(100 * number + 50),
        ending: Ending::Returned,
        runqueue_ns: 1,
        blocked_ns: 2,
        resources: None,
        parent: ParentRead::Found(parent),
        values: vec![(0, u64::MAX)],
        text: Some((1, "default_lp".to_owned())),
        called: None,
        members: Vec::new(),
    })
}

/// A whole recording in a new folder, under that name.
fn recorded(name: &str, max_bytes: u64) -> (tempfile::TempDir, PathBuf, End) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    let settings = Settings {
        seed: 11,
        ..Settings::default()
    };
    let writer = RecordingWriter::create(&path, &settings).expect("a recording");
    let mut writer = writer.with_max_bytes(max_bytes);
    for event in events() {
        writer.write(&event).expect("an event is written");
    }
    let end = writer.finish(FINISHED).expect("the recording is completed");
    (folder, path, end)
}

fn read(path: &std::path::Path) -> Result<(Vec<Event>, Option<End>), RecordingError> {
    let mut reader = RecordingReader::open(path)?;
    let events = reader.by_ref().collect::<Result<Vec<_>, _>>()?;
    Ok((events, reader.end()))
}

fn spans(settings: Settings, events: Vec<Event>, finished: KernelTime) -> String {
    let mut synth = Synth::new(settings);
    let mut spans: Vec<Span> = Vec::new();
    for event in events {
        synth.handle(event, &mut spans);
    }
    synth.finish(finished, &mut spans);
    assert_eq!(spans.len(), 3);
    serde_json::to_string(&spans).expect("spans can be written as JSON")
}

#[test]
fn a_recording_gives_the_same_events_and_the_same_spans() {
    for name in ["run.hotspan", "run.hotspan.gz"] {
        let (_folder, path, end) = recorded(name, u64::MAX);
        let (found, read_end) = read(&path).expect("the recording is whole");
        assert_eq!(found, events(), "{name}");
        assert_eq!(read_end, Some(end));
        let settings = RecordingReader::open(&path)
            .expect("it opens")
            .header()
            .settings
            .clone();
        let live = spans(
            Settings {
                seed: 11,
                ..Settings::default()
            },
            events(),
            FINISHED,
        );
        assert_eq!(spans(settings, found, end.finished), live, "{name}");
    }
}

#[test]
fn only_a_name_in_gz_is_compressed() {
    let (_kept, plain, _) = recorded("run", u64::MAX);
    let (_kept_too, gzip, _) = recorded("run.gz", u64::MAX);
    let first_bytes = |path| fs::read(path).expect("the file is there")[..2].to_vec();
    assert_eq!(first_bytes(plain), b"{\"");
    assert_eq!(first_bytes(gzip), [0x1f, 0x8b]);
}

#[test]
fn a_full_recording_is_the_beginning_of_the_run_and_says_so() {
    let (_folder, path, end) = recorded("run", 700);
    let (found, read_end) = read(&path).expect("the recording is whole");
    let all = events();
    assert!(!found.is_empty() && found.len() < all.len());
    assert_eq!(found, all[..found.len()]);
    assert_eq!(end.left_out, (all.len() - found.len()) as u64);
    assert_eq!(read_end, Some(end));
}

/// The error that a file of these bytes gives.
#[track_caller]
fn check(bytes: &[u8], expected: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run");
    fs::write(&path, bytes).expect("the file is written");
    let error = read(&path).expect_err("the file is no whole recording");
    let source = error.source().map(ToString::to_string).unwrap_or_default();
    assert!(
        source.starts_with(expected),
        "expected {expected:?}, found {source:?}"
    );
    assert!(
        error.to_string().contains("run"),
        "the file is named: {error}"
    );
}

#[test]
fn what_is_no_recording_is_named() {
    let header = r#"{"hotspan_recording":2,"version":"0.1.0","settings":{"seed":1}}"#;
    let foreign = "not a hotspan recording";
    check(b"", foreign);
    check(b"hello", foreign);
    check(b"hello\n", foreign);
    check(b"{\"resourceSpans\":[]}\n", foreign);
    check(b"\x7fELF\x02\x01\x01\0\n", foreign);
    check(&vec![b' '; 3 << 20], foreign);
    check(
        b"{\"hotspan_recording\":1}\n",
        "a recording of format 1; this hotspan reads format 2",
    );
    let odd = b"{\"hotspan_recording\":2,\"version\":\"0\",\"settings\":3}\n";
    check(odd, "the recording's header is malformed: ");
    check(
        b"{\"hotspan_recording\":2,\"ver",
        "the recording was cut off after line 0",
    );
    let with = |lines: &str| format!("{header}\n{lines}").into_bytes();
    check(
        &with("{\"tick\":{\"now\":1}}\n{\"tock\":{}}\n"),
        "line 3 of the recording is malformed: ",
    );
    check(
        &with("{\"tick\":{\"now\":-1}}\n"),
        "line 2 of the recording is malformed: ",
    );
    check(
        &[header.as_bytes(), b"\n\xff\xfe\n"].concat(),
        "line 2 of the recording is malformed: not",
    );
    check(
        &with(&" ".repeat(3 << 20)),
        "line 2 of the recording is malformed: the line is too",
    );
    let end = "{\"end\":{\"events\":1,\"left_out\":0,\"finished\":3}}\n";
    check(
        &with(end),
        "the recording has 0 events, and its last line, 2, says 1",
    );
    let tick = "{\"tick\":{\"now\":1}}\n";
    check(
        &with(&format!("{tick}{end}{tick}")),
        "line 4 of the recording follows its last line",
    );
}

#[test]
fn a_recording_that_was_cut_off_anywhere_says_so() {
    for name in ["run", "run.gz"] {
        let (_folder, path, _) = recorded(name, u64::MAX);
        let whole = fs::read(&path).expect("the file is there");
        for length in (1..whole.len()).rev().step_by(3) {
            fs::write(&path, &whole[..length]).expect("the file is written");
            let error = read(&path).expect_err("the file is cut off");
            let is_told = matches!(
                &error,
                RecordingError::Line {
                    source: LineError::Truncated { .. } | LineError::Foreign,
                    ..
                }
            );
            assert!(is_told, "{name}, {length} bytes: {error:?}");
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = read(std::path::Path::new("no/such/file")).expect_err("there is no such file");
    assert_eq!(error.to_string(), "cannot read no/such/file");
}
