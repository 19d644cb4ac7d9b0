//! The FS base of the current thread: on x86-64 the address of its `pthread_t`.

use aya_ebpf::helpers::generated::bpf_get_current_task_btf;

use crate::task::{Task, place};

place!(
    /// `thread.fsbase` of `task_struct`; the agent sets it before the programs are loaded.
    TASK_FS_BASE, task_fs_base
);

/// The FS base of the current task.
///
/// `clone` and `arch_prctl` write it there as well as to the register, and a switch saves it. A
/// thread that moved it by `wrfsbase` since it was last switched in would be seen with the old one;
/// no C library does that.
#[inline(always)]
pub fn of_current() -> u64 {
    // SAFETY: a plain helper; the current thread lives as long as this program runs.
    let task = Task::from(unsafe { bpf_get_current_task_btf() }.cast_const().cast());
    task.long(task_fs_base())
}
