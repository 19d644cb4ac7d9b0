//! Exits before the `ret`: which are taken, and above all which are not.

use std::path::Path;

use hotspan_common::ReturnSp;

use super::{
    build,
    bytes::{CALL, IF_EQUAL, JE, JMP, JNE, RET},
    exits,
};
use crate::object::exits::{Execution, ExitPoint, Exits, Kept};

fn search(object: &Path, name: &str) -> Exits {
    exits(object, name).unwrap()
}

/// The bytes at each early exit, its condition, and the stack pointer at the `ret` less `rsp` or `rbp`.
fn early(object: &Path, name: &str) -> Vec<(u8, u8, ReturnSp)> {
    let exits = search(object, name);
    let bytes = std::fs::read(object).unwrap();
    let early = exits.early.unwrap_or_else(|| panic!("{name}: none"));
    let byte = |offset: u64| bytes[usize::try_from(offset).unwrap()];
    early
        .iter()
        .inspect(|point| {
            let expected = match byte(point.file_offset) {
                RET => Execution::Stepped,
                CALL => Execution::EmulatedCall,
                _ => Execution::EmulatedJump,
            };
            assert_eq!(point.execution, expected, "{name}");
        })
        .map(|point| (byte(point.file_offset), point.condition, point.sp))
        .collect()
}

fn rsp(offset: i64) -> ReturnSp {
    ReturnSp::new(false, offset).unwrap()
}

fn rbp(offset: i64) -> ReturnSp {
    ReturnSp::new(true, offset).unwrap()
}

#[test]
fn what_surely_leads_to_a_return_stands_for_it() {
    let (_folder, object) = build(&["early.s"], &[]);
    let frame = rsp(0x48);
    let cases = [
        (
            "taken_and_short_call",
            vec![(JE, IF_EQUAL, frame), (CALL, 0, frame)],
        ),
        ("not_taken", vec![(JNE, IF_EQUAL, frame)]),
        ("by_frame_pointer", vec![(JMP, 0, rbp(8))]),
        ("by_leave", vec![(JMP, 0, rbp(8))]),
        ("both_ways", vec![(JE, 0, frame)]),
        ("two_epilogues", vec![(JE, 0, frame)]),
        ("loop_with_call", vec![(JNE, IF_EQUAL, frame)]),
        ("endless_call", vec![(JE, IF_EQUAL, frame)]),
        ("with_pad", vec![(JE, IF_EQUAL, frame), (JMP, 0, frame)]),
        // Its near form: 0f 85.
        ("tail_or_return", vec![(0x0f, 0, rsp(0))]),
    ];
    for (name, expected) in cases {
        assert_eq!(early(&object, name), expected, "{name}");
    }
}

#[test]
fn a_tail_callee_is_searched_as_well() {
    let (_folder, object) = build(&["early.s"], &[]);
    let expected = [
        (JNE, IF_EQUAL, rsp(0)),
        (JE, IF_EQUAL, rsp(8)),
        (CALL, 0, rsp(8)),
    ];
    assert_eq!(early(&object, "tail_callee"), expected);
}

/// Whether a reason is the expected one.
type Is = fn(Kept) -> bool;

