//! What others found out about the target, as [`super::check_target`] takes it.

use super::ProcessFacts;
use crate::{context::endpoint::Endpoint, doctor::EndpointFacts};

/// All that is known; `None`: not looked at, and nothing is said of it.
#[derive(Clone, Debug)]
pub struct TargetFacts {
    /// The process.
    pub process: ProcessFacts,
    /// What the catalogue found in it.
    pub regions: Option<RegionFacts>,
    /// How its context is read.
    pub context: Option<ContextFacts>,
    /// What its SDK does.
    pub sdk: Option<SdkFacts>,
    /// The endpoints that its SDK sends to.
    pub endpoints: Vec<EndpointFacts>,
    /// What came of reading its parents, if it was traced.
    pub outcomes: Option<OutcomeFacts>,
}

/// What the catalogue found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegionFacts {
    /// Names of the regions that can be armed, each once.
    pub armable: Vec<String>,
    /// Names of those in libraries that are installed and not mapped: armed before they are.
    pub installed: Vec<String>,
    /// Regions that cannot, and why.
    pub refused: Vec<(String, String)>,
    /// Mapped files that were looked at.
    pub files: usize,
    /// Symbols in them.
    pub symbols: usize,
}

/// How the active span is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContextFacts {
    /// From OTEP 4947's thread context record.
    ThreadContext,
    /// From the contextvars of this `CPython`, whose layout was confirmed.
    Python(String),
    /// It is `CPython`, and cannot be read: why.
    Refused(String),
    /// It has neither: no span can be found.
    Neither,
}

/// What the target's OpenTelemetry SDK does.
#[derive(Clone, Debug, PartialEq)]
pub enum SdkFacts {
    /// Its memory does not tell, and why.
    Unknown(String),
    /// OpenTelemetry is not imported.
    NotImported,
    /// `OTEL_SDK_DISABLED` is true.
    Disabled,
    /// The API is there, and no tracer provider was set, or one that records nothing.
    NoProvider,
    /// A tracer provider that is not the SDK's: its class.
    OtherProvider(String),
    /// The SDK's tracer provider is set.
    Provider {
        /// Which traces it samples; `None`: not known.
        sampler: Option<SamplerFacts>,
        /// Where it sends them; empty: nowhere; `None`: not known.
        exporters: Option<Vec<ExporterFacts>>,
    },
}

/// Which traces are sampled.
#[derive(Clone, Debug, PartialEq)]
pub enum SamplerFacts {
    /// All.
    On,
    /// None.
    Off,
    /// This share of them, 0 to 1.
    Ratio(f64),
    /// By a class of this name.
    Other(String),
}

/// One exporter of the SDK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExporterFacts {
    /// Its class.
    pub class: String,
    /// Where it sends to, if that is known.
    pub endpoint: Option<Endpoint>,
    /// Whether it was shut down, and sends nothing more.
    pub shut_down: bool,
}

/// What came of reading parents at crossings' entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutcomeFacts {
    /// A span was active.
    pub found: u64,
    /// No span was active on a thread that is not the process's first.
    pub no_active_span: u64,
    /// Regions of these calls.
    pub without: Vec<String>,
    /// No span was active on the first thread: nothing hands work over to it.
    pub none_on_main: u64,
    /// Regions of these calls.
    pub without_on_main: Vec<String>,
    /// Other outcomes, by name.
    pub other: Vec<(String, u64)>,
}
