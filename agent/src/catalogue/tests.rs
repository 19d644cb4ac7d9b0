//! Catalogue files good and bad, and what they find in objects that the tests compile.

mod anchors;
mod conditions;
mod devices;
mod examples;
mod folds;
mod installed;
mod places;

use std::{num::NonZeroUsize, path::Path, process::Command, sync::Arc};

use hotspan_common::{Base, ReadWhen, RegionFlags, ValueKind};
use hotspan_synth::{
    ids::RegionId,
    region::{Role, ValueRule},
};
use tempfile::TempDir;

use super::{Analysis, AnalysisCache, Catalogue, RegionRole, Report, Source};

fn source(name: &str, text: &str) -> Source {
    Source {
        name: name.to_owned(),
        text: text.to_owned(),
        is_shipped: false,
    }
}

fn catalogue(text: &str) -> Catalogue {
    Catalogue::from_sources(&[source("test.toml", text)]).unwrap()
}

/// Compiles a program text into a shared object and looks into it.
fn analyse(catalogue: &Catalogue, language: &str, text: &str) -> Analysis {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("input");
    let object = folder.path().join("libshop.so.1");
    std::fs::write(&file, text).unwrap();
    let status = Command::new("cc")
        .args(["-O2", "-w", "-fPIC", "-shared", "-x", language, "-o"])
        .args([&object, &file])
        .status()
        .unwrap();
    assert!(status.success());
    catalogue.analyse(&object, &object).unwrap()
}

#[test]
fn the_shipped_catalogue_loads() {
    let catalogue = Catalogue::load(&[]).unwrap();
    let names = catalogue.region_names();
    for name in [
        "cpsat.solve",
        "cpsat.presolve",
        "cpsat.search",
        "cpsat.worker",
        "routing.solve",
        "mp.solve",
        "highs.run",
        "highs.presolve",
        "highs.lp",
        "highs.mip",
        "blas.gemm",
        "python.regex",
        "llama.decode",
        "onnx.run",
        "cuda.launch",
    ] {
        assert!(names.contains(&name), "{name}");
    }
}

#[test]
fn nobody_asks_what_a_shipped_region_does_inside() {
    let shipped = Catalogue::load(&[]).unwrap();
    let is_opaque = |catalogue: &Catalogue, name: &str| {
        let rule = catalogue.rules.iter().find(|rule| rule.name == name);
        rule.unwrap().capture.flags & RegionFlags::OPAQUE != 0
    };
    let names = [
        "cpsat.solve",
        "cpsat.worker",
        "cpsat.solution",
        "cuda.launch",
    ];
    let are_opaque = names.map(|name| is_opaque(&shipped, name));
    assert_eq!(are_opaque, [true, true, false, false]);
    let folder = TempDir::new().unwrap();
    let own = folder.path().join("own.toml");
    std::fs::write(&own, region("")).unwrap();
    let with_own = Catalogue::load(&[own]).unwrap();
    let name = with_own.rules.last().unwrap().name.clone();
    assert!(!is_opaque(&with_own, &name), "{name}");
    assert!(is_opaque(&with_own, "cpsat.solve"));
}

/// A region around these lines.
fn region(lines: &str) -> String {
    format!(
        "library = \"shop\"\n[[region]]\nname = \"shop.price\"\nsymbols = [\"price\"]\n{lines}\n"
    )
}

