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
    pub bx: u64,
    /// Its number; `u64::MAX`: none.
    pub syscall: u64,
    /// See `SampleEvent::syscall_arg`.
    pub syscall_arg: u64,
}

impl Registers {
    /// Of what is no stack.
    pub const NONE: Self = Self {
        ip: 0,
        sp: 0,
        bp: 0,
        bx: 0,
        syscall: u64::MAX,
        syscall_arg: 0,
    };
}

/// The last registers of `pt_regs`, from `rsi` on: one read instead of five.
#[repr(C)]
#[derive(Clone, Copy)]
struct Saved {
    rsi: u64,
    rdi: u64,
    orig_rax: u64,
    rip: u64,
    _cs: u64,
    _eflags: u64,
    rsp: u64,
}

/// Those with which the current thread left user space.
#[inline(always)]
pub fn of_current() -> Option<Registers> {
    // SAFETY: plain helpers; the registers are read with the one that may fail.
    unsafe {
        let saved = bpf_task_pt_regs(bpf_get_current_task_btf()) as *const pt_regs;
        // They lie beside each other.
        let [bp, bx]: [u64; 2] = bpf_probe_read_kernel((&raw const (*saved).rbp).cast()).ok()?;
        let saved: Saved = bpf_probe_read_kernel((&raw const (*saved).rsi).cast()).ok()?;
        // An interrupt or a fault has a negative number here (`arch/x86/entry/entry_64.S`).
        let (syscall, syscall_arg) = if (saved.orig_rax as i64) < 0 {
            (u64::MAX, 0)
        } else if saved.orig_rax == POLL || saved.orig_rax == PPOLL {
            (saved.orig_rax, saved.rsi)
        } else {
            (saved.orig_rax, saved.rdi)
        };
        Some(Registers {
            ip: saved.rip,
            sp: saved.rsp,
            bp,
            bx,
            syscall,
            syscall_arg,
        })
    }
}
