//! Which processes can be opened, and what is then known of them.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    process::Command,
    time::Duration,
};

use procfs::process::{MMPermissions, MMapPath, Process as ProcDir, StatFlags};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::{Running, copy_program};
use crate::target::{Bitness, Namespace, NamespaceKind, Process, TargetError, tree};

#[test]
fn a_running_program_is_known_by_its_identity() {
    let child = Running::start("sleep", &["60"]);
    let process = Process::open(child.pid()).unwrap();
    let stat = ProcDir::new(child.pid() as i32).unwrap().stat().unwrap();
    assert_eq!(process.pid(), child.pid());
    assert_eq!(process.ns_pid(), child.pid());
    assert_eq!(process.parent(), std::process::id());
    assert_eq!(process.start_ticks(), stat.starttime);
    assert_eq!(process.name(), "sleep");
    let expected = fs::canonicalize(format!("/proc/{}/exe", child.pid())).unwrap();
    assert_eq!(process.exe(), expected);
    assert_eq!(process.threads().unwrap(), [child.pid()]);
    let own = Namespace::of("/proc/self".as_ref(), NamespaceKind::Pid).unwrap();
    assert_eq!(process.pid_namespace(), own);
    assert_eq!(process.root_pid().is_ok(), own.ino == 0xEFFF_FFFC);
}

#[test]
fn mappings_are_those_of_the_process() {
    let mut child = Running::start("sh", &["-c", "echo loaded; read end"]);
    assert_eq!(child.line(), "loaded");
    let process = Process::open(child.pid()).unwrap();
    let proc_dir = ProcDir::new(child.pid() as i32).unwrap();
    let expected: Vec<_> = proc_dir
        .maps()
        .unwrap()
        .into_iter()
        .filter(|map| map.perms.contains(MMPermissions::EXECUTE) && map.inode != 0)
        .map(|map| (map.address, map.offset, map.dev, map.inode, map.pathname))
        .collect();
    let found: Vec<_> = process
        .mappings()
        .unwrap()
        .into_iter()
        .map(|mapping| {
            let name = format!("{:x}-{:x}", mapping.addresses.start, mapping.addresses.end);
            assert_eq!(
                process.proc_dir().join("map_files").join(name),
                mapping.map_file
            );
            assert!(
                fs::symlink_metadata(&mapping.map_file)
                    .unwrap()
                    .is_symlink()
            );
            let addresses = (mapping.addresses.start, mapping.addresses.end);
            let object = mapping.object;
            let path = MMapPath::Path(mapping.path);
            (
                addresses,
                mapping.file_offset,
                object.device,
                object.inode,
                path,
            )
        })
        .collect();
    assert!(
        expected.len() >= 2,
        "program and loader at least: {expected:?}"
    );
    assert_eq!(found, expected);
}

#[test]
fn the_end_is_noticed_once_and_for_all() {
    let mut child = Running::start("sleep", &["60"]);
    let process = Process::open(child.pid()).unwrap();
    assert!(process.is_running());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let early = tokio::time::timeout(Duration::from_millis(20), process.ended()).await;
        assert!(early.is_err(), "it still runs");
        child.end();
        let both = async { tokio::try_join!(process.ended(), process.ended()) };
        tokio::time::timeout(Duration::from_secs(5), both)
            .await
            .unwrap()
            .unwrap();
    });
    assert!(!process.is_running());
    let pid = child.pid();
    assert!(matches!(process.mappings(), Err(TargetError::Ended { pid: p }) if p == pid));
    assert!(matches!(Process::open(pid), Err(TargetError::NoSuchProcess { pid: p }) if p == pid));
}

#[test]
fn the_id_inside_a_pid_namespace_is_known() {
    let mut outer = Running::start(
        "unshare",
        &[
            "--user",
            "--map-root-user",
            "--pid",
            "--fork",
            "--kill-child",
            "sh",
            "-c",
            "echo $$; read end",
        ],
    );
    assert_eq!(outer.line(), "1");
    let inner = tree(outer.pid())
        .unwrap()
        .into_iter()
        .find(|&pid| pid != outer.pid())
        .unwrap();
    let process = Process::open(inner).unwrap();
    assert_eq!(process.ns_pid(), 1);
    assert_eq!(process.pid(), inner);
    let outside = Process::open(outer.pid()).unwrap();
    assert_ne!(process.pid_namespace(), outside.pid_namespace());
    assert_eq!(
        process.namespace(NamespaceKind::Network).unwrap(),
        outside.namespace(NamespaceKind::Network).unwrap()
    );
}

