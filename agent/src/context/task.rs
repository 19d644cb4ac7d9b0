//! Where the running kernel keeps what the programs read of a thread, `task_struct`, and of sockets.

use std::{path::Path, sync::OnceLock};

use thiserror::Error;

use super::kernel_types::KernelTypes;

/// The kernel's own types.
const KERNEL_TYPES: &str = "/sys/kernel/btf/vmlinux";

/// Why places in `task_struct` are not known.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TaskUnknown {
    /// The kernel does not describe its types, or not readably.
    #[error("{KERNEL_TYPES} cannot be read: {0}")]
    NoTypes(String),
    /// The field is not among them; without `thread.fsbase` it is no x86-64 kernel.
    #[error("the kernel's task_struct has no {0}")]
    NoField(&'static str),
    /// The same for another struct.
    #[error("the kernel has no {0}.{1}")]
    NoMember(&'static str, &'static str),
}

/// Offsets in `task_struct`, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskLayout {
    /// `pid`: the thread's id in the root pid namespace.
    pub pid: u32,
    /// `tgid`: its process's.
    pub tgid: u32,
    /// `thread.fsbase`.
    pub fs_base: u32,
    /// `sched_info.run_delay`; 0: this kernel does not account for waits for a CPU.
    pub run_delay: u32,
    /// `in_iowait`, a bit field: in bits; 0: this kernel does not tell.
    pub in_iowait: u32,
    /// Whether the kernel tells when a thread is back from a switch: `sched_exit_tp`, since 6.16.
    pub tells_returns: bool,
    /// What it uses besides time.
    pub resources: ResourceLayout,
    /// `None`: the kernel has no TCP, or keeps it elsewhere.
    pub sockets: Option<SocketLayout>,
}

/// Offsets in structs of sockets, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketLayout {
    /// `sock_common.skc_num`.
    pub port: u32,
    /// `tcp_sock.copied_seq`.
    pub copied: u32,
    /// `tcp_sock.rcv_nxt`.
    pub next: u32,
}

/// Offsets in bytes of what the kernel counts; of `task_struct` unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceLayout {
    /// `mm`.
    pub memory: u32,
    /// `signal`.
    pub signal: u32,
    /// `maj_flt`.
    pub major_faults: u32,
    /// `nvcsw`.
    pub voluntary: u32,
    /// `nivcsw`.
    pub involuntary: u32,
    /// `psi_flags`; 0: this kernel does not account for stalls.
    pub psi_flags: u32,
    /// `signal_struct.nr_threads`.
    pub threads: u32,
    /// `mm_struct.rss_stat[0].count`.
    pub resident: u32,
    /// `sizeof(struct percpu_counter)`, of which `rss_stat` is an array.
    pub resident_step: u32,
}

/// The running kernel's. Read once: it is a fact of the kernel that runs.
///
/// # Errors
/// The kernel does not say, or has no such fields.
pub fn layout() -> Result<TaskLayout, TaskUnknown> {
    static LAYOUT: OnceLock<Result<TaskLayout, TaskUnknown>> = OnceLock::new();
    LAYOUT.get_or_init(read).clone()
}

fn read() -> Result<TaskLayout, TaskUnknown> {
    let types = KernelTypes::read(Path::new(KERNEL_TYPES))
        .map_err(|error| TaskUnknown::NoTypes(error.to_string()))?;
    let field = |name| {
        types
            .member_offset("task_struct", name)
            .ok_or(TaskUnknown::NoField(name))
    };
    let in_thread = types
        .member_offset("thread_struct", "fsbase")
        .ok_or(TaskUnknown::NoField("thread.fsbase"))?;
    Ok(TaskLayout {
        pid: field("pid")?,
        tgid: field("tgid")?,
        fs_base: field("thread")? + in_thread,
        run_delay: types
            .member_offset("sched_info", "run_delay")
            .and_then(|within| Some(field("sched_info").ok()? + within))
            .unwrap_or(0),
        in_iowait: types.member_bit("task_struct", "in_iowait").unwrap_or(0),
        tells_returns: types.has_typedef("btf_trace_sched_exit_tp"),
        resources: resources(&types)?,
        sockets: sockets(&types),
    })
}

fn sockets(types: &KernelTypes) -> Option<SocketLayout> {
    Some(SocketLayout {
        port: types.member_offset("sock_common", "skc_num")?,
        copied: types.member_offset("tcp_sock", "copied_seq")?,
        next: types.member_offset("tcp_sock", "rcv_nxt")?,
    })
}

fn resources(types: &KernelTypes) -> Result<ResourceLayout, TaskUnknown> {
    let member = |structure, name| {
        types
            .member_offset(structure, name)
            .ok_or(TaskUnknown::NoMember(structure, name))
    };
    let task = |name| member("task_struct", name);
    let counter = "percpu_counter";
    Ok(ResourceLayout {
        memory: task("mm")?,
        signal: task("signal")?,
        major_faults: task("maj_flt")?,
        voluntary: task("nvcsw")?,
        involuntary: task("nivcsw")?,
        psi_flags: task("psi_flags").unwrap_or(0),
        threads: member("signal_struct", "nr_threads")?,
        resident: member("mm_struct", "rss_stat")? + member(counter, "count")?,
        resident_step: types
            .size_of(counter)
            .ok_or(TaskUnknown::NoMember(counter, "count"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::layout;

    #[test]
    fn the_running_kernel_tells_plausible_offsets() {
        let layout = layout().expect("a kernel with BTF");
        assert_eq!(layout.fs_base % 8, 0);
        assert_eq!(layout.tgid, layout.pid + 4);
        for offset in [layout.pid, layout.tgid, layout.fs_base] {
            assert!((64..64 * 1024).contains(&offset), "{offset}");
        }
        assert!(layout.in_iowait > 8 * 64, "{}", layout.in_iowait);
        let resources = layout.resources;
        assert_eq!(resources.involuntary, resources.voluntary + 8);
        assert_eq!(
            resources.resident_step, 40,
            "a lock, a count, a list, a pointer"
        );
        assert!(resources.resident > 64, "{}", resources.resident);
        let sockets = layout.sockets.expect("a kernel with TCP");
        // The peer's address, both sockets' hash and the peer's port come before it.
        assert_eq!(sockets.port, 14);
        assert!(sockets.copied > 64 && sockets.next > 64, "{sockets:?}");
    }
}
