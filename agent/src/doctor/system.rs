//! Where the kernel's files are: the real ones, or a fixture's.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The directories under which the kernel shows itself.
#[derive(Clone, Debug)]
pub struct System {
    /// `/proc`.
    pub proc: PathBuf,
    /// `/sys`.
    pub sys: PathBuf,
}

impl System {
    /// This host.
    pub fn live() -> Self {
        Self::below(Path::new("/"))
    }

    /// The host whose files were copied below `root`.
    pub fn below(root: &Path) -> Self {
        Self {
            proc: root.join("proc"),
            sys: root.join("sys"),
        }
    }

    /// A file below `/proc`, trimmed; `None` if it is absent or unreadable.
    pub(super) fn proc_text(&self, path: &str) -> Option<String> {
        text(&self.proc.join(path))
    }

    /// A file below `/sys`, trimmed; `None` if it is absent or unreadable.
    pub(super) fn sys_text(&self, path: &str) -> Option<String> {
        text(&self.sys.join(path))
    }

    /// A field of hotspan's own status file.
    pub(super) fn own_status(&self, field: &str) -> Option<String> {
        let status = fs::read(self.proc.join("self/status")).ok()?;
        crate::target::status_field(&status, field)
    }

    /// Inode of hotspan's own namespace of this kind (`pid:[4026531836]`).
    pub(super) fn own_namespace(&self, kind: &str) -> Option<u64> {
        let link = fs::read_link(self.proc.join("self/ns").join(kind)).ok()?;
        let (_, inode) = link.to_str()?.split_once('[')?;
        inode.strip_suffix(']')?.parse().ok()
    }

    /// Whether something is there below `/sys`.
    pub(super) fn sys_has(&self, path: &str) -> io::Result<bool> {
        self.sys.join(path).try_exists()
    }
}

fn text(path: &Path) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}
