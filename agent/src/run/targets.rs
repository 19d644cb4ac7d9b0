//! The processes under observation, as the engine knows them.

use std::{
    collections::{BTreeMap, HashSet},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use hotspan_common::{Target as WireTarget, TargetFlags};
use tokio::time::Instant;

use super::surveyor::Survey;
use crate::target::{Process, mapping::ObjectId};

/// Between the first two looks for a target's context, and the longest wait between two.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// One process.
pub struct Watched {
    /// The process, held by a pidfd.
    pub process: Arc<Process>,
    /// What the kernel programs know of it.
    pub wire: WireTarget,
    /// Objects that were searched for regions already.
    pub searched: HashSet<ObjectId>,
    /// A survey is under way.
    pub surveying: bool,
    /// Something was mapped since the survey under way began.
    pub stale: bool,
    /// When the context is to be looked for again; `None` once it is known, or known to be missing.
    pub context_due: Option<Instant>,
    /// The wait before the next look; it grows, as most programs never change.
    pub context_wait: Duration,
    /// The probes where coroutines' steps begin are armed.
    pub follows_coroutines: bool,
    /// How parents are read, for people.
    pub context: String,
    /// Whether it was named on the command line, and not found as a child.
    pub is_asked_for: bool,
    /// What was said of it last: the number of armed regions, and the context.
    pub told: Option<(usize, String)>,
}

impl Watched {
    /// A process of which nothing is known yet.
    pub fn new(process: Arc<Process>, is_asked_for: bool) -> Self {
        let namespace = process.pid_namespace();
        Self {
            wire: WireTarget {
                pidns_dev: namespace.dev,
                pidns_ino: namespace.ino,
                ..WireTarget::default()
            },
            process,
            searched: HashSet::new(),
            surveying: false,
            stale: false,
            context_due: None,
            context_wait: FIRST_WAIT,
            follows_coroutines: false,
            context: "none".to_owned(),
            is_asked_for,
            told: None,
        }
    }

    /// Plans the next look for the context.
    pub fn look_again(&mut self) {
        self.context_due = Some(Instant::now() + self.context_wait);
        self.context_wait = (self.context_wait * 2).min(LONGEST_WAIT);
    }

    /// Takes in what a survey has found about the process itself.
    pub(super) fn learn(&mut self, survey: &Survey) {
        self.wire.python = survey.context.python;
        self.wire.coroutines = survey.context.coroutines.layout;
        self.wire.frames = survey.context.frames;
        self.wire.thread_context = survey.context.thread_context;
        self.context.clone_from(&survey.context.label);
        for object in &survey.objects {
            self.searched.insert(object.mapping.object);
            let switches = object
                .analysis
                .as_ref()
                .is_ok_and(|analysis| analysis.switches_stacks.is_some());
            if switches {
                self.wire.flags |= TargetFlags::SWITCHES_STACKS;
            }
        }
    }

    /// Its id in the agent's pid namespace.
    pub fn pid(&self) -> Option<NonZeroU32> {
        NonZeroU32::new(self.process.pid())
    }
}

/// All of them, by the process id that the kernel's events carry.
pub type Targets = BTreeMap<u32, Watched>;
