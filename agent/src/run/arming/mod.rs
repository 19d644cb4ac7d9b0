//! From what a survey found to armed probes.

mod plans;

use std::{collections::BTreeSet, path::Path, slice, time::Instant};

use hotspan_synth::{event::Event, ids::RegionId};

pub use self::plans::ArmingRules;
use super::{
    armory::{Armory, Entered, Exits, Met, Place, Plan},
    say,
    surveyor::SurveyedObject,
    targets::Watched,
};
use crate::{
    catalogue::{Analysed, FoundRegion},
    context::python::StepPoint,
    kernel::Kernel,
    object::FileKey,
    stack::NativePlace,
    target::mapping::ObjectId,
};

/// How regions are armed, and those that are.
pub struct Arming {
    /// What is armed.
    pub armory: Armory,
    rules: ArmingRules,
    refused: u64,
    stepped: u64,
    numberless: u64,
    ended: u64,
    unexpected: u64,
}

/// What was armed in one go.
#[derive(Default)]
pub struct NewlyArmed {
    /// The regions for the core, each before its first crossing.
    pub described: Vec<Event>,
    /// Names of the objects that have regions.
    pub objects: Vec<String>,
    /// Objects that are not mapped any more where they were found.
    pub gone: Vec<ObjectId>,
    /// Names of those that were armed before the target mapped them, which it has done now.
    pub expected: Vec<String>,
}

impl Arming {
    /// Nothing armed yet.
    pub fn new(rules: ArmingRules) -> Self {
        Self {
            armory: Armory::default(),
            rules,
            refused: 0,
            stepped: 0,
            numberless: 0,
            ended: 0,
            unexpected: 0,
        }
    }

    /// Arms what was found in `objects`. What the kernel refuses is said and counted.
    pub(super) fn arm_all(
        &mut self,
        kernel: &mut Kernel,
        target: u32,
        watched: &Watched,
        objects: &[SurveyedObject],
    ) -> NewlyArmed {
        let mut armed = NewlyArmed::default();
        let Some(pid) = watched.pid() else {
            return armed;
        };
        for object in objects {
            let Ok(Analysed { file, analysis }) = &object.analysed else {
                continue;
            };
            let place = Place {
                target,
                pid,
                file: *file,
            };
            if self.is_armed(&place, object, &mut armed) {
                continue;
            }
            let plans = self.rules.plans(analysis);
            if plans.is_empty() {
                continue;
            }
            if object.mapped_as.is_none() {
                self.armory.expect(&place);
            }
            let numbers = self.arm(kernel, watched, &place, &object.file, plans);
            if numbers.is_empty() && !object.file.exists() {
                armed.gone.extend(object.mapped_as);
            }
            if !analysis.regions.is_empty() && !numbers.is_empty() {
                armed.objects.push(object.name());
            }
            for (found, number) in analysis.regions.iter().zip(numbers) {
                armed.described.extend(
                    number
                        .and_then(|number| found.describe(number))
                        .map(Event::Region),
                );
            }
        }
        armed
    }

    fn is_armed(&mut self, place: &Place, object: &SurveyedObject, armed: &mut NewlyArmed) -> bool {
        if object.mapped_as.is_none() {
            return self.armory.holds(place);
        }
        let met = self.armory.meets(place, &object.file);
        if met == Met::Expected && object.has_regions() {
            armed.expected.push(object.name());
        }
        met != Met::Stranger
    }

    /// Arms what a target has not mapped. It leaves regions for what targets do map.
    pub(super) fn arm_ahead(
        &mut self,
        kernel: &mut Kernel,
        target: u32,
        watched: &Watched,
        object: &SurveyedObject,
    ) -> NewlyArmed {
        if self.armory.is_half_full() {
            self.unexpected += 1;
            return NewlyArmed::default();
        }
        self.arm_all(kernel, target, watched, slice::from_ref(object))
    }

    /// Arms the places where steps of asyncio's tasks begin.
    pub fn arm_coroutines(
        &mut self,
        kernel: &mut Kernel,
        target: u32,
        watched: &Watched,
        steps: &[StepPoint],
    ) {
        self.arm_apart(kernel, target, watched, "asyncio step", steps);
    }

    fn arm_apart(
        &mut self,
        kernel: &mut Kernel,
        target: u32,
        watched: &Watched,
        name: &str,
        steps: &[StepPoint],
    ) {
        let Some(pid) = watched.pid() else {
            return;
        };
        let objects: BTreeSet<&Path> = steps.iter().map(|step| step.object.as_path()).collect();
        for object in objects {
            // One that is gone was the interpreter of a process that is ending.
            let Ok(metadata) = object.metadata() else {
                continue;
            };
            let place = Place {
                target,
                pid,
                file: FileKey::of(&metadata).id(),
            };
            let of_object = steps.iter().filter(|step| step.object == object);
            let plan = self.rules.steps_plan(name, of_object);
            self.arm(kernel, watched, &place, object, vec![plan]);
        }
    }

