//! The executable mappings of a process: where code lies, and which file it came from.

use std::{ops::Range, path::PathBuf};

/// The file behind a mapping, by identity: paths lie (containers, deleted and replaced files).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    /// Device, major and minor.
    pub device: (i32, i32),
    /// Inode.
    pub inode: u64,
}

/// One executable, file-backed mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Addresses in the target.
    pub addresses: Range<u64>,
    /// Offset of the first byte in the file.
    pub file_offset: u64,
    /// The file.
    pub object: ObjectId,
    /// The path as the kernel prints it, for people; may be deleted or from another namespace.
    pub path: PathBuf,
    /// `/proc/PID/map_files/START-END`: opens the very inode, whatever became of its path.
    pub map_file: PathBuf,
}
