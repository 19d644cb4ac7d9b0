//! Results at exits before the `ret`, and the instructions that stand for the `ret` on some ways only.

use std::path::Path;

use hotspan_common::{ResultAt, ReturnSp};
use iced_x86::{Decoder, DecoderOptions, Instruction};
use proptest::prelude::*;

use super::{
    build,
    bytes::{CALL, IF_EQUAL, JE, JMP, JNE, MOV, RET, UNLESS_EQUAL},
    with_searched,
};
use crate::object::exits::{Exits, Function, Kept, LastCalls, find, result};

fn search(object: &Path, name: &str, set: impl FnOnce(&mut Function)) -> Exits {
    with_searched(object, name, |searched, function| {
        let mut function = function.clone();
        function.reads_result = true;
        set(&mut function);
        find(searched, &function).unwrap()
    })
}

/// The first byte at each early exit, its condition, and where the result is.
fn early(object: &Path, exits: &Exits) -> Vec<(u8, u8, ResultAt)> {
    let bytes = std::fs::read(object).unwrap();
    let points = exits.early.iter().flatten();
    points
        .map(|point| {
            let byte = bytes[usize::try_from(point.file_offset).unwrap()];
            (byte, point.condition, point.result)
        })
        .collect()
}

/// By their places in `pt_regs`.
const R12: u8 = 3;
const RBX: u8 = 5;

fn register(word: u8) -> ResultAt {
    ResultAt::register(word).unwrap()
}

fn number(number: i64) -> ResultAt {
    ResultAt::number(number).unwrap()
}

#[test]
fn the_result_is_followed_to_where_it_comes_from() {
    let (_folder, object) = build(&["results.s"], &[]);
    let cases = [
        (
            "in_another_register",
            vec![(JNE, IF_EQUAL, register(RBX).half())],
        ),
        ("in_a_far_register", vec![(JNE, IF_EQUAL, register(R12))]),
        ("as_it_is", vec![(JNE, IF_EQUAL, ResultAt::RAX)]),
        ("a_number", vec![(JNE, IF_EQUAL, number(0).half())]),
        ("minus_one", vec![(JNE, IF_EQUAL, number(-1))]),
        (
            "past_a_short_call",
            vec![(JE, IF_EQUAL, register(RBX)), (CALL, 0, register(RBX))],
        ),
    ];
    for (name, expected) in cases {
        let exits = search(&object, name, |_| ());
        assert_eq!(early(&object, &exits), expected, "{name}");
        assert_eq!(exits.kept, [], "{name}");
    }
}

#[test]
fn a_return_is_kept_where_the_result_is_in_no_register() {
    let (_folder, object) = build(&["results.s"], &[]);
    for name in [
        "on_the_stack",
        "computed",
        "part_of_a_register",
        "a_large_number",
        "popped",
        "of_a_short_call",
    ] {
        let exits = search(&object, name, |_| ());
        assert_eq!(exits.early, None, "{name}");
        assert!(
            matches!(exits.kept[..], [Kept::UnknownResult(_)]),
            "{name}: {:x?}",
            exits.kept
        );
        // It hinders nobody who does not read it.
        let exits = search(&object, name, |function| function.reads_result = false);
        let early = exits.early.expect(name);
        assert!(early.iter().all(|point| point.result == ResultAt::RAX));
    }
}

/// One jump, two results: nothing says which.
#[test]
fn a_return_is_kept_where_results_differ() {
    let (_folder, object) = build(&["results.s"], &[]);
    let exits = search(&object, "two_results", |_| ());
    let points = early(&object, &exits);
    assert_eq!(
        points,
        [
            (JE, UNLESS_EQUAL, number(1).half()),
            (RET, 0, ResultAt::RAX)
        ]
    );
    assert!(matches!(exits.kept[..], [Kept::Conflict(_)]));
}