    /// Arms the place where asyncio makes tasks.
    pub fn arm_tasks(
        &mut self,
        kernel: &mut Kernel,
        target: u32,
        watched: &Watched,
        created: &StepPoint,
    ) {
        self.arm_apart(
            kernel,
            target,
            watched,
            "asyncio task",
            slice::from_ref(created),
        );
    }

    /// Arms one function, by a link of its own. Its guard stays whatever the rules say: nobody asked for
    /// it by name. `None` if that can't be: what the kernel refuses is said and counted.
    pub fn arm_function(
        &mut self,
        kernel: &mut Kernel,
        target: u32,
        watched: &Watched,
        at: &NativePlace,
        found: &FoundRegion,
    ) -> Option<RegionId> {
        let place = Place {
            target,
            pid: watched.pid()?,
            file: at.key.id(),
        };
        // Two crossings with one stack pointer can't be told apart.
        if self.armory.is_entered(&place, found.entry) {
            return None;
        }
        let mut plan = self.rules.plan(found);
        plan.spec.limit_per_s = found.capture.limit_per_s;
        plan.apart = Some(format!("{}@{:x}", found.name, found.address));
        let numbers = self.arm(kernel, watched, &place, &at.file, vec![plan]);
        numbers.into_iter().next().flatten()
    }

    /// Disarms a function for good.
    pub fn disarm(&mut self, kernel: &mut Kernel, number: u32) {
        if let Err(error) = self.armory.remove(kernel, number) {
            self.refuse(&error);
        }
    }

    /// The guard of a region tripped on a thread: its probes go, for a while.
    pub fn trip(&mut self, kernel: &mut Kernel, number: u32, tid: u32) {
        let open = open(kernel).filter(|(of, _)| *of == tid);
        let open: Vec<Entered> = open.map(|(_, entered)| entered).collect();
        match self.armory.pause(kernel, number, &open, Instant::now()) {
            Ok(Some(pause)) if pause.is_told => say::line(&pause.describe()),
            Ok(_) => {}
            Err(error) => self.refuse(&error),
        }
    }

    /// Conditional exits of a region are passed too often: the `ret`s that they stand for are probed from now on. Whether that
    /// can be.
    pub fn step_exits(&mut self, kernel: &mut Kernel, number: u32) -> bool {
        match self.armory.step_exits(kernel, number) {
            Ok(exits) => {
                self.stepped += u64::from(exits == Exits::Replaced);
                exits != Exits::HaveNoOthers
            }
            Err(error) => {
                self.refuse(&error);
                true
            }
        }
    }

    /// Arms the regions again whose pause is over. Returns their targets: what was mapped meanwhile may not
    /// have been told.
    pub fn resume(&mut self, kernel: &mut Kernel) -> BTreeSet<u32> {
        let mut still = BTreeSet::new();
        if self.armory.waits_inside() {
            still.extend(open(kernel).map(|(_, entered)| entered.id));
        }
        let is_open = |id| still.contains(&id);
        match (self.armory).resume_due(kernel, is_open, Instant::now()) {
            Ok(resumed) => {
                for region in resumed.iter().filter(|region| region.is_told) {
                    let (name, target) = (&region.name, region.target);
                    say::line(&format!("{name} is armed again in process {target}"));
                }
                resumed.into_iter().map(|region| region.target).collect()
            }
            Err(error) => {
                self.refuse(&error);
                BTreeSet::new()
            }
        }
    }

    /// What could not be armed, by name.
    pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("agent.regions_refused_by_kernel", self.refused),
            ("agent.regions_beyond_limit", self.numberless),
            ("agent.ended_while_looked_at", self.ended),
            ("agent.libraries_not_armed_ahead", self.unexpected),
            ("agent.regions_with_exits_stepped", self.stepped),
        ]
        .into_iter()
        .filter(|(_, total)| *total != 0)
    }

    fn arm(
        &mut self,
        kernel: &mut Kernel,
        watched: &Watched,
        place: &Place,
        object: &Path,
        plans: Vec<Plan>,
    ) -> Vec<Option<RegionId>> {
        match self.armory.arm(kernel, place, object, plans) {
            Ok(numbers) => {
                self.numberless += numbers.iter().filter(|number| number.is_none()).count() as u64;
                numbers
            }
            Err(error) => {
                if watched.process.is_running() && object.exists() {
                    self.refuse(&error);
                } else {
                    self.has_ended();
                }
                Vec::new()
            }
        }
    }

    /// A process ended while it was searched or armed, or unmapped what was: children that live for a moment do.
    pub(super) fn has_ended(&mut self) {
        self.ended += 1;
    }

    fn refuse(&mut self, error: &crate::kernel::KernelError) {
        self.refused += 1;
        say::error("a region could not be armed", error);
    }
}

/// The crossings that are open, with their threads.
fn open(kernel: &Kernel) -> impl Iterator<Item = (u32, Entered)> {
    let open = kernel.open_crossings().into_iter().map(|open| open.event);
    open.map(|event| {
        let entered = Entered {
            id: event.id,
            region: event.region,
            entry_ns: event.entry_ns,
        };
        (event.tid, entered)
    })
}
