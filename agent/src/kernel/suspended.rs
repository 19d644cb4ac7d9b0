//! Tasks of event loops that are suspended now.

use super::{Kernel, wire::Value};

/// A task that is suspended.
#[derive(Clone, Copy, Debug)]
pub struct SuspendedTask {
    /// Process id in the root pid namespace.
    pub tgid: u32,
    /// Thread id of its loop's thread, in the target's own pid namespace.
    pub ns_tid: u32,
    /// Its address.
    pub address: u64,
    /// Its Python context.
    pub context: u64,
    /// Since when, in nanoseconds of `CLOCK_MONOTONIC`.
    pub since_ns: u64,
}

impl Kernel {
    /// The tasks that are suspended, of those that were seen to run.
    pub fn suspended_tasks(&self) -> Vec<SuspendedTask> {
        let entries = self.suspended.iter().filter_map(Result::ok);
        let tasks = entries.map(|(Value(task), Value(suspended))| SuspendedTask {
            tgid: task.tgid,
            ns_tid: suspended.ns_tid,
            address: task.address,
            context: suspended.context,
            since_ns: suspended.since_ns,
        });
        tasks.filter(|task| task.context != 0).collect()
    }
}
