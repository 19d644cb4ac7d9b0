//! Hosts that differ from a good one in one thing.

use std::{fs, path::Path};

use super::{fixture::Host, outcome};
use crate::doctor::{KernelFeatures, System, Trial, Verdict, check_host};

fn all_work() -> KernelFeatures {
    KernelFeatures {
        load: Trial::Works,
        ring_buffer: Trial::Works,
        uprobe_multi: Trial::Works,
        sleepable: Trial::Works,
        tracepoint: Trial::Works,
    }
}

/// A good host, changed: what this check then says, and whether it is the only thing amiss.
fn check(change: impl FnOnce(&mut Host), name: &str, expected: Option<(Verdict, &str)>) {
    let mut host = Host::good();
    change(&mut host);
    let report = host.report();
    let found = outcome(&report.checks, name);
    let found = found
        .as_ref()
        .map(|(verdict, text)| (*verdict, text.as_str()));
    assert_eq!(found, expected, "{name}");
    let amiss = |check: &&super::Check| matches!(check.verdict, Verdict::Missing | Verdict::Warn);
    let amiss: Vec<_> = report
        .checks
        .iter()
        .filter(amiss)
        .map(|check| check.name)
        .collect();
    let good = matches!(expected, None | Some((Verdict::Ok | Verdict::Note, _)));
    let only: &[&str] = if good { &[] } else { &[name] };
    assert_eq!(amiss, only);
    let missing = matches!(expected, Some((Verdict::Missing, _)));
    assert_eq!(report.allows_live_tracing(), !missing);
}

use Verdict::{Missing, Note, Ok as Good, Warn};

#[test]
fn a_good_host_passes() {
    check(
        |_| {},
        "privileges",
        Some((Good, "all needed capabilities")),
    );
    check(
        |_| {},
        "pid namespace",
        Some((Good, "hotspan runs in the host's")),
    );
    check(|_| {}, "user namespace", None);
    check(|_| {}, "seccomp", None);
    check(|_| {}, "Yama", None);
    check(|_| {}, "lockdown", Some((Good, "integrity")));
    check(|_| {}, "kernel", Some((Good, "6.12.4-generic")));
    check(|_| {}, "tracefs", Some((Good, "/sys/kernel/tracing")));
    check(|_| {}, "tracepoints", Some((Good, "all 5 that are used")));
    check(
        |_| {},
        "socket tracepoints",
        Some((Good, "both that are used")),
    );
    check(
        |_| {},
        "perf events",
        Some((Good, "there (perf_event_paranoid 2)")),
    );
}

#[test]
fn capabilities() {
    const REMEDY: &str = "run hotspan as root (sudo), or in a container that is privileged";
    fn with(caps: u64) -> impl FnOnce(&mut Host) {
        move |host| host.file("proc/self/status", &format!("CapEff:\t{caps:016x}\n"))
    }
    let few = 1 << 19 | 1 << 38 | 1 << 39 | 1 << 40;
    check(
        with(few),
        "privileges",
        Some((Good, "all needed capabilities")),
    );
    let admin = 1 << 19 | 1 << 21;
    check(
        with(admin),
        "privileges",
        Some((Good, "all needed capabilities")),
    );
    let none = format!(
        "no CAP_BPF (to load programs), no CAP_PERFMON (to attach them), no CAP_SYS_PTRACE (to read the target's memory), \
         no CAP_CHECKPOINT_RESTORE (to open the files that the target maps) -> {REMEDY}"
    );
    check(with(0), "privileges", Some((Missing, &none)));
    let docker = format!("no CAP_SYS_PTRACE (to read the target's memory) -> {REMEDY}");
    check(with(1 << 21), "privileges", Some((Missing, &docker)));
    check(
        |host| host.file("proc/self/status", "Name:\tx\n"),
        "privileges",
        Some((Warn, "/proc/self/status does not tell them -> mount /proc")),
    );
}