#[test]
fn says_what_is_wrong_and_where() {
    let read = |rest: &str| region(&format!("[[region.read]]\nslot = \"a\"\n{rest}"));
    let with_int = |rest: &str| read(&format!("from = \"arg0\"\ntype = \"i32\"\n{rest}"));
    let cases = [
        ("library = 3".to_owned(), "t:1: invalid type"),
        (
            "library = \"a\"\nfoo = 1".to_owned(),
            "t:2: unknown field `foo`",
        ),
        (region("colour = 1"), "t:5: unknown field `colour`"),
        (region("role = \"spam\""), "t:5: unknown variant `spam`"),
        (region("min_duration = \"soon\""), "t:5: min_duration"),
        (region("patterns = [\"(\"]"), "t:5: patterns"),
        (region("role = \"note\""), "t:3: a note needs the `group`"),
        (
            read("from = \"arg9\"\ntype = \"i32\""),
            "t:7: unknown variant `arg9`",
        ),
        (
            read("from = \"stack\"\ntype = \"i32\""),
            "t:6: offsets are needed",
        ),
        (
            read("from = \"result\"\ntype = \"i32\"\nwhen = \"entry\""),
            "t:6: the result is not known",
        ),
        (
            with_int("offsets = [1,2,3,4,5,6]"),
            "t:6: 6 offsets; 5 can be followed",
        ),
        (with_int("versions = \"new\""), "t:9: versions"),
        (
            with_int("build_ids = [\"xyz\"]"),
            "t:9: `xyz` is no build id",
        ),
        (
            with_int("[[region.attribute]]\nkey = \"k\"\nvalue = { int = \"b\" }"),
            "t:10: no read fills slot `b`",
        ),
        (
            with_int("[[region.attribute]]\nkey = \"k\"\nvalue = { float = \"a\" }"),
            "t:10: slot `a` holds an integer, an f64 or f32 is needed",
        ),
        (
            with_int("[region.failure]\nof = \"a\"\nerrors = { A = 1, B = 1 }"),
            "t:10: `A` and `B` both stand for 1",
        ),
        (
            with_int("[[region.read]]\nslot = \"a\"\nfrom = \"arg1\"\ntype = \"f64\""),
            "t:10: slot `a` is an f64 here and an integer in another read",
        ),
        (
            "library = \"a\"\n[[region]]\nname = \"Shop\"\nsymbols = [\"x\"]".to_owned(),
            "t:3: `Shop` is no region name",
        ),
        (
            "library = \"a\"\n[[region]]\nname = \"a.b\"".to_owned(),
            "t:3: a region needs `symbols`",
        ),
        (
            "library = \"a\"\n[version]\nfunctions = [\"major\"]".to_owned(),
            "t:3: functions: major and minor",
        ),
    ];
    for (text, expected) in cases {
        let error = Catalogue::from_sources(&[source("t", &text)]).unwrap_err();
        let shown = error.to_string();
        assert!(shown.starts_with(expected), "{shown}\nfor\n{text}");
    }
    let missing = Catalogue::load(&[Path::new("no/such.toml").to_owned()]).unwrap_err();
    assert!(missing.to_string().starts_with("no/such.toml: "));
}

const SHOP: &str = r#"
extern "C" int major() { return 2; }
extern "C" int minor() { return 0; }
extern "C" const char *text() { return "v3.4.5-rc1"; }
volatile int sink;
namespace shop { struct Cart { double price(int n); }; }
double shop::Cart::price(int n) { sink = n; return n * 2.0; }
extern "C" __attribute__((alias("_ZN4shop4Cart5priceEi"))) double price(shop::Cart *, int);
extern "C" void pay(int n) { sink = n + 1; }
"#;

#[test]
fn five_lines_find_a_function_by_its_demangled_name() {
    let catalogue = catalogue(
        "library = \"shop\"\n\n[[region]]\nname = \"shop.price\"\nfunctions = [\"shop::Cart::price\"]",
    );
    let analysis = analyse(&catalogue, "c++", SHOP);
    let [found] = &analysis.regions[..] else {
        panic!("{analysis:?}");
    };
    assert_eq!(found.symbol, "_ZN4shop4Cart5priceEi");
    assert_eq!(found.function, "shop::Cart::price");
    assert!(!found.exits.is_empty());
    let region = found.describe(RegionId(7)).unwrap();
    assert_eq!((region.id, region.role), (RegionId(7), Role::Span));
    assert_eq!(region.object, "libshop.so.1");
    let report = {
        let mut report = Report::default();
        report.add("/opt/libshop.so.1", &analysis);
        report
    };
    assert_eq!(report.armed(), 1);
    assert!(report.to_string().contains("shop.price  shop::Cart::price"));
}

#[test]
fn reads_behind_gates_fill_what_they_know() {
    let read = |slot: &str, offset: i32, gate: &str| {
        format!(
            "[[region.read]]\nslot = \"{slot}\"\nwhen = \"exit\"\nfrom = \"arg0\"\noffsets = [8, {offset}]\ntype = \"i32\"\nversions = \"{gate}\"\n"
        )
    };
    let text = format!(
        "library = \"shop\"\n[version]\nfunctions = [\"major\", \"minor\"]\n[[region]]\nname = \"shop.price\"\nsymbols = [\"_ZN4shop4Cart5priceEi\"]\nkeep_all = true\non_workers = false\nmax_rate = 7\nmin_duration = \"2ms\"\n{}{}{}[[region.attribute]]\nkey = \"shop.status\"\nvalue = {{ enum = {{ of = \"status\", names = {{ GOOD = 0, BAD = -1 }} }} }}\n",
        read("status", 16, ">=1, <2"),
        read("status", 32, ">=2, <3"),
        read("total", 64, ">=3"),
    );
    let analysis = analyse(&catalogue(&text), "c++", SHOP);
    let found = &analysis.regions[0];
    assert_eq!(
        analysis.libraries[0].1.as_ref().unwrap().to_string(),
        "2.0.0"
    );
    assert_eq!(found.unread, ["total"]);
    let spec = found.spec();
    assert_eq!(
        (spec.min_ns, spec.limit_per_s, spec.n_reads),
        (2_000_000, 7, 1)
    );
    assert_eq!(
        spec.flags,
        RegionFlags::KEEP_ALL | RegionFlags::NOT_BY_LINEAGE
    );
    let read = spec.reads[0];
    assert_eq!(read.base, Base::Arg0.wire());
    assert_eq!(read.when, ReadWhen::Exit.wire());
    assert_eq!(read.kind, ValueKind::I32.wire());
    assert_eq!((read.hops, read.offsets), (2, [8, 32, 0, 0, 0]));
    let ValueRule::Enum { slot, names } = &found.meaning.attributes[0].value else {
        panic!("{found:?}");
    };
    assert_eq!((*slot, names[&-1].as_str()), (read.slot, "BAD"));
}

