//! Stacks are drawn innermost first, as they are found: `E` the interpreter's loop, `i` another part of it,
//! capital letters Python frames, `!` behind those that a call of the loop began with, small letters work.

use hotspan_common::STACK_SIZES;
use hotspan_synth::{
    event::{Frame, Language},
    ids::FunctionId,
};

use super::{
    Described, FunctionTable, Joined, NativePart, PythonPart, Role,
    adapt::Appetite,
    interpreter::{is_start, role},
    join,
};

fn frame(letter: char) -> Frame {
    Frame {
        function: FunctionId(u32::from(letter)),
        line: 0,
    }
}

fn native(drawn: &str) -> Vec<NativePart> {
    drawn
        .chars()
        .map(|letter| match letter {
            'E' => NativePart {
                frame: None,
                role: Role::Eval,
            },
            'i' => NativePart {
                frame: None,
                role: Role::Interpreter,
            },
            work => NativePart {
                frame: Some(frame(work)),
                role: Role::Function,
            },
        })
        .collect()
}

fn python(drawn: &str) -> Vec<PythonPart> {
    let mut parts: Vec<PythonPart> = Vec::new();
    for letter in drawn.chars() {
        match parts.last_mut() {
            Some(part) if letter == '!' => part.is_entry = true,
            _ => parts.push(PythonPart {
                frame: Some(frame(letter)),
                is_entry: false,
            }),
        }
    }
    parts
}

/// Outermost first.
fn drawn(stack: &Joined) -> String {
    let letters = stack.frames.iter().map(|frame| frame.function.0);
    letters.filter_map(char::from_u32).collect()
}

struct Case {
    native: &'static str,
    native_is_complete: bool,
    python: &'static str,
    python_is_complete: bool,
    /// Outermost first.
    joined: &'static str,
    is_complete: bool,
    is_loose: bool,
}

const fn case(native: &'static str, python: &'static str, joined: &'static str) -> Case {
    Case {
        native,
        native_is_complete: true,
        python,
        python_is_complete: true,
        joined,
        is_complete: true,
        is_loose: false,
    }
}

const CASES: &[Case] = &[
    // No Python.
    case("cba", "", "abc"),
    // The interpreter is there, and what it runs could not be read: the callers of the work are missing.
    Case {
        is_complete: false,
        is_loose: true,
        ..case("baEicE", "", "ab")
    },
    // One run of three frames, with work above.
    case("baiEi", "CBA!", "ABCab"),
    // Work between two runs, the interpreter's frames folded.
    case("ciEiibaiEi", "CB!A!", "AabBCc"),
    // Each frame has a loop of its own.
    case("EiEiE", "C!B!A!", "ABC"),
    // What embeds the interpreter stays outside.
    case("aEim", "A!", "mAa"),
    // The innermost loop runs nothing yet.
    case("EiaEi", "A!", "Aa"),
    // Work that the loops do not explain: Python's frames, and what lies above the innermost loop.
    Case {
        is_loose: true,
        ..case("baEicE", "D!C!B!A!", "ABCDab")
    },
    Case {
        is_loose: true,
        ..case("bEEE", "A!", "Ab")
    },
    // Cut before the outer loops: Python's frames tell the rest.
    Case {
        native_is_complete: false,
        ..case("baEic", "DC!B!A!", "ABcCDab")
    },
    // Cut above any loop: something may be missing between.
    Case {
        native_is_complete: false,
        is_complete: false,
        is_loose: true,
        ..case("ba", "B!A!", "ABab")
    },
    // A loop without a symbol: what lies above the interpreter.
    Case {
        is_complete: true,
        is_loose: true,
        ..case("baiici", "B!A!", "ABab")
    },
    // Outer Python frames are missing.
    Case {
        python_is_complete: false,
        is_complete: false,
        ..case("aEbEcE", "CB!A", "cAbBCa")
    },
    Case {
        native_is_complete: false,
        is_complete: false,
        ..case("cba", "", "abc")
    },
];

#[test]
fn native_and_python_frames_are_joined() {
    for case in CASES {
        let stack = join(
            &native(case.native),
            case.native_is_complete,
            &python(case.python),
            case.python_is_complete,
        );
        let what = format!("{} {}", case.native, case.python);
        assert_eq!(drawn(&stack), case.joined, "{what}");
        assert_eq!(stack.is_complete, case.is_complete, "{what}");
        assert_eq!(stack.is_loose, case.is_loose, "{what}");
    }
}

#[test]
fn the_interpreters_own_functions_are_told_from_work() {
    for (symbol, is_interpreters, expected) in [
        (Some("_PyEval_EvalFrameDefault"), true, Role::Eval),
        (Some("_PyEval_EvalFrameDefault.cold"), true, Role::Eval),
        (Some("_PyFunction_Vectorcall"), true, Role::Interpreter),
        (
            Some("method_vectorcall_FASTCALL_KEYWORDS"),
            true,
            Role::Interpreter,
        ),
        (Some("cfunction_call"), true, Role::Interpreter),
        (Some("PyObject_Call"), true, Role::Interpreter),
        (None, true, Role::Interpreter),
        (Some("builtin_sorted"), true, Role::Function),
        (Some("_sre_SRE_Pattern_match_impl"), true, Role::Function),
        // The same names elsewhere are somebody's own.
        (Some("PyObject_Call"), false, Role::Function),
        (Some("slot_machine"), false, Role::Function),
        (None, false, Role::Function),
    ] {
        assert_eq!(role(symbol, is_interpreters), expected, "{symbol:?}");
    }
    assert!(is_start("start_thread") && !is_start("restart_thread"));
}

fn function(name: &str) -> Described {
    Described {
        language: Language::Native,
        name: name.to_owned(),
        qualified: name.to_owned(),
        file: String::new(),
        object: String::new(),
    }
}

#[test]
fn functions_are_announced_once_and_bounded() {
    let mut table = FunctionTable::with_limit(2);
    let first = table.number(function("a"));
    assert_eq!(table.number(function("a")), first);
    assert_ne!(table.number(function("b")), first);
    assert_eq!(table.number(function("c")), None);
    assert_eq!(table.unnumbered(), 1);
    let announced: Vec<_> = table.announced().map(|function| function.name).collect();
    assert_eq!(announced, ["a", "b"]);
    assert_eq!(table.announced().count(), 0);
}

/// What the kernel's side copies of a deep stack: up to a page less than the size.
fn copied(size: u32) -> usize {
    size as usize - 4000
}

#[test]
fn stack_copies_are_as_long_as_stacks_need() {
    let mut shallow = Appetite::default();
    let sizes: Vec<_> = (0..2000)
        .filter_map(|_| shallow.sampled(false, 3000, 5000))
        .collect();
    assert_eq!(sizes, [STACK_SIZES[0]]);
    // Now and then a deep one: under 1 %.
    let length = copied(STACK_SIZES[0]);
    assert!((0..6400).all(|index| shallow.sampled(index % 256 == 0, 3000, length).is_none()));

    let mut grown = shallow;
    let mut sizes = Vec::new();
    let mut length = length;
    for _ in 0..2000 {
        if let Some(size) = grown.sampled(true, 0, length) {
            sizes.push(size);
            // Some samples of the old size are still under way.
            for _ in 0..100 {
                assert_eq!(grown.sampled(true, 0, length), None);
            }
            length = copied(size);
        }
    }
    assert_eq!(sizes, STACK_SIZES[1..]);

    let mut deep = Appetite::default();
    assert!((0..2000).all(|_| deep.sampled(false, 30_000, 50_000).is_none()));
}
