//! What a target maps of what is armed in it.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{Armory, Place};

/// Programs that a process may execute in a row without mapping an object before its links are let
/// go: before a script's interpreter come a shell and a launcher or two.
const KEPT_EXECS: u8 = 4;

/// How a place stands with its target.
#[derive(Default)]
pub(super) struct Mapped {
    /// Opens the object.
    pub path: PathBuf,
    /// Programs that the target executed since the object was last seen mapped, and one more if it
    /// has not been seen in the present one.
    unseen: u8,
}

impl Mapped {
    /// Whether the target's present program maps it, as far as is known.
    pub fn is_here(&self) -> bool {
        self.unseen == 0
    }
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

impl Armory {
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
        let kept: BTreeSet<Place> = self.places.keys().cloned().collect();
        self.let_go(|link| !kept.contains(&link.place));
        let places = &self.places;
        self.entries
            .retain(|_, entry| places.contains_key(&entry.link.place));
    }
}
