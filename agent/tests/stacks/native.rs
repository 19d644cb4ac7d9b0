//! Native stacks: `chains.cc` says which calls it makes.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use hotspan::{
    stack::{RawSample, Stacks},
    target::Process,
};
use hotspan_synth::event::Event;
use tempfile::TempDir;

use crate::{
    capture::{capture, now},
    named::Named,
};

const PROGRAM: &str = include_str!("chains.cc");
/// More than any of the chains needs.
const ALL: usize = 1 << 20;

/// The program, built in one way.
pub struct Built {
    _directory: TempDir,
    /// Where it is.
    pub path: PathBuf,
}

/// Builds the program with these flags.
pub fn build(flags: &[&str]) -> Built {
    let directory = TempDir::new().unwrap();
    let source = directory.path().join("chains.cc");
    let path = directory.path().join("chains");
    std::fs::write(&source, PROGRAM).unwrap();
    let built = Command::new("g++")
        .args([
            "-O2",
            "-pthread",
            "-Wno-all",
            "-fno-optimize-sibling-calls",
            "-o",
        ])
        .args([&path, &source])
        .args(flags)
        .status()
        .unwrap();
    assert!(built.success(), "{flags:?}");
    Built {
        _directory: directory,
        path,
    }
}

/// A run of it, that has reached its end.
pub struct Run {
    /// The process.
    pub child: Child,
    thread: u32,
}

impl Run {
    /// Starts it.
    pub fn start(program: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let thread = line.trim().parse().unwrap();
        Self { child, thread }
    }

    fn sample(&self, limit: usize) -> RawSample {
        capture(self.child.id(), self.thread, limit)
    }

    /// A sample in the function `leaf`: at first the thread is still busy saying that it is there.
    pub fn at(&self, leaf: &str, limit: usize) -> (RawSample, Named) {
        for _ in 0..1000 {
            let raw = self.sample(limit);
            let named = Named::of(&raw);
            if named.names().last() == Some(&leaf) {
                return (raw, named);
            }
        }
        panic!(
            "{leaf} was not reached: {:?}",
            Named::of(&self.sample(limit)).names()
        );
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let _ = std::fs::remove_file(format!("/tmp/perf-{}.map", self.child.id()));
    }
}

fn check(program: &Built, arguments: &[&str], expected: &[&str]) {
    let run = Run::start(&program.path, arguments);
    let (_, named) = run.at(expected[expected.len() - 1], ALL);
    assert_eq!(
        named.names(),
        expected,
        "{arguments:?} {:?}",
        named.counters
    );
    assert!(named.is_complete, "{arguments:?} {:?}", named.counters);
    assert_eq!(named.counted("stacks.complete"), 1);
}

const TAIL: [&str; 4] = ["outer", "inner", "Cart::total", "reached"];

fn with_tail<'a>(start: &[&'a str]) -> Vec<&'a str> {
    [start, &TAIL].concat()
}

#[test]
fn chains_of_calls_are_found_to_the_threads_start() {
    let program = build(&["-fomit-frame-pointer"]);
    check(&program, &["plain"], &with_tail(&["main", "choose"]));
    check(
        &program,
        &["plain", "thread"],
        &with_tail(&["thread_main", "choose"]),
    );
    check(
        &program,
        &["aligned"],
        &with_tail(&["main", "choose", "aligned"]),
    );
}

#[test]
fn frame_pointers_are_followed_where_the_unwind_information_says_so() {
    let program = build(&["-fno-omit-frame-pointer"]);
    check(&program, &["plain"], &with_tail(&["main", "choose"]));
    check(
        &program,
        &["aligned", "thread"],
        &with_tail(&["thread_main", "choose", "aligned"]),
    );
}

#[test]
fn static_programs_have_stacks_too() {
    let program = build(&["-static"]);
    check(&program, &["plain"], &with_tail(&["main", "choose"]));
}

#[test]
fn without_symbols_frames_are_places() {
    let program = build(&["-s"]);
    let run = Run::start(&program.path, &["plain"]);
    for _ in 0..1000 {
        let named = Named::of(&run.sample(ALL));
        assert!(named.is_complete, "{:?}", named.counters);
        if named
            .names()
            .iter()
            .all(|name| name.starts_with("chains+0x"))
        {
            assert_eq!(named.names().len(), 6, "{:?}", named.names());
            return;
        }
    }
    panic!("the program's own code was not reached");
}

#[test]
fn signal_handlers_are_called_by_what_they_interrupt() {
    let program = build(&[]);
    let run = Run::start(&program.path, &["signal"]);
    let (_, named) = run.at("reached", ALL);
    let found = named.names();
    assert_eq!(found[..3], ["main", "choose", "interrupted"], "{found:?}");
    assert_eq!(
        found[found.len() - 5..],
        with_tail(&["handler"]),
        "{found:?}"
    );
    assert!(named.is_complete);
}

#[test]
fn a_stack_of_its_own_ends_where_it_does() {
    let program = build(&[]);
    let run = Run::start(&program.path, &["alternate"]);
    let (_, named) = run.at("reached", 16 << 10);
    let found = named.names();
    assert!(!named.is_complete);
    assert_eq!(
        found[found.len() - 5..],
        with_tail(&["handler"]),
        "{found:?}"
    );
}

#[test]
fn code_without_unwind_information_is_left_by_what_it_does_with_the_stack() {
    let program = build(&[]);
    check(
        &program,
        &["bare_leaf"],
        &["main", "choose", "at_bare", "bare_leaf"],
    );
    check(
        &program,
        &["bare_calls"],
        &with_tail(&["main", "choose", "calls_bare", "bare_calls"]),
    );
}

