//! The SDK's span processors, and what they export to.

use super::{Heap, HeapError, SdkError, first_attribute, flag};
use crate::context::endpoint::Endpoint;

/// Processors within processors that are followed.
const MAX_DEPTH: usize = 3;

/// A span processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Processor {
    /// Its class.
    pub class: String,
    /// Its exporter, if it has one where the SDK's own processors have theirs.
    pub exporter: Option<Exporter>,
}

/// A span exporter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exporter {
    /// Its class.
    pub class: String,
    /// The module that defines it.
    pub module: Option<String>,
    /// How it speaks OTLP, if it does.
    pub protocol: Option<OtlpProtocol>,
    /// Where it sends to: for gRPC host and port, for HTTP a URL.
    pub endpoint: Option<Endpoint>,
    /// Whether it does without TLS (gRPC only).
    pub insecure: Option<bool>,
    /// Whether it was shut down, and sends nothing more.
    pub shut_down: bool,
}

/// A transport of OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// `grpc`.
    Grpc,
    /// `http/protobuf`.
    HttpProtobuf,
}

impl OtlpProtocol {
    /// Both exporters' classes are called `OTLPSpanExporter`: their modules differ.
    fn of_module(module: &str) -> Option<Self> {
        let package = module.strip_prefix("opentelemetry.exporter.otlp.proto.")?;
        match package.split('.').next() {
            Some("grpc") => Some(Self::Grpc),
            Some("http") => Some(Self::HttpProtobuf),
            _ => None,
        }
    }
}

/// Reads the processors behind a provider's `_active_span_processor`.
pub(super) fn read(heap: &Heap<'_>, active: u64) -> Result<Vec<Processor>, SdkError> {
    let mut processors = Vec::new();
    collect(heap, active, MAX_DEPTH, &mut processors)?;
    Ok(processors)
}

fn collect(
    heap: &Heap<'_>,
    processor: u64,
    depth: usize,
    processors: &mut Vec<Processor>,
) -> Result<(), HeapError> {
    let several = match depth {
        0 => None,
        _ => first_attribute(heap, processor, &["_span_processors"])?,
    };
    let Some(several) = several else {
        processors.push(one(heap, processor)?);
        return Ok(());
    };
    for processor in heap.items(several)? {
        collect(heap, processor, depth - 1, processors)?;
    }
    Ok(())
}

fn one(heap: &Heap<'_>, processor: u64) -> Result<Processor, HeapError> {
    // From 1.33 on, BatchSpanProcessor leaves its work to a BatchProcessor.
    let batch = first_attribute(heap, processor, &["_batch_processor"])?;
    let holder = batch.unwrap_or(processor);
    let exporter = first_attribute(heap, holder, &["span_exporter", "_exporter", "exporter"])?;
    Ok(Processor {
        class: heap.type_of(processor)?.name,
        exporter: exporter
            .map(|exporter| read_exporter(heap, exporter))
            .transpose()?,
    })
}

fn read_exporter(heap: &Heap<'_>, exporter: u64) -> Result<Exporter, HeapError> {
    let class = heap.type_of(exporter)?;
    let module = heap.module_of(&class)?;
    let protocol = module.as_deref().and_then(OtlpProtocol::of_module);
    let endpoint = match protocol {
        // Another exporter's attribute of this name may be anything.
        None => None,
        Some(_) => first_attribute(heap, exporter, &["_endpoint"])?,
    };
    let endpoint = endpoint.map(|endpoint| heap.text(endpoint)).transpose()?;
    Ok(Exporter {
        class: class.name,
        module,
        protocol,
        endpoint: endpoint.map(Endpoint::new),
        insecure: flag(heap, exporter, "_insecure")?,
        shut_down: flag(heap, exporter, "_shutdown")? == Some(true),
    })
}
