//! The files by which a host shows itself.

use std::{fs, os::unix::fs::symlink, path::PathBuf};

use tempfile::TempDir;

use crate::doctor::{KernelFeatures, Report, System, check_host};

/// A copy of what a good host shows.
pub(super) struct Host {
    pub(super) root: TempDir,
    pub(super) features: Option<KernelFeatures>,
}

impl Host {
    pub(super) fn good() -> Self {
        let root = tempfile::tempdir().unwrap();
        let host = Self {
            root,
            features: None,
        };
        host.file(
            "proc/self/status",
            "Name:\thotspan\nCapEff:\t000001ffffffffff\nSeccomp:\t0\n",
        );
        host.link("proc/self/ns/pid", "pid:[4026531836]");
        host.link("proc/self/ns/user", "user:[4026531837]");
        host.file("proc/sys/kernel/osrelease", "6.12.4-generic\n");
        host.file("proc/sys/kernel/arch", "x86_64\n");
        host.file("proc/sys/kernel/perf_event_paranoid", "2\n");
        host.file("proc/sys/kernel/yama/ptrace_scope", "1\n");
        host.file("proc/sys/net/core/bpf_jit_enable", "1\n");
        host.file("sys/kernel/btf/vmlinux", "");
        host.file(
            "sys/kernel/security/lockdown",
            "none [integrity] confidentiality\n",
        );
        for tracepoint in [
            "task/task_newtask",
            "sched/sched_process_exit",
            "sched/sched_process_exec",
            "sched/sched_switch",
            "sched/sched_wakeup",
            "sock/sk_data_ready",
            "sock/sock_recv_length",
        ] {
            host.file(&format!("sys/kernel/tracing/events/{tracepoint}/id"), "1\n");
        }
        host
    }

    fn path(&self, path: &str) -> PathBuf {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    pub(super) fn file(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).unwrap();
    }

    pub(super) fn link(&self, path: &str, to: &str) {
        let path = self.path(path);
        if path.is_symlink() {
            fs::remove_file(&path).unwrap();
        }
        symlink(to, path).unwrap();
    }

    pub(super) fn remove(&self, path: &str) {
        let path = self.root.path().join(path);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }

    pub(super) fn report(&self) -> Report {
        let system = System::below(self.root.path());
        Report {
            checks: check_host(&system, self.features.as_ref()),
        }
    }
}