/// The `ret`s are all that is probed then.
#[test]
fn a_return_is_kept_where_anything_is_not_certain() {
    let (_folder, object) = build(&["early.s"], &[]);
    let kept = |name: &str| {
        let exits = search(&object, name);
        assert_eq!(exits.early, None, "{name}");
        exits.kept
    };
    let cases: [(&str, Is); 13] = [
        ("tight_loop", |why| matches!(why, Kept::Loop(_))),
        ("tight_loop_with_free", |why| matches!(why, Kept::Loop(_))),
        ("out_of_tight_loop", |why| matches!(why, Kept::Loop(_))),
        ("long_call", |why| matches!(why, Kept::LongCall(_))),
        ("copying_call", |why| matches!(why, Kept::LongCall(_))),
        ("call_through_slot", |why| matches!(why, Kept::Stepped(_))),
        ("writes_at_last", |why| matches!(why, Kept::Continued(_))),
        ("straight_from_entry", |why| matches!(why, Kept::Entered(_))),
        ("realigned", |why| matches!(why, Kept::UnknownSp(_))),
        ("huge_frame", |why| matches!(why, Kept::UnknownSp(_))),
        ("counted_by_rcx", |why| matches!(why, Kept::Stepped(_))),
        ("nine_conditions", |why| why == Kept::TooMany),
        ("pad_in_epilogue", |why| matches!(why, Kept::Entered(_))),
    ];
    for (name, is) in cases {
        let why = kept(name);
        assert_eq!(why.len(), 1, "{name}: {why:x?}");
        assert!(is(why[0]), "{name}: {why:x?}");
    }
    // Not all ways through these are known.
    for name in ["switched", "into_an_instruction", "pad_elsewhere"] {
        assert_eq!(kept(name), [Kept::NotFollowed], "{name}");
    }
}

/// One `ret` of a function can be replaced, and another one not.
#[test]
fn each_return_is_judged_by_itself() {
    let (_folder, object) = build(&["early.s"], &[]);
    let mixed = early(&object, "unreached");
    assert_eq!(mixed, [(JMP, 0, rsp(0x48)), (RET, 0, ReturnSp::HERE)]);
    assert_eq!(early(&object, "eight_conditions").len(), 9);
}

/// What is probed where calls that go on pass the conditional exits too often: the `ret`s that those stand for, and no others.
#[test]
fn a_return_takes_the_place_of_conditional_exits_alone() {
    let (_folder, object) = build(&["early.s"], &[]);
    let kinds = |exits: &[ExitPoint]| {
        let is_stepped = |exit: &&ExitPoint| exit.execution == Execution::Stepped;
        let conditional = exits.iter().filter(|exit| exit.condition != 0).count();
        (
            exits.len(),
            exits.iter().filter(is_stepped).count(),
            conditional,
        )
    };
    let cheapest = |name| search(&object, name).cheapest(false);
    let (exits, fallback) = cheapest("early_ways_out");
    assert_eq!(kinds(&exits), (3, 0, 2));
    assert_eq!(kinds(&fallback), (2, 1, 0));
    let (exits, fallback) = cheapest("eight_conditions");
    assert_eq!(kinds(&exits), (9, 0, 8));
    assert_eq!(kinds(&fallback), (1, 1, 0));
}

/// There, a call that the kernel emulates may kill the program.
#[test]
fn calls_are_not_probed_where_programs_can_have_shadow_stacks() {
    let (_folder, object) = build(&["early.s"], &[]);
    let cheapest = |name, shadow_stacks| search(&object, name).cheapest(shadow_stacks);
    let (exits, fallback) = cheapest("taken_and_short_call", true);
    assert_eq!((exits.len(), exits[0].execution), (1, Execution::Stepped));
    assert!(fallback.is_empty());
    let (exits, fallback) = cheapest("taken_and_short_call", false);
    assert_eq!((exits.len(), fallback.len()), (2, 1));
    let (exits, _) = cheapest("not_taken", true);
    assert_eq!(exits[0].execution, Execution::EmulatedJump);
}

#[test]
fn the_stack_pointer_of_a_return_fits_a_cookie_or_not() {
    assert_eq!(rsp(0x48).at(0x1000, 0), 0x1048);
    assert_eq!(rbp(8).at(0, 0x2000), 0x2008);
    assert_eq!(ReturnSp::HERE.at(0x1000, 0x2000), 0x1000);
    let largest = 8 * ((1 << 15) - 1);
    assert_eq!(rsp(largest).at(0, 1), largest as u64);
    for offset in [-8, 4, largest + 8, i64::MAX] {
        assert_eq!(ReturnSp::new(false, offset), None, "{offset}");
    }
}
