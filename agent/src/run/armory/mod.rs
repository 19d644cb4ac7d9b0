//! The armed regions of all targets: their numbers, their probes, and what the rate guard did to them.

mod plan;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use hotspan_common::{MAX_REGIONS, PointKind, RegionFlags};
use hotspan_synth::ids::RegionId;

use self::plan::LinkKey;
pub use self::plan::{Place, Plan};
use crate::kernel::{Armed, Kernel, KernelError, ProbePoint};

/// First pause of a region that was hit too often; each further trip doubles it. What was hit too often
/// once is so again, as a rule, and each try costs the target some hundred hits.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// Shortest pause of a region that was hit too often inside of another's crossing: each try costs the target some
/// milliseconds.
const PAUSE_INSIDE: Duration = Duration::from_secs(2);
/// A region that stayed armed this long is forgiven its earlier trips.
const FORGIVEN_AFTER: Duration = Duration::from_secs(120);
/// What is told of a region's exits so soon after they were replaced is of the old ones.
const TOLD_TWICE: Duration = Duration::from_secs(1);
/// Programs that a process may execute in a row without mapping an object before its links are let
/// go: before a script's interpreter come a shell and a launcher or two.
const KEPT_EXECS: u8 = 4;

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

/// Until when a region is given up.
#[derive(Clone, Debug)]
struct Paused {
    /// At the latest.
    until: Instant,
    /// At the soonest, once `inside` is over.
    from: Instant,
    /// The crossing that it was hit in.
    inside: Option<u64>,
}

impl Paused {
    fn is_over(&self, now: Instant, is_open: impl Fn(u64) -> bool) -> bool {
        let has_left = self.inside.is_some_and(|inside| !is_open(inside));
        self.until <= now || (has_left && self.from <= now)
    }
}

/// A link, and the generation of its probes.
#[derive(Default)]
struct Link {
    generation: u16,
    /// Held for its drop.
    armed: Option<Armed>,
}

/// A crossing that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entered {
    /// Its id.
    pub id: u64,
    /// Its region's number.
    pub region: u32,
    /// When it was entered, in nanoseconds of `CLOCK_MONOTONIC`.
    pub entry_ns: u64,
}

/// How a place stands with its target.
#[derive(Default)]
struct Mapped {
    /// Opens the object.
    path: PathBuf,
    /// Programs that the target executed since the object was last seen mapped, and one more if it
    /// has not been seen in the present one.
    unseen: u8,
}

/// A region that is tried again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resumed {
    /// Span name.
    pub name: String,
    /// Process.
    pub target: u32,
    /// Whether people were told of the pause.
    pub is_told: bool,
}

/// Whether people are told of a trip: what comes again and again is told of ever less often.
fn is_told(trips: u32) -> bool {
    trips.is_power_of_two()
}

impl Pause {
    /// For people.
    pub fn describe(&self) -> String {
        let Self {
            name,
            target,
            limit_per_s,
            length,
            inside,
            ..
        } = self;
        let until = match inside {
            Some(inside) => format!("until {inside} is over, for {length:?} at the most"),
            None => format!("for {length:?}"),
        };
        format!(
            "{name} in process {target} is entered more than {limit_per_s} times a second and thread: disarmed {until}"
        )
    }
}

/// The armed regions, by number.
#[derive(Default)]
pub struct Armory {
    entries: BTreeMap<u32, Entry>,
    links: BTreeMap<LinkKey, Link>,
    places: BTreeMap<Place, Mapped>,
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

/// How what is armed stands with what a target maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// Nothing is armed there.
    Stranger,
    /// It was armed before the target's present program mapped it.
    Expected,
    /// That is known.
    Known,
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
    /// Until it is tried again, at the latest.
    pub length: Duration,
    /// Name of the region that it is called in: once that is over it is tried again, too.
    pub inside: Option<String>,
    /// Whether people are told.
    pub is_told: bool,
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

    /// The target maps the place, which `object` opens.
    pub fn meets(&mut self, place: &Place, object: &Path) -> Met {
        if !self.holds(place) {
            return Met::Stranger;
        }
        let Some(mapped) = self.places.get_mut(place) else {
            return Met::Known;
        };
        object.clone_into(&mut mapped.path);
        match std::mem::take(&mut mapped.unseen) {
            0 => Met::Known,
            _ => Met::Expected,
        }
    }

    /// What is armed there next is not mapped in the target's present program, as far as is known.
    pub fn expect(&mut self, place: &Place) {
        let unseen = || Mapped {
            unseen: 1,
            ..Mapped::default()
        };
        self.places.entry(place.clone()).or_insert_with(unseen);
    }

    /// Whether so many regions are armed that the rest is left to what targets do map.
    pub fn is_half_full(&self) -> bool {
        self.entries.len() >= MAX_REGIONS / 2
    }

    /// Whether the place is armed.
    pub fn holds(&self, place: &Place) -> bool {
        let mut here = self
            .entries
            .values()
            .filter(|entry| entry.link.place == *place);
        here.any(|entry| !entry.plan.is_of_coroutines())
    }

