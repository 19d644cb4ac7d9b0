//! Files of libraries that the catalogue knows, where packages are installed: found by their names, before anybody maps
//! them.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use glob::Pattern;

use super::Catalogue;

/// Files that are looked at in one process; more are armed when they are mapped.
const MAX_FILES: usize = 32;

/// A file that a process may map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InstalledFile {
    /// As the process names it.
    pub path: PathBuf,
    /// Opens it.
    pub file: PathBuf,
}

impl Catalogue {
    /// The files below `folders`, in the order of the folders. A process whose root is at `root` names them so.
    pub fn installed(&self, root: &Path, folders: &[PathBuf]) -> Vec<InstalledFile> {
        let mut seen = BTreeSet::new();
        folders
            .iter()
            .flat_map(|folder| self.installed_below(root, folder))
            .filter(|installed| {
                // Names that lead to one file: `libhighs.so.1`, `libhighs.so.1.15.1`.
                let real = installed.file.canonicalize();
                seen.insert(real.unwrap_or_else(|_| installed.file.clone()))
            })
            .take(MAX_FILES)
            .collect()
    }

    fn installed_below(&self, root: &Path, folder: &Path) -> Vec<InstalledFile> {
        let Ok(below_root) = folder.strip_prefix("/") else {
            return Vec::new();
        };
        let opens = root.join(below_root);
        // What is not text here cannot be matched by a pattern.
        let Some(text) = opens.to_str().filter(|_| opens.is_dir()) else {
            return Vec::new();
        };
        let text = Pattern::escape(text);
        let patterns = self.libraries.iter().flat_map(|library| &library.installed);
        patterns
            .filter_map(|pattern| glob::glob(&format!("{text}/{pattern}")).ok())
            .flatten()
            // A folder that cannot be read holds nothing that could be armed.
            .filter_map(Result::ok)
            .filter_map(|file| {
                let path = folder.join(file.strip_prefix(&opens).ok()?);
                Some(InstalledFile { path, file })
            })
            .collect()
    }
}
