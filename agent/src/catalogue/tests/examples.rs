//! The examples that the documentation gives, on objects as their users build them.

use std::process::Command;

use tempfile::TempDir;

use super::{SHOP, analyse, catalogue};

#[test]
fn a_cpp_library() {
    let text = include_str!("../../../catalogue/examples/cpp_library.toml");
    let analysis = analyse(&catalogue(text), "c++", SHOP);
    let [found] = &analysis.regions[..] else {
        panic!("{analysis:?}");
    };
    assert_eq!(found.function, "shop::Cart::price");
    assert_eq!((found.reads.len(), found.meaning.attributes.len()), (1, 1));
}

const QUOTES: &str = r#"
mod pricing {
    #[inline(never)]
    pub fn quote(items: &[u64]) -> u64 { items.iter().map(|n| std::hint::black_box(n * 3)).sum() }
}
fn main() { println!("{}", pricing::quote(&[std::process::id().into()])); }
"#;

#[test]
fn a_rust_binary() {
    let text = include_str!("../../../catalogue/examples/rust_binary.toml");
    let folder = TempDir::new().unwrap();
    let (file, object) = (
        folder.path().join("quotes.rs"),
        folder.path().join("quotes"),
    );
    std::fs::write(&file, QUOTES).unwrap();
    let status = Command::new("rustc")
        .args(["--edition", "2024", "-O", "-o"])
        .args([&object, &file])
        .status()
        .unwrap();
    assert!(status.success());
    let analysis = catalogue(text).analyse(&object, &object).unwrap();
    let [found] = &analysis.regions[..] else {
        panic!("{analysis:?}");
    };
    assert_eq!(found.function, "quotes::pricing::quote");
    assert!(!found.exits.is_empty());
}

#[test]
fn a_cython_module_loads() {
    let text = include_str!("../../../catalogue/examples/cython_module.toml");
    assert_eq!(catalogue(text).region_names(), ["shop.price"]);
}