#[test]
fn isolation() {
    check(
        |host| host.link("proc/self/ns/pid", "pid:[4026532201]"),
        "pid namespace",
        Some((
            Missing,
            "hotspan runs in one of its own, where process ids mean something else -> \
             run it in the host's: hostPID: true, or docker run --pid=host",
        )),
    );
    check(
        |host| host.remove("proc/self/ns/pid"),
        "pid namespace",
        Some((Missing, "/proc/self/ns/pid is not there -> mount /proc")),
    );
    check(
        |host| host.link("proc/self/ns/user", "user:[4026532201]"),
        "user namespace",
        Some((
            Missing,
            "hotspan's capabilities count only in a user namespace of its own -> \
             run it as the host's root, not in a rootless container",
        )),
    );
    check(
        |host| host.file("proc/sys/kernel/yama/ptrace_scope", "3\n"),
        "Yama",
        Some((
            Missing,
            "kernel.yama.ptrace_scope is 3: nobody may read another process's memory -> \
             boot with kernel.yama.ptrace_scope below 3 (it cannot be lowered later)",
        )),
    );
    check(
        |host| {
            host.file(
                "sys/kernel/security/lockdown",
                "none integrity [confidentiality]\n",
            );
        },
        "lockdown",
        Some((
            Missing,
            "the kernel is locked down for confidentiality -> \
             boot with lockdown=integrity or none, or without Secure Boot's lockdown",
        )),
    );
    check(
        |host| host.remove("sys/kernel/security/lockdown"),
        "lockdown",
        None,
    );
}

#[test]
fn a_seccomp_filter_matters_unless_it_was_tried() {
    const FILTERED: &str = "CapEff:\t000001ffffffffff\nSeccomp:\t2\n";
    check(
        |host| host.file("proc/self/status", FILTERED),
        "seccomp",
        Some((
            Warn,
            "a filter over hotspan may refuse bpf and perf_event_open -> \
             run the container with --security-opt seccomp=unconfined",
        )),
    );
    check(
        |host| {
            host.file("proc/self/status", FILTERED);
            host.features = Some(all_work());
        },
        "seccomp",
        Some((
            Good,
            "the filter over hotspan lets bpf and perf_event_open pass",
        )),
    );
}

#[test]
fn kernels() {
    fn release(release: &'static str) -> impl FnOnce(&mut Host) {
        move |host| host.file("proc/sys/kernel/osrelease", release)
    }
    const OLD: &str =
        "6.5.0-14 cannot attach many probes at once (uprobe_multi) -> run Linux 6.6 or later";
    check(release("6.6.0"), "kernel", Some((Good, "6.6.0")));
    check(release("7.0-rc1"), "kernel", Some((Good, "7.0-rc1")));
    check(release("6.5.0-14"), "kernel", Some((Missing, OLD)));
    check(
        release("6"),
        "kernel",
        Some((
            Warn,
            "version 6 is not understood -> run Linux 6.6 or later",
        )),
    );
    // A distribution's backport: what was tried counts.
    check(
        |host| {
            host.file("proc/sys/kernel/osrelease", "5.14.0-503.el9");
            host.features = Some(all_work());
        },
        "kernel",
        Some((Good, "5.14.0-503.el9")),
    );
    check(
        |host| host.file("proc/sys/kernel/arch", "aarch64\n"),
        "processor",
        Some((Missing, "aarch64 -> use an x86-64 host")),
    );
    check(
        |host| host.file("proc/sys/net/core/bpf_jit_enable", "0\n"),
        "BPF JIT",
        Some((
            Warn,
            "off: each probe costs the target several times more -> sysctl net.core.bpf_jit_enable=1",
        )),
    );
    check(
        |host| host.remove("proc/sys/net/core/bpf_jit_enable"),
        "BPF JIT",
        Some((Note, "the kernel does not say")),
    );
    check(
        |host| host.remove("sys/kernel/btf/vmlinux"),
        "BTF",
        Some((
            Warn,
            "the kernel has no type information (/sys/kernel/btf/vmlinux) -> \
             run a kernel built with CONFIG_DEBUG_INFO_BTF, as distributions' are",
        )),
    );
}

#[test]
fn trials() {
    fn refused(change: fn(&mut KernelFeatures)) -> impl FnOnce(&mut Host) {
        move |host| {
            let mut features = all_work();
            change(&mut features);
            host.features = Some(features);
        }
    }
    check(
        refused(|_| {}),
        "uprobe_multi",
        Some((Good, "tried, works")),
    );
    check(
        refused(|features| features.load = Trial::Refused("EPERM".into())),
        "BPF programs",
        Some((
            Missing,
            "refused: EPERM -> check privileges, seccomp and lockdown above",
        )),
    );
    check(
        refused(|features| features.sleepable = Trial::Refused("EINVAL".into())),
        "sleepable uprobes",
        Some((Missing, "refused: EINVAL -> run Linux 6.6 or later")),
    );
    check(
        refused(|features| features.sleepable = Trial::NotTried),
        "sleepable uprobes",
        None,
    );
}

