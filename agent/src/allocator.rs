//! What the allocator does with memory that is not needed any more.

/// Has each large piece given back when it is freed.
///
/// Left to itself, glibc takes the freeing of one as a sign that more will follow, and keeps what comes up to 32
/// MiB: the symbol tables of a survey, which come once, would stay resident for as long as the agent runs.
///
/// Call before any thread is started.
#[cfg_attr(
    target_env = "gnu",
    expect(
        unsafe_code,
        reason = "no crate wraps `mallopt`, and its environment variables would be the target's, too"
    )
)]
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: they take and set numbers alone, which no other thread reads yet; what cannot be set leaves things as
        // they are.
        let _are_set = unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE)
                & libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT)
        };
    }
}

/// As glibc begins with, in bytes.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 128 << 10;
/// What a thread keeps at the end of its heap, in bytes: what each turn takes and frees is not to come from the kernel, page
/// by page, each time.
#[cfg(target_env = "gnu")]
const KEPT: libc::c_int = 1 << 20;
