//! One process, held so that its id cannot come to mean another.

use std::{
    fs::{self, File},
    io::{self, Read},
    ops::Range,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use procfs::{
    ProcError,
    process::{Stat, StatFlags},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, PidfdFlags, pidfd_open},
};

use super::{
    Bitness, ElfIdentity, Namespace, NamespaceKind, TargetError,
    mapping::{Mapping, ObjectId},
    maps, status_field,
};
use crate::readiness;

/// A process that can be a target: it runs a 64-bit program of this processor, and is not hotspan.
///
/// Held by a pidfd: what is read through this value is of this process or an error, even if its id
/// is used again.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    pidfd: OwnedFd,
    proc_dir: PathBuf,
    name: String,
    parent: u32,
    start_ticks: u64,
    exe: PathBuf,
    ns_pid: u32,
    pid_namespace: Namespace,
}

impl Process {
    /// Opens process `pid`, an id in hotspan's own pid namespace.
    ///
    /// Errors: [`TargetError`], with what to do instead.
    pub fn open(pid: u32) -> Result<Self, TargetError> {
        if pid == std::process::id() {
            return Err(TargetError::Itself { pid });
        }
        let pidfd = open_pidfd(pid)?;
        let proc_dir = PathBuf::from(format!("/proc/{pid}"));
        let stat = stat(pid)?;
        refuse_without_program(&stat, pid)?;
        let exe = read(pid, proc_dir.join("exe"), |path| fs::read_link(path))?;
        refuse_foreign_program(pid, &proc_dir, &exe)?;
        let process = Self {
            ns_pid: ns_pid(pid, &proc_dir)?,
            pid_namespace: read(pid, proc_dir.join("ns/pid"), |_| {
                Namespace::of(&proc_dir, NamespaceKind::Pid)
            })?,
            pid,
            pidfd,
            proc_dir,
            name: stat.comm,
            parent: stat.ppid as u32,
            start_ticks: stat.starttime,
            exe,
        };
        // All was read while the pidfd's process was there, hence of that process.
        process.must_run()?;
        Ok(process)
    }

    /// Its id in hotspan's pid namespace.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its id as the kernel programs see it: in the initial pid namespace.
    ///
    /// Errors: [`TargetError::AgentPidNamespace`] if hotspan is in another one, from which the ids
    /// of the initial one cannot be known.
    pub fn root_pid(&self) -> Result<u32, TargetError> {
        let own = read(self.pid, "/proc/self/ns/pid".into(), |_| {
            Namespace::of(Path::new("/proc/self"), NamespaceKind::Pid)
        })?;
        if Some(own.ino) == NamespaceKind::Pid.initial_inode() {
            Ok(self.pid)
        } else {
            Err(TargetError::AgentPidNamespace)
        }
    }

    /// Its id in its own pid namespace: the innermost of `NSpid`.
    pub fn ns_pid(&self) -> u32 {
        self.ns_pid
    }

    /// Its pid namespace.
    pub fn pid_namespace(&self) -> Namespace {
        self.pid_namespace
    }

    /// Its parent's id when it was opened; 0 if that is outside hotspan's pid namespace.
    pub fn parent(&self) -> u32 {
        self.parent
    }

    /// When it started, in clock ticks since the system did (`starttime` in `/proc/PID/stat`).
    pub fn start_ticks(&self) -> u64 {
        self.start_ticks
    }

    /// Its executable, as the kernel prints it; may be deleted or of another mount namespace.
    /// To open it, use `exe` below [`Process::proc_dir`].
    pub fn exe(&self) -> &Path {
        &self.exe
    }

    /// Its main thread's name (`comm`).
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `/proc/PID`.
    pub fn proc_dir(&self) -> &Path {
        &self.proc_dir
    }

    /// Its namespace of some kind.
    pub fn namespace(&self, kind: NamespaceKind) -> Result<Namespace, TargetError> {
        let path = self.proc_dir.join("ns").join(kind.file_name());
        self.guarded(path, |_| Namespace::of(&self.proc_dir, kind))
    }

    /// A field of its `status` file; `None` if this kernel has no such field.
    pub fn status_field(&self, field: &str) -> Result<Option<String>, TargetError> {
        let status = self.guarded(self.proc_dir.join("status"), |path| fs::read(path))?;
        Ok(status_field(&status, field))
    }

    /// Its executable, file-backed mappings, in address order.
    pub fn mappings(&self) -> Result<Vec<Mapping>, TargetError> {
        let path = self.proc_dir.join("maps");
        let bytes = self.guarded(path.clone(), |path| fs::read(path))?;
        self.executable(path, &bytes)
    }

    fn executable(&self, path: PathBuf, maps: &[u8]) -> Result<Vec<Mapping>, TargetError> {
        maps::executable(maps, &self.proc_dir).map_err(|line| TargetError::Read {
            path,
            source: io::Error::new(io::ErrorKind::InvalidData, line),
        })
    }

    /// What it maps of code, and where the kernel's own object lies in it.
    ///
    /// # Errors
    /// [`TargetError`].
    pub fn code(&self) -> Result<(Vec<Mapping>, Option<Range<u64>>), TargetError> {
        let path = self.proc_dir.join("maps");
        let bytes = self.guarded(path.clone(), |path| fs::read(path))?;
        Ok((self.executable(path, &bytes)?, maps::vdso(&bytes)))
    }

    /// The file that it maps at an address, be it code or data.
    pub fn object_at(&self, address: u64) -> Result<Option<ObjectId>, TargetError> {
        let bytes = self.guarded(self.proc_dir.join("maps"), |path| fs::read(path))?;
        Ok(maps::object_at(&bytes, address))
    }

