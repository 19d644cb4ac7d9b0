//! Tracepoints are attached by a number that only tracefs tells.

use std::{io, path::Path};

use rustix::{
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
    thread::{UnshareFlags, unshare_unsafe},
};

/// Where kernels since 4.1 have it.
const TRACEFS: &str = "/sys/kernel/tracing";

/// Makes sure that tracefs can be read. Where it is not mounted it is mounted in a mount namespace
/// of this process alone, which goes with it: the host's mounts stay as they are.
///
/// Call before any thread is started.
///
/// # Errors
/// The kernel's, if the namespace or the mount is refused.
#[expect(unsafe_code, reason = "rustix has no safe `unshare`")]
pub fn ensure() -> io::Result<()> {
    if Path::new(TRACEFS).join("events").is_dir() {
        return Ok(());
    }
    // SAFETY: a new mount namespace leaves file descriptors and memory as they are.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )?;
    mount("tracefs", TRACEFS, "tracefs", MountFlags::empty(), None)?;
    Ok(())
}
