//! The armed regions of all targets: their numbers and their probes; [`mapped`] where, [`pause`] what the rate guard did to
//! them.

mod mapped;
mod pause;
mod plan;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::{Duration, Instant},
};

use hotspan_common::{MAX_REGIONS, PointKind, RegionFlags};
use hotspan_synth::ids::RegionId;

use self::{mapped::Mapped, pause::Paused, plan::LinkKey};
pub use self::{
    mapped::Met,
    pause::Entered,
    plan::{Place, Plan},
};
use crate::kernel::{self, Armed, Disarming, Kernel, KernelError, ProbePoint};

/// What is told of a region's exits so soon after they were replaced is of the old ones.
const TOLD_TWICE: Duration = Duration::from_secs(1);

struct Entry {
    plan: Plan,
    link: LinkKey,
    /// Until when it is given up; `None`: it is armed.
    paused: Option<Paused>,
    trips: u32,
    since: Instant,
    /// When its exits were replaced by its `ret`s.
    stepped_at: Option<Instant>,
}

/// A link, and the generation of its probes.
#[derive(Default)]
struct Link {
    generation: u16,
    /// Held for its drop.
    armed: Option<Armed>,
}

/// The armed regions, by number.
#[derive(Default)]
pub struct Armory {
    entries: BTreeMap<u32, Entry>,
    links: BTreeMap<LinkKey, Link>,
    places: BTreeMap<Place, Mapped>,
    disarming: Disarming,
    next: u32,
    epoch: u32,
}

