//! Where the running kernel keeps a thread's FS base.

use std::{path::Path, sync::OnceLock};

use thiserror::Error;

use super::kernel_types::KernelTypes;

/// The kernel's own types.
const KERNEL_TYPES: &str = "/sys/kernel/btf/vmlinux";

/// Why the place of the FS base is not known.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FsBaseUnknown {
    /// The kernel does not describe its types, or not readably.
    #[error("{KERNEL_TYPES} cannot be read: {0}")]
    NoTypes(String),
    /// `task_struct.thread.fsbase` is not among them: no x86-64 kernel.
    #[error("the kernel's task_struct has no thread.fsbase")]
    NoField,
}

/// The offset of `task_struct.thread.fsbase`, in bytes. Read once: it is a fact of the kernel that runs.
pub fn fs_base_offset() -> Result<u32, FsBaseUnknown> {
    static OFFSET: OnceLock<Result<u32, FsBaseUnknown>> = OnceLock::new();
    OFFSET.get_or_init(read_offset).clone()
}

fn read_offset() -> Result<u32, FsBaseUnknown> {
    let types = KernelTypes::read(Path::new(KERNEL_TYPES))
        .map_err(|error| FsBaseUnknown::NoTypes(error.to_string()))?;
    let thread = types.member_offset("task_struct", "thread");
    let base = types.member_offset("thread_struct", "fsbase");
    thread
        .zip(base)
        .map(|(thread, base)| thread + base)
        .ok_or(FsBaseUnknown::NoField)
}

#[cfg(test)]
mod tests {
    use super::fs_base_offset;

    #[test]
    fn the_running_kernel_tells_a_plausible_offset() {
        let offset = fs_base_offset().expect("a kernel with BTF");
        assert_eq!(offset % 8, 0);
        assert!((64..64 * 1024).contains(&offset), "{offset}");
    }
}
