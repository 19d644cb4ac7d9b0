//! OpenTelemetry's SDK in a live interpreter: its resource, its sampler, where it exports to.
//!
//! From `opentelemetry.trace._TRACER_PROVIDER`, by the private attributes of
//! `opentelemetry.sdk.trace.TracerProvider` in versions 1.15 to 1.45. Headers are never read.

mod exporters;
mod resource;
mod sampler;

use hotspan_synth::span::Value;
use thiserror::Error;

pub use exporters::{Exporter, OtlpProtocol, Processor};
pub use resource::Resource;
pub use sampler::Sampler;

use super::{
    heap::{Heap, HeapError, PyValue},
    modules::Modules,
};

/// Providers that stand before another one: how they name it, and how many are followed.
const WRAPPED: [&str; 3] = ["provider", "_provider", "_tracer_provider"];
const MAX_WRAPPERS: usize = 4;

/// What the process's tracer provider is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provider {
    /// None is set: only OpenTelemetry's API is in use, and spans go nowhere.
    Unset,
    /// It records nothing (`NoOpTracerProvider`).
    NoOp,
    /// The SDK's, switched off by `OTEL_SDK_DISABLED`.
    Disabled,
    /// The SDK's, at work.
    Sdk,
    /// Of another make: the name of its class.
    Other(String),
}

/// The SDK of a process. A part that could not be read says why.
#[derive(Debug)]
pub struct SdkReport {
    /// The tracer provider.
    pub provider: Provider,
    /// Its resource.
    pub resource: Result<Resource, SdkError>,
    /// Its sampler.
    pub sampler: Result<Sampler, SdkError>,
    /// Its span processors, with their exporters.
    pub processors: Result<Vec<Processor>, SdkError>,
}

/// Why a part of the SDK is not known.
#[derive(Debug, Error)]
pub enum SdkError {
    /// The process has not imported OpenTelemetry's API.
    #[error("opentelemetry is not imported in this process")]
    NotImported,
    /// There is no such thing, because there is no SDK's provider, or it keeps it elsewhere.
    #[error("the tracer provider has no `{0}`")]
    Absent(&'static str),
    /// A read failed.
    #[error(transparent)]
    Heap(#[from] HeapError),
}

impl SdkReport {
    /// The resource's attributes, if they could be read.
    pub fn attributes(&self) -> Option<&[(String, Value)]> {
        Some(&self.resource.as_ref().ok()?.attributes)
    }

    /// Whether another look may tell more, with the target running on: programs set their provider
    /// after they import the API, and a part may have changed while it was read.
    pub fn may_change(&self) -> bool {
        let failed = [
            self.resource.as_ref().err(),
            self.sampler.as_ref().err(),
            self.processors.as_ref().err(),
        ];
        self.provider == Provider::Unset || failed.into_iter().flatten().any(SdkError::may_change)
    }
}

impl SdkError {
    /// Whether another look may succeed, with the target running on.
    pub fn may_change(&self) -> bool {
        match self {
            Self::NotImported => true,
            Self::Absent(_) => false,
            Self::Heap(error) => error.may_change(),
        }
    }
}

/// Reads the SDK of a process.
pub fn read_sdk(heap: &Heap<'_>, modules: &Modules) -> Result<SdkReport, SdkError> {
    let trace = modules.get(heap, "opentelemetry.trace")?;
    let trace = trace.ok_or(SdkError::NotImported)?;
    let set = heap.global(trace, "_TRACER_PROVIDER")?;
    let provider = unwrapped(heap, set)?;
    let object = provider.object;
    Ok(SdkReport {
        resource: part(heap, object, "_resource", resource::read),
        sampler: part(heap, object, "sampler", sampler::read),
        processors: part(heap, object, "_active_span_processor", exporters::read),
        provider: provider.kind,
    })
}

struct Found {
    kind: Provider,
    /// The provider with the SDK's attributes.
    object: Option<u64>,
}

/// The provider itself, behind those that only pass calls on.
fn unwrapped(heap: &Heap<'_>, set: Option<u64>) -> Result<Found, SdkError> {
    let Some(outermost) = set else {
        return Ok(Found {
            kind: Provider::Unset,
            object: None,
        });
    };
    let mut object = outermost;
    for _ in 0..MAX_WRAPPERS {
        if heap.attribute(object, "_resource")?.is_some() {
            let kind = if flag(heap, object, "_disabled")? == Some(true) {
                Provider::Disabled
            } else {
                Provider::Sdk
            };
            return Ok(Found {
                kind,
                object: Some(object),
            });
        }
        match first_attribute(heap, object, &WRAPPED)? {
            Some(inner) => object = inner,
            None => break,
        }
    }
    let kind = match heap.type_of(outermost)?.name.as_str() {
        "NoneType" => Provider::Unset,
        "NoOpTracerProvider" | "_DefaultTracerProvider" => Provider::NoOp,
        other => Provider::Other(other.to_owned()),
    };
    Ok(Found { kind, object: None })
}

fn part<T>(
    heap: &Heap<'_>,
    provider: Option<u64>,
    name: &'static str,
    read: impl FnOnce(&Heap<'_>, u64) -> Result<T, SdkError>,
) -> Result<T, SdkError> {
    let provider = provider.ok_or(SdkError::Absent(name))?;
    let part = heap
        .attribute(provider, name)?
        .ok_or(SdkError::Absent(name))?;
    read(heap, part)
}

/// The first of these attributes that an object has and that is not `None`.
fn first_attribute(heap: &Heap<'_>, object: u64, names: &[&str]) -> Result<Option<u64>, HeapError> {
    for name in names {
        if let Some(value) = heap.attribute(object, name)?
            && !heap.type_of(value)?.is_builtin("NoneType")
        {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// A boolean attribute; `None` if there is none.
fn flag(heap: &Heap<'_>, object: u64, name: &str) -> Result<Option<bool>, HeapError> {
    let Some(value) = heap.attribute(object, name)? else {
        return Ok(None);
    };
    Ok(match heap.value(value)? {
        PyValue::Bool(value) => Some(value),
        _ => None,
    })
}
