//! Which file, in which state, built by which link.

use std::{fmt, fs::Metadata, os::unix::fs::MetadataExt};

/// Which state of which file: analyses are cached by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileKey {
    /// Device.
    pub device: u64,
    /// Inode.
    pub inode: u64,
    /// Size in bytes.
    pub size: u64,
    /// Last modification, in nanoseconds since the Unix epoch.
    pub modified_ns: i128,
}

/// Which file, whatever its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId {
    /// Device.
    pub device: u64,
    /// Inode.
    pub inode: u64,
}

impl FileKey {
    /// The state that a file's metadata shows.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified_ns: i128::from(metadata.mtime()) * 1_000_000_000
                + i128::from(metadata.mtime_nsec()),
        }
    }

    /// The file alone.
    pub fn id(self) -> FileId {
        FileId {
            device: self.device,
            inode: self.inode,
        }
    }
}

/// The linker's build id.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BuildId(pub(super) Vec<u8>);

impl BuildId {
    /// Whether `hex`, in lower case, is the id or a prefix of it.
    pub fn starts_with(&self, hex: &str) -> bool {
        self.to_string().starts_with(hex)
    }
}

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
