//! The armed regions of all targets: their numbers, their probes, and what the rate guard did to them.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
    path::PathBuf,
    time::{Duration, Instant},
};

use hotspan_common::{MAX_REGIONS, PointKind, RegionSpec};
use hotspan_synth::ids::RegionId;

use crate::kernel::{Armed, Kernel, KernelError, ProbePoint};

/// First pause of a region that was hit too often; each further trip doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A region that stayed armed this long is forgiven its earlier trips.
const FORGIVEN_AFTER: Duration = Duration::from_secs(120);

/// An object of a target: what its regions share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Process id in the root pid namespace, as the kernel's events name it.
    pub target: u32,
    /// Process id as `/proc` names it here.
    pub pid: NonZeroU32,
    /// The object, by a path that opens its inode.
    pub object: PathBuf,
}

/// A region to arm.
pub struct Plan {
    /// Span name.
    pub name: String,
    /// Instructions; their cookies get the region's number when it is armed.
    pub points: Vec<ProbePoint>,
    /// What the kernel programs know of it.
    pub spec: RegionSpec,
    /// The slot that its text marks.
    pub text_slot: Option<u32>,
}

impl Plan {
    /// Whether it has crossings, or adds to those of others.
    fn is_region(&self) -> bool {
        let kinds = [PointKind::Entry.wire(), PointKind::Note.wire()];
        self.points
            .iter()
            .any(|point| kinds.contains(&point.cookie.kind))
    }
}

struct Entry {
    plan: Plan,
    place: Place,
    /// Until when it is given up; `None`: it is armed.
    paused_until: Option<Instant>,
    trips: u32,
    since: Instant,
}

/// The links of one place: all its armed regions share them.
#[derive(Default)]
struct Links {
    generation: u16,
    /// Held for its drop.
    armed: Option<Armed>,
}

/// The armed regions, by number.
#[derive(Default)]
pub struct Armory {
    entries: BTreeMap<u32, Entry>,
    links: BTreeMap<Place, Links>,
    next: u32,
    epoch: u32,
}

/// A region that was given up for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Span name.
    pub name: String,
    /// Process.
    pub target: u32,
    /// Entries a second and thread that it may have.
    pub limit_per_s: u32,
    /// Until it is tried again.
    pub length: Duration,
}

impl Armory {
    /// Arms regions of one place. Returns the number of each, in order; `None` for those that are left
    /// out because all numbers are taken.
    ///
    /// # Errors
    /// The kernel's; none of them is armed then.
    pub fn arm(
        &mut self,
        kernel: &mut Kernel,
        place: &Place,
        plans: Vec<Plan>,
    ) -> Result<Vec<Option<RegionId>>, KernelError> {
        let numbers: Vec<Option<u32>> = plans
            .into_iter()
            .map(|plan| self.enter(place, plan))
            .collect();
        if let Err(error) = self.relink(kernel, place) {
            for number in numbers.iter().flatten() {
                self.entries.remove(number);
            }
            return Err(error);
        }
        Ok(numbers.into_iter().map(|n| n.map(RegionId)).collect())
    }

    /// Takes the probes away from a region whose guard tripped; `None` if they are gone already.
    ///
    /// # Errors
    /// The kernel's; then the place's other regions lose their probes, too.
    pub fn pause(
        &mut self,
        kernel: &mut Kernel,
        number: u32,
        now: Instant,
    ) -> Result<Option<Pause>, KernelError> {
        let epoch = self.next_epoch();
        let Some(entry) = self.entries.get_mut(&number) else {
            return Ok(None);
        };
        if entry.paused_until.is_some() {
            return Ok(None);
        }
        if now.duration_since(entry.since) > FORGIVEN_AFTER {
            entry.trips = 0;
        }
        let length = FIRST_PAUSE
            .saturating_mul(1 << entry.trips.min(6))
            .min(LONGEST_PAUSE);
        entry.trips += 1;
        entry.paused_until = Some(now + length);
        // Crossings that were open lose their exits: the new epoch tells the programs so.
        entry.plan.spec.epoch = epoch;
        let pause = Pause {
            name: entry.plan.name.clone(),
            target: entry.place.target,
            limit_per_s: entry.plan.spec.limit_per_s,
            length,
        };
        let place = entry.place.clone();
        self.relink(kernel, &place)?;
        Ok(Some(pause))
    }

