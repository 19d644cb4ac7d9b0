//! What to export, where to and how: plain data, made from flags and the standard environment.

mod endpoint;
mod environment;
mod headers;
mod otlp;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, time::Duration};

pub use otlp::{Compression, OtlpConfig, Protocol, TlsFiles};

/// Everything that [`super::Exporters`] need to know.
#[derive(Clone, Debug)]
pub struct ExportConfig {
    /// OTLP over the network, if asked for.
    pub otlp: Option<OtlpConfig>,
    /// A live waterfall on standard output, if asked for.
    pub waterfall: bool,
    /// OTLP's JSON encoding, one `TracesData` a line.
    pub jsonl: Vec<JsonlDestination>,
    /// Files for folded stacks, written at the end of a run.
    pub folded: Vec<PathBuf>,
    /// Batching and the bound on what waits.
    pub batch: BatchConfig,
    /// Which traces are exported at all.
    pub sampler: Sampler,
    /// Settings that could not be used and were replaced by their defaults, for people.
    pub warnings: Vec<String>,
}

/// What flags say; it takes precedence over the environment.
#[derive(Clone, Debug, Default)]
pub struct ExportOverrides {
    /// `--export`; empty: OTLP if an endpoint is set anywhere, else the waterfall.
    pub exports: Vec<ExportChoice>,
    /// `--otlp-endpoint`, a base URL: `/v1/traces` is added for HTTP unless it is there already.
    pub endpoint: Option<String>,
    /// `--otlp-protocol`.
    pub protocol: Option<Protocol>,
    /// Whose environment is read.
    pub origin: EnvironmentOrigin,
}

/// Whose environment the settings are read from: conventions differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EnvironmentOrigin {
    /// hotspan's own, read as the OpenTelemetry specification says.
    #[default]
    Own,
    /// The target's, as its SDK reads it: gRPC is the default protocol, the unit of timeouts differs
    /// between SDKs (so they are left alone), and its sampler has spoken through the parent's flag.
    Target {
        /// The target's root directory as seen from here (`/proc/PID/root`), for TLS files.
        root: PathBuf,
    },
}

/// One `--export`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportChoice {
    /// `otlp`.
    Otlp,
    /// `waterfall`.
    Waterfall,
    /// `jsonl=FILE`.
    Jsonl(JsonlDestination),
    /// `folded=FILE`.
    Folded(PathBuf),
}

/// Where JSON lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonlDestination {
    /// Standard output.
    Stdout,
    /// A file: created or appended to.
    File(PathBuf),
}

/// Batching: the `OTEL_BSP_*` variables, but for `OTEL_BSP_EXPORT_TIMEOUT`: requests are bounded by
/// `OTEL_EXPORTER_OTLP_TIMEOUT`, and spans wait for an endpoint that is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchConfig {
    /// Longest wait for a batch to fill.
    pub delay: Duration,
    /// Spans in one batch.
    pub max_batch: usize,
    /// Spans that may wait, for each exporter.
    pub max_queue: usize,
}

impl Default for BatchConfig {
    /// A second, so that spans appear while one looks; 512; four times the specification's queue,
    /// because hotspan sees many threads of many requests at once.
    fn default() -> Self {
        Self {
            delay: Duration::from_secs(1),
            max_batch: 512,
            max_queue: 4 * 2048,
        }
    }
}

/// Which traces are exported.
///
/// The parent's flag has already decided: hotspan makes no span under an unsampled one. So every
/// `parentbased_*` sampler keeps all; only an explicit `traceidratio` or `always_off` takes more away,
/// whole traces at a time, which leaves no span without its parent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Sampler {
    /// All of them.
    #[default]
    All,
    /// This share of trace ids, chosen as SDKs choose them.
    TraceIdRatio(f64),
    /// None.
    None,
}

/// A setting that cannot be used and that no default can stand in for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {reason}")]
pub struct ConfigError {
    /// The flag or variable.
    pub setting: String,
    /// What is wrong with it.
    pub reason: String,
}
