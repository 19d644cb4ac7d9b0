//! What the kernel can do, tried where that is possible without a target.

use std::io;

use aya::sys::{UProbeMultiFeature, is_uprobe_multi_supported};
use thiserror::Error;

/// Why many places of one process cannot be armed with one link.
#[derive(Debug, Error)]
pub enum NoUprobeMulti {
    /// The kernel does not know such links.
    #[error("the kernel has no uprobe_multi links")]
    Unknown,
    /// It knows them, and limits them to one thread where they are to be limited to a process.
    #[error("the kernel's uprobe_multi links follow one thread of a process only")]
    OneThread,
    /// It could not be tried.
    #[error("it could not be tried")]
    Untried(#[from] io::Error),
}

/// Asks the kernel for links that it must refuse, and judges by how it does.
///
/// # Errors
/// What is missing.
pub fn uprobe_multi() -> Result<(), NoUprobeMulti> {
    if !is_uprobe_multi_supported(UProbeMultiFeature::LinkCreation)? {
        return Err(NoUprobeMulti::Unknown);
    }
    if !is_uprobe_multi_supported(UProbeMultiFeature::ProcessScopedPidFilter)? {
        return Err(NoUprobeMulti::OneThread);
    }
    Ok(())
}
