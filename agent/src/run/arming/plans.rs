//! How what was found is armed.

use hotspan_common::{Cookie, PointKind, RegionFlags, RegionSpec, ResultAt, ReturnSp, ValueKind};

use crate::{
    catalogue::{Analysis, DEFAULT_MAX_RATE, FoundRegion, RegionRole},
    context::python::StepPoint,
    kernel::ProbePoint,
    object::exits::ExitPoint,
    run::armory::Plan,
};

/// Exceptions a second and thread beyond which catches are no longer followed: crossings that one
/// leaves are then closed by the next entry, less exactly.
const CATCH_LIMIT: u32 = 2_000;

/// Libraries a second and thread beyond which loads are no longer followed, until the next try.
const LOAD_LIMIT: u32 = 1_000;

/// Steps of tasks a second and thread beyond which suspensions are no longer told of: a step costs
/// the target some 5 µs, so that this is one part in a hundred of its time.
const STEP_LIMIT: u32 = 2_000;

/// What the command line says about arming.
#[derive(Clone, Copy, Debug)]
pub struct ArmingRules {
    /// Replaces every region's minimum duration, in nanoseconds.
    pub min_ns: Option<u64>,
    /// Whether regions that are hit too often are given up.
    pub rate_guard: bool,
}

impl ArmingRules {
    /// All that is in an object: first its regions, in their order.
    pub(super) fn plans(&self, analysis: &Analysis) -> Vec<Plan> {
        let found = analysis.regions.iter().map(|found| self.plan(found));
        let catch = analysis.begin_catch.map(|offset| self.catch_plan(offset));
        let loaded = analysis.loaded.map(|offset| self.loaded_plan(offset));
        found.chain(catch).chain(loaded).collect()
    }

    /// A region.
    pub(super) fn plan(&self, found: &FoundRegion) -> Plan {
        let mut spec = found.spec();
        if let Some(min_ns) = self.min_ns {
            spec.min_ns = min_ns;
        }
        if !self.rate_guard {
            spec.limit_per_s = 0;
        }
        if found.capture.role == RegionRole::Worker {
            spec.flags |= RegionFlags::WORKER;
        }
        let stepped =
            (!found.stepped_exits.is_empty()).then(|| points(found, &found.stepped_exits));
        if stepped.is_some() {
            spec.flags |= RegionFlags::WEIGHED;
        }
        Plan {
            name: found.name.clone(),
            points: points(found, &found.exits),
            stepped,
            text_slot: text_slot(&spec),
            apart: (1..DEFAULT_MAX_RATE)
                .contains(&spec.limit_per_s)
                .then(|| found.name.clone()),
            spec,
        }
    }

    /// `__cxa_begin_catch` is a point like others, in a region that has no crossings.
    fn catch_plan(&self, offset: u64) -> Plan {
        let points = vec![point(offset, PointKind::Catch, 0)];
        self.helper("exception catch", points, CATCH_LIMIT)
    }

    /// Where the dynamic loader tells of what it maps.
    fn loaded_plan(&self, offset: u64) -> Plan {
        let points = vec![point(offset, PointKind::Loaded, 0)];
        self.helper("library load", points, LOAD_LIMIT)
    }

    /// Steps of tasks, by a link of its own: busy event loops trip its guard.
    pub(super) fn steps_plan<'a>(
        &self,
        name: &str,
        steps: impl Iterator<Item = &'a StepPoint>,
    ) -> Plan {
        let points = steps.map(|step| point(step.file_offset, step.kind, 0));
        Plan {
            apart: Some(name.to_owned()),
            ..self.helper(name, points.collect(), STEP_LIMIT)
        }
    }

    /// Points of which no span comes by itself.
    fn helper(&self, name: &str, points: Vec<ProbePoint>, limit_per_s: u32) -> Plan {
        Plan {
            name: name.to_owned(),
            points,
            stepped: None,
            text_slot: None,
            apart: None,
            spec: RegionSpec {
                limit_per_s: if self.rate_guard { limit_per_s } else { 0 },
                ..RegionSpec::default()
            },
        }
    }
}

/// The region's number is put in when it is known.
fn points(found: &FoundRegion, exits: &[ExitPoint]) -> Vec<ProbePoint> {
    let at_exits = |kind| {
        exits.iter().map(move |exit| {
            let mut point = point(exit.file_offset, kind, exit.condition);
            point.cookie.sp = exit.sp;
            point.cookie.result = exit.result;
            point
        })
    };
    match found.capture.role {
        RegionRole::Note if found.capture.notes_result => at_exits(PointKind::Note).collect(),
        RegionRole::Note => vec![point(found.entry, PointKind::Note, 0)],
        _ => at_exits(PointKind::Exit)
            .chain([point(found.entry, PointKind::Entry, 0)])
            .collect(),
    }
}

fn point(file_offset: u64, kind: PointKind, condition: u8) -> ProbePoint {
    ProbePoint {
        file_offset,
        cookie: Cookie {
            region: 0,
            sp: ReturnSp::HERE,
            result: ResultAt::RAX,
            kind: kind.wire(),
            condition,
            generation: 0,
        },
    }
}

fn text_slot(spec: &RegionSpec) -> Option<u32> {
    spec.reads[..spec.n_reads as usize]
        .iter()
        .find(|read| read.kind & ValueKind::TEXT != 0)
        .map(|read| read.slot)
}