#[test]
fn hotspan_itself_is_refused() {
    let pid = std::process::id();
    assert!(matches!(Process::open(pid), Err(TargetError::Itself { pid: p }) if p == pid));
}

#[test]
fn a_thread_is_refused_with_its_process() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let tid = rustix::thread::gettid().as_raw_nonzero().get() as u32;
        let error = Process::open(tid).unwrap_err();
        sender.send((tid, error)).unwrap();
    });
    let (id, error) = receiver.recv().unwrap();
    thread.join().unwrap();
    let own = std::process::id();
    assert!(
        matches!(error, TargetError::Thread { tid, pid } if tid == id && pid == own),
        "{error}"
    );
}

#[test]
fn kernel_threads_are_refused() {
    let kernel_thread = procfs::process::all_processes()
        .unwrap()
        .filter_map(|process| process.ok()?.stat().ok())
        .find(|stat| stat.flags & StatFlags::PF_KTHREAD.bits() != 0);
    // In a container's pid namespace there are none to be named.
    let Some(stat) = kernel_thread else {
        let own = Namespace::of("/proc/self".as_ref(), NamespaceKind::Pid).unwrap();
        assert_ne!(own.ino, 0xEFFF_FFFC);
        return;
    };
    let error = Process::open(stat.pid as u32).unwrap_err();
    assert!(matches!(error, TargetError::KernelThread { .. }), "{error}");
}

#[test]
fn a_zombie_is_refused_with_its_parent() {
    let child = Running::start("true", &[]);
    let pid = Pid::from_raw(child.pid() as i32).unwrap();
    waitid(
        WaitId::Pid(pid),
        WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
    )
    .unwrap();
    let error = Process::open(child.pid()).unwrap_err();
    let own = std::process::id();
    assert!(
        matches!(error, TargetError::Zombie { parent, .. } if parent == own),
        "{error}"
    );
}

#[test]
fn ids_that_nobody_has_are_refused() {
    for pid in [0, 4_194_305, i32::MAX as u32, u32::MAX] {
        let error = Process::open(pid).unwrap_err();
        assert!(
            matches!(error, TargetError::NoSuchProcess { .. }),
            "{pid}: {error}"
        );
    }
}

#[test]
fn a_32_bit_program_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let written = dir.path().join("written");
    fs::write(&written, program_that_pauses_32()).unwrap();
    fs::set_permissions(&written, Permissions::from_mode(0o700)).unwrap();
    let file = dir.path().join("pause32");
    copy_program(&written, &file);
    match Command::new(&file).spawn() {
        Ok(mut child) => {
            let error = Process::open(child.id()).unwrap_err();
            child.kill().unwrap();
            child.wait().unwrap();
            assert!(
                matches!(
                    error,
                    TargetError::Bitness {
                        bitness: Bitness::Bits32,
                        ..
                    }
                ),
                "{error}"
            );
        }
        // A kernel without 32-bit emulation: no such process can exist.
        Err(error) => assert_eq!(
            error.raw_os_error(),
            Some(rustix::io::Errno::NOEXEC.raw_os_error())
        ),
    }
}

/// An i386 executable of one segment: `mov eax, 29 (pause); int 0x80`.
fn program_that_pauses_32() -> Vec<u8> {
    let code = [0xb8, 29, 0, 0, 0, 0xcd, 0x80];
    let base: u32 = 0x0804_8000;
    let size = 84 + code.len() as u32;
    let halves = |words: &[u16]| {
        words
            .iter()
            .flat_map(|w| w.to_le_bytes())
            .collect::<Vec<_>>()
    };
    let words = |words: &[u32]| {
        words
            .iter()
            .flat_map(|w| w.to_le_bytes())
            .collect::<Vec<_>>()
    };
    let mut file = b"\x7fELF\x01\x01\x01".to_vec();
    file.resize(16, 0);
    file.extend(halves(&[2, 3]));
    file.extend(words(&[1, base + 84, 52, 0, 0]));
    file.extend(halves(&[52, 32, 1, 0, 0, 0]));
    file.extend(words(&[1, 0, base, base, size, size, 5, 0x1000]));
    file.extend(code);
    file
}
