//! Processes by name and port, one or several, in trees and namespaces.

use std::{
    net::TcpListener,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Running, copy_program};
use crate::target::{
    Family, Selector, TargetError, find_by_name, find_by_port, listening_ports, tree,
};

/// A copy of `sleep` under a name that no other process has.
fn rare_program(dir: &Path, name: &str) -> (PathBuf, String) {
    let name = format!("{name}-{}", std::process::id());
    let file = dir.join(&name);
    copy_program(Path::new("/bin/sleep"), &file);
    (file, name)
}

fn pids_by_name(name: &str) -> Vec<u32> {
    find_by_name(name)
        .unwrap()
        .into_iter()
        .map(|found| found.pid)
        .collect()
}

fn pids_by_port(port: u16) -> Vec<u32> {
    find_by_port(port)
        .unwrap()
        .into_iter()
        .map(|found| found.pid)
        .collect()
}

/// A program that holds this listener, as its standard input.
fn holder(listener: &TcpListener, program: &str, args: &[&str]) -> Running {
    let socket = OwnedFd::from(listener.try_clone().unwrap());
    Running::spawn(Command::new(program).args(args).stdin(socket))
}

fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[test]
fn one_match_by_name_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let (program, name) = rare_program(dir.path(), "one");
    let child = Running::start(program.to_str().unwrap(), &["60"]);
    assert_eq!(
        Selector::Name(name.clone()).open().unwrap().pid(),
        child.pid()
    );
    // The command line counts too, and a shell that merely has the name in it is second to it.
    let shell = Running::start("sh", &["-c", &format!("read end # {name}")]);
    assert_eq!(pids_by_name(&name), [child.pid()]);
    drop(child);
    assert_eq!(pids_by_name(&name), [shell.pid()]);
}

#[test]
fn several_matches_are_listed_and_not_guessed() {
    let dir = tempfile::tempdir().unwrap();
    let (program, name) = rare_program(dir.path(), "several");
    let program = program.to_str().unwrap();
    let children = [
        Running::start(program, &["61"]),
        Running::start(program, &["62"]),
    ];
    let error = Selector::Name(name.clone()).open().unwrap_err();
    let TargetError::Several { candidates, .. } = &error else {
        panic!("{error}");
    };
    let mut expected = children.iter().map(Running::pid).collect::<Vec<_>>();
    expected.sort_unstable();
    assert_eq!(
        candidates.iter().map(|found| found.pid).collect::<Vec<_>>(),
        expected
    );
    let message = error.to_string();
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(
        lines[0],
        format!("2 processes named `{name}`; choose one with --pid:")
    );
    for (line, pid) in lines[1..].iter().zip(expected) {
        let start = format!("  --pid {pid:<7} {program}, started ");
        assert!(
            line.starts_with(&start) && line.ends_with("s ago"),
            "{line}"
        );
    }
}

#[test]
fn ports_are_those_that_a_process_listens_on_itself() {
    let (listener, port) = listen();
    let ((other, _), connected) = (listen(), listener.local_addr().unwrap());
    let _connection = std::net::TcpStream::connect(connected).unwrap();
    let child = holder(&listener, "sleep", &["60"]);
    assert_eq!(listening_ports(child.pid()), [port]);
    let second = holder(&other, "sleep", &["60"]);
    assert_eq!(
        listening_ports(second.pid()),
        [other.local_addr().unwrap().port()]
    );
}

#[test]
fn nobody_matches() {
    let error = Selector::Name("no-program-has-this-name".into())
        .open()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "no process named `no-program-has-this-name`"
    );
    let (listener, port) = listen();
    drop(listener);
    let error = Selector::Port(port).open().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("no process listening on port {port}")
    );
}

#[test]
fn the_holder_of_a_listening_socket_is_found() {
    let (listener, port) = listen();
    let child = holder(&listener, "sleep", &["60"]);
    assert_eq!(pids_by_port(port).len(), 2, "this test holds it too");
    drop(listener);
    assert_eq!(Selector::Port(port).open().unwrap().pid(), child.pid());
}

#[test]
fn a_master_stands_for_its_workers() {
    let (listener, port) = listen();
    let script = "exec 3<&0; sleep 60 & echo $!; sleep 60 & echo $!; wait";
    let mut master = holder(&listener, "sh", &["-c", script]);
    drop(listener);
    let workers: Vec<u32> = (0..2).map(|_| master.line().parse().unwrap()).collect();
    let mut all = vec![master.pid(), workers[0], workers[1]];
    all.sort_unstable();
    assert_eq!(pids_by_port(port), all);
    assert_eq!(tree(master.pid()).unwrap(), all);
    assert_eq!(Selector::Port(port).open().unwrap().pid(), master.pid());
    let family = Family::now().unwrap();
    assert_eq!(
        family.ancestors(workers[0])[..2],
        [master.pid(), std::process::id()]
    );
    for worker in workers {
        let pid = rustix::process::Pid::from_raw(worker as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
}

#[test]
fn two_strangers_on_one_port_are_listed() {
    let (listener, port) = listen();
    let first = holder(&listener, "sleep", &["60"]);
    let second = holder(&listener, "sleep", &["60"]);
    drop(listener);
    let error = Selector::Port(port).open().unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with(&format!("2 processes listening on port {port}; ")),
        "{message}"
    );
    for child in [first, second] {
        assert!(
            message.contains(&format!("--pid {:<7} ", child.pid())),
            "{message}"
        );
    }
}

#[test]
fn a_listener_in_another_network_namespace_is_found() {
    let serve = "import socket
server = socket.create_server(('0.0.0.0', 0))
print(server.getsockname()[1], flush=True)
server.accept()";
    let args = ["--user", "--map-root-user", "--net", "python3", "-c", serve];
    let mut server = Running::start("unshare", &args);
    let port = server.line().parse().unwrap();
    assert!(pids_by_port(port).contains(&server.pid()));
}