    /// The ids of its threads, in hotspan's pid namespace.
    pub fn threads(&self) -> Result<Vec<u32>, TargetError> {
        self.guarded(self.proc_dir.join("task"), |path| {
            let mut threads = Vec::new();
            for entry in fs::read_dir(path)? {
                threads.extend(
                    entry?
                        .file_name()
                        .to_str()
                        .and_then(|id| id.parse::<u32>().ok()),
                );
            }
            Ok(threads)
        })
    }

    /// Whether it still runs (all of its threads have not ended).
    pub fn is_running(&self) -> bool {
        let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
        let at_once = Timespec::default();
        // poll on one valid descriptor fails only for want of kernel memory or for a signal; the
        // descriptor then has not become readable.
        !matches!(poll(&mut fds, Some(&at_once)), Ok(ready) if ready > 0)
    }

    /// Returns when it has ended, with all of its threads.
    ///
    /// Errors: the runtime cannot watch the pidfd. Must be called within a tokio runtime with I/O.
    pub async fn ended(&self) -> io::Result<()> {
        // A descriptor of its own for each waiter: epoll takes the same one only once.
        let pidfd = readiness::watch(self.pidfd.try_clone()?)?;
        pidfd.readable().await?.retain_ready();
        Ok(())
    }

    /// Reads something below [`Process::proc_dir`] and makes sure that it was this process's.
    fn guarded<T>(
        &self,
        path: PathBuf,
        reader: impl FnOnce(&Path) -> io::Result<T>,
    ) -> Result<T, TargetError> {
        let value = read(self.pid, path, reader)?;
        self.must_run()?;
        Ok(value)
    }

    fn must_run(&self) -> Result<(), TargetError> {
        if self.is_running() {
            Ok(())
        } else {
            Err(TargetError::Ended { pid: self.pid })
        }
    }
}

impl AsFd for Process {
    /// The pidfd.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

fn open_pidfd(pid: u32) -> Result<OwnedFd, TargetError> {
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let Some(id) = raw else {
        return Err(TargetError::NoSuchProcess { pid });
    };
    pidfd_open(id, PidfdFlags::empty()).map_err(|errno| match errno {
        // Since Linux 6.14 a thread that leads no process is ENOENT, before it was EINVAL.
        Errno::INVAL | Errno::NOENT => not_a_leader(pid),
        Errno::SRCH => TargetError::NoSuchProcess { pid },
        errno => TargetError::Read {
            path: format!("/proc/{pid}").into(),
            source: errno.into(),
        },
    })
}

/// `id` exists and is no process: a thread, or what is left of one.
fn not_a_leader(id: u32) -> TargetError {
    let leader = fs::read(format!("/proc/{id}/status"))
        .ok()
        .and_then(|status| status_field(&status, "Tgid")?.parse().ok());
    match leader {
        Some(pid) if pid != id => TargetError::Thread { tid: id, pid },
        _ => TargetError::NoSuchProcess { pid: id },
    }
}

fn stat(pid: u32) -> Result<Stat, TargetError> {
    let path = PathBuf::from(format!("/proc/{pid}/stat"));
    procfs::process::Process::new(pid as i32)
        .and_then(|process| process.stat())
        .map_err(|error| match error {
            ProcError::NotFound(_) => TargetError::Ended { pid },
            ProcError::PermissionDenied(_) => TargetError::NotPermitted { pid, path },
            ProcError::Io(source, _) => TargetError::reading(pid, path, source),
            other => TargetError::Read {
                path,
                source: io::Error::new(io::ErrorKind::InvalidData, other),
            },
        })
}

fn refuse_without_program(stat: &Stat, pid: u32) -> Result<(), TargetError> {
    let name = stat.comm.clone();
    if stat.flags & StatFlags::PF_KTHREAD.bits() != 0 {
        return Err(TargetError::KernelThread { pid, name });
    }
    if matches!(stat.state, 'Z' | 'X' | 'x') {
        let parent = stat.ppid as u32;
        return Err(TargetError::Zombie { pid, name, parent });
    }
    Ok(())
}

fn refuse_foreign_program(pid: u32, proc_dir: &Path, exe: &Path) -> Result<(), TargetError> {
    let start = read(pid, proc_dir.join("exe"), |path| {
        let mut start = [0; ElfIdentity::LEN];
        File::open(path)?.read_exact(&mut start)?;
        Ok(start)
    })?;
    // What runs and is no ELF file (a foreign binfmt) is not refused here: it has no regions.
    let Some(identity) = ElfIdentity::parse(&start) else {
        return Ok(());
    };
    let exe = exe.to_owned();
    if identity.bitness == Bitness::Bits32 {
        let bitness = identity.bitness;
        return Err(TargetError::Bitness { pid, bitness, exe });
    }
    if identity.machine != object::elf::EM_X86_64.0 {
        let machine = identity.machine;
        return Err(TargetError::Architecture { pid, machine, exe });
    }
    Ok(())
}

fn ns_pid(pid: u32, proc_dir: &Path) -> Result<u32, TargetError> {
    let status = read(pid, proc_dir.join("status"), |path| fs::read(path))?;
    // Kernels without pid namespaces have no such field; the ids are the same there.
    let Some(ids) = status_field(&status, "NSpid") else {
        return Ok(pid);
    };
    let innermost = ids.split_whitespace().last().and_then(|id| id.parse().ok());
    innermost.ok_or_else(|| TargetError::Read {
        path: proc_dir.join("status"),
        source: io::Error::new(io::ErrorKind::InvalidData, format!("NSpid is `{ids}`")),
    })
}

fn read<T>(
    pid: u32,
    path: PathBuf,
    reader: impl FnOnce(&Path) -> io::Result<T>,
) -> Result<T, TargetError> {
    reader(&path).map_err(|source| TargetError::reading(pid, path, source))
}
