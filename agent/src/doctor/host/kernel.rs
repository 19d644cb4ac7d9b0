//! The kernel: version, BPF, processor.

use crate::doctor::{Check, KernelFeatures, Section, System, Trial};

/// The first version with `uprobe_multi`.
const UPROBE_MULTI: (u32, u32) = (6, 6);
const NEWER_KERNEL: &str = "run Linux 6.6 or later";
const HOST: Section = Section::Host;

pub(super) fn checks(system: &System, features: Option<&KernelFeatures>) -> Vec<Check> {
    let mut checks = vec![processor(system), version(system, features)];
    checks.extend(features.into_iter().flat_map(tried));
    checks.push(jit(system));
    checks.push(btf(system));
    checks
}

fn processor(system: &System) -> Check {
    let machine = system.proc_text("sys/kernel/arch");
    // Before Linux 6.1 only the build can tell.
    let machine = machine.unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    if machine == "x86_64" {
        HOST.ok("processor", machine)
    } else {
        HOST.missing("processor", machine, "use an x86-64 host")
    }
}

fn version(system: &System, features: Option<&KernelFeatures>) -> Check {
    const NAME: &str = "kernel";
    let Some(release) = system.proc_text("sys/kernel/osrelease") else {
        return HOST.warn(NAME, "its version cannot be read", "mount /proc");
    };
    let Some(version) = parse(&release) else {
        return HOST.warn(
            NAME,
            format!("version {release} is not understood"),
            NEWER_KERNEL,
        );
    };
    let works = features.is_some_and(|features| features.uprobe_multi == Trial::Works);
    if works || version >= UPROBE_MULTI {
        HOST.ok(NAME, release)
    } else {
        let what = format!("{release} cannot attach many probes at once (uprobe_multi)");
        HOST.missing(NAME, what, NEWER_KERNEL)
    }
}

/// Major and minor version.
fn parse(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|char: char| !char.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// What was tried; what was not says nothing new.
fn tried(features: &KernelFeatures) -> impl Iterator<Item = Check> {
    let trials = [
        (
            "BPF programs",
            &features.load,
            "check privileges, seccomp and lockdown above",
        ),
        ("BPF ring buffer", &features.ring_buffer, NEWER_KERNEL),
        ("uprobe_multi", &features.uprobe_multi, NEWER_KERNEL),
        ("sleepable uprobes", &features.sleepable, NEWER_KERNEL),
        (
            "BPF on tracepoints",
            &features.tracepoint,
            "check privileges and tracefs",
        ),
    ];
    trials
        .into_iter()
        .filter_map(|(name, trial, remedy)| match trial {
            Trial::Works => Some(HOST.ok(name, "tried, works")),
            Trial::Refused(why) => Some(HOST.missing(name, format!("refused: {why}"), remedy)),
            Trial::NotTried => None,
        })
}

fn jit(system: &System) -> Check {
    const NAME: &str = "BPF JIT";
    match system.proc_text("sys/net/core/bpf_jit_enable").as_deref() {
        Some("0") => HOST.warn(
            NAME,
            "off: each probe costs the target several times more",
            "sysctl net.core.bpf_jit_enable=1",
        ),
        Some(_) => HOST.ok(NAME, "on"),
        None => HOST.note(NAME, "the kernel does not say"),
    }
}

/// hotspan's own programs use no kernel types, so they load without; aya and `bpftool` use them.
fn btf(system: &System) -> Check {
    const NAME: &str = "BTF";
    match system.sys_has("kernel/btf/vmlinux") {
        Ok(true) => HOST.ok(NAME, "/sys/kernel/btf/vmlinux"),
        Ok(false) | Err(_) => HOST.warn(
            NAME,
            "the kernel has no type information (/sys/kernel/btf/vmlinux)",
            "run a kernel built with CONFIG_DEBUG_INFO_BTF, as distributions' are",
        ),
    }
}
