//! Capabilities.

use crate::doctor::{Check, Section, System};

/// Numbers of `include/uapi/linux/capability.h`.
const SYS_PTRACE: u32 = 19;
const SYS_ADMIN: u32 = 21;
const PERFMON: u32 = 38;
const BPF: u32 = 39;
const CHECKPOINT_RESTORE: u32 = 40;

/// What hotspan needs, for what, and the capability that includes it.
const NEEDED: [(u32, &str, &str, Option<u32>); 4] = [
    (BPF, "CAP_BPF", "load programs", Some(SYS_ADMIN)),
    (PERFMON, "CAP_PERFMON", "attach them", Some(SYS_ADMIN)),
    (
        SYS_PTRACE,
        "CAP_SYS_PTRACE",
        "read the target's memory",
        None,
    ),
    (
        CHECKPOINT_RESTORE,
        "CAP_CHECKPOINT_RESTORE",
        "open the files that the target maps",
        Some(SYS_ADMIN),
    ),
];

const REMEDY: &str = "run hotspan as root (sudo), or in a container that is privileged";

/// Whether hotspan has the capabilities that it needs (`CapEff`).
pub(super) fn capabilities(system: &System) -> Check {
    const NAME: &str = "privileges";
    let Some(effective) = effective(system) else {
        return Section::Host.warn(NAME, "/proc/self/status does not tell them", "mount /proc");
    };
    let has = |number: u32| effective & (1 << number) != 0;
    let lacking: Vec<String> = NEEDED
        .iter()
        .filter(|(number, _, _, includer)| !has(*number) && !includer.is_some_and(has))
        .map(|(_, name, purpose, _)| format!("{name} (to {purpose})"))
        .collect();
    if lacking.is_empty() {
        return Section::Host.ok(NAME, "all needed capabilities");
    }
    Section::Host.missing(NAME, format!("no {}", lacking.join(", no ")), REMEDY)
}

/// Whether hotspan may mount file systems for itself.
pub(super) fn may_mount(system: &System) -> bool {
    effective(system).is_some_and(|effective| effective & (1 << SYS_ADMIN) != 0)
}

fn effective(system: &System) -> Option<u64> {
    u64::from_str_radix(&system.own_status("CapEff")?, 16).ok()
}
