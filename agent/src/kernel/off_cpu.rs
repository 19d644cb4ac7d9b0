//! Threads that do not run now, as far as their state is followed: those that crossed a region, or were born
//! under one.

use hotspan_common::{MAX_DEPTH, Parent, ThreadState};

use super::Kernel;

/// A thread that does not run.
#[derive(Clone, Copy, Debug)]
pub struct OffCpu {
    /// Process id in the root pid namespace.
    pub tgid: u32,
    /// Thread id in the target's own pid namespace.
    pub ns_tid: u32,
    /// Since when, in nanoseconds of `CLOCK_MONOTONIC`.
    pub since_ns: u64,
    /// It could not run; else it waits for a CPU.
    pub is_blocked: bool,
    /// The parent of its innermost open crossing, or of the one that it descends from.
    pub parent: Parent,
}

impl Kernel {
    /// The threads at work that do not run now.
    pub fn off_cpu(&self) -> Vec<OffCpu> {
        let states = self.thread_ids().into_iter();
        states
            .filter_map(|tid| off_cpu(&self.thread(tid)?))
            .collect()
    }
}

fn off_cpu(state: &ThreadState) -> Option<OffCpu> {
    let newest = (0..MAX_DEPTH)
        .filter(|slot| state.open & (1 << slot) != 0)
        .map(|slot| &state.frames[slot].event)
        .max_by_key(|event| event.entry_ns);
    let parent = match newest {
        Some(event) => event.parent,
        None if state.has_birth != 0 => Parent {
            lineage: 1,
            ..state.birth_parent
        },
        None => return None,
    };
    (state.off_since_ns != 0).then_some(OffCpu {
        tgid: state.tgid,
        ns_tid: state.ns_tid,
        since_ns: state.off_since_ns,
        is_blocked: state.blocked != 0,
        parent,
    })
}