/// A long call runs on into a few instructions of its own; the others jump behind these.
#[test]
fn an_instruction_of_their_own_stands_for_the_ways_that_have_no_jump() {
    let (_folder, object) = build(&["results.s"], &[]);
    let exits = search(&object, "own_instructions", |_| ());
    let points = early(&object, &exits);
    let rbx = register(RBX).half();
    assert_eq!(points, [(JMP, 0, rbx), (MOV, 0, ResultAt::RAX.half())]);
    assert!(matches!(exits.kept[..], [Kept::LongCall(_)]));
    let sps = exits.early.unwrap();
    assert!(
        sps.iter()
            .all(|point| point.sp == ReturnSp::new(false, 0x48).unwrap())
    );
    // Those of a write are behind it.
    let exits = search(&object, "own_write", |_| ());
    assert_eq!(early(&object, &exits).len(), 2);
    assert!(matches!(exits.kept[..], [Kept::Continued(_)]));
    // There is none, or it can't be probed.
    for name in ["nothing_of_its_own", "padding_of_its_own"] {
        let exits = search(&object, name, |_| ());
        assert_eq!(exits.early, None, "{name}");
        assert_eq!(exits.kept.len(), 1, "{name}");
    }
}

#[test]
fn a_region_can_end_before_its_last_call() {
    let (_folder, object) = build(&["results.s"], &[]);
    let rbx = register(RBX).half();
    let expected = [(JE, IF_EQUAL, rbx), (CALL, 0, rbx)];
    let far = |function: &mut Function| {
        function.ends_before.names.insert("work".to_owned());
    };
    let near = |function: &mut Function, address| {
        let addresses = [address].into();
        function.ends_before = LastCalls {
            addresses,
            ..LastCalls::default()
        };
    };
    let report = with_searched(&object, "report", |_, function| function.entry);
    let exits = search(&object, "nothing_of_its_own", far);
    assert_eq!(early(&object, &exits), expected);
    let exits = search(&object, "reports", |function| near(function, report));
    assert_eq!(early(&object, &exits), expected);
    let exits = search(&object, "reports", |function| near(function, report + 1));
    assert_eq!(exits.early, None);
}

/// Instructions of epilogues, with what they do.
#[derive(Clone, Copy, Debug)]
enum Op {
    Move(u8, u8),
    MoveHalf(u8, u8),
    MoveByte(u8, u8),
    Zero(u8),
    Number(u8, i32),
    NumberHalf(u8, i32),
    MinusOne(u8),
    Add(u8, u8),
    ExchangeHalf(u8, u8),
    MoveIfZero(u8, u8),
}

impl Op {
    /// `REX opcode ModRM`, between the registers `rm` and `reg`, by their x86 numbers.
    fn between(wide: bool, opcode: &[u8], rm: u8, reg: u8) -> Vec<u8> {
        let rex = 0x40 | u8::from(wide) << 3 | (reg >> 3) << 2 | rm >> 3;
        let mod_rm = 0xc0 | (reg & 7) << 3 | rm & 7;
        [&[rex], opcode, &[mod_rm]].concat()
    }

    fn encode(self) -> Vec<u8> {
        let with = |mut bytes: Vec<u8>, number: i32| {
            bytes.extend(number.to_le_bytes());
            bytes
        };
        match self {
            Self::Move(to, from) => Self::between(true, &[0x89], to, from),
            Self::MoveHalf(to, from) => Self::between(false, &[0x89], to, from),
            Self::MoveByte(to, from) => Self::between(false, &[0x88], to, from),
            Self::Zero(to) => Self::between(false, &[0x31], to, to),
            Self::Number(to, number) => with(Self::between(true, &[0xc7], to, 0), number),
            Self::NumberHalf(to, number) => with(Self::between(false, &[0xc7], to, 0), number),
            Self::MinusOne(to) => [Self::between(true, &[0x83], to, 1), vec![0xff]].concat(),
            Self::Add(to, from) => Self::between(true, &[0x01], to, from),
            Self::ExchangeHalf(to, from) => Self::between(false, &[0x87], to, from),
            Self::MoveIfZero(to, from) => Self::between(true, &[0x0f, 0x44], from, to),
        }
    }