/// What became of the conditional exits of a region, which were passed too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exits {
    /// The `ret`s that they stand for are probed in their place from now on.
    Replaced,
    /// They had been replaced already, or the region is gone.
    AreStepped,
    /// Nothing stands for them: the region can only be given up.
    HaveNoOthers,
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
        object: &Path,
        plans: Vec<Plan>,
    ) -> Result<Vec<Option<RegionId>>, KernelError> {
        let mapped = self.places.entry(place.clone()).or_default();
        object.clone_into(&mut mapped.path);
        let numbers: Vec<Option<u32>> = plans
            .into_iter()
            .map(|plan| self.enter(place, plan))
            .collect();
        let links: BTreeSet<LinkKey> = numbers
            .iter()
            .flatten()
            .filter_map(|number| Some(self.entries.get(number)?.link.clone()))
            .collect();
        if let Err(error) = links.iter().try_for_each(|link| self.relink(kernel, link)) {
            for number in numbers.iter().flatten() {
                self.entries.remove(number);
            }
            // The links go back to what they were.
            links
                .iter()
                .try_for_each(|link| self.relink(kernel, link))?;
            return Err(error);
        }
        Ok(numbers.into_iter().map(|n| n.map(RegionId)).collect())
    }

    /// Whether so many regions are armed that the rest is left to what targets do map.
    pub fn is_half_full(&self) -> bool {
        self.entries.len() >= MAX_REGIONS / 2
    }

    /// Probes the `ret`s that a region's conditional exits stand for, which calls that go on pass too often. The region
    /// stays armed.
    ///
    /// # Errors
    /// The kernel's; then the regions that share the link lose their probes.
    pub fn step_exits(&mut self, kernel: &mut Kernel, number: u32) -> Result<Exits, KernelError> {
        let Some(entry) = self.entries.get_mut(&number) else {
            return Ok(Exits::AreStepped);
        };
        let Some(stepped) = entry.plan.stepped.take() else {
            // Two threads may have told of it at once.
            let just_now = (entry.stepped_at).is_some_and(|at| at.elapsed() < TOLD_TWICE);
            return Ok(if just_now {
                Exits::AreStepped
            } else {
                Exits::HaveNoOthers
            });
        };
        entry.plan.points = stepped;
        entry.plan.spec.flags &= !RegionFlags::WEIGHED;
        entry.stepped_at = Some(Instant::now());
        let link = entry.link.clone();
        self.relink(kernel, &link)?;
        Ok(Exits::Replaced)
    }

    /// Disarms a region that has a link of its own, for good.
    ///
    /// # Errors
    /// The kernel's; it is disarmed all the same.
    pub fn remove(&mut self, kernel: &mut Kernel, number: u32) -> Result<(), KernelError> {
        // As a pause first: that tells the programs that open crossings have lost their exits.
        let paused = self.pause(kernel, number, &[], Instant::now());
        if let Some(entry) = self.entries.remove(&number) {
            self.links.remove(&entry.link);
        }
        paused.map(drop)
    }

    /// Whether a function of a place has a crossing's entry probe.
    pub fn is_entered(&self, place: &Place, file_offset: u64) -> bool {
        let entry = PointKind::Entry.wire();
        let of_place = self
            .entries
            .values()
            .filter(|entry| entry.link.place == *place);
        let mut points = of_place.flat_map(|entry| &entry.plan.points);
        points.any(|point| point.file_offset == file_offset && point.cookie.kind == entry)
    }

    /// Disarms all regions of a target and forgets them.
    pub fn release(&mut self, target: u32) {
        self.places.retain(|place, _| place.target != target);
        self.let_go(|link| link.place.target == target);
        self.entries
            .retain(|_, entry| entry.link.place.target != target);
    }

    /// Disarms everything, and keeps what is needed to read the events that are still to come.
    pub fn disarm_all(&mut self) {
        let links = std::mem::take(&mut self.links);
        kernel::disarm(links.into_values().filter_map(|link| link.armed).collect());
    }

    /// Drops links whose hits nobody waits for.
    fn let_go(&mut self, is_gone: impl Fn(&LinkKey) -> bool) {
        let gone = self.links.extract_if(.., |link, _| is_gone(link));
        let armed = gone.filter_map(|(_, link)| link.armed).collect();
        self.disarming.aside(armed);
    }

    /// The slot that the region's text marks.
    pub fn text_slot(&self, number: u32) -> Option<u32> {
        self.entries.get(&number)?.plan.text_slot
    }

    /// Whether the region's crossings are steps that may serve several sequences.
    pub fn is_step(&self, number: u32) -> bool {
        let entry = self.entries.get(&number);
        entry.is_some_and(|entry| entry.plan.spec.members_count != 0)
    }

    /// Whether a crossing that opened in this epoch of the region can still see its exit.
    pub fn is_current(&self, number: u32, epoch: u32) -> bool {
        self.entries
            .get(&number)
            .is_some_and(|entry| entry.plan.spec.epoch == epoch)
    }

    /// Regions of a target that are armed now, in objects that it maps.
    pub fn armed(&self, target: u32) -> usize {
        self.of(target)
            .filter(|entry| entry.paused.is_none() && entry.plan.is_region())
            .filter(|entry| {
                let mapped = self.places.get(&entry.link.place);
                mapped.is_some_and(Mapped::is_here)
            })
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
        let stepped = plan.stepped.iter_mut().flatten();
        for point in plan.points.iter_mut().chain(stepped) {
            point.cookie.region = number;
        }
        let entry = Entry {
            link: plan.link(place),
            plan,
            paused: None,
            trips: 0,
            since: Instant::now(),
            stepped_at: None,
        };
        self.entries.insert(number, entry);
        Some(number)
    }

    /// Makes a link anew, for the regions that are to be armed by it now. The old one goes after the new one
    /// has taken over, and meanwhile each hit is taken by one of them: no crossing of a region that stays is missed.
    fn relink(&mut self, kernel: &mut Kernel, key: &LinkKey) -> Result<(), KernelError> {
        let link = self.links.entry(key.clone()).or_default();
        let generation = link.generation.wrapping_add(1);
        let mut regions: Vec<(&u32, &mut Entry)> = self
            .entries
            .iter_mut()
            .filter(|(_, entry)| entry.link == *key)
            .collect();
        let points: Vec<ProbePoint> = regions
            .iter()
            .filter(|(_, entry)| entry.paused.is_none())
            .flat_map(|(_, entry)| &entry.plan.points)
            .map(|point| {
                let mut point = *point;
                point.cookie.generation = generation;
                point
            })
            .collect();
        let object = self
            .places
            .get(&key.place)
            .map(|mapped| mapped.path.as_path());
        let replaces = link.armed.is_some();
        // One that is given up is so from one instant on: what it opened before that has lost its exit.
        let goes_over = |entry: &Entry| replaces && entry.paused.is_none();
        // Which exits are passed is asked of the new link's alone.
        let meanwhile = RegionFlags::RELINKED | RegionFlags::PASSED;
        for (number, entry) in regions.iter().filter(|(_, entry)| goes_over(entry)) {
            kernel.set_region(**number, entry.plan.spec.with(meanwhile))?;
        }
        let armed = kernel.arm(key.place.pid, object.unwrap_or(Path::new("")), &points);
        for (number, entry) in &mut regions {
            entry.plan.spec.generation = u32::from(generation);
            let relinked = u32::from(goes_over(entry)) * RegionFlags::RELINKED;
            kernel.set_region(**number, entry.plan.spec.with(relinked))?;
        }
        link.generation = generation;
        // Should the kernel refuse, the old probes go all the same: they may be the very reason.
        let (armed, result) = match armed {
            Ok(armed) => (Some(armed), Ok(())),
            Err(error) => (None, Err(error)),
        };
        drop(std::mem::replace(&mut link.armed, armed));
        for (number, entry) in regions.iter().filter(|(_, entry)| goes_over(entry)) {
            kernel.set_region(**number, entry.plan.spec)?;
        }
        result
    }

    fn next_epoch(&mut self) -> u32 {
        self.epoch = self.epoch.wrapping_add(1);
        self.epoch
    }

    fn of(&self, target: u32) -> impl Iterator<Item = &Entry> {
        self.entries
            .values()
            .filter(move |entry| entry.link.place.target == target)
    }
}