#[test]
fn code_without_unwind_information_nor_symbols_is_left_only_by_a_call_that_shows() {
    let program = build(&["-s"]);
    let run = Run::start(&program.path, &["bare_calls"]);
    for _ in 0..1000 {
        let named = Named::of(&run.sample(ALL));
        if named.counted("stacks.no_unwind_info") == 1 {
            assert!(!named.is_complete);
            return;
        }
    }
    panic!("the code was not reached");
}

#[test]
fn generated_code_has_the_name_that_its_maker_gives_it() {
    let program = build(&[]);
    let run = Run::start(&program.path, &["generated"]);
    let (_, named) = run.at("reached", ALL);
    assert_eq!(named.names(), with_tail(&["jit::made"]));
    assert!(!named.is_complete);
    assert_eq!(named.counted("stacks.unmapped_code"), 1);
}

#[test]
fn stacks_are_copied_as_far_as_they_are_deep() {
    let program = build(&[]);
    let run = Run::start(&program.path, &["deep"]);
    let (_, named) = run.at("reached", 16 << 10);
    assert!(!named.is_complete);
    assert_eq!(named.counted("stacks.cut"), 1, "{:?}", named.counters);
    let whole = Named::of(&run.sample(ALL));
    assert!(whole.is_complete);
    let deep = whole.names().iter().filter(|name| **name == "deep").count();
    assert_eq!(deep, 101);

    assert!(sizes_wanted(&run).is_empty(), "it begins with the largest");
    let shallow = Run::start(&program.path, &["plain"]);
    assert_eq!(sizes_wanted(&shallow), [8 << 10]);
}

#[test]
fn a_stack_that_was_cut_spoils_no_later_one() {
    let program = build(&[]);
    let run = Run::start(&program.path, &["own_frame"]);
    let mut stacks = Stacks::default();
    let pid = run.child.id();
    stacks.adopt(pid, Arc::new(Process::open(pid).unwrap()));
    let (whole, named) = run.at("reached", ALL);
    // The saved frame pointer lies two pages up, beyond what is copied here.
    assert_eq!(
        depth(&mut stacks, &run.sample(4 << 10)),
        named.names().len() - 3
    );
    assert_eq!(depth(&mut stacks, &whole), named.names().len());
}

fn depth(stacks: &mut Stacks, raw: &RawSample) -> usize {
    let events = stacks.resolve(raw, now()).events;
    let samples = events.iter().filter_map(|event| match event {
        Event::Sample(sample) => Some(sample.stack.len()),
        _ => None,
    });
    samples.sum()
}

/// What is asked for after many samples of a whole stack.
fn sizes_wanted(run: &Run) -> Vec<u32> {
    let mut stacks = Stacks::default();
    let pid = run.child.id();
    stacks.adopt(pid, Arc::new(Process::open(pid).unwrap()));
    let raw = run.sample(ALL);
    (0..600)
        .filter_map(|_| stacks.resolve(&raw, now()).stack_size)
        .collect()
}

#[test]
fn recursion_without_end_is_cut_off() {
    let program = build(&[]);
    let run = Run::start(&program.path, &["endless"]);
    let named = Named::of(&run.sample(ALL));
    assert!(!named.is_complete);
    assert_eq!(named.counted("stacks.loop"), 1, "{:?}", named.counters);
    assert!(named.names().len() <= 1024);
}

#[test]
fn a_thread_in_the_kernel_is_in_its_system_call() {
    let program = build(&[]);
    check(
        &program,
        &["kernel", "thread"],
        &["thread_main", "choose", "in_the_kernel", "waits", "pause"],
    );
}

#[test]
fn the_kernels_own_object_is_unwound_and_named() {
    let program = build(&[]);
    let run = Run::start(&program.path, &["vdso"]);
    for _ in 0..200 {
        let named = Named::of(&run.sample(ALL));
        assert!(
            named.is_complete,
            "{:?} {:?}",
            named.names(),
            named.counters
        );
        assert_eq!(named.names()[..3], ["main", "choose", "in_the_vdso"]);
        let leaf = named.functions.last().unwrap();
        if leaf.object == "[vdso]" {
            assert!(leaf.name.contains("clock_gettime"), "{leaf:?}");
            return;
        }
    }
    panic!("no sample fell into the vdso");
}

#[test]
fn debug_information_names_inlined_functions_and_lines() {
    let directory = TempDir::new().unwrap();
    let source = directory.path().join("inlined.cc");
    std::fs::write(
        &source,
        "#include <cstdio>\n#include <unistd.h>\n\
         static inline __attribute__((always_inline)) void spins() {\n\
         printf(\"%d\\n\", getpid()); fflush(stdout);\n\
         for (volatile int i = 0;; i++) {}\n}\n\
         int main() {\n spins();\n}\n",
    )
    .unwrap();
    let path = directory.path().join("inlined");
    let built = Command::new("g++")
        .args(["-O2", "-g", "-o"])
        .args([&path, &source])
        .status()
        .unwrap();
    assert!(built.success());
    let run = Run::start(&path, &[]);
    let (_, named) = run.at("spins", ALL);
    assert_eq!(named.names(), ["main", "spins"]);
    assert_eq!(named.lines, [8, 5]);
    let file = source.to_string_lossy();
    assert!(
        named.functions.iter().all(|function| function.file == file),
        "{:?}",
        named.functions
    );
}