    fn run(self, registers: &mut [u64; 16]) {
        let at = usize::from;
        match self {
            Self::Move(to, from) => registers[at(to)] = registers[at(from)],
            Self::MoveHalf(to, from) => registers[at(to)] = u64::from(registers[at(from)] as u32),
            Self::MoveByte(to, from) => {
                registers[at(to)] = registers[at(to)] & !0xff | registers[at(from)] & 0xff;
            }
            Self::Zero(to) => registers[at(to)] = 0,
            Self::Number(to, number) => registers[at(to)] = i64::from(number) as u64,
            Self::NumberHalf(to, number) => registers[at(to)] = u64::from(number as u32),
            Self::MinusOne(to) => registers[at(to)] = u64::MAX,
            Self::Add(to, from) => {
                registers[at(to)] = registers[at(to)].wrapping_add(registers[at(from)]);
            }
            Self::ExchangeHalf(one, other) => {
                let (left, right) = (registers[at(one)] as u32, registers[at(other)] as u32);
                registers[at(one)] = u64::from(right);
                registers[at(other)] = u64::from(left);
            }
            // The zero flag is not set here.
            Self::MoveIfZero(..) => {}
        }
    }
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    // All but `rsp`; few, so that they meet.
    let register = || prop_oneof![Just(0u8), Just(3), Just(5), Just(7), Just(12)];
    let pair = || (register(), register());
    let small = -9..9i32;
    let op = prop_oneof![
        4 => pair().prop_map(|(to, from)| Op::Move(to, from)),
        4 => pair().prop_map(|(to, from)| Op::MoveHalf(to, from)),
        1 => pair().prop_map(|(to, from)| Op::MoveByte(to, from)),
        1 => register().prop_map(Op::Zero),
        1 => (register(), small.clone()).prop_map(|(to, number)| Op::Number(to, number)),
        1 => (register(), small).prop_map(|(to, number)| Op::NumberHalf(to, number)),
        1 => register().prop_map(Op::MinusOne),
        1 => pair().prop_map(|(to, from)| Op::Add(to, from)),
        1 => pair().prop_map(|(to, from)| Op::ExchangeHalf(to, from)),
        1 => pair().prop_map(|(to, from)| Op::MoveIfZero(to, from)),
    ];
    prop::collection::vec(op, 0..8)
}

/// The x86 number of the register at each place of `pt_regs`.
const NUMBERS: [usize; 15] = [15, 14, 13, 12, 5, 3, 11, 10, 9, 8, 0, 1, 2, 6, 7];

proptest! {
    /// What is said to be the result is what the code makes it.
    #[test]
    fn what_is_predicted_is_what_the_code_returns(ops in ops(), before in any::<[u64; 16]>()) {
        let mut code: Vec<u8> = ops.iter().flat_map(|op| op.encode()).collect();
        code.push(RET);
        let run: Vec<Instruction> =
            Decoder::with_ip(64, &code, 0x1000, DecoderOptions::NONE).into_iter().collect();
        prop_assert_eq!(run.len(), ops.len() + 1);
        let mut after = before;
        for op in &ops {
            op.run(&mut after);
        }
        if let Some(at) = result::before(&run) {
            let register = if at.is_register() { before[NUMBERS[at.word()]] } else { 0 };
            prop_assert_eq!(at.of(register), after[0], "{:?}", at);
        }
        // Moves alone are always followed.
        let is_move = |op: &Op| matches!(op, Op::Move(..) | Op::MoveHalf(..) | Op::Zero(..));
        if ops.iter().all(is_move) {
            prop_assert!(result::before(&run).is_some());
        }
    }
}
