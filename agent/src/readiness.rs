//! Descriptors that are waited for.

use std::{io, os::fd::OwnedFd};

use tokio::io::{Interest, unix::AsyncFd};

/// Watches a descriptor for something to read. Must be called within a tokio runtime with I/O.
///
/// # Errors
/// The runtime cannot watch it.
pub fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    #[expect(
        deprecated,
        reason = "sound for an OwnedFd, which stays the same; the successor is unsafe"
    )]
    AsyncFd::with_interest(descriptor, Interest::READABLE)
}
