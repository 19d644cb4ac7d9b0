//! What user space reads of threads that stand still, held against what they say themselves.

use std::collections::HashSet;

use hotspan::{context::python::threads::InterpreterThreads, target::Process};
use serde::Deserialize;

use crate::interpreters::{self, Subject};

const PROGRAM: &str = include_str!("threads.py");

/// What `threads.py` prints of each thread.
#[derive(Debug, Deserialize)]
struct Truth {
    thread: u32,
    trace_id: Option<String>,
    span_id: Option<String>,
    name: Option<String>,
    /// Of its innermost frames.
    codes: Vec<u64>,
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

#[test]
fn spans_and_frames_of_threads_that_stand_still() {
    interpreters::for_each_with_sdk("threads that stand still", |interpreter| {
        let mut subject = Subject::start(interpreter, PROGRAM);
        let truths: Vec<Truth> = subject.truth();
        let process = Process::open(subject.pid()).unwrap();
        let ids: HashSet<u32> = process.threads().unwrap().into_iter().collect();
        let found = InterpreterThreads::find(&process).unwrap();
        assert!(found.knows_spans());
        let threads = found.list(&ids);
        // The main thread is one, too.
        assert_eq!(threads.len(), truths.len() + 1);
        for truth in truths {
            let thread = threads.iter().find(|thread| thread.ns_tid == truth.thread);
            let state = thread.expect("every thread is found").state;
            let active = found.active_span(state).unwrap().map(|(span, _)| span);
            let ids = active.as_ref().map(|span| {
                let trace = hexadecimal(&span.trace_id);
                (Some(trace), Some(hexadecimal(&span.span_id)))
            });
            let expected = (truth.trace_id, truth.span_id);
            assert_eq!(ids.unwrap_or_default(), expected);
            assert_eq!(active.map(|span| span.name), truth.name);
            let walk = found.frames(state);
            assert_eq!(walk.flags, 0);
            let codes: Vec<u64> = walk.frames.iter().map(|frame| frame.code).collect();
            assert_eq!(codes[..truth.codes.len()], truth.codes);
        }
    });
}
