//! Regions as data: TOML files that say what to look for, what to read there, and what it means.
//!
//! [`Catalogue::load`] reads and checks the files, [`Catalogue::analyse`] applies them to an object
//! file, [`AnalysisCache`] keeps what came of it. The file format is documented in
//! `agent/catalogue/README.md`.

mod apply;
mod check;
mod meaning;

pub use apply::{
    Analysed, Analysis, AnalysisCache, BrokenAnchor, FoundRegion, HotFunction, NotProbed,
    ObjectReport, RefusedBecause, RefusedRegion, RegionLine, Report, State,
};
pub use check::{Catalogue, CatalogueError, DEFAULT_MAX_RATE, Source};
pub use meaning::{CountBy, Meaning, Members, RegionRole};

#[cfg(test)]
mod tests;
