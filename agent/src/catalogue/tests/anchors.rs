//! Functions that no symbol names, in objects that the tests compile and strip.

use std::{path::Path, process::Command};

use tempfile::TempDir;

use super::{Catalogue, catalogue, source};
use crate::catalogue::{Analysis, RefusedBecause};

const ENGINE: &str = r#"
#include <cstdio>
extern "C" volatile int sink = 0;
namespace engine {
struct Kernel { virtual ~Kernel() = default; virtual int Compute(int n) const = 0; };
template <typename T> struct MatMul : Kernel { int Compute(int n) const override { sink += n; return sink * (int)sizeof(T); } };
struct Base2 { virtual ~Base2() = default; int field; };
struct Cast : Kernel, Base2 { int Compute(int n) const override { sink -= n; return 7; } };
struct Other { virtual ~Other() = default; virtual int Compute(int n) { return sink = n; } };
__attribute__((noinline)) static int run(int n) { sink += n; return std::printf("%s %s", "RunHere", "/src/engine.cc"); }
__attribute__((noinline)) static int stop(int n) { sink -= n; return std::printf("%s", "/src/engine.cc"); }
}
extern "C" int start(int n) {
    engine::Kernel *all[] = {new engine::MatMul<float>, new engine::MatMul<double>, new engine::Cast};
    engine::Other *other = new engine::Other;
    return all[n % 3]->Compute(n) + other->Compute(n) + engine::run(n) + engine::stop(n);
}
"#;

fn stripped(catalogue: &Catalogue) -> Analysis {
    let folder = TempDir::new().unwrap();
    let (file, object) = (folder.path().join("e.cpp"), folder.path().join("libe.so"));
    std::fs::write(&file, ENGINE).unwrap();
    let flags = [
        "-O1",
        "-w",
        "-fPIC",
        "-shared",
        "-s",
        "-fvisibility=hidden",
        "-fno-devirtualize",
        "-o",
    ];
    let status = Command::new("c++")
        .args(flags)
        .args([&object, &file])
        .status()
        .unwrap();
    assert!(status.success());
    catalogue.analyse(&object, Path::new("libe.so")).unwrap()
}

fn with(region: &str) -> Catalogue {
    catalogue(&format!(
        "library = \"e\"\nobjects = [\"libe*\"]\n[[region]]\n{region}"
    ))
}

#[test]
fn a_function_by_its_strings() {
    let found = stripped(&with(
        "name = \"e.run\"\nanchor = { strings = [\"RunHere\", \"*/engine.cc\"], function = \"engine::run\" }",
    ));
    let [region] = &found.regions[..] else {
        panic!("{found:?}");
    };
    assert_eq!(region.function, "engine::run");
    assert!(!region.exits.is_empty());
}

#[test]
fn strings_that_do_not_single_out_one_are_refused() {
    let found = stripped(&with(
        "name = \"e.run\"\nanchor = { strings = [\"/src/engine.cc\"], function = \"engine::run\" }",
    ));
    assert!(found.regions.is_empty(), "{found:?}");
    let [refused] = &found.refused[..] else {
        panic!("{found:?}");
    };
    assert!(matches!(refused.reason, RefusedBecause::Anchor(_)));
    assert_eq!(
        refused.reason.to_string(),
        "2 functions refer to /src/engine.cc"
    );
    let elsewhere = stripped(&with(
        "name = \"e.run\"\nanchor = { strings = [\"NotThere\"], function = \"f\" }",
    ));
    assert!(elsewhere.regions.is_empty() && elsewhere.refused.is_empty());
}

#[test]
fn methods_by_their_base_class() {
    let found = stripped(&with(
        "name = \"e.{class}\"\nvtable = { base = \"engine::Kernel\", slot = 2, method = \"Compute\" }",
    ));
    let mut names: Vec<(&str, &str)> = (found.regions.iter())
        .map(|region| (region.name.as_str(), region.function.as_str()))
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            ("e.cast", "engine::Cast::Compute"),
            ("e.matmul", "engine::MatMul<double>::Compute"),
            ("e.matmul", "engine::MatMul<float>::Compute"),
        ]
    );
}

#[test]
fn a_template_that_wraps_the_class() {
    let found = stripped(&with(
        "name = \"e.{class}\"\nvtable = { base = \"engine::Kernel\", slot = 2, method = \"Compute\", wrappers = [\"MatMul\"] }",
    ));
    let mut names: Vec<&str> = found
        .regions
        .iter()
        .map(|region| region.name.as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["e.cast", "e.double", "e.float"]);
}

#[test]
fn mistakes_are_named() {
    let anchor = "anchor = { strings = [\"abcd\"], function = \"f\" }";
    let cases = [
        (
            format!("library = \"e\"\n[[region]]\nname = \"e.f\"\n{anchor}"),
            "t:3: an anchor needs `objects`",
        ),
        (
            "library = \"e\"\nobjects = [\"x\"]\n[[region]]\nname = \"e.f\"\nanchor = { strings = [\"ab\"], function = \"f\" }".to_owned(),
            "t:5: strings: four characters",
        ),
        (
            "library = \"e\"\n[[region]]\nname = \"e.{class}\"\nsymbols = [\"f\"]".to_owned(),
            "t:3: `{class}` is known for a `vtable` only",
        ),
        (
            format!("library = \"e\"\n[[region]]\nname = \"e.f\"\n{anchor}\nvtable = {{ base = \"B\", slot = 2, method = \"f\" }}"),
            "t:3: one of `anchor` and `vtable`",
        ),
    ];
    for (text, expected) in cases {
        let error = Catalogue::from_sources(&[source("t", &text)]).unwrap_err();
        assert!(
            error.to_string().starts_with(expected),
            "{error}\nfor\n{text}"
        );
    }
}
