//! What a thread and its process use besides time.

/// Read at a crossing's entry, and at its exit turned into what has changed since.
///
/// Switches and faults are the thread's own, memory and threads the process's.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Resident memory in bytes: files, anonymous and shared. The kernel keeps a part of the count on
    /// each CPU, so it is off by up to 32 pages, or twice as many as there are CPUs, on each of them.
    pub resident_bytes: i64,
    /// Page faults that had to wait for a disk.
    pub major_faults: u64,
    /// Switches because the thread could not go on.
    pub voluntary: u64,
    /// Switches because somebody else was to run.
    pub involuntary: u64,
    /// When the thread first stopped for want of memory, in nanoseconds of `CLOCK_MONOTONIC`; 0: never.
    pub stalled_ns: u64,
    /// Threads of the process, at the end.
    pub threads: u32,
    /// 1 if the above is so: the crossing has ended, by an exit that was seen.
    pub known: u32,
}

const _: () = assert!(size_of::<Resources>() == 48);
