//! What keeps hotspan itself from the rest of the host: namespaces, seccomp, Yama, lockdown.

use crate::{
    doctor::{Check, KernelFeatures, Section, System, Trial},
    target::NamespaceKind,
};

pub(super) fn checks(system: &System, features: Option<&KernelFeatures>) -> Vec<Check> {
    let mut checks = vec![pid_namespace(system)];
    checks.extend(user_namespace(system));
    checks.extend(seccomp(system, features));
    checks.extend(yama(system));
    checks.extend(lockdown(system));
    checks
}

/// The kernel programs see ids of the initial pid namespace; from another one they cannot be told.
fn pid_namespace(system: &System) -> Check {
    const NAME: &str = "pid namespace";
    match system.own_namespace("pid") {
        inode if inode.is_some() && inode == NamespaceKind::Pid.initial_inode() => {
            Section::Host.ok(NAME, "hotspan runs in the host's")
        }
        Some(_) => Section::Host.missing(
            NAME,
            "hotspan runs in one of its own, where process ids mean something else",
            "run it in the host's: hostPID: true, or docker run --pid=host",
        ),
        None => Section::Host.missing(NAME, "/proc/self/ns/pid is not there", "mount /proc"),
    }
}

/// Capabilities count for BPF only in the initial user namespace.
fn user_namespace(system: &System) -> Option<Check> {
    let own = system.own_namespace("user")?;
    (Some(own) != NamespaceKind::User.initial_inode()).then(|| {
        Section::Host.missing(
            "user namespace",
            "hotspan's capabilities count only in a user namespace of its own",
            "run it as the host's root, not in a rootless container",
        )
    })
}

/// A container runtime's filter may refuse `bpf` and `perf_event_open`.
fn seccomp(system: &System, features: Option<&KernelFeatures>) -> Option<Check> {
    if system.own_status("Seccomp")? != "2" {
        return None;
    }
    let allowed = |features: &KernelFeatures| {
        features.load == Trial::Works && features.tracepoint == Trial::Works
    };
    Some(if features.is_some_and(allowed) {
        Section::Host.ok(
            "seccomp",
            "the filter over hotspan lets bpf and perf_event_open pass",
        )
    } else {
        Section::Host.warn(
            "seccomp",
            "a filter over hotspan may refuse bpf and perf_event_open",
            "run the container with --security-opt seccomp=unconfined",
        )
    })
}

/// Mode 3 refuses to read another process's memory, to root too.
fn yama(system: &System) -> Option<Check> {
    (system.proc_text("sys/kernel/yama/ptrace_scope")? == "3").then(|| {
        Section::Host.missing(
            "Yama",
            "kernel.yama.ptrace_scope is 3: nobody may read another process's memory",
            "boot with kernel.yama.ptrace_scope below 3 (it cannot be lowered later)",
        )
    })
}

/// In confidentiality mode, BPF may read no memory and perf is closed.
fn lockdown(system: &System) -> Option<Check> {
    const NAME: &str = "lockdown";
    let modes = system.sys_text("kernel/security/lockdown")?;
    let mode = modes.split('[').nth(1)?.split(']').next()?;
    Some(if mode == "confidentiality" {
        Section::Host.missing(
            NAME,
            "the kernel is locked down for confidentiality",
            "boot with lockdown=integrity or none, or without Secure Boot's lockdown",
        )
    } else {
        Section::Host.ok(NAME, mode)
    })
}
