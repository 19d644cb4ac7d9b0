//! What is made of a request's evidence: spans before they have ids and parents.

use crate::{event::Frame, ids::FunctionId, time::KernelTime};

/// How a span was come by, as `hotspan.origin` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// By probes at its entry and exit.
    Probe,
    /// By stacks.
    Sample,
    /// By what the scheduler saw.
    Wait,
    /// By what lies beside it.
    Gap,
}

impl Origin {
    pub fn name(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Sample => "sample",
            Self::Wait => "wait",
            Self::Gap => "gap",
        }
    }
}

/// A span to be.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub name: String,
    pub origin: Origin,
    pub start: KernelTime,
    pub end: KernelTime,
    /// Bound on either side, without the clock's, in nanoseconds.
    pub error_ns: u64,
    /// The function that it is named after or that waits, and its line.
    pub frame: Option<Frame>,
    /// Its stack, outermost first, down to where callers stop being single.
    pub stack: Vec<Frame>,
    pub samples: u32,
    /// It shows more than one call, which cannot be told apart.
    pub is_merged: bool,
    /// It has a hole in the evidence beside it: it may have been at work there.
    pub is_continued: bool,
    /// Time in it that the thread waited for a CPU and for the interpreter's lock, too short to
    /// be spans, in nanoseconds.
    pub runqueue_ns: u64,
    pub gil_ns: u64,
    /// Native functions of its chain that could have probes, outermost first.
    pub native: Vec<FunctionId>,
    pub children: Vec<Finding>,
    /// Spans in it that were left out, as the request has too many.
    pub left_out: u32,
    /// Set if it stands for several threads.
    pub workers: Option<Summed>,
}

/// Threads that one span stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Summed {
    pub threads: u64,
    /// Time for which they ran, by their samples, in nanoseconds.
    pub cpu_ns: u64,
}

impl Finding {
    pub fn duration_ns(&self) -> u64 {
        self.end.since(self.start)
    }

    /// For how long it was at work: without the waits in it.
    pub fn at_work_ns(&self) -> u64 {
        let waited = self.waits_ns() + self.runqueue_ns + self.gil_ns;
        self.duration_ns().saturating_sub(waited)
    }

    /// How long the waits are that are spans.
    fn waits_ns(&self) -> u64 {
        let of = |child: &Self| match child.origin {
            Origin::Wait => child.duration_ns(),
            _ => child.waits_ns(),
        };
        self.children.iter().map(of).sum()
    }

    /// It and all below it.
    pub fn count(&self) -> usize {
        1 + self.children.iter().map(Self::count).sum::<usize>()
    }

    /// The native functions that it or what is below it is all about, outermost first, each with the
    /// length of its span in nanoseconds.
    pub fn natives(&self, into: &mut Vec<(Vec<FunctionId>, u64)>) {
        if self.native.is_empty() {
            self.children.iter().for_each(|child| child.natives(into));
        } else {
            into.push((self.native.clone(), self.duration_ns()));
        }
    }

    /// The intervals of what has no children, itself included.
    pub fn leaves(&self, into: &mut Vec<(KernelTime, KernelTime)>) {
        if self.children.is_empty() {
            into.push((self.start, self.end));
        }
        for child in &self.children {
            child.leaves(into);
        }
    }
}
