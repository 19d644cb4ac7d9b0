//! Regions as data: TOML files that say what to look for, what to read there, and what it means.
//!
//! [`Catalogue::load`] reads and checks the files, [`Catalogue::analyse`] applies them to an object
//! file, [`AnalysisCache`] keeps what came of it. The file format is documented in
//! `agent/catalogue/README.md`.

mod apply;
mod capture;
mod check;
mod installed;

pub use apply::{
    Analysed, Analysis, AnalysisCache, BrokenAnchor, FoundRegion, HotFunction, NotProbed,
    ObjectReport, RefusedBecause, RefusedRegion, RegionLine, Report, State,
};
pub use capture::{Capture, Members, RegionRole};
pub use check::{Catalogue, CatalogueError, DEFAULT_MAX_RATE, Source};
pub use installed::InstalledFile;

#[cfg(test)]
mod tests;
