//! Parents and children.

use std::collections::{BTreeMap, BTreeSet};

use procfs::process::Stat;

use super::TargetError;

/// Who descends from whom, at one moment. Ids are those of hotspan's pid namespace.
#[derive(Clone, Debug, Default)]
pub struct Family {
    parents: BTreeMap<u32, u32>,
}

impl Family {
    /// All processes, now. Those that end meanwhile are left out.
    ///
    /// Errors: `/proc` cannot be listed.
    pub fn now() -> Result<Self, TargetError> {
        Ok(Self::of(&stats()?))
    }

    /// From stats that were read already.
    pub(super) fn of(stats: &[Stat]) -> Self {
        let parents = stats
            .iter()
            .map(|stat| (stat.pid as u32, stat.ppid as u32))
            .collect();
        Self { parents }
    }

    /// The ancestors of `pid`, its parent first.
    pub fn ancestors(&self, pid: u32) -> Vec<u32> {
        let mut ancestors = Vec::new();
        let mut current = pid;
        // Parents were read one after another, so reuse of an id could close a circle.
        while let Some(&parent) = self.parents.get(&current) {
            if parent == 0 || parent == pid || ancestors.contains(&parent) {
                break;
            }
            ancestors.push(parent);
            current = parent;
        }
        ancestors
    }

    /// `root` and all that descend from it, in id order. A process whose parent has ended belongs
    /// to the reaper that took it over, and no longer to `root`.
    pub fn tree(&self, root: u32) -> Vec<u32> {
        let mut tree = BTreeSet::from([root]);
        let mut pending = vec![root];
        while let Some(parent) = pending.pop() {
            let children = self.parents.iter().filter(|&(_, &of)| of == parent);
            pending.extend(children.filter_map(|(&pid, _)| tree.insert(pid).then_some(pid)));
        }
        tree.into_iter().collect()
    }

    /// The one among `pids` of which all others descend.
    pub fn common_root(&self, pids: &BTreeSet<u32>) -> Option<u32> {
        let covers = |&candidate: &u32| {
            pids.iter()
                .all(|&pid| pid == candidate || self.ancestors(pid).contains(&candidate))
        };
        pids.iter().copied().find(covers)
    }
}

/// Process `pid` and its descendants, now, in id order: the workers of a prefork server with their
/// master. Processes that start later are seen by the kernel's fork events, not here.
///
/// Errors: `/proc` cannot be listed, or `pid` has ended.
pub fn tree(pid: u32) -> Result<Vec<u32>, TargetError> {
    let family = Family::now()?;
    if !family.parents.contains_key(&pid) {
        return Err(TargetError::NoSuchProcess { pid });
    }
    Ok(family.tree(pid))
}

/// The stats of all processes, now. Those that end meanwhile, or may not be read, are left out.
pub(super) fn stats() -> Result<Vec<Stat>, TargetError> {
    let all = procfs::process::all_processes().map_err(|error| TargetError::Read {
        path: "/proc".into(),
        source: std::io::Error::other(error),
    })?;
    Ok(all
        .filter_map(|process| process.ok()?.stat().ok())
        .collect())
}
