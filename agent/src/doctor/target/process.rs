//! The process itself: where it lives.

use crate::{
    doctor::Check,
    target::{Namespace, NamespaceKind, Process, TargetError, tree},
};

use super::TARGET;

/// What the process's own files tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessFacts {
    /// Its id in hotspan's pid namespace.
    pub pid: u32,
    /// Its executable, as the kernel prints it.
    pub exe: String,
    /// Its id in its own pid namespace.
    pub ns_pid: u32,
    /// Number of its threads.
    pub threads: usize,
    /// Its descendants, which are traced with it.
    pub descendants: Vec<u32>,
    /// Whether it has a mount namespace other than hotspan's.
    pub own_mounts: bool,
    /// Whether it has a network namespace other than hotspan's.
    pub own_network: bool,
    /// Id of a process that traces it with ptrace.
    pub tracer: Option<u32>,
}

impl ProcessFacts {
    /// Reads them.
    ///
    /// Errors: the process has ended, or may not be looked at.
    pub fn read(process: &Process) -> Result<Self, TargetError> {
        let differs = |kind| -> Result<bool, TargetError> {
            let theirs = process.namespace(kind)?;
            let own = Namespace::of("/proc/self".as_ref(), kind);
            let own = own.map_err(|source| TargetError::Read {
                path: "/proc/self/ns".into(),
                source,
            })?;
            Ok(own != theirs)
        };
        let tracer = process.status_field("TracerPid")?;
        let tracer = tracer
            .and_then(|pid| pid.parse().ok())
            .filter(|&pid| pid != 0);
        let mut descendants = tree(process.pid())?;
        descendants.retain(|&pid| pid != process.pid());
        Ok(Self {
            pid: process.pid(),
            exe: process.exe().display().to_string(),
            ns_pid: process.ns_pid(),
            threads: process.threads()?.len(),
            descendants,
            own_mounts: differs(NamespaceKind::Mount)?,
            own_network: differs(NamespaceKind::Network)?,
            tracer,
        })
    }
}

pub(super) fn checks(facts: &ProcessFacts) -> Vec<Check> {
    let mut checks = vec![identity(facts)];
    checks.extend(workers(facts));
    checks.extend(isolation(facts));
    checks.extend(facts.tracer.map(|tracer| {
        TARGET.warn(
            "debugger",
            format!("process {tracer} traces it (ptrace), which slows probes and times down"),
            "detach the debugger",
        )
    }));
    checks
}

fn identity(facts: &ProcessFacts) -> Check {
    let ProcessFacts {
        pid, exe, threads, ..
    } = facts;
    let threads = match threads {
        1 => "1 thread".to_owned(),
        several => format!("{several} threads"),
    };
    TARGET.ok("process", format!("{pid} {exe}, 64-bit, {threads}"))
}

/// A master knows nothing of its workers' libraries, spans and threads.
fn workers(facts: &ProcessFacts) -> Option<Check> {
    let first = facts.descendants.first()?;
    let count = match facts.descendants.len() {
        1 => "1 descendant is".to_owned(),
        several => format!("{several} descendants are"),
    };
    let what = format!(
        "{count} traced with it; what is said here is of {} alone: \
         `hotspan doctor --pid {first}` for one of them",
        facts.pid
    );
    Some(TARGET.note("workers", what))
}

/// Containers make no difference to tracing; people want to see that it was noticed.
fn isolation(facts: &ProcessFacts) -> Option<Check> {
    let mut own = Vec::new();
    if facts.ns_pid != facts.pid {
        own.push(format!("process ids (it is {} there)", facts.ns_pid));
    }
    if facts.own_mounts {
        own.push("mounts".to_owned());
    }
    if facts.own_network {
        own.push("network".to_owned());
    }
    (!own.is_empty()).then(|| TARGET.ok("container", format!("has its own {}", own.join(", "))))
}
