//! Regions that are given up for a while, as they were hit too often.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::{Armory, mapped::Mapped};
use crate::kernel::{Kernel, KernelError};

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

/// Until when a region is given up.
#[derive(Clone, Debug)]
pub(super) struct Paused {
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

impl Armory {
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
            if is_due
                && self
                    .places
                    .get(&entry.link.place)
                    .is_some_and(Mapped::is_here)
            {
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
}
