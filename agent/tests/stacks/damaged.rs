//! Damaged bytes: stacks, registers, files. Less is named then; nothing panics, nothing goes on for ever.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use hotspan::{
    object::Image,
    stack::{RawSample, Stacks},
    symbolize::ObjectSymbols,
    target::Process,
    unwind::CodeObject,
};
use hotspan_common::{MAX_PYTHON_FRAMES, SampleFlags};
use hotspan_synth::event::Event;
use tempfile::TempDir;

use crate::{
    capture::{capture, empty, now},
    native::{Run, build},
    numbers::Numbers,
};

/// Mutations of each kind.
const ROUNDS: u32 = 300;

fn damage_sample(raw: &mut RawSample, numbers: &mut Numbers) {
    let event = &mut raw.event;
    match numbers.below(6) {
        0 => event.ip = numbers.next(),
        1 => event.sp = numbers.next(),
        2 => event.bp = numbers.next(),
        3 => event.sp = event.sp.wrapping_add(8 * (numbers.next() % 64)),
        4 => {
            let length = numbers.below(raw.stack.len());
            raw.stack.truncate(length);
        }
        _ => {
            event.python_len = numbers.next() as u32 % (2 * MAX_PYTHON_FRAMES as u32);
            event.context = 1;
            event.span_object = numbers.next();
            event.parent.span_id = numbers.next().to_le_bytes();
            event.reason = numbers.below(6) as u32;
            for frame in &mut event.python {
                frame.code = numbers.next();
                frame.instruction = numbers.next();
                frame.is_entry = numbers.below(2) as u32;
            }
        }
    }
    if !raw.stack.is_empty() {
        let count = numbers.below(64);
        numbers.damage(&mut raw.stack, count);
    }
    if numbers.below(2) == 0 {
        event.flags ^= SampleFlags::STACK_CUT;
    }
}

#[test]
fn damaged_samples_are_named_less() {
    let program = build(&[]);
    for chain in ["aligned", "signal", "generated"] {
        let run = Run::start(&program.path, &[chain]);
        let (sound, _) = run.at("reached", 64 << 10);
        let pid = sound.event.tgid;
        let mut stacks = Stacks::default();
        stacks.adopt(pid, Arc::new(Process::open(pid).unwrap()));
        let mut numbers = Numbers(7);
        for _ in 0..ROUNDS {
            let mut raw = sound.clone();
            damage_sample(&mut raw, &mut numbers);
            let resolved = stacks.resolve(&raw, now());
            let functions = resolved.events.iter().filter_map(|event| match event {
                Event::Function(function) => Some(function),
                _ => None,
            });
            assert!(
                functions
                    .into_iter()
                    .all(|function| !function.name.is_empty())
            );
        }
    }
}

#[test]
fn samples_of_strangers_and_of_the_dead_are_counted() {
    let mut stacks = Stacks::default();
    let nobody = RawSample {
        event: empty(1, 1),
        stack: Vec::new(),
    };
    assert!(stacks.resolve(&nobody, now()).events.is_empty());

    let program = build(&[]);
    let run = Run::start(&program.path, &["plain"]);
    let pid = run.child.id();
    let raw = capture(pid, pid, 64 << 10);
    stacks.adopt(pid, Arc::new(Process::open(pid).unwrap()));
    drop(run);
    let resolved = stacks.resolve(&raw, now());
    assert_eq!(resolved.events.len(), 1, "the sample itself: {resolved:?}");
    let counters: Vec<_> = stacks.counters().collect();
    assert_eq!(
        counters,
        [
            ("stacks.of_unknown_targets", 1),
            ("stacks.without_mappings", 1)
        ]
    );
}

/// A library that every host has.
fn library() -> PathBuf {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| line.contains("/libc.so")).unwrap();
    PathBuf::from(line.split_whitespace().last().unwrap())
}

/// Asks for everything that is asked of a file.
fn exercise(path: &Path, numbers: &mut Numbers) {
    let Ok(object) = CodeObject::open(path, path) else {
        return;
    };
    let mut symbols = ObjectSymbols::of(object.image()).ok();
    for _ in 0..200 {
        let address = numbers.next() % (4 << 20);
        object.covering(address);
        if let Some(symbols) = &mut symbols {
            symbols.names(address);
        }
    }
}

#[test]
fn damaged_objects_are_named_less() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("damaged");
    let program = build(&["-g"]);
    let mut numbers = Numbers(11);
    for original in [library(), program.path.clone()] {
        let sound = fs::read(original).unwrap();
        for round in 0..ROUNDS {
            let mut bytes = sound.clone();
            match round % 4 {
                // The headers: of the file, of its segments, of its sections.
                0 => numbers.damage(&mut bytes[16..1024], 4),
                1 => {
                    let end = bytes.len();
                    numbers.damage(&mut bytes[end - 2048..], 16);
                }
                // Anywhere: tables of symbols, strings, unwind rows.
                2 => numbers.damage(&mut bytes, 20_000),
                _ => {
                    let length = numbers.below(bytes.len());
                    bytes.truncate(length);
                }
            }
            fs::write(&path, &bytes).unwrap();
            exercise(&path, &mut numbers);
        }
    }
}

/// Only the tables that unwinding goes by: what is damaged elsewhere rarely meets them.
#[test]
fn damaged_unwind_tables_lead_to_an_end() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("damaged");
    let program = build(&[]);
    let sound = fs::read(&program.path).unwrap();
    let image = Image::open(&program.path).unwrap();
    let tables = [".eh_frame", ".eh_frame_hdr"].map(|name| {
        let (_, bytes) = image.section(name).unwrap();
        let start = sound.windows(bytes.len()).position(|part| part == bytes);
        let start = start.unwrap();
        start..start + bytes.len()
    });
    let mut numbers = Numbers(17);
    for round in 0..ROUNDS as usize {
        let mut bytes = sound.clone();
        let count = 1 + numbers.below(64);
        numbers.damage(&mut bytes[tables[round % 2].clone()], count);
        fs::write(&path, &bytes).unwrap();
        let Ok(object) = CodeObject::open(&path, &path) else {
            continue;
        };
        for address in (0..0x8000).step_by(7) {
            object.covering(address);
        }
    }
}

#[test]
fn an_object_may_be_cut_short_while_it_is_in_use() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("cut");
    fs::copy(library(), &path).unwrap();
    let object = CodeObject::open(&path, &path).unwrap();
    let image = Image::open(&path).unwrap();
    let mut symbols = ObjectSymbols::of(&image).unwrap();
    // The file is gone before anything was asked.
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(0)
        .unwrap();
    let mut numbers = Numbers(13);
    let mut named = 0;
    for _ in 0..2000 {
        let address = numbers.next() % (2 << 20);
        object.covering(address);
        named += symbols.names(address).len();
    }
    assert!(named > 100, "{named} addresses of libc have names");
}