#[test]
fn knows_versions_in_every_way() {
    let ways = [
        ("functions = [\"major\", \"minor\"]", Some("2.0.0")),
        ("text_function = \"text\"", Some("3.4.5")),
        ("pattern = 'v(\\d+)\\.(\\d+)\\.(\\d+)-rc'", Some("3.4.5")),
        ("functions = [\"absent\", \"minor\"]", None),
        ("functions = [\"major\", \"pay\"]", None),
    ];
    for (way, expected) in ways {
        let text = format!(
            "library = \"shop\"\n[version]\n{way}\n[[region]]\nname = \"shop.pay\"\nsymbols = [\"pay\"]"
        );
        let analysis = analyse(&catalogue(&text), "c++", SHOP);
        let version = analysis.libraries[0].1.as_ref().map(ToString::to_string);
        assert_eq!(version.as_deref(), expected, "{way}");
    }
}

#[test]
fn notes_share_the_slots_of_their_group() {
    let text = "library = \"shop\"
[[region]]
name = \"shop.price\"
symbols = [\"_ZN4shop4Cart5priceEi\"]
group = \"cart\"
[[region.read]]
slot = \"total\"
from = \"arg0\"
type = \"i64\"
[[region.attribute]]
key = \"shop.paid\"
value = { int = \"paid\" }
[[region]]
name = \"shop.paid\"
symbols = [\"pay\"]
role = \"note\"
group = \"cart\"
[[region.read]]
slot = \"paid\"
from = \"arg0\"
type = \"i32\"";
    let analysis = analyse(&catalogue(text), "c++", SHOP);
    let [price, paid] = &analysis.regions[..] else {
        panic!("{analysis:?}");
    };
    assert_eq!(paid.capture.role, RegionRole::Note);
    assert!(paid.exits.is_empty());
    assert!(paid.describe(RegionId(1)).is_none());
    assert_ne!(price.capture.group, 0);
    assert_eq!(price.capture.group, paid.capture.group);
    assert_ne!(price.reads[0].slot, paid.reads[0].slot);
    let slot = paid.reads[0].slot;
    assert_eq!(price.meaning.attributes[0].value, ValueRule::Int { slot });
}

#[test]
fn a_note_of_a_result_is_taken_at_the_exits() {
    let read = |from: &str| format!("{{ slot = \"{from}\", from = \"{from}\", type = \"i32\" }}");
    let text = |reads: &str| {
        format!(
            "library = \"shop\"\n[[region]]\nname = \"shop.minor\"\nsymbols = [\"minor\"]\nrole = \"note\"\ngroup = \"shop\"\nread = [{reads}]"
        )
    };
    let analysis = analyse(&catalogue(&text(&read("result"))), "c++", SHOP);
    let [minor] = &analysis.regions[..] else {
        panic!("{analysis:?}");
    };
    assert!(minor.capture.notes_result);
    assert_eq!(minor.exits.len(), 1);
    assert_eq!(minor.spec().reads[0].when, ReadWhen::Entry.wire());
    // What it was called with is not known there.
    let both = text(&format!("{}, {}", read("result"), read("arg0")));
    let error = Catalogue::from_sources(&[source("t", &both)]).unwrap_err();
    assert!(error.to_string().contains("or its result"), "{error}");
    // The callee's exit is not its own.
    let jumps = "extern \"C\" __attribute__((noinline)) int other(int n) { asm volatile(\"\"); return n; } extern \"C\" int minor(int n) { return other(n + 1); }";
    let analysis = analyse(&catalogue(&text(&read("result"))), "c++", jumps);
    assert!(analysis.regions.is_empty(), "{analysis:?}");
    assert_eq!(analysis.refused.len(), 1);
}

#[test]
fn later_files_replace_regions_and_take_them_out() {
    let first = "library = \"shop\"\n[[region]]\nname = \"shop.price\"\nsymbols = [\"absent\"]\n[[region]]\nname = \"shop.pay\"\nsymbols = [\"pay\"]";
    let second = "library = \"shop\"\n[[region]]\nname = \"shop.price\"\nsymbols = [\"price\"]\n[[region]]\nname = \"shop.pay\"\nenabled = false";
    let merged =
        Catalogue::from_sources(&[source("first", first), source("second", second)]).unwrap();
    assert_eq!(merged.region_names(), ["shop.price"]);
    let analysis = analyse(&merged, "c++", SHOP);
    let symbols: Vec<_> = analysis.regions.iter().map(|found| &found.symbol).collect();
    assert_eq!(symbols, ["price"]);
}

#[test]
fn one_function_is_armed_once() {
    let text = "library = \"shop\"
[[region]]
name = \"shop.price\"
symbols = [\"price\", \"_ZN4shop4Cart5priceEi\"]
[[region]]
name = \"shop.again\"
symbols = [\"price\"]
[[region]]
name = \"shop.elsewhere\"
symbols = [\"pay\"]";
    let elsewhere = text.replace(
        "library = \"shop\"",
        "library = \"shop\"\nobjects = [\"libother*\"]",
    );
    let analysis = analyse(&catalogue(text), "c++", SHOP);
    assert_eq!(analysis.regions.len(), 2);
    let reason = analysis.refused[0].reason.to_string();
    assert_eq!(reason, "shop.price is armed on the same function");
    assert!(
        analyse(&catalogue(&elsewhere), "c++", SHOP)
            .regions
            .is_empty()
    );
}

#[test]
fn sees_catches_and_stack_switches() {
    let catalogue = catalogue("library = \"none\"");
    let catches = "extern \"C\" void *__cxa_begin_catch(void *x) { return x; }";
    let analysis = analyse(&catalogue, "c++", catches);
    assert!(analysis.begin_catch.is_some());
    assert_eq!(analysis.switches_stacks, None);
    let switches =
        "#include <ucontext.h>\nvoid f(ucontext_t *a, ucontext_t *b) { swapcontext(a, b); }";
    let analysis = analyse(&catalogue, "c", switches);
    assert_eq!(analysis.begin_catch, None);
    assert_eq!(analysis.switches_stacks.as_deref(), Some("swapcontext"));
}

#[test]
fn sees_what_tells_of_loads() {
    let catalogue = catalogue("library = \"none\"");
    let loader = "void _dl_debug_state(void) {}";
    assert!(analyse(&catalogue, "c", loader).loaded.is_some());
    let other = "void debug_state(void) {}";
    assert_eq!(analyse(&catalogue, "c", other).loaded, None);
}

#[test]
fn refuses_what_is_no_object() {
    let folder = TempDir::new().unwrap();
    let foreign = folder.path().join("foreign");
    let mut header = std::fs::read("/proc/self/exe").unwrap();
    header.truncate(100);
    let cases: [(&[u8], &str); 4] = [
        (b"", "not an ELF object"),
        (b"#!/bin/sh\n", "not an ELF object"),
        (b"\x7fELF\x01\x01", "32-bit"),
        (&header, "point outside of the file"),
    ];
    let catalogue = Catalogue::load(&[]).unwrap();
    for (bytes, expected) in cases {
        std::fs::write(&foreign, bytes).unwrap();
        let reason = catalogue
            .analyse(&foreign, &foreign)
            .unwrap_err()
            .to_string();
        assert!(reason.contains(expected), "{reason}");
    }
    let reason = catalogue.analyse(folder.path(), &foreign).unwrap_err();
    assert_eq!(reason.to_string(), "not a regular file");
}

#[test]
fn keeps_an_analysis_as_long_as_the_file_is_the_same() {
    let folder = TempDir::new().unwrap();
    let object = folder.path().join("libshop.so");
    std::fs::copy("/proc/self/exe", &object).unwrap();
    let catalogue = catalogue("library = \"none\"");
    let mut cache = AnalysisCache::new(NonZeroUsize::new(2).unwrap());
    let mut analyse = || cache.analyse(&catalogue, &object, &object).unwrap();
    let first = analyse();
    assert!(Arc::ptr_eq(&first.analysis, &analyse().analysis));
    let file = std::fs::File::options().append(true).open(&object).unwrap();
    file.set_len(file.metadata().unwrap().len() + 1).unwrap();
    assert!(!Arc::ptr_eq(&first.analysis, &analyse().analysis));
}
