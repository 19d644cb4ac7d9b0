//! The SDK's sampler.

use std::fmt;

use super::{Heap, PyValue, SdkError, first_attribute};

/// Where the SDK's own samplers are defined: classes elsewhere may decide otherwise, whatever they
/// derive from.
const MODULE: &str = "opentelemetry.sdk.trace.sampling";
/// Samplers within samplers that are followed.
const MAX_DEPTH: usize = 4;

/// How the SDK decides which traces are recorded.
#[derive(Clone, Debug, PartialEq)]
pub enum Sampler {
    /// Every trace.
    AlwaysOn,
    /// None.
    AlwaysOff,
    /// This share of them, from 0 to 1.
    TraceIdRatio(f64),
    /// As the parent has it; without a parent, as the inner sampler says.
    ParentBased(Box<Sampler>),
    /// As the inner sampler says, but all spans are recorded in the process.
    AlwaysRecord(Box<Sampler>),
    /// A class that is not the SDK's.
    Other(String),
}

impl fmt::Display for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlwaysOn => f.write_str("AlwaysOn"),
            Self::AlwaysOff => f.write_str("AlwaysOff"),
            Self::TraceIdRatio(rate) => write!(f, "TraceIdRatio({rate})"),
            Self::ParentBased(root) => write!(f, "ParentBased(root:{root})"),
            Self::AlwaysRecord(root) => write!(f, "AlwaysRecord(root:{root})"),
            Self::Other(class) => f.write_str(class),
        }
    }
}

pub(super) fn read(heap: &Heap<'_>, sampler: u64) -> Result<Sampler, SdkError> {
    within(heap, sampler, MAX_DEPTH)
}

fn within(heap: &Heap<'_>, sampler: u64, depth: usize) -> Result<Sampler, SdkError> {
    let class = heap.type_of(sampler)?;
    if depth == 0 || heap.module_of(&class)?.as_deref() != Some(MODULE) {
        return Ok(Sampler::Other(class.name));
    }
    if let Some(decision) = first_attribute(heap, sampler, &["_decision"])? {
        return Ok(static_sampler(heap, decision)?.unwrap_or(Sampler::Other(class.name)));
    }
    if let Some(rate) = first_attribute(heap, sampler, &["_rate"])? {
        return Ok(match heap.value(rate)? {
            PyValue::Float(rate) => Sampler::TraceIdRatio(rate),
            PyValue::Int(rate) => Sampler::TraceIdRatio(rate as f64),
            _ => Sampler::Other(class.name),
        });
    }
    let Some(root) = first_attribute(heap, sampler, &["_root"])? else {
        return Ok(Sampler::Other(class.name));
    };
    let root = Box::new(within(heap, root, depth - 1)?);
    Ok(match class.name.as_str() {
        "AlwaysRecordSampler" => Sampler::AlwaysRecord(root),
        _ => Sampler::ParentBased(root),
    })
}

/// A member of the enum `Decision`, by its name.
fn static_sampler(heap: &Heap<'_>, decision: u64) -> Result<Option<Sampler>, SdkError> {
    let Some(name) = heap.attribute(decision, "_name_")? else {
        return Ok(None);
    };
    Ok(match heap.text(name)?.as_str() {
        "RECORD_AND_SAMPLE" => Some(Sampler::AlwaysOn),
        "DROP" | "NOT_RECORD" => Some(Sampler::AlwaysOff),
        _ => None,
    })
}
