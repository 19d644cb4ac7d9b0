//! Namespaces, by identity.

use std::{fs, io, os::unix::fs::MetadataExt, path::Path};

/// A namespace, as `/proc/PID/ns/KIND` identifies it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Namespace {
    /// Device of the namespace file system.
    pub dev: u64,
    /// Inode in it.
    pub ino: u64,
}

/// The kinds that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamespaceKind {
    /// Mounts: what paths mean.
    Mount,
    /// Network: what `localhost` means.
    Network,
    /// Process ids.
    Pid,
    /// Users: where capabilities count.
    User,
}

impl NamespaceKind {
    /// The name below `/proc/PID/ns`.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Mount => "mnt",
            Self::Network => "net",
            Self::Pid => "pid",
            Self::User => "user",
        }
    }

    /// Inode of the namespace that the kernel starts with: `PROC_PID_INIT_INO` and
    /// `PROC_USER_INIT_INO` in `include/uapi/linux/nsfs.h`; the other kinds have no fixed one.
    pub fn initial_inode(self) -> Option<u64> {
        match self {
            Self::Pid => Some(0xEFFF_FFFC),
            Self::User => Some(0xEFFF_FFFD),
            Self::Mount | Self::Network => None,
        }
    }
}

impl Namespace {
    /// That of the process whose directory in a proc file system is `proc_dir`.
    pub fn of(proc_dir: &Path, kind: NamespaceKind) -> io::Result<Self> {
        let metadata = fs::metadata(proc_dir.join("ns").join(kind.file_name()))?;
        Ok(Self {
            dev: metadata.dev(),
            ino: metadata.ino(),
        })
    }
}