#[test]
fn one_load_tells_most() {
    fn load(result: Result<(), String>) -> impl FnOnce(&mut Host) {
        move |host| host.features = Some(KernelFeatures::of_load(result))
    }
    check(
        load(Ok(())),
        "sleepable uprobes",
        Some((Good, "tried, works")),
    );
    check(load(Ok(())), "uprobe_multi", None);
    let refused = "refused: EPERM -> check privileges, seccomp and lockdown above";
    check(
        load(Err("EPERM".into())),
        "BPF programs",
        Some((Missing, refused)),
    );
    let verifier = "the program crossing: Argument list too long (os error 7). Verifier output: 0: R1=ctx()\n\
        1: (95) exit\nBPF program is too large. Processed 1000001 insn\nverification time 13116805 usec\n\
        stack depth 0+200\nprocessed 1000001 insns (limit 1000000)\n: Argument list too long (os error 7)";
    check(
        load(Err(verifier.into())),
        "BPF programs",
        Some((
            Missing,
            "refused: the program crossing: Argument list too long (os error 7): \
             BPF program is too large. Processed 1000001 insn -> \
             check privileges, seccomp and lockdown above",
        )),
    );
    check(
        |host| {
            host.file("proc/sys/kernel/osrelease", "6.1.0-30");
            host.features = Some(KernelFeatures::of_load(Ok(())));
        },
        "kernel",
        Some((
            Missing,
            "6.1.0-30 cannot attach many probes at once (uprobe_multi) -> run Linux 6.6 or later",
        )),
    );
}

#[test]
fn tracing() {
    const MOUNT: &str = "not mounted: threads and loaded libraries cannot be followed -> \
        mount -t tracefs tracefs /sys/kernel/tracing (container: mount the host's there)";
    const FEW: u64 = 1 << 19 | 1 << 38 | 1 << 39 | 1 << 40;
    fn without_events(host: &Host) {
        host.remove("sys/kernel/tracing/events");
    }
    check(
        |host| {
            without_events(host);
            host.file("proc/self/status", &format!("CapEff:\t{FEW:016x}\n"));
        },
        "tracefs",
        Some((Missing, MOUNT)),
    );
    check(
        |host| without_events(host),
        "tracefs",
        Some((
            Good,
            "not mounted; hotspan mounts it where only hotspan sees it",
        )),
    );
    check(
        |host| host.remove("sys/kernel/tracing"),
        "tracefs",
        Some((
            Missing,
            "the kernel has none, so no tracepoints -> \
             run a kernel built with CONFIG_FTRACE, as distributions' are",
        )),
    );
    check(
        |host| {
            fs::create_dir(host.root.path().join("sys/kernel/debug")).unwrap();
            let moved = host.root.path().join("sys/kernel/debug/tracing");
            fs::rename(host.root.path().join("sys/kernel/tracing"), moved).unwrap();
        },
        "tracefs",
        Some((Good, "/sys/kernel/debug/tracing")),
    );
    check(
        |host| host.remove("sys/kernel/tracing/events/task"),
        "tracepoints",
        Some((
            Missing,
            "no task/task_newtask (which thread created which) -> \
             run a kernel built with CONFIG_FTRACE, as distributions' are",
        )),
    );
    check(
        |host| host.remove("sys/kernel/tracing/events/sock/sk_data_ready"),
        "socket tracepoints",
        Some((
            Warn,
            "no sock/sk_data_ready: the time to the first token counts from what woke the server, or its span -> \
             run Linux 6.3 or later",
        )),
    );
    check(
        |host| host.remove("proc/sys/kernel/perf_event_paranoid"),
        "perf events",
        Some((
            Missing,
            "the kernel has none -> run a kernel built with CONFIG_PERF_EVENTS, as distributions' are",
        )),
    );
}

#[test]
fn the_live_host_agrees_with_the_system_calls() {
    let checks = check_host(&System::live(), None);
    let says_yes = |name: &str| outcome(&checks, name).unwrap().0 == Verdict::Ok;
    let host_pids = fs::metadata("/proc/self/ns/pid")
        .map(|file| std::os::unix::fs::MetadataExt::ino(&file) == 0xEFFF_FFFC);
    assert_eq!(says_yes("pid namespace"), host_pids.unwrap());
    let btf = Path::new("/sys/kernel/btf/vmlinux").exists();
    assert_eq!(says_yes("BTF"), btf);
    let machine = rustix::system::uname();
    assert_eq!(
        says_yes("processor"),
        machine.machine().to_bytes() == b"x86_64"
    );
    let release = machine.release().to_str().unwrap().to_owned();
    assert!(outcome(&checks, "kernel").unwrap().1.starts_with(&release));
}
