//! Walks by what earlier ones have left behind, against walks that remember nothing.

use std::sync::Arc;

use hotspan::{
    stack::RawSample,
    target::Process,
    unwind::{AddressSpace, ObjectStore, Walk, Walker},
};
use hotspan_common::SampleFlags;

use crate::{
    capture::now,
    native::{Run, build},
    numbers::Numbers,
};

/// Changed stacks of each chain of calls.
const ROUNDS: u32 = 400;
/// Of the words that changes are made to: those of the innermost frames, in bytes.
const NEAR: usize = 1024;

fn walk(raw: &RawSample, space: &mut AddressSpace, store: &mut ObjectStore) -> Walk {
    let time_ns = now();
    let mut walker = Walker {
        space,
        store,
        time_ns,
    };
    let sample = raw.view();
    walker.walk(sample.registers(), &sample.stack_copy())
}

fn addresses(walk: &Walk) -> Vec<u64> {
    walk.frames.iter().map(|frame| frame.address).collect()
}

/// Makes it another stack of the same thread: words change places, some are new, some are not there.
fn change(raw: &mut RawSample, numbers: &mut Numbers) {
    let words = NEAR.min(raw.stack.len()) / 8;
    for _ in 0..numbers.below(4) {
        let (from, to) = (8 * numbers.below(words), 8 * numbers.below(words));
        raw.stack.copy_within(from..from + 8, to);
    }
    match numbers.below(8) {
        0 => {
            let at = numbers.below(NEAR.min(raw.stack.len()));
            numbers.damage(&mut raw.stack[at..], 1);
        }
        1 => raw.event.bp = raw.event.bp.wrapping_add(8),
        2 => {
            let length = numbers.below(raw.stack.len());
            raw.stack.truncate(length);
        }
        3 => raw.event.stack_holes = 1 << numbers.below(4),
        4 => raw.event.flags ^= SampleFlags::STACK_CUT,
        // Called from elsewhere: the frames lie elsewhere, too.
        5 => {
            raw.event.sp = raw.event.sp.wrapping_add(16);
            raw.event.bp = raw.event.bp.wrapping_add(16);
        }
        _ => {}
    }
}

#[test]
fn what_is_remembered_changes_no_walk() {
    let program = build(&[]);
    for chain in ["plain", "aligned", "signal", "bare_calls", "deep"] {
        let run = Run::start(&program.path, &[chain]);
        let (sound, _) = run.at("reached", 64 << 10);
        let process = Arc::new(Process::open(run.child.id()).unwrap());
        let read = || <AddressSpace>::read(Arc::clone(&process), 0).unwrap();
        let mut store = ObjectStore::new(64 << 20);
        let mut space = read();
        let mut numbers = Numbers(23);
        let mut differ = 0;
        let whole = addresses(&walk(&sound, &mut space, &mut store));
        for round in 0..ROUNDS {
            let mut raw = sound.clone();
            change(&mut raw, &mut numbers);
            let remembered = walk(&raw, &mut space, &mut store);
            let anew = walk(&raw, &mut read(), &mut store);
            let found = addresses(&remembered);
            assert_eq!(found, addresses(&anew), "{chain} {round}");
            assert_eq!(
                (remembered.stop, remembered.end),
                (anew.stop, anew.end),
                "{chain} {round}"
            );
            differ += u32::from(found != whole);
            assert_eq!(
                addresses(&walk(&sound, &mut space, &mut store)),
                whole,
                "{chain} {round}"
            );
        }
        assert!(differ > ROUNDS / 20, "{chain}: {differ}");
    }
}
