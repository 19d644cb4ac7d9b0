//! What the object says it was built from, and what there is to build from.
//!
//! The hash covers every source of `ebpf/` and `common/`, their manifests and lock file, and the
//! toolchain's pins: whatever can change the object. It lies as text in the object's section
//! `.hotspan.sources`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use hotspan_tests::paths;
use object::{Object, ObjectSection};
use sha2::{Digest, Sha256};

use super::build;

/// The section with the hash.
const SECTION: &str = ".hotspan.sources";

/// The committed object.
pub fn object_path() -> PathBuf {
    paths::root().join("ebpf/object/hotspan.bpf.o")
}

/// The hash of the sources, in hexadecimal.
pub fn of_sources() -> Result<String> {
    let root = paths::root();
    let mut files = vec![
        root.join("ebpf/Cargo.toml"),
        root.join("ebpf/Cargo.lock"),
        root.join("common/Cargo.toml"),
    ];
    for dir in ["ebpf/src", "common/src"] {
        list(&root.join(dir), &mut files)?;
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        let name = file
            .strip_prefix(&root)
            .unwrap_or(&file)
            .to_string_lossy()
            .into_owned();
        let content =
            fs::read(&file).with_context(|| format!("failed to read {}", file.display()))?;
        for part in [name.as_bytes(), &content] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    hash.update(build::pins()?);
    Ok(hex::encode(hash.finalize()))
}

/// The hash inside the committed object.
pub fn of_object() -> Result<String> {
    let path = object_path();
    let data = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
    let file = object::File::parse(&*data)
        .with_context(|| format!("{} is no object file", path.display()))?;
    let section = file
        .section_by_name(SECTION)
        .with_context(|| format!("{} has no section {SECTION}", path.display()))?;
    let text = section.data().context("failed to read the section")?;
    String::from_utf8(text.to_vec()).context("the section is no text")
}

fn list(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("failed to list {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
