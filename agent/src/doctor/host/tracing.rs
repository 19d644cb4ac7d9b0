//! perf, tracefs, tracepoints.

use std::io;

use super::privileges::may_mount;
use crate::doctor::{Check, KernelFeatures, Section, System, Trial};

/// Where tracefs is mounted, below `/sys`.
const MOUNTS: [&str; 2] = ["kernel/tracing", "kernel/debug/tracing"];

/// The tracepoints that the kernel programs use, and what is not seen without them.
const TRACEPOINTS: [(&str, &str); 5] = [
    ("task/task_newtask", "which thread created which"),
    ("sched/sched_process_exit", "the end of threads"),
    (
        "sched/sched_process_exec",
        "a target that executes another program",
    ),
    ("sched/sched_switch", "CPU time and waiting"),
    ("sched/sched_wakeup", "blocked time"),
];

/// Those that tell when a request came in, which spans go on without.
const SOCKETS: [&str; 2] = ["sock/sk_data_ready", "sock/sock_recv_length"];

const HOST: Section = Section::Host;

pub(super) fn checks(system: &System, features: Option<&KernelFeatures>) -> Vec<Check> {
    let mut checks = vec![perf(system)];
    checks.extend(tracefs(system, features));
    checks
}

/// Tracepoints are attached through perf. With the capabilities, the level does not matter.
fn perf(system: &System) -> Check {
    const NAME: &str = "perf events";
    match system.proc_text("sys/kernel/perf_event_paranoid") {
        Some(level) => HOST.ok(NAME, format!("there (perf_event_paranoid {level})")),
        None => HOST.missing(
            NAME,
            "the kernel has none",
            "run a kernel built with CONFIG_PERF_EVENTS, as distributions' are",
        ),
    }
}

fn tracefs(system: &System, features: Option<&KernelFeatures>) -> Vec<Check> {
    const NAME: &str = "tracefs";
    let mut unreadable = None;
    for mount in MOUNTS {
        match system.sys_has(&format!("{mount}/events")) {
            Ok(true) => {
                let there = HOST.ok(NAME, format!("/sys/{mount}"));
                return vec![there, tracepoints(system, mount), sockets(system, mount)];
            }
            Ok(false) => {}
            Err(error) => unreadable = Some(error),
        }
    }
    if features.is_some_and(|features| features.tracepoint == Trial::Works) {
        return vec![HOST.ok(NAME, "mounted where hotspan's programs find it")];
    }
    vec![unmounted(system, unreadable)]
}

fn unmounted(system: &System, unreadable: Option<io::Error>) -> Check {
    const NAME: &str = "tracefs";
    if let Some(error) = unreadable {
        let what = format!("/sys/kernel/tracing cannot be read: {error}");
        return HOST.missing(NAME, what, "run hotspan as root");
    }
    match system.sys_has(MOUNTS[0]) {
        Ok(true) if may_mount(system) => HOST.ok(
            NAME,
            "not mounted; hotspan mounts it where only hotspan sees it",
        ),
        Ok(true) => HOST.missing(
            NAME,
            "not mounted: threads and loaded libraries cannot be followed",
            "mount -t tracefs tracefs /sys/kernel/tracing (container: mount the host's there)",
        ),
        Ok(false) | Err(_) => HOST.missing(
            NAME,
            "the kernel has none, so no tracepoints",
            "run a kernel built with CONFIG_FTRACE, as distributions' are",
        ),
    }
}

fn has_tracepoint(system: &System, mount: &str, name: &str) -> bool {
    matches!(system.sys_has(&format!("{mount}/events/{name}")), Ok(true))
}

fn sockets(system: &System, mount: &str) -> Check {
    const NAME: &str = "socket tracepoints";
    let is_absent = |name: &&&str| !has_tracepoint(system, mount, name);
    let absent: Vec<&str> = SOCKETS.iter().filter(is_absent).copied().collect();
    if absent.is_empty() {
        return HOST.ok(NAME, "both that are used");
    }
    HOST.warn(
        NAME,
        format!(
            "no {}: the time to the first token counts from what woke the server, or its span",
            absent.join(", no ")
        ),
        "run Linux 6.3 or later",
    )
}

fn tracepoints(system: &System, mount: &str) -> Check {
    const NAME: &str = "tracepoints";
    let absent: Vec<String> = TRACEPOINTS
        .iter()
        .filter(|(name, _)| !has_tracepoint(system, mount, name))
        .map(|(name, without)| format!("{name} ({without})"))
        .collect();
    if absent.is_empty() {
        return HOST.ok(NAME, format!("all {} that are used", TRACEPOINTS.len()));
    }
    HOST.missing(
        NAME,
        format!("no {}", absent.join(", no ")),
        "run a kernel built with CONFIG_FTRACE, as distributions' are",
    )
}
