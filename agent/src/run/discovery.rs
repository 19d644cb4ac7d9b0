//! What the engine does with what the surveyor finds: objects are armed, contexts are made known.

use std::sync::Arc;

use hotspan_synth::{
    event::{self, Event},
    ids::TargetId,
    time::KernelTime,
};

use super::{
    arming::NewlyArmed,
    attached::{self, NewlyMapped},
    clock,
    engine::Engine,
    say,
    surveyor::{Finding, Installed, Request, Survey, SurveyedObject},
};
use crate::{
    context::ContextFindings,
    target::{Process, mapping::ObjectId},
};

impl Engine {
    /// Begins to watch a process that has been held back before its program's first instruction, and
    /// arms what the program is going to map ([`Surveyor::look_ahead`](super::Surveyor::look_ahead)).
    ///
    /// # Errors
    /// The kernel's maps are full, or the recording cannot be written.
    pub async fn adopt_held(&mut self, process: Arc<Process>) -> anyhow::Result<()> {
        let target = self.watch(process, true)?;
        while let Some(finding) = self.surveyor.next().await {
            let Finding::Ahead(objects) = finding else {
                self.found_out(finding)?;
                continue;
            };
            self.arm(target, &objects)?;
            break;
        }
        Ok(())
    }

    pub(super) fn found_out(&mut self, finding: Finding) -> anyhow::Result<()> {
        match finding {
            Finding::Objects(survey) => self.surveyed(survey),
            Finding::Context(target, context) => self.looked(target, &context),
            Finding::Function(searched) => self.searched(*searched),
            // Only `adopt_held` knows whose they are, and it has had them.
            Finding::Ahead(_) => Ok(()),
            Finding::Installed(installed) => self.expect(&installed),
        }
    }

    /// New code is mapped: it is searched, and it may be an interpreter's or a publisher's.
    pub(super) fn mapped(&mut self, target: u32, when: KernelTime) {
        if let Some(watched) = self.targets.get_mut(&target) {
            watched.map(when);
        }
        self.sampling.mapped(target);
        self.survey(target);
        self.look(target);
    }

    /// Asks for a search of what is mapped, or for another one after that which is under way.
    pub(super) fn survey(&mut self, target: u32) {
        let Some(watched) = self.targets.get_mut(&target) else {
            return;
        };
        if !watched.search.begin() {
            return;
        }
        let began = clock::now();
        let accepted = self.surveyor.request(Request {
            target,
            process: Arc::clone(&watched.process),
            searched: watched.searched.clone(),
            mapped: watched.mapped.take(),
        });
        if accepted {
            watched.search_began = began;
        } else {
            watched.search.end();
            watched.look_again();
        }
    }

    /// Asks for a look at the context, or for another one after that which is under way.
    pub(super) fn look(&mut self, target: u32) {
        let Some(watched) = self.targets.get_mut(&target) else {
            return;
        };
        watched.context_due = None;
        if watched.look.begin() && !self.surveyor.inspect(target, Arc::clone(&watched.process)) {
            watched.look.end();
            watched.look_again();
        }
    }

    fn surveyed(&mut self, survey: Survey) -> anyhow::Result<()> {
        let Survey {
            target,
            objects,
            mapped,
            failed,
        } = survey;
        let Some(watched) = self.targets.get_mut(&target) else {
            return Ok(());
        };
        let is_stale = watched.search.end();
        if let Some(reason) = failed {
            if watched.process.is_running() {
                say::line(&format!("process {target} could not be searched: {reason}"));
            } else {
                self.arming.has_ended();
            }
        }
        watched.learn_objects(&objects);
        self.kernel.set_target(target, watched.wire)?;
        if watched.is_looked_at {
            // Its event may still be on its way.
            let mapped = mapped.or(watched.mapped);
            let armed = self.arm(target, &objects)?;
            self.follow_arrivals(target);
            self.announce(target, mapped, armed);
            self.survey_unless_told(target, &objects);
        } else {
            watched.held.extend(objects);
        }
        if is_stale {
            self.survey(target);
        }
        Ok(())
    }

