//! Files of libraries where packages are installed.

use std::{fs, os::unix::fs::symlink, path::PathBuf};

use tempfile::TempDir;

use super::{catalogue, source};
use crate::catalogue::{Catalogue, InstalledFile};

fn text(installed: &str) -> String {
    format!(
        "library = \"shop\"\ninstalled = [\"{installed}\"]\n[[region]]\nname = \"shop.pay\"\nsymbols = [\"pay\"]"
    )
}

#[test]
fn names_of_one_file_count_once() {
    let root = TempDir::new().unwrap();
    // As a pattern the brackets would mean something else.
    let folder = root.path().join("srv/[venv]/site-packages");
    let libraries = folder.join("shop/.libs");
    fs::create_dir_all(&libraries).unwrap();
    fs::write(libraries.join("libshop.so.1.2"), "").unwrap();
    fs::write(libraries.join("libcart.so"), "").unwrap();
    symlink("libshop.so.1.2", libraries.join("libshop.so.1")).unwrap();

    let catalogue = catalogue(&text("shop/.libs/libshop.so*"));
    let named = PathBuf::from("/srv/[venv]/site-packages");
    let folders = [PathBuf::from("/nowhere"), named.clone(), named.clone()];
    let expected = InstalledFile {
        path: named.join("shop/.libs/libshop.so.1"),
        file: libraries.join("libshop.so.1"),
    };
    assert_eq!(catalogue.installed(root.path(), &folders), [expected]);
    assert_eq!(catalogue.installed(root.path(), &["srv".into()]), []);
}

#[test]
fn patterns_stay_below_their_folder() {
    for pattern in ["/lib/*.so", "../*.so", "shop/../../*.so", "shop/[.so"] {
        let error = Catalogue::from_sources(&[source("t", &text(pattern))]).unwrap_err();
        assert!(error.to_string().contains("installed"), "{error}");
    }
}
