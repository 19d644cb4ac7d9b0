//! The FS base of the current thread: on x86-64 the address of its `pthread_t`.

use aya_ebpf::helpers::{bpf_probe_read_kernel, generated::bpf_get_current_task};

/// The FS base of the current task, by its offset in `task_struct`; 0 if it cannot be read.
///
/// `clone` and `arch_prctl` write it there as well as to the register, and a switch saves it. A
/// thread that moved it by `wrfsbase` since it was last switched in would be seen with the old one;
/// no C library does that.
#[inline(always)]
pub fn of_current(offset: u32) -> u64 {
    // SAFETY: no preconditions; the address is read with the helper that may fail.
    unsafe {
        let field = bpf_get_current_task().wrapping_add(u64::from(offset));
        bpf_probe_read_kernel(field as *const u64).unwrap_or(0)
    }
}
