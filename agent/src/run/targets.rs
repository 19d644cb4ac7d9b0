//! The processes under observation, as the engine knows them.

use std::{
    collections::{BTreeMap, HashSet},
    num::NonZeroU32,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use hotspan_common::{Target as WireTarget, TargetFlags};
use hotspan_synth::time::KernelTime;
use tokio::time::Instant;

use super::surveyor::SurveyedObject;
use crate::{
    context::{ContextFindings, OwnSpans, python::StepPoint},
    target::{Process, mapping::ObjectId},
};

/// Between the first two looks for a target's context after something was mapped (a program that
/// starts imports OpenTelemetry within tens of milliseconds of it), and the longest wait between two.
const FIRST_WAIT: Duration = Duration::from_millis(25);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Something that the surveyor does for a process, once at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Errand {
    /// Nothing is under way.
    #[default]
    Idle,
    /// Under way.
    Running,
    /// Under way, and to be done again, as something was mapped since it began.
    Stale,
}

impl Errand {
    /// Whether it is to be asked for now. If not, it is done again after the one under way.
    pub fn begin(&mut self) -> bool {
        let is_idle = *self == Self::Idle;
        *self = if is_idle { Self::Running } else { Self::Stale };
        is_idle
    }

    /// It is done; whether it is to be done again.
    pub fn end(&mut self) -> bool {
        std::mem::take(self) == Self::Stale
    }
}

/// One process.
pub struct Watched {
    /// The process, held by a pidfd.
    pub process: Arc<Process>,
    /// What the kernel programs know of it.
    pub wire: WireTarget,
    /// Objects that were searched for regions already.
    pub searched: HashSet<ObjectId>,
    /// A search of what is mapped.
    pub search: Errand,
    /// When the last search of them began.
    pub search_began: KernelTime,
    /// When the first of those mappings was made that no search has covered, at the earliest.
    pub mapped: Option<KernelTime>,
    /// A look at the context.
    pub look: Errand,
    /// What was found before the first look was over: armed then, as a crossing has the parent that
    /// could be read when it was entered.
    pub(super) held: Vec<SurveyedObject>,
    /// Whether a look has come to its end.
    pub is_looked_at: bool,
    /// When the context is to be looked for again; `None` once it is known, or known to be missing.
    pub context_due: Option<Instant>,
    /// The wait before the next look; it grows, as most programs never change.
    pub context_wait: Duration,
    /// The probes where tasks' steps begin are armed.
    pub follows_coroutines: bool,
    /// Where its tasks are made, if that is known.
    pub created: Option<StepPoint>,
    /// Folders of packages that have been looked into for libraries to arm before they are mapped.
    pub packages: Vec<PathBuf>,
    /// Those that were armed so, and not told of yet.
    pub expected: Vec<String>,
    /// What comes in at its sockets is followed.
    pub follows_arrivals: bool,
    /// asyncio was found while a look was under way.
    pub has_new_asyncio: bool,
    /// How parents are read, for people.
    pub context: String,
    /// Whether it was there when the run began, named on the command line or as a child of what was.
    pub is_asked_for: bool,
    /// Whether another target has started it.
    pub descends: bool,
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
            search: Errand::Idle,
            search_began: KernelTime(0),
            mapped: None,
            look: Errand::Idle,
            held: Vec::new(),
            is_looked_at: false,
            context_due: None,
            context_wait: FIRST_WAIT,
            follows_coroutines: false,
            created: None,
            packages: Vec::new(),
            expected: Vec::new(),
            follows_arrivals: false,
            has_new_asyncio: false,
            context: "none".to_owned(),
            is_asked_for,
            descends: !is_asked_for,
            told: None,
        }
    }

    /// Whether the first search and the first look have come to their ends.
    pub(super) fn has_settled(&self) -> bool {
        self.is_looked_at && self.search == Errand::Idle
    }

    /// Plans the next look for the context.
    pub fn look_again(&mut self) {
        self.context_due = Some(Instant::now() + self.context_wait);
        self.context_wait = (self.context_wait * 2).min(LONGEST_WAIT);
    }

    /// Something was mapped: what is known of the context may be out of date.
    pub fn map(&mut self, when: KernelTime) {
        self.mapped.get_or_insert(when);
        self.context_wait = FIRST_WAIT;
    }

    /// Takes in what a look has found, and says whether it counts. One that met the target amid an
    /// import takes nothing back: parents would be missing until the next look.
    pub fn learn_context(&mut self, context: &ContextFindings) -> bool {
        let counts = !(context.was_disturbed && self.wire.python.context_var != 0);
        self.is_looked_at = true;
        self.wire.thread_context = context.thread_context;
        if counts {
            self.wire.python = context.python;
            self.wire.frames = context.frames;
            self.wire.coroutines = context.coroutines.layout;
            self.created.clone_from(&context.coroutines.created);
            self.context.clone_from(&context.label);
        }
        self.context_due = None;
        // A look that began before asyncio was there has not seen it.
        let is_new = std::mem::take(&mut self.has_new_asyncio);
        if context.may_change || (is_new && context.coroutines.steps.is_empty()) {
            self.look_again();
        }
        counts
    }

    /// Takes in what the objects say about the process itself.
    pub(super) fn learn_objects(&mut self, objects: &[SurveyedObject]) {
        for object in objects {
            self.searched.extend(object.mapped_as);
            if object.is_asyncio() && !self.follows_coroutines {
                self.has_new_asyncio = !self.is_looked_at;
                self.context_wait = FIRST_WAIT;
                self.look_again();
            }
            let Ok(analysed) = &object.analysed else {
                continue;
            };
            if analysed.analysis.switches_stacks.is_some() {
                self.wire.flags |= TargetFlags::SWITCHES_STACKS;
            }
            if analysed.analysis.counts_from_arrival() {
                self.wire.flags |= TargetFlags::TELLS_ARRIVALS;
            }
        }
    }

    /// Folders of packages that have not been looked into.
    pub(super) fn new_packages(&mut self, context: &ContextFindings) -> Vec<PathBuf> {
        let is_new = |folder: &&PathBuf| !self.packages.contains(folder);
        let new: Vec<PathBuf> = context.packages.iter().filter(is_new).cloned().collect();
        self.packages.extend_from_slice(&new);
        new
    }

    /// Where its tasks are made, if what comes in for them is wanted and not followed yet.
    pub(super) fn tells_arrivals_by(&self) -> Option<StepPoint> {
        let is_wanted = self.wire.flags & TargetFlags::TELLS_ARRIVALS != 0;
        let is_due = is_wanted && self.follows_coroutines && !self.follows_arrivals;
        is_due.then(|| self.created.clone()).flatten()
    }

    /// Whether its engines' calls begin traces where no span is active: nothing in it makes spans, or a target
    /// has started it, and has its requests elsewhere, as a rule. Of what was named and has an SDK, they are
    /// calls whose context got lost.
    pub fn begins_traces(&self, spans: OwnSpans) -> bool {
        match spans {
            OwnSpans::Nothing => true,
            OwnSpans::Something => self.descends,
            OwnSpans::Unknown => false,
        }
    }

    /// Its id in the agent's pid namespace.
    pub fn pid(&self) -> Option<NonZeroU32> {
        NonZeroU32::new(self.process.pid())
    }
}

