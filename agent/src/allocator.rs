//! What the allocator does with memory that is not needed any more.

/// Has each large piece given back when it is freed.
///
/// Left to itself, glibc takes the freeing of one as a sign that more will follow, and keeps what comes up to 32
/// MiB: the symbol tables of a survey, which come once, would stay resident for as long as the agent runs.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: it only sets a number; what cannot be set leaves things as they are.
        let _is_set = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE) };
    }
}

/// As glibc begins with, in bytes.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 128 << 10;
