//! A hit: the instant, the place, and what is known of them.

use aya_ebpf::{
    EbpfContext as _,
    bindings::pt_regs,
    helpers::{bpf_ktime_get_ns, bpf_probe_read_kernel, generated::bpf_get_attach_cookie},
    programs::ProbeContext,
};
use hotspan_common::{Cookie, RegionSpec, ResultAt, Target};

use super::{exit, guard, handover};
use crate::{
    maps::{REGIONS, TARGETS},
    threads,
};

/// One run of a probe.
pub struct Hit {
    /// Process id in the root pid namespace.
    pub tgid: u32,
    /// Thread id in the root pid namespace.
    pub tid: u32,
    /// What the instruction is.
    pub cookie: Cookie,
    /// Stack pointer; at an exit, what it is at the `ret`.
    pub sp: u64,
    /// Registers.
    pub registers: *const pt_regs,
    /// `CLOCK_MONOTONIC`.
    pub now: u64,
    /// The target.
    pub target: &'static Target,
    /// The region.
    pub spec: &'static RegionSpec,
}

impl Hit {
    /// What the function was called with first, at its entry.
    #[inline(always)]
    pub fn argument(&self) -> u64 {
        // SAFETY: the context of a uprobe is the registers.
        unsafe { (*self.registers).rdi }
    }

    /// The function's result, at an exit where it is known; `None` if its register can't be read.
    #[inline(always)]
    pub fn result(&self) -> Option<u64> {
        let at = self.cookie.result;
        // SAFETY: the context of a uprobe is the registers, and the place is one of them.
        let register = unsafe {
            if at == ResultAt::RAX {
                (*self.registers).rax
            } else {
                // The verifier takes no variable offset into the context.
                bpf_probe_read_kernel(self.registers.cast::<u64>().add(at.word())).ok()?
            }
        };
        Some(at.of(register))
    }

    /// `None` if the target or the region is not known (any more), or the probe is being replaced, or a call that goes
    /// on has passed it: which happens so often that it is asked first.
    #[inline(always)]
    pub fn of(ctx: &ProbeContext) -> Option<Self> {
        // SAFETY: plain helpers.
        let (now, cookie) = unsafe { (bpf_ktime_get_ns(), bpf_get_attach_cookie(ctx.as_ptr())) };
        let cookie = Cookie::unpack(cookie);
        let spec = REGIONS.get(cookie.region)?;
        let (tgid, tid) = threads::current();
        let registers = ctx.regs.cast_const();
        // SAFETY: the context of a uprobe is the registers. Volatile, as the compiler would choose between their addresses
        // first and read once, which the verifier does not allow.
        let instruction = unsafe { (&raw const (*registers).rip).read_volatile() };
        if !handover::takes(spec, cookie, tid, instruction) {
            return None;
        }
        if cookie.condition != 0 {
            if exit::is_passed(cookie, registers) {
                guard::passed(spec, cookie.region, (tgid, tid), now);
                return None;
            }
            guard::left(spec, cookie.region);
        }
        // SAFETY: as above.
        let (rsp, rbp) = unsafe {
            (
                (&raw const (*registers).rsp).read_volatile(),
                (&raw const (*registers).rbp).read_volatile(),
            )
        };
        Some(Self {
            tgid,
            tid,
            cookie,
            sp: cookie.sp.at(rsp, rbp),
            registers,
            now,
            // SAFETY: targets are replaced whole; an old copy lives as long as this program runs.
            target: unsafe { TARGETS.get(&tgid) }?,
            spec,
        })
    }
}