    /// The target executes another program. Links are by file: where the new program maps one of
    /// these files, it is armed from the first instruction. Files that no longer occur are let go.
    pub fn executed(&mut self, target: u32) {
        for (_, mapped) in self
            .places
            .iter_mut()
            .filter(|(place, _)| place.target == target)
        {
            mapped.unseen += 1;
        }
        self.places
            .retain(|place, mapped| place.target != target || mapped.unseen <= KEPT_EXECS);
        let places = &self.places;
        self.links
            .retain(|link, _| places.contains_key(&link.place));
        self.entries
            .retain(|_, entry| places.contains_key(&entry.link.place));
    }

    /// Takes the probes away from a region whose guard tripped, and from those that bear its name in the same
    /// place: they are one thing to the user. `open`: crossings of the thread that tripped it. `None` if they are gone already.
    ///
    /// # Errors
    /// The kernel's; then the regions that share the link lose their probes, too.
    pub fn pause(
        &mut self,
        kernel: &mut Kernel,
        number: u32,
        open: &[Entered],
        now: Instant,
    ) -> Result<Option<Pause>, KernelError> {
        let epoch = self.next_epoch();
        let Some(tripped) = self.entries.get(&number) else {
            return Ok(None);
        };
        if tripped.paused.is_some() {
            return Ok(None);
        }
        let is_forgiven = now.duration_since(tripped.since) > FORGIVEN_AFTER;
        let trips = if is_forgiven { 0 } else { tripped.trips };
        let length = FIRST_PAUSE
            .saturating_mul(1 << trips.min(6))
            .min(LONGEST_PAUSE);
        let (name, link) = (tripped.plan.name.clone(), tripped.link.clone());
        let limit_per_s = tripped.plan.spec.limit_per_s;
        let around = self.around(&name, open);
        let paused = Paused {
            until: now + length,
            from: now + PAUSE_INSIDE,
            inside: around.map(|(inside, _)| inside),
        };
        let inside = around.map(|(_, region)| region.to_owned());
        for entry in self.entries.values_mut() {
            if entry.link != link || entry.plan.name != name {
                continue;
            }
            entry.trips = trips + 1;
            entry.paused = Some(paused.clone());
            // Crossings that were open lose their exits: the new epoch tells the programs so.
            entry.plan.spec.epoch = epoch;
        }
        self.relink(kernel, &link)?;
        Ok(Some(Pause {
            name,
            target: link.place.target,
            limit_per_s,
            length,
            inside,
            is_told: is_told(trips + 1),
        }))
    }

    /// The outermost of these crossings that is another region's, with its name: what calls `name`.
    fn around(&self, name: &str, open: &[Entered]) -> Option<(u64, &str)> {
        let others = open.iter().filter_map(|entered| {
            let entry = self.entries.get(&entered.region)?;
            (entry.plan.name != name).then_some((entered, entry.plan.name.as_str()))
        });
        let outermost = others.min_by_key(|(entered, _)| entered.entry_ns);
        outermost.map(|(entered, name)| (entered.id, name))
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

    /// Whether a region waits for a crossing to be over.
    pub fn waits_inside(&self) -> bool {
        let mut paused = self
            .entries
            .values()
            .filter_map(|entry| entry.paused.as_ref());
        paused.any(|paused| paused.inside.is_some())
    }

    /// Arms the regions again whose pause is over, and returns them. `is_open` says of a crossing whether it goes on.
    ///
    /// # Errors
    /// The kernel's.
    pub fn resume_due(
        &mut self,
        kernel: &mut Kernel,
        is_open: impl Fn(u64) -> bool,
        now: Instant,
    ) -> Result<Vec<Resumed>, KernelError> {
        let mut links = BTreeSet::new();
        let mut resumed = BTreeSet::new();
        for entry in self.entries.values_mut() {
            let is_due =
                (entry.paused.as_ref()).is_some_and(|paused| paused.is_over(now, &is_open));
            let is_mapped = |mapped: &Mapped| mapped.unseen == 0;
            if is_due && self.places.get(&entry.link.place).is_some_and(is_mapped) {
                entry.paused = None;
                entry.since = now;
                links.insert(entry.link.clone());
                resumed.insert(Resumed {
                    name: entry.plan.name.clone(),
                    target: entry.link.place.target,
                    is_told: is_told(entry.trips),
                });
            }
        }
        links
            .iter()
            .try_for_each(|link| self.relink(kernel, link))?;
        Ok(resumed.into_iter().collect())
    }

    /// Disarms all regions of a target and forgets them.
    pub fn release(&mut self, target: u32) {
        self.places.retain(|place, _| place.target != target);
        self.links.retain(|link, _| link.place.target != target);
        self.entries
            .retain(|_, entry| entry.link.place.target != target);
    }

    /// Disarms everything, and keeps what is needed to read the events that are still to come.
    pub fn disarm_all(&mut self) {
        self.links.clear();
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
                mapped.is_some_and(|mapped| mapped.unseen == 0)
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
