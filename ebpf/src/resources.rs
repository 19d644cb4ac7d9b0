//! What a thread and its process use besides time, from the kernel's own account of them.

use aya_ebpf::helpers::generated::bpf_get_current_task_btf;
use hotspan_common::{Resources, ThreadState};

use crate::{
    crossing::stack,
    task::{Task, place},
};

// Offsets, in bytes; the agent sets them before the programs are loaded. Of `task_struct`:
place!(TASK_MM, task_mm);
place!(TASK_SIGNAL, task_signal);
place!(TASK_MAJOR_FAULTS, task_major_faults);
place!(TASK_VOLUNTARY, task_voluntary);
place!(TASK_INVOLUNTARY, task_involuntary);
place!(
    /// 0 if the kernel does not account for stalls.
    TASK_PSI_FLAGS, task_psi_flags
);
// Of `signal_struct`:
place!(SIGNAL_THREADS, signal_threads);
place!(
    /// Of `mm_struct`: the first counter's count.
    MM_RESIDENT, mm_resident
);
place!(
    /// From one counter to the next: the size of a `percpu_counter`.
    MM_RESIDENT_STEP, mm_resident_step
);

/// `MM_FILEPAGES`, `MM_ANONPAGES` and `MM_SHMEMPAGES` of `linux/mm_types_task.h`.
const RESIDENT: [usize; 3] = [0, 1, 3];
const PAGE_BYTES: i64 = 4096;
/// `TSK_MEMSTALL` of `linux/psi_types.h`.
const MEMORY_STALL: u32 = 2;

/// What the current thread and its process have used so far.
#[inline(always)]
pub fn read(into: &mut Resources) {
    // SAFETY: a plain helper; the current thread lives as long as this program runs.
    let task = Task::from(unsafe { bpf_get_current_task_btf() }.cast_const().cast());
    into.major_faults = task.long(task_major_faults());
    into.voluntary = task.long(task_voluntary());
    into.involuntary = task.long(task_involuntary());
    into.threads = task.follow(task_signal()).word(signal_threads());
    let memory = task.follow(task_mm());
    let (first, step) = (mm_resident(), mm_resident_step());
    let mut pages = 0;
    for counter in RESIDENT {
        pages += memory.long(first + counter * step) as i64;
    }
    into.resident_bytes = pages.wrapping_mul(PAGE_BYTES);
    into.stalled_ns = 0;
    into.known = 0;
}

/// Turns what was read at the entry into what has changed since.
#[inline(always)]
pub fn settle(entry: &mut Resources) {
    let mut now = Resources::default();
    read(&mut now);
    entry.resident_bytes = now.resident_bytes.wrapping_sub(entry.resident_bytes);
    entry.major_faults = now.major_faults.wrapping_sub(entry.major_faults);
    entry.voluntary = now.voluntary.wrapping_sub(entry.voluntary);
    entry.involuntary = now.involuntary.wrapping_sub(entry.involuntary);
    entry.threads = now.threads;
    entry.known = 1;
}

/// Notes that the thread stops at `now`, if it does so for want of memory: what it needs was in memory
/// before and had to go, or memory must be freed for it.
#[inline(always)]
pub fn stops(task: Task, state: &mut ThreadState, now: u64) {
    let flags = task_psi_flags();
    if state.open == 0 || flags == 0 || task.word(flags) & MEMORY_STALL == 0 {
        return;
    }
    stack::for_each_open(state, |state, slot| {
        let resources = &mut stack::frame(state, slot).event.resources;
        if resources.stalled_ns == 0 {
            resources.stalled_ns = now;
        }
    });
}
