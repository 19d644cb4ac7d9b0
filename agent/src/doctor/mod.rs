//! What this host and target allow, what is missing, and what to do.
//!
//! Checks are data: [`check_host`] and [`check_target`] judge what others found out (features that
//! the kernel module tried, regions, the SDK's state), and [`Report`] shows it to people or programs.

mod check;
mod endpoint;
mod features;
mod gather;
mod host;
mod render;
mod report;
mod system;
mod target;

pub use check::{Check, Section, Verdict};
pub use endpoint::{Answer, EndpointFacts, Vantage};
pub use features::{KernelFeatures, Trial};
pub use gather::{add_installed, regions_of};
pub use host::check_host;
pub use render::Glyphs;
pub use report::Report;
pub use system::System;
pub use target::{
    ContextFacts, ExporterFacts, OutcomeFacts, ProcessFacts, RegionFacts, SamplerFacts, SdkFacts,
    TargetFacts, check_endpoint, check_target,
};

#[cfg(test)]
mod tests;
