//! Options that say where spans go.

use std::str::FromStr;

use clap::Args;

use crate::export::{EnvironmentOrigin, ExportChoice, ExportOverrides, JsonlDestination, Protocol};

/// Where spans go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Export")]
pub struct ExportArgs {
    /// Where spans go: `otlp`, `waterfall` (this terminal), or `jsonl=FILE` (`-` for standard
    /// output); `folded=FILE` writes sampled stacks for flame graphs at the end; may be repeated [default: otlp if an endpoint is set, else waterfall]
    #[arg(long, value_name = "otlp|waterfall|jsonl=FILE|folded=FILE")]
    pub export: Vec<ExportChoice>,
    /// OTLP endpoint, as in `OTEL_EXPORTER_OTLP_ENDPOINT`; `target` takes the process's own
    #[arg(long, value_name = "URL|target")]
    pub otlp_endpoint: Option<OtlpEndpoint>,
    /// OTLP protocol, as in `OTEL_EXPORTER_OTLP_PROTOCOL`
    #[arg(long, value_name = "grpc|http/protobuf")]
    pub otlp_protocol: Option<Protocol>,
}

impl ExportArgs {
    /// These, as what they override in the environment of `origin`.
    pub fn overrides(&self, origin: EnvironmentOrigin) -> ExportOverrides {
        ExportOverrides {
            exports: self.export.clone(),
            endpoint: match &self.otlp_endpoint {
                Some(OtlpEndpoint::Url(url)) => Some(url.clone()),
                Some(OtlpEndpoint::Target) | None => None,
            },
            protocol: self.otlp_protocol,
            origin,
        }
    }
}

/// An OTLP endpoint, as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OtlpEndpoint {
    /// The one that the traced process's environment names.
    Target,
    /// This one; whether it can be one is for the exporter to say.
    Url(String),
}

impl FromStr for OtlpEndpoint {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "" => Err("an endpoint looks like http://localhost:4317".into()),
            "target" => Ok(Self::Target),
            url => Ok(Self::Url(url.to_owned())),
        }
    }
}

impl FromStr for ExportChoice {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word.split_once('=') {
            None if word == "otlp" => Ok(Self::Otlp),
            None if word == "waterfall" => Ok(Self::Waterfall),
            Some(("jsonl", "-")) => Ok(Self::Jsonl(JsonlDestination::Stdout)),
            Some(("jsonl", file)) if !file.is_empty() => {
                Ok(Self::Jsonl(JsonlDestination::File(file.into())))
            }
            Some(("folded", file)) if !file.is_empty() => Ok(Self::Folded(file.into())),
            _ => Err("not one of otlp, waterfall, jsonl=FILE, jsonl=-, folded=FILE".into()),
        }
    }
}
