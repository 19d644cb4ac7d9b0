//! Processes by the TCP port they listen on, in every network namespace.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, BufRead, BufReader},
    path::Path,
};

use procfs::{
    net::TcpState,
    process::{Process as ProcDir, Stat},
};

use super::{
    Candidate, Namespace, NamespaceKind, TargetError,
    find::{command_line, runs_a_program},
    tree,
};

/// The processes that hold a socket which listens on TCP port `port`, by pid.
///
/// Containers count: the sockets of each network namespace are looked at through a process in it.
/// A holder that only passes sockets on (init, with socket activation) is left out when there are
/// others.
///
/// Errors: `/proc` cannot be listed; [`TargetError::UnreadableOwner`] if someone listens and the
/// owner is hidden for want of permission.
pub fn find_by_port(port: u16) -> Result<Vec<Candidate>, TargetError> {
    let stats: Vec<Stat> = tree::stats()?.into_iter().filter(runs_a_program).collect();
    let sockets = listening_sockets(&stats, port);
    if sockets.is_empty() {
        return Ok(Vec::new());
    }
    let mut hidden = false;
    let mut holders = Vec::new();
    for stat in &stats {
        match holds_any(stat.pid as u32, &sockets) {
            Ok(true) => holders.push(stat),
            Ok(false) => {}
            Err(error) => hidden |= error.kind() == io::ErrorKind::PermissionDenied,
        }
    }
    if holders.is_empty() && hidden {
        return Err(TargetError::UnreadableOwner { port });
    }
    if holders.len() > 1 {
        holders.retain(|stat| stat.pid != 1);
    }
    let describe = |stat: &&Stat| Candidate::new(stat, &command_line(stat.pid as u32));
    Ok(holders.iter().map(describe).collect())
}

/// The TCP ports that a process listens on. What cannot be read is left out.
pub fn listening_ports(pid: u32) -> Vec<u16> {
    let tables = ["tcp", "tcp6"].map(|table| format!("/proc/{pid}/net/{table}"));
    let listening = tables.iter().filter_map(|table| File::open(table).ok());
    let listening = listening.flat_map(|table| listening_in(BufReader::new(table)));
    let held: HashSet<u64> = held_sockets(pid).into_iter().flatten().collect();
    let ports = listening.filter(|(_, inode)| held.contains(inode));
    ports.map(|(port, _)| port).collect()
}

/// Ports and inodes, which the kernel lists before all connections: these can be many, and are not read.
fn listening_in(table: impl BufRead) -> Vec<(u16, u64)> {
    let lines = table.lines().skip(1).map_while(Result::ok);
    lines.map_while(|line| listener(&line)).collect()
}

/// Port and inode of a line of `/proc/net/tcp`; `None`: it does not listen.
fn listener(line: &str) -> Option<(u16, u64)> {
    /// `TCP_LISTEN`.
    const LISTEN: &str = "0A";
    let mut fields = line.split_whitespace();
    let (_, port) = fields.nth(1)?.split_once(':')?;
    let is_listening = fields.nth(1)? == LISTEN;
    let inode = fields.nth(5)?.parse().ok()?;
    let port = u16::from_str_radix(port, 16).ok()?;
    is_listening.then_some((port, inode))
}

/// Inodes of the sockets that listen on `port`, over all network namespaces.
fn listening_sockets(stats: &[Stat], port: u16) -> HashSet<u64> {
    let mut namespaces = HashSet::new();
    let mut sockets = HashSet::new();
    for stat in stats {
        let proc_dir = format!("/proc/{}", stat.pid);
        // Those that end meanwhile, or may not be read, show nothing that others do not.
        let Ok(namespace) = Namespace::of(Path::new(&proc_dir), NamespaceKind::Network) else {
            continue;
        };
        if namespaces.contains(&namespace) {
            continue;
        }
        if let Ok(found) = listening_in_namespace_of(stat.pid, port) {
            sockets.extend(found);
            namespaces.insert(namespace);
        }
    }
    sockets
}

fn listening_in_namespace_of(pid: i32, port: u16) -> procfs::ProcResult<Vec<u64>> {
    let process = ProcDir::new(pid)?;
    let mut entries = process.tcp()?;
    // Absent where the kernel has no IPv6.
    entries.extend(process.tcp6().unwrap_or_default());
    entries.retain(|entry| entry.state == TcpState::Listen && entry.local_address.port() == port);
    Ok(entries.into_iter().map(|entry| entry.inode).collect())
}

/// Whether one of the descriptors of `pid` is one of these sockets.
fn holds_any(pid: u32, sockets: &HashSet<u64>) -> io::Result<bool> {
    Ok(held_sockets(pid)?.any(|inode| sockets.contains(&inode)))
}

/// Inodes of the sockets that `pid` holds.
fn held_sockets(pid: u32) -> io::Result<impl Iterator<Item = u64>> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))?;
    // A descriptor may be closed between the listing and the look.
    let links = descriptors.filter_map(|descriptor| fs::read_link(descriptor.ok()?.path()).ok());
    Ok(links.filter_map(|link| socket_inode(&link.to_string_lossy())))
}

fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}