/// All of them, by the process id that the kernel's events carry.
pub type Targets = BTreeMap<u32, Watched>;

#[cfg(test)]
mod tests {
    use hotspan_common::PythonLayout;

    use super::*;

    fn found(context_var: u64, was_disturbed: bool) -> ContextFindings {
        ContextFindings {
            python: PythonLayout {
                context_var,
                ..PythonLayout::default()
            },
            label: format!("at {context_var}"),
            may_change: was_disturbed,
            was_disturbed,
            ..ContextFindings::default()
        }
    }

    fn watched() -> Watched {
        // Whoever runs the tests: the agent does not watch itself.
        let process = Process::open(std::os::unix::process::parent_id()).unwrap();
        Watched::new(Arc::new(process), true)
    }

    #[tokio::test]
    async fn a_look_amid_an_import_takes_nothing_back() {
        let mut watched = watched();
        assert!(watched.learn_context(&found(7, false)));
        assert!(!watched.learn_context(&found(0, true)));
        assert_eq!(watched.wire.python.context_var, 7);
        assert_eq!(watched.context, "at 7");
        assert!(watched.context_due.is_some());
    }

    #[tokio::test]
    async fn what_is_truly_gone_is_taken_back() {
        let mut watched = watched();
        watched.learn_context(&found(7, false));
        assert!(watched.learn_context(&found(0, false)));
        assert_eq!(watched.wire.python.context_var, 0);
    }

    #[tokio::test]
    async fn a_first_look_counts_even_when_disturbed() {
        let mut watched = watched();
        assert!(watched.learn_context(&found(0, true)));
        assert_eq!(watched.context, "at 0");
    }
}
