//! The user registers of the current thread, also while it is in the kernel.

use aya_ebpf::{
    bindings::pt_regs,
    helpers::{
        bpf_probe_read_kernel,
        generated::{bpf_get_current_task_btf, bpf_task_pt_regs},
    },
};

/// `__NR_poll` and `__NR_ppoll` of x86-64.
const POLL: u64 = 7;
const PPOLL: u64 = 271;

/// What a stack starts from, and the system call that the thread is in.
#[derive(Clone, Copy)]
pub struct Registers {
    pub ip: u64,
    pub sp: u64,
    pub bp: u64,
    /// Its number; `u64::MAX`: none.
    pub syscall: u64,
    /// See `SampleEvent::syscall_arg`.
    pub syscall_arg: u64,
}

/// Those with which the current thread left user space.
#[inline(always)]
pub fn of_current() -> Option<Registers> {
    // SAFETY: plain helpers; the registers are read with the one that may fail.
    unsafe {
        let saved = bpf_task_pt_regs(bpf_get_current_task_btf()) as *const pt_regs;
        let syscall = bpf_probe_read_kernel(&raw const (*saved).orig_rax).ok()?;
        // An interrupt or a fault has a negative number here (`arch/x86/entry/entry_64.S`).
        let (syscall, syscall_arg) = if (syscall as i64) < 0 {
            (u64::MAX, 0)
        } else if syscall == POLL || syscall == PPOLL {
            (
                syscall,
                bpf_probe_read_kernel(&raw const (*saved).rsi).ok()?,
            )
        } else {
            (
                syscall,
                bpf_probe_read_kernel(&raw const (*saved).rdi).ok()?,
            )
        };
        Some(Registers {
            ip: bpf_probe_read_kernel(&raw const (*saved).rip).ok()?,
            sp: bpf_probe_read_kernel(&raw const (*saved).rsp).ok()?,
            bp: bpf_probe_read_kernel(&raw const (*saved).rbp).ok()?,
            syscall,
            syscall_arg,
        })
    }
}
