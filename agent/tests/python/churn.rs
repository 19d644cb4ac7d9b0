//! Reads that race with the target: an answer is right, or there is none.

use std::{
    fmt::Debug,
    path::Path,
    time::{Duration, Instant},
};

use hotspan::context::{
    memory::Memory,
    python::{
        heap::{Heap, HeapLayout},
        modules::Modules,
    },
};
use serde::Deserialize;

use crate::interpreters::{self, Subject};

/// How long each interpreter is read.
const DURATION: Duration = Duration::from_millis(400);

/// What `churn.py` prints.
#[derive(Deserialize)]
struct Truth {
    minor: u32,
    interpreter: u64,
    modules: u64,
    builtins: u64,
    held: u64,
    table: u64,
    kept: u64,
}

/// Right answers, and reads that gave none.
#[derive(Debug, Default)]
struct Tally {
    right: u64,
    none: u64,
}

impl Tally {
    fn add<T: PartialEq + Debug, E>(&mut self, answer: Result<T, E>, expected: &T) {
        match answer {
            Ok(answer) => {
                assert_eq!(&answer, expected);
                self.right += 1;
            }
            Err(_) => self.none += 1,
        }
    }
}

fn check(interpreter: &Path) {
    let mut subject = Subject::start(interpreter, include_str!("churn.py"));
    let truth: Truth = subject.truth();
    let memory = Memory::open(subject.pid()).unwrap();
    let mut heap = Heap::new(&memory, HeapLayout::for_version(truth.minor).unwrap());
    let [mut found, mut modules, mut attributes, mut items] = <[Tally; 4]>::default();
    let end = Instant::now() + DURATION;
    while Instant::now() < end {
        let all = Modules::find(&mut heap, truth.interpreter);
        found.add(all.map(|modules| modules.dict), &truth.modules);
        let sys_modules = Modules {
            dict: truth.modules,
            offset: 0,
        };
        modules.add(sys_modules.get(&heap, "builtins"), &Some(truth.builtins));
        attributes.add(heap.attribute(truth.held, "kept"), &Some(truth.kept));
        items.add(heap.dict_get(truth.table, "kept"), &Some(truth.kept));
    }
    eprintln!("  {found:?} {modules:?} {attributes:?} {items:?}");
    for tally in [found, modules, attributes, items] {
        assert!(tally.right > 0, "some reads must succeed in {DURATION:?}");
    }
}

#[test]
fn a_racing_read_is_right_or_fails() {
    interpreters::for_each("racing reads", check);
}
