//! Native and Python frames as one stack, on every version that is found: `chain.py` says which calls it
//! makes.

use std::path::Path;

use hotspan::{
    context::python::code::{CodeLayout, LineFormat},
    stack::RawSample,
};
use hotspan_common::{PythonFrame, SampleFlags, code_checksum};
use hotspan_synth::event::Language;
use serde::Deserialize;

use crate::{
    capture::capture,
    interpreters::{self, Subject},
    named::Named,
};

const PROGRAM: &str = include_str!("chain.py");
const ALL: usize = 1 << 20;

/// What `chain.py` prints.
#[derive(Deserialize)]
struct Truth {
    minor: u32,
    thread: u32,
    /// Innermost first.
    frames: Vec<FrameTruth>,
}

#[derive(Deserialize)]
struct FrameTruth {
    address: u64,
    name: String,
    qualified: String,
    line: u32,
    first_line: u32,
    flags: u32,
    arguments: u32,
    last: u64,
    entry: bool,
}

impl FrameTruth {
    fn as_sampled(&self, layout: &CodeLayout) -> PythonFrame {
        PythonFrame {
            code: self.address,
            instruction: match layout.line_format {
                LineFormat::Lnotab => self.last,
                LineFormat::Pep626 => self.last / 2,
                LineFormat::Locations => self.address + layout.instructions as u64 + self.last,
            },
            checksum: code_checksum(self.first_line, self.flags, self.arguments),
            is_entry: self.entry.into(),
        }
    }
}

struct Run {
    subject: Subject,
    truth: Truth,
}

impl Run {
    /// `None` for a version whose code is not described.
    fn start(interpreter: &Path, program: &str) -> Option<(Self, CodeLayout)> {
        let mut subject = Subject::start(interpreter, program);
        let truth: Truth = subject.truth();
        let layout = CodeLayout::of(truth.minor)?;
        let run = Self { subject, truth };
        run.await_reading();
        Some((run, layout))
    }

    /// A sample of the thread where it waits.
    fn sample(&self, layout: &CodeLayout) -> RawSample {
        let mut raw = capture(self.subject.pid(), self.truth.thread, ALL);
        raw.event.python_len = self.truth.frames.len() as u32;
        for (slot, frame) in raw.event.python.iter_mut().zip(&self.truth.frames) {
            *slot = frame.as_sampled(layout);
        }
        raw
    }

    /// Until it is in `read` of its standard input, from where it does not come back by itself.
    fn await_reading(&self) {
        let pid = self.subject.pid();
        let path = format!("/proc/{pid}/task/{}/syscall", self.truth.thread);
        while !std::fs::read_to_string(&path)
            .unwrap()
            .starts_with("0 0x0 ")
        {
            std::thread::yield_now();
        }
    }
}

/// The Python frames must be those of the truth, in order, with their lines.
fn check_python(named: &Named, truth: &Truth) {
    let python = named
        .functions
        .iter()
        .zip(&named.lines)
        .filter(|(function, _)| function.language == Language::Python);
    let found: Vec<_> = python
        .map(|(function, line)| (function.name.as_str(), function.qualified.as_str(), *line))
        .collect();
    let expected: Vec<_> = truth
        .frames
        .iter()
        .rev()
        .map(|frame| (frame.name.as_str(), frame.qualified.as_str(), frame.line))
        .collect();
    assert_eq!(found, expected, "{:?}", named.names());
}

fn python_names(named: &Named) -> Vec<&str> {
    let functions = named.functions.iter();
    functions
        .filter(|function| function.language == Language::Python)
        .map(|function| function.name.as_str())
        .collect()
}

/// Native frames must lie between the right Python frames, and none be the interpreter's own.
fn check_native(stack: &Named) {
    let names = stack.names();
    let position = |wanted: &str| names.iter().position(|name| *name == wanted).unwrap();
    let between = |outer: &str, inner: &str| &names[position(outer) + 1..position(inner)];
    assert!(names.last().unwrap().ends_with("read"), "{names:?}");
    assert!(between("outer", "middle").is_empty(), "{names:?}");
    let has_symbols = names.iter().any(|name| name.contains("list_sort"));
    if has_symbols {
        assert!(
            between("middle", "by_key")
                .iter()
                .any(|name| name.contains("sort"))
        );
        assert_eq!(
            between("by_key", "by_map").last(),
            Some(&"map_next"),
            "{names:?}"
        );
        assert!(between("by_map", "__call__").is_empty(), "{names:?}");
    }
    for name in &names {
        assert!(
            !name.contains("PyEval") && !name.starts_with("Py"),
            "{names:?}"
        );
    }
}

fn check(interpreter: &Path, program: &str) {
    let Some((run, layout)) = Run::start(interpreter, program) else {
        return;
    };
    let raw = run.sample(&layout);
    let named = Named::of(&raw);
    eprintln!("{:?} {:?}", named.names(), named.counters);
    check_python(&named, &run.truth);
    check_native(&named);
    assert!(named.is_complete, "{:?}", named.counters);
    assert_eq!(
        named.counted("stacks.loosely_joined"),
        0,
        "{:?}",
        named.names()
    );
    assert_eq!(named.counted("stacks.python_code_gone"), 0);

    cut_short(&run.truth, raw.clone());
    misread(&run.truth, raw);
}

/// With only the innermost bytes of the stack, Python's frames tell the rest.
fn cut_short(truth: &Truth, mut raw: RawSample) {
    raw.stack.truncate(256);
    raw.event.flags |= SampleFlags::STACK_CUT;
    let named = Named::of(&raw);
    check_python(&named, truth);
    assert!(
        named.names().last().unwrap().ends_with("read"),
        "{:?}",
        named.names()
    );
    assert_eq!(named.counted("stacks.cut"), 1);
}

/// A code object that is not the one that was sampled is not named; the other frames are.
fn misread(truth: &Truth, mut raw: RawSample) {
    raw.event.python[0].checksum ^= 1;
    let named = Named::of(&raw);
    let name = &truth.frames[0].name;
    assert!(
        !named.names().contains(&name.as_str()),
        "{:?}",
        named.names()
    );
    let others: Vec<_> = truth.frames[1..]
        .iter()
        .rev()
        .map(|frame| frame.name.as_str())
        .collect();
    assert_eq!(python_names(&named), others);
    assert_eq!(named.counted("stacks.python_code_gone"), 1);
}

#[test]
fn python_and_native_frames_are_one_stack() {
    interpreters::for_each("stacks", |interpreter| check(interpreter, PROGRAM));
    let debian = Path::new("/usr/bin/python3");
    if debian.is_file() {
        check(debian, PROGRAM);
    }
}

#[test]
fn python_threads_are_found_to_their_start() {
    let program = format!("IN_A_THREAD = True\n{PROGRAM}");
    interpreters::for_each("stacks of threads", |interpreter| {
        check(interpreter, &program);
    });
}
