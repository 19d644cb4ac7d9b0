//! The search of one function: its entry first, then where it is left.

use std::ops::Range;

use super::{
    Exits, Function, Searched,
    explore::{Explorer, bounds_at},
    listing::{self, Listing},
    probes::{entry_probe, probeable},
    refusal::Refusal,
};

/// The exits of a function, with its entry probe where that is cheap, if no loop passes there.
pub(super) fn find(searched: &Searched<'_>, function: &Function) -> Result<Exits, Refusal> {
    let entry = function.entry;
    let probe = entry_probe(searched, entry)?;
    match Explorer::new(searched, function, probe)?.run() {
        Err(Refusal::JumpsToItself(_)) if probe != entry => {
            Explorer::new(searched, function, entry)?.run()
        }
        found => found,
    }
}

/// See [`super::entry_only`].
pub(super) fn entry_only(searched: &Searched<'_>, function: &Function) -> Result<Exits, Refusal> {
    let entry = function.entry;
    let probe = entry_probe(searched, entry)?;
    let has_loop = || {
        let listing = Listing::of(searched, &[function.bounds(searched)?])?;
        let mut targets = listing.all().iter().filter_map(listing::jump_target);
        Some(targets.any(|target| (entry..=probe).contains(&target)))
    };
    let is_passed_once = probe == entry || has_loop() == Some(false);
    let probe = if is_passed_once { probe } else { entry };
    Ok(Exits {
        entry_offset: probeable(searched, probe)?,
        points: Vec::new(),
        early: None,
        unpassed: None,
        kept: Vec::new(),
        tail_callees: Vec::new(),
    })
}

impl Function {
    /// Its code but for its fragments; `None` if nothing tells.
    pub fn bounds(&self, searched: &Searched<'_>) -> Option<Range<u64>> {
        match self.size {
            0 => bounds_at(searched, self.entry),
            size => Some(self.entry..self.entry.saturating_add(size)),
        }
    }
}