    /// Arms the regions again whose pause is over.
    ///
    /// # Errors
    /// The kernel's.
    pub fn resume_due(&mut self, kernel: &mut Kernel, now: Instant) -> Result<(), KernelError> {
        let mut places = BTreeSet::new();
        for entry in self.entries.values_mut() {
            if entry.paused_until.is_some_and(|until| until <= now) {
                entry.paused_until = None;
                entry.since = now;
                places.insert(entry.place.clone());
            }
        }
        places
            .iter()
            .try_for_each(|place| self.relink(kernel, place))
    }

    /// Disarms all regions of a target and forgets them.
    pub fn release(&mut self, target: u32) {
        self.links.retain(|place, _| place.target != target);
        self.entries.retain(|_, entry| entry.place.target != target);
    }

    /// Disarms everything, and keeps what is needed to read the events that are still to come.
    pub fn disarm_all(&mut self) {
        self.links.clear();
    }

    /// The slot that the region's text marks.
    pub fn text_slot(&self, number: u32) -> Option<u32> {
        self.entries.get(&number)?.plan.text_slot
    }

    /// Whether a crossing that opened in this epoch of the region can still see its exit.
    pub fn is_current(&self, number: u32, epoch: u32) -> bool {
        self.entries
            .get(&number)
            .is_some_and(|entry| entry.plan.spec.epoch == epoch)
    }

    /// Regions of a target that are armed now.
    pub fn armed(&self, target: u32) -> usize {
        self.of(target)
            .filter(|entry| entry.paused_until.is_none() && entry.plan.is_region())
            .count()
    }

    /// Gives the region a number, the same again only after all others, so that late events find no
    /// stranger; `None` when all are taken.
    fn enter(&mut self, place: &Place, mut plan: Plan) -> Option<u32> {
        let numbers = MAX_REGIONS as u32;
        let number = (0..numbers)
            .map(|step| (self.next + step) % numbers)
            .find(|number| !self.entries.contains_key(number))?;
        self.next = (number + 1) % numbers;
        plan.spec.epoch = self.next_epoch();
        for point in &mut plan.points {
            point.cookie.region = number;
        }
        let entry = Entry {
            plan,
            place: place.clone(),
            paused_until: None,
            trips: 0,
            since: Instant::now(),
        };
        self.entries.insert(number, entry);
        Some(number)
    }

    /// Gives a place new links, for the regions that are to be armed there now. The old ones go after
    /// the new ones have taken over, so no crossing of a region that stays is missed.
    fn relink(&mut self, kernel: &mut Kernel, place: &Place) -> Result<(), KernelError> {
        let links = self.links.entry(place.clone()).or_default();
        let generation = links.generation.wrapping_add(1);
        let mut regions: Vec<(&u32, &mut Entry)> = self
            .entries
            .iter_mut()
            .filter(|(_, entry)| entry.place == *place)
            .collect();
        let points: Vec<ProbePoint> = regions
            .iter()
            .filter(|(_, entry)| entry.paused_until.is_none())
            .flat_map(|(_, entry)| &entry.plan.points)
            .map(|point| {
                let mut point = *point;
                point.cookie.generation = generation;
                point
            })
            .collect();
        let armed = kernel.arm(place.pid, &place.object, &points);
        for (number, entry) in &mut regions {
            entry.plan.spec.generation = u32::from(generation);
            kernel.set_region(**number, entry.plan.spec)?;
        }
        links.generation = generation;
        // Should the kernel refuse, the old probes go all the same: they may be the very reason.
        let (armed, result) = match armed {
            Ok(armed) => (Some(armed), Ok(())),
            Err(error) => (None, Err(error)),
        };
        drop(std::mem::replace(&mut links.armed, armed));
        result
    }

    fn next_epoch(&mut self) -> u32 {
        self.epoch = self.epoch.wrapping_add(1);
        self.epoch
    }

    fn of(&self, target: u32) -> impl Iterator<Item = &Entry> {
        self.entries
            .values()
            .filter(move |entry| entry.place.target == target)
    }
}
