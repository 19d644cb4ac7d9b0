//! Regions as data: TOML files that say what to look for, what to read there, and what it means.
//!
//! [`Catalogue::load`] reads and checks the files, [`Catalogue::analyse`] applies them to an object
//! file, [`AnalysisCache`] keeps what came of it. The file format is documented in
//! `agent/catalogue/README.md`.

mod analysis;
mod anchors;
mod attributes;
mod cache;
mod devices;
mod error;
mod folds;
mod found;
mod hot;
mod matcher;
mod meaning;
mod numbering;
mod reads;
mod report;
mod rule;
mod rules;
mod scan;
mod schema;
mod shipped;
mod slots;
mod stacks;
mod version;

pub use analysis::Analysis;
pub use anchors::BrokenAnchor;
pub use cache::{Analysed, AnalysisCache};
pub use devices::{CountBy, Members};
pub use error::CatalogueError;
pub use found::{FoundRegion, RefusedBecause, RefusedRegion};
pub use hot::{HotFunction, NotProbed};
pub use meaning::{Meaning, RegionRole};
pub use report::{ObjectReport, RegionLine, Report, State};
pub use rule::DEFAULT_MAX_RATE;
pub use rules::{Catalogue, Source};

#[cfg(test)]
mod tests;
