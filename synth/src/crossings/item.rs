//! A crossing on its way through the core, ended or only announced.

use crate::{
    event::{Called, Crossing, Ending, Member, OpenCrossing, ParentRead, Resources},
    ids::{CrossingId, RegionId, TargetId},
    time::KernelTime,
};

/// Which crossing of which target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub target: TargetId,
    pub id: CrossingId,
}

/// Entry, identity, and whether it has ended.
pub(crate) type Order = (KernelTime, Key, bool);

/// A crossing, with its end if it has one.
#[derive(Debug)]
pub(crate) struct Item {
    pub key: Key,
    pub region: RegionId,
    pub thread: u32,
    pub enclosing: Option<Key>,
    pub entry: KernelTime,
    /// The last instant at which it was seen open.
    pub seen: KernelTime,
    pub parent: ParentRead,
    pub end: Option<End>,
}

/// How and when a crossing ended, and what was read then.
#[derive(Debug)]
pub(crate) struct End {
    pub exit: KernelTime,
    pub proven: KernelTime,
    pub ending: Ending,
    pub runqueue_ns: u64,
    pub blocked_ns: u64,
    pub resources: Option<Resources>,
    pub values: Vec<(u32, u64)>,
    pub text: Option<(u32, String)>,
    pub called: Option<Called>,
    pub members: Vec<Member>,
}

impl Item {
    /// The order in which crossings are decided: parents enter before their children, on a thread
    /// and across the creation of threads; an announcement comes before its end.
    pub fn order(&self) -> Order {
        (self.entry, self.key, self.end.is_some())
    }

    /// The latest instant that is said of it.
    pub fn latest(&self) -> KernelTime {
        self.end.as_ref().map_or(self.seen, |end| end.exit)
    }

    /// Puts the times in order: the entry, the last proof, the end. False if they were not.
    pub fn straighten(&mut self) -> bool {
        let Some(end) = &mut self.end else {
            let in_order = self.seen >= self.entry;
            self.seen = self.seen.max(self.entry);
            return in_order;
        };
        let in_order = self.entry <= end.exit && end.proven <= end.exit;
        end.exit = end.exit.max(self.entry);
        end.proven = end.proven.min(end.exit);
        in_order
    }

    /// From entry to the latest instant, in nanoseconds.
    pub fn duration_ns(&self) -> u64 {
        self.latest().since(self.entry)
    }
}

impl From<Crossing> for Item {
    fn from(crossing: Crossing) -> Self {
        let target = crossing.target;
        Self {
            key: Key {
                target,
                id: crossing.id,
            },
            region: crossing.region,
            thread: crossing.thread,
            enclosing: crossing.enclosing.map(|id| Key { target, id }),
            entry: crossing.entry,
            seen: crossing.proven,
            parent: crossing.parent,
            end: Some(End {
                exit: crossing.exit,
                proven: crossing.proven,
                ending: crossing.ending,
                runqueue_ns: crossing.runqueue_ns,
                blocked_ns: crossing.blocked_ns,
                resources: crossing.resources,
                values: crossing.values,
                text: crossing.text,
                called: crossing.called,
                members: crossing.members,
            }),
        }
    }
}

impl From<OpenCrossing> for Item {
    fn from(open: OpenCrossing) -> Self {
        let target = open.target;
        Self {
            key: Key {
                target,
                id: open.id,
            },
            region: open.region,
            thread: open.thread,
            enclosing: open.enclosing.map(|id| Key { target, id }),
            entry: open.entry,
            seen: open.seen,
            parent: open.parent,
            end: None,
        }
    }
}

impl End {
    /// Whether the end is an instant that was observed, and not only bounded.
    pub fn is_exact(&self) -> bool {
        matches!(self.ending, Ending::Returned | Ending::Caught)
    }
}
