//! The target: why is there no span?

mod context;
mod convert;
mod exporting;
mod facts;
mod outcomes;
mod process;
mod regions;
mod sdk;

pub use exporting::check_endpoint;
pub use facts::{
    ContextFacts, ExporterFacts, OutcomeFacts, RegionFacts, SamplerFacts, SdkFacts, TargetFacts,
};
pub use process::ProcessFacts;

use super::{Check, Section};

const TARGET: Section = Section::Target;

/// Everything that decides whether spans come out of this target, in the order of the pipeline:
/// the process, its regions, its context, its SDK, the endpoint.
pub fn check_target(facts: &TargetFacts) -> Vec<Check> {
    let mut checks = process::checks(&facts.process);
    checks.extend(facts.regions.as_ref().map(regions::check));
    checks.extend(facts.context.as_ref().map(context::reader));
    checks.extend(facts.sdk.iter().flat_map(sdk::checks));
    checks.push(context::lost(facts.outcomes.as_ref()));
    let reach = |endpoint| exporting::of_target(endpoint, &facts.process);
    checks.extend(facts.endpoints.iter().map(reach));
    checks
}