    fn looked(&mut self, target: u32, context: &ContextFindings) -> anyhow::Result<()> {
        let Some(watched) = self.targets.get_mut(&target) else {
            return Ok(());
        };
        let is_stale = watched.look.end();
        let counts = watched.learn_context(context);
        self.sampling.configure(&mut watched.wire);
        self.kernel.set_target(target, watched.wire)?;
        if counts {
            self.pipeline.feed(Event::Target(event::Target {
                id: TargetId(target),
                ns_pid: watched.process.ns_pid(),
                executable: watched.process.name().to_owned(),
                resource: context.resource.clone(),
                begins_traces: watched.begins_traces(context.spans),
            }))?;
        }
        let packages = watched.new_packages(context);
        if !packages.is_empty() {
            let process = Arc::clone(&watched.process);
            self.surveyor.look_into(target, process, packages);
        }
        let held = std::mem::take(&mut watched.held);
        let steps = &context.coroutines.steps;
        let follows = self.sampling.is_wanted() && !steps.is_empty();
        if follows && !std::mem::replace(&mut watched.follows_coroutines, true) {
            self.arming
                .arm_coroutines(&mut self.kernel, target, watched, steps);
        }
        self.arm(target, &held)?;
        self.follow_arrivals(target);
        self.announce(target, None, NewlyArmed::default());
        self.survey_unless_told(target, &held);
        if is_stale {
            self.look(target);
        }
        Ok(())
    }

    /// Arms a library that is installed where the target's packages are, so that its first call is seen: a program may make
    /// that as soon as it has loaded it.
    fn expect(&mut self, installed: &Installed) -> anyhow::Result<()> {
        let Some(watched) = self.targets.get(&installed.target) else {
            return Ok(());
        };
        let (target, object) = (installed.target, &installed.object);
        let armed = (self.arming).arm_ahead(&mut self.kernel, target, watched, object);
        let armed = self.describe(armed)?;
        if let Some(watched) = self.targets.get_mut(&target) {
            watched.expected.extend(armed.objects);
            if installed.is_last {
                attached::announce_expected(watched);
            }
        }
        Ok(())
    }

    /// Arms objects. Returns which of them have regions that are new to the target.
    fn arm(&mut self, target: u32, objects: &[SurveyedObject]) -> anyhow::Result<NewlyArmed> {
        let Some(watched) = self.targets.get(&target) else {
            return Ok(NewlyArmed::default());
        };
        let armed = (self.arming).arm_all(&mut self.kernel, target, watched, objects);
        self.find_again(target, &armed.gone);
        self.describe(armed)
    }

    /// Looks for objects that have gone from where they were: a part of them that is protected otherwise moves the rest.
    fn find_again(&mut self, target: u32, gone: &[ObjectId]) {
        if let Some(watched) = self.targets.get_mut(&target)
            && !gone.is_empty()
        {
            watched.searched.retain(|object| !gone.contains(object));
            self.survey(target);
        }
    }

    fn describe(&mut self, mut armed: NewlyArmed) -> anyhow::Result<NewlyArmed> {
        for event in armed.described.drain(..) {
            self.pipeline.feed(event)?;
        }
        Ok(armed)
    }

    /// What a loader maps before its probe is armed is not told: another search sees it, and that it was mapped
    /// since the last one began.
    fn survey_unless_told(&mut self, target: u32, armed: &[SurveyedObject]) {
        if !armed.iter().any(SurveyedObject::is_loader) {
            return;
        }
        if let Some(watched) = self.targets.get_mut(&target) {
            watched.mapped.get_or_insert(watched.search_began);
        }
        self.survey(target);
    }

    fn announce(&mut self, target: u32, mapped: Option<KernelTime>, armed: NewlyArmed) {
        let regions = self.arming.armory.armed(target);
        let Some(watched) = self.targets.get_mut(&target) else {
            return;
        };
        // Until it has been searched, there is nothing to say.
        if watched.searched.is_empty() {
            return;
        }
        self.attached |= watched.is_asked_for;
        let new = NewlyMapped {
            after_ns: mapped.map(|mapped| clock::now().0.saturating_sub(mapped.0)),
            late: armed.objects,
            expected: armed.expected,
        };
        // After the probes: the verifier takes its time, and what is exact comes first.
        self.sampling.start(&mut self.kernel);
        attached::announce(watched, regions, &self.sampling.label(), &new);
    }
}
