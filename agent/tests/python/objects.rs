//! Objects of every layout, on every version that is found on this machine.

use std::{collections::BTreeMap, path::Path};

use hotspan::context::{
    memory::Memory,
    python::{
        heap::{Heap, HeapLayout, PyValue},
        modules::Modules,
    },
};
use serde::Deserialize;

use crate::interpreters::{self, Subject};

const PROGRAM: &str = include_str!("objects.py");

/// What `objects.py` prints.
#[derive(Deserialize)]
struct Truth {
    minor: u32,
    interpreter: u64,
    modules: u64,
    values: Vec<(u64, String, serde_json::Value)>,
    dicts: Vec<(u64, Vec<(u64, u64)>)>,
    instances: Vec<(u64, String, BTreeMap<String, Option<u64>>)>,
    unreadable: Vec<(u64, String)>,
    globals: BTreeMap<String, u64>,
}

fn as_json(value: PyValue) -> serde_json::Value {
    match value {
        PyValue::None => serde_json::Value::Null,
        PyValue::Bool(value) => value.into(),
        PyValue::Int(value) => value.into(),
        PyValue::Float(value) => value.into(),
        PyValue::Text(value) => value.into(),
        PyValue::Items(items) => items.into_iter().map(as_json).collect(),
        PyValue::Other { class } => panic!("a {class} was not read"),
    }
}

fn check(interpreter: &Path) {
    let mut subject = Subject::start(interpreter, PROGRAM);
    let truth: Truth = subject.truth();
    let memory = Memory::open(subject.pid()).unwrap();
    let mut heap = Heap::new(&memory, HeapLayout::for_version(truth.minor).unwrap());
    let modules = Modules::find(&mut heap, truth.interpreter).unwrap();
    assert_eq!(modules.dict, truth.modules);

    for (address, class, expected) in &truth.values {
        assert_eq!(&heap.type_of(*address).unwrap().name, class);
        assert_eq!(&as_json(heap.value(*address).unwrap()), expected);
    }
    for (address, expected) in &truth.dicts {
        let entries = heap.dict_entries(*address).unwrap();
        let entries: Vec<_> = entries
            .iter()
            .map(|entry| (entry.key, entry.value))
            .collect();
        assert_eq!(&entries, expected);
    }
    for (address, class, attributes) in &truth.instances {
        for (name, expected) in attributes {
            assert_eq!(
                heap.attribute(*address, name).unwrap(),
                *expected,
                "{class}.{name}"
            );
        }
    }
    for (address, class) in &truth.unreadable {
        let expected = PyValue::Other {
            class: class.clone(),
        };
        assert_eq!(heap.value(*address).unwrap(), expected);
        assert!(heap.dict_entries(*address).is_err());
        assert!(heap.items(*address).is_err());
        assert!(heap.text(*address).is_err());
    }
    let main = modules.get(&heap, "__main__").unwrap().unwrap();
    for (name, expected) in &truth.globals {
        assert_eq!(heap.global(main, name).unwrap(), Some(*expected), "{name}");
    }
    assert_eq!(modules.get(&heap, "absent.module").unwrap(), None);
}

#[test]
fn objects_read_as_the_interpreter_shows_them() {
    interpreters::for_each("heap objects", check);
}
