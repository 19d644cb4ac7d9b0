//! OpenTelemetry's context variable and span key in a live interpreter.
//!
//! `opentelemetry.context._RUNTIME_CONTEXT` is a `ContextVarsRuntimeContext` whose
//! `_current_context` is the `ContextVar`; the active span is in that variable's `Context` under
//! `opentelemetry.trace.propagation._SPAN_KEY`. `set_span_in_context` stores it under that very
//! object and copies of a dict share its keys, so its address identifies it. So in API 1.0 to 1.45.

use thiserror::Error;

use super::{
    OtelAddresses,
    heap::{Heap, HeapError},
    modules::Modules,
};

/// `PyContextVar.var_name` and `.var_hash`, the same from 3.8 to 3.15.
const VAR_NAME: u64 = 16;
const VAR_HASH: u64 = 56;
/// What `ContextVarsRuntimeContext._CONTEXT_KEY` and `SPAN_KEY` say.
const CONTEXT_NAME: &str = "current_context";
const SPAN_KEY_PREFIX: &str = "current-span-";

/// Why there is no way to the active span.
#[derive(Debug, Error)]
pub enum OtelMissing {
    /// The process has not imported OpenTelemetry's API.
    #[error("opentelemetry is not imported in this process")]
    NotImported,
    /// Its API is being imported, or creates its context at the first use. Worth another look later.
    #[error("opentelemetry.{0} is not set yet")]
    NotYet(&'static str),
    /// It keeps its context otherwise than in a `ContextVar`.
    #[error("opentelemetry's context is kept by `{0}`, not in a ContextVar")]
    OtherContext(String),
    /// It is not the API that is known here.
    #[error("opentelemetry.{0} is not what it is in the versions known here")]
    Unfamiliar(&'static str),
    /// A read failed.
    #[error(transparent)]
    Heap(#[from] HeapError),
}

impl OtelMissing {
    /// Whether it may be otherwise a moment later, with the target running on.
    pub fn may_change(&self) -> bool {
        match self {
            Self::NotImported | Self::NotYet(_) => true,
            Self::OtherContext(_) | Self::Unfamiliar(_) => false,
            Self::Heap(error) => error.may_change(),
        }
    }
}

/// Finds the variable and the key.
pub fn find_otel(heap: &Heap<'_>, modules: &Modules) -> Result<OtelAddresses, OtelMissing> {
    let context = modules.get(heap, "opentelemetry.context")?;
    let context_var = context_var(heap, context.ok_or(OtelMissing::NotImported)?)?;
    let propagation = modules.get(heap, "opentelemetry.trace.propagation")?;
    let propagation = propagation.ok_or(OtelMissing::NotYet("trace.propagation"))?;
    Ok(OtelAddresses {
        context_var,
        hash: heap.word(context_var.wrapping_add(VAR_HASH))?,
        span_key: span_key(heap, propagation)?,
    })
}

fn context_var(heap: &Heap<'_>, module: u64) -> Result<u64, OtelMissing> {
    const RUNTIME: &str = "context._RUNTIME_CONTEXT";
    let runtime = heap.global(module, "_RUNTIME_CONTEXT")?;
    let runtime = runtime.ok_or(OtelMissing::NotYet(RUNTIME))?;
    let class = heap.type_of(runtime)?;
    if class.is_builtin("NoneType") {
        return Err(OtelMissing::NotYet(RUNTIME));
    }
    let Some(variable) = heap.attribute(runtime, "_current_context")? else {
        return Err(OtelMissing::OtherContext(class.name));
    };
    if !heap.type_of(variable)?.is_builtin("ContextVar") {
        return Err(OtelMissing::OtherContext(class.name));
    }
    let name = heap.word(variable.wrapping_add(VAR_NAME))?;
    if heap.text(name)? != CONTEXT_NAME {
        return Err(OtelMissing::Unfamiliar(RUNTIME));
    }
    Ok(variable)
}

fn span_key(heap: &Heap<'_>, module: u64) -> Result<u64, OtelMissing> {
    const KEY: &str = "trace.propagation._SPAN_KEY";
    let key = heap
        .global(module, "_SPAN_KEY")?
        .ok_or(OtelMissing::NotYet(KEY))?;
    if !heap.text(key)?.starts_with(SPAN_KEY_PREFIX) {
        return Err(OtelMissing::Unfamiliar(KEY));
    }
    Ok(key)
}
