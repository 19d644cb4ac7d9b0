//! Processes by name.

use std::fs;

use procfs::process::{Stat, StatFlags};

use super::{
    Candidate, Family, TargetError,
    describe::{base_name, script},
    tree,
};

/// How well a process matches a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Match {
    /// Somewhere in the command line: a shell or `sudo` that started the program, say.
    CommandLine,
    /// In the name of the executable, script or module.
    Program,
}

/// The processes whose executable, script or module has `name` in its name; if there are none,
/// those whose command line has it anywhere. By pid.
///
/// hotspan itself and those that started it (`sudo hotspan attach --name ...`) are left out, and
/// so are kernel threads and processes that have ended. Command lines are compared and not kept.
///
/// Errors: `/proc` cannot be listed.
pub fn find_by_name(name: &str) -> Result<Vec<Candidate>, TargetError> {
    let stats = tree::stats()?;
    let own = std::process::id();
    let mut excluded = Family::of(&stats).ancestors(own);
    excluded.push(own);
    let mut found = Vec::new();
    for stat in stats.iter().filter(|stat| runs_a_program(stat)) {
        let pid = stat.pid as u32;
        if excluded.contains(&pid) {
            continue;
        }
        let command_line = command_line(pid);
        if let Some(quality) = quality(name, &exe_name(pid), &stat.comm, &command_line) {
            found.push((quality, Candidate::new(stat, &command_line)));
        }
    }
    let best = found.iter().map(|(quality, _)| *quality).max();
    found.retain(|(quality, _)| Some(*quality) == best);
    Ok(found.into_iter().map(|(_, candidate)| candidate).collect())
}

/// How well these match `name`, if they do.
pub(super) fn quality(name: &str, exe: &str, comm: &str, command_line: &[String]) -> Option<Match> {
    let script = script(command_line).unwrap_or_default();
    if [exe, comm, &script].iter().any(|part| part.contains(name)) {
        return Some(Match::Program);
    }
    let whole = command_line.join(" ");
    whole.contains(name).then_some(Match::CommandLine)
}

/// The command line of `pid`, word by word; empty for one that has ended.
pub(super) fn command_line(pid: u32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = bytes
        .split(|&byte| byte == 0)
        .filter(|word| !word.is_empty());
    words
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}

/// Neither a kernel thread nor ended.
pub(super) fn runs_a_program(stat: &Stat) -> bool {
    stat.flags & StatFlags::PF_KTHREAD.bits() == 0 && !matches!(stat.state, 'Z' | 'X' | 'x')
}

fn exe_name(pid: u32) -> String {
    let exe = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    base_name(&exe.to_string_lossy()).to_owned()
}
