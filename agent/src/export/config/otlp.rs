//! Settings of the OTLP exporter.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use http::{HeaderMap, Uri};

use super::endpoint;

/// Where and how spans are sent over OTLP.
#[derive(Clone, Debug)]
pub struct OtlpConfig {
    /// The URL of requests, without user name and password: these become a header.
    pub endpoint: Uri,
    /// Transport and encoding.
    pub protocol: Protocol,
    /// Headers of each request; all marked sensitive, so that `Debug` does not show them.
    pub headers: HeaderMap,
    /// Compression of requests.
    pub compression: Option<Compression>,
    /// Bound on one request, and on the exporter's own quick retries together.
    pub timeout: Duration,
    /// TLS material, for `https` endpoints.
    pub tls: TlsFiles,
}

impl OtlpConfig {
    /// The endpoint, for people.
    pub fn shown_endpoint(&self) -> String {
        self.endpoint.to_string().trim_end_matches('/').to_owned()
    }

    /// Whether the endpoint is on this host.
    pub fn is_loopback(&self) -> bool {
        self.endpoint.host().is_some_and(endpoint::is_loopback)
    }
}

/// OTLP's transports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC.
    Grpc,
    /// Protobuf over HTTP.
    HttpProtobuf,
}

impl Protocol {
    /// The port that collectors listen on.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Grpc => 4317,
            Self::HttpProtobuf => 4318,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http/protobuf",
        })
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "grpc" => Ok(Self::Grpc),
            "http/protobuf" => Ok(Self::HttpProtobuf),
            _ => Err(format!("`{text}` is none of grpc, http/protobuf")),
        }
    }
}

/// Compression of request bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// gzip.
    Gzip,
}

/// PEM files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates to trust instead of the system's.
    pub certificate: Option<PathBuf>,
    /// The client's certificate chain.
    pub client_certificate: Option<PathBuf>,
    /// The client's private key.
    pub client_key: Option<PathBuf>,
}
