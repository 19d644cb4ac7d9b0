//! On what a C compiler makes, and on hand-written cases that it makes rarely.

mod bytes;
mod early;
mod results;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::{Exits, Function, Refusal, Searched, entry_only, find};
use crate::object::{Image, Links, SymbolTable, Unwind};

/// Builds a shared object from sources beside this file.
fn build(sources: &[&str], flags: &[&str]) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let object = folder.path().join("object.so");
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/object/exits/tests");
    let status = Command::new("cc")
        .args(["-O2", "-fPIC", "-shared", "-o"])
        .arg(&object)
        .arg(format!("-Wa,-I{}", here.display()))
        .args(flags)
        .args(sources.iter().map(|source| here.join(source)))
        .status()
        .unwrap();
    assert!(status.success());
    (folder, object)
}

/// The exits of a function of the object, found by its dynamic symbol.
fn exits(object: &Path, name: &str) -> Result<Exits, Refusal> {
    with_searched(object, name, find)
}

/// Hands an open object and a function of it, found by its dynamic symbol, to `with`.
fn with_searched<T>(
    object: &Path,
    name: &str,
    with: impl FnOnce(&Searched<'_>, &Function) -> T,
) -> T {
    let image = Image::open(object).unwrap();
    let dynamic = SymbolTable::dynamic(&image).unwrap();
    let unwind = Unwind::load(&image);
    let links = Links::load(&image);
    let symbol = dynamic
        .functions()
        .find(|symbol| symbol.name == name.as_bytes())
        .unwrap();
    let searched = Searched {
        image: &image,
        unwind: unwind.as_ref(),
        dynamic: &dynamic,
        links: &links,
    };
    let function = Function {
        entry: symbol.address,
        size: symbol.size,
        ..Function::default()
    };
    with(&searched, &function)
}

/// What a case expects: the number of exits, those with a condition, and of tail callees; or words
/// of the reason.
enum Expected {
    /// As many as the compiler likes, one at least, all its own.
    OwnReturns,
    Exits {
        points: usize,
        conditional: usize,
        callees: usize,
    },
    Refused(&'static str),
}

const fn plain(points: usize) -> Expected {
    Expected::Exits {
        points,
        conditional: 0,
        callees: 0,
    }
}

fn check(object: &Path, name: &str, expected: &Expected) {
    match (exits(object, name), expected) {
        (
            Ok(exits),
            Expected::Exits {
                points,
                conditional,
                callees,
            },
        ) => {
            let with_condition = exits.points.iter().filter(|point| point.condition != 0);
            assert_eq!(exits.points.len(), *points, "{name}: {exits:x?}");
            assert_eq!(with_condition.count(), *conditional, "{name}: {exits:x?}");
            assert_eq!(exits.tail_callees.len(), *callees, "{name}: {exits:x?}");
        }
        (Ok(exits), Expected::OwnReturns) => {
            assert!(!exits.points.is_empty(), "{name}");
            assert!(
                exits.points.iter().all(|point| point.condition == 0),
                "{name}"
            );
            assert!(exits.tail_callees.is_empty(), "{name}: {exits:x?}");
        }
        (Err(refusal), Expected::Refused(words)) => {
            let reason = refusal.to_string();
            assert!(reason.contains(words), "{name}: {reason}");
        }
        (result, _) => panic!("{name}: {result:x?}"),
    }
}

#[test]
fn follows_what_compilers_make() {
    let (_folder, object) = build(&["compiled.c"], &["-fcf-protection=none"]);
    let through = |points, callees| Expected::Exits {
        points,
        conditional: 0,
        callees,
    };
    let cases = [
        ("two_returns", Expected::OwnReturns),
        ("tail_local", through(1, 1)),
        ("tail_plt", through(1, 1)),
        ("tail_import", Expected::Refused("tail jump to puts")),
        ("tail_free", plain(1)),
        ("tail_pointer", Expected::Refused("through a pointer")),
        ("recursive", Expected::OwnReturns),
        ("three_levels", through(1, 3)),
        ("five_levels", Expected::Refused("more than 3 levels")),
        ("ping", Expected::Refused("own entry")),
        ("never_returns", Expected::Refused("no exit")),
    ];
    for (name, expected) in &cases {
        check(&object, name, expected);
    }
}

#[test]
fn follows_what_is_written_by_hand() {
    let (_folder, object) = build(&["assembled.s"], &[]);
    let cases = [
        (
            "conditional_free",
            Expected::Exits {
                points: 2,
                conditional: 1,
                callees: 0,
            },
        ),
        (
            "conditional_local",
            Expected::Exits {
                points: 2,
                conditional: 0,
                callees: 1,
            },
        ),
        ("loop_at_entry", Expected::Refused("own entry")),
        ("with_endbr", plain(1)),
        ("endbr_no_push", plain(1)),
        (
            "counted_by_register",
            Expected::Exits {
                points: 2,
                conditional: 0,
                callees: 1,
            },
        ),
        ("falls_through", Expected::Refused("past its end")),
        ("locked_entry", Expected::Refused("can't probe")),
        ("nameless_fragment", plain(2)),
        ("bare_return", plain(1)),
        ("bare_jump", Expected::Refused("no unwind entry")),
        ("boundless", Expected::Refused("no bounds")),
    ];
    for (name, expected) in &cases {
        check(&object, name, expected);
    }
}

/// A switch has a `ret` in each case, and its jump through the table is none.
#[test]
fn takes_switches_for_what_they_are() {
    let (_folder, object) = build(&["compiled.c"], &["-fno-reorder-blocks-and-partition"]);
    for (name, least) in [("leaf_switch", 6), ("framed_switch", 1)] {
        let exits = exits(&object, name).unwrap();
        assert!(exits.points.len() >= least, "{name}: {exits:x?}");
        assert!(exits.points.iter().all(|point| point.condition == 0));
    }
}

#[test]
fn probes_a_push_soon_behind_the_entry() {
    let (_folder, object) = build(&["assembled.s"], &[]);
    let image = Image::open(&object).unwrap();
    let dynamic = SymbolTable::dynamic(&image).unwrap();
    for (name, distance) in [
        ("with_endbr", 4),
        ("endbr_no_push", 0),
        ("conditional_free", 0),
        ("moves_before_push", 6),
        // What is read at the entry is no more what the caller gave.
        ("argument_before_push", 0),
        ("stack_before_push", 0),
        ("load_before_push", 0),
        // A loop passes the `push`, or what comes before it.
        ("loop_at_push", 0),
        // A prefix that the kernel steps.
        ("long_push", 0),
    ] {
        let symbol = dynamic
            .functions()
            .find(|symbol| symbol.name == name.as_bytes())
            .unwrap();
        let entry = image.code_offset(symbol.address).unwrap();
        let all = exits(&object, name).unwrap();
        assert_eq!(all.entry_offset, entry + distance, "{name}");
        let alone = with_searched(&object, name, entry_only).unwrap();
        assert_eq!(alone.entry_offset, entry + distance, "{name}");
    }
}

/// The condition is 1 + the x86 condition code: `jne` is code 5.
#[test]
fn numbers_conditions_as_cookies_do() {
    let (_folder, object) = build(&["assembled.s"], &[]);
    let exits = exits(&object, "conditional_free").unwrap();
    let conditions: Vec<u8> = exits.points.iter().map(|point| point.condition).collect();
    assert_eq!(conditions, [6, 0]);
}

/// Fragments have names in `.symtab` only; without them the exits must be the same.
#[test]
fn finds_the_same_in_a_stripped_object() {
    let (_full_folder, full) = build(&["compiled.c", "assembled.s"], &[]);
    let (_stripped_folder, stripped) = build(&["compiled.c", "assembled.s"], &["-s"]);
    let image = Image::open(&full).unwrap();
    let names = SymbolTable::dynamic(&image).unwrap();
    let names: Vec<_> = names
        .functions()
        .map(|symbol| symbol.name.to_vec())
        .collect();
    assert!(names.len() > 20);
    for name in names {
        let name = String::from_utf8(name).unwrap();
        assert_eq!(exits(&full, &name), exits(&stripped, &name), "{name}");
    }
}

/// On everything that the C library exports: no panic, and every exit is an instruction that leaves.
#[test]
fn every_exit_in_the_c_library_leaves() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let path = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5))
        .find(|path| path.contains("/libc.so") || path.contains("/libc-"))
        .unwrap();
    let image = Image::open(Path::new(path)).unwrap();
    let dynamic = SymbolTable::dynamic(&image).unwrap();
    let unwind = Unwind::load(&image);
    let links = Links::load(&image);
    let searched = Searched {
        image: &image,
        unwind: unwind.as_ref(),
        dynamic: &dynamic,
        links: &links,
    };
    let mut followed = 0;
    for symbol in dynamic.functions().step_by(7) {
        let function = Function {
            entry: symbol.address,
            size: symbol.size,
            ..Function::default()
        };
        let Ok(exits) = find(&searched, &function) else {
            continue;
        };
        followed += 1;
        for point in exits.points {
            let byte = image.read(point.file_offset, 2).unwrap();
            // `ret`, `jmp`, `jcc`, with a prefix or without, or `jmp *slot(%rip)`.
            let leaves = match byte[0] {
                0xc2 | 0xc3 | 0xe9 | 0xeb | 0x70..=0x7f | 0xf2 | 0xf3 | 0x0f => true,
                0xff => byte[1] == 0x25,
                _ => false,
            };
            assert!(leaves, "{:#x}: {byte:x?}", point.file_offset);
        }
    }
    assert!(followed > 200, "{followed}");
}
