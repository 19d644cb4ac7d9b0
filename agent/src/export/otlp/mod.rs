//! OTLP over the network, by opentelemetry-otlp's `SpanExporter`.
//!
//! That exporter sends one batch for one resource, with a few quick retries. Around it stand:
//! `delivery`, which groups by target, waits out an endpoint's absence and counts; `diagnostics`, which
//! learns what the exporter only says through `tracing`; `health`, which tells people; `grpc` and
//! `http`, which build the exporter so that it uses nothing of hotspan's own environment.

mod delivery;
mod diagnostics;
mod grpc;
mod health;
mod http;
#[cfg(test)]
mod tests;

use std::{error::Error, fs, path::Path};

use delivery::Delivery;
use diagnostics::Diagnostics;
use health::Health;

use super::{
    ExportError, Say,
    config::{OtlpConfig, Protocol, TlsFiles},
    queue::Queue,
    worker::Worker,
};

/// Starts the exporter's thread.
pub(super) fn start(config: &OtlpConfig, queue: Queue, say: Say) -> Result<Worker, ExportError> {
    let name = format!("otlp {}", config.shown_endpoint());
    let health = Health::new(config, say);
    let prepare = || match config.protocol {
        Protocol::Grpc => grpc::exporter(config),
        Protocol::HttpProtobuf => http::exporter(config),
    };
    Worker::start(name, queue, prepare, async move |exporter, queue| {
        let (diagnostics, _while_sending) = Diagnostics::listen();
        Delivery::new(exporter, diagnostics, health, queue)
            .run()
            .await;
    })
}

/// Only ring is built in; rustls wants to be told when reqwest does not choose.
fn choose_crypto() {
    // An error means that it was chosen before.
    drop(rustls::crypto::ring::default_provider().install_default());
}

fn read_pem(what: &str, path: &Path) -> Result<Vec<u8>, ExportError> {
    fs::read(path).map_err(|error| ExportError::new(format!("{what} {}", path.display()), &error))
}

/// A client's certificate chain and key, as PEM.
struct ClientIdentity {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// Reads the client's identity, if there is one.
fn client_identity(files: &TlsFiles) -> Result<Option<ClientIdentity>, ExportError> {
    match (&files.client_certificate, &files.client_key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(ClientIdentity {
            certificate: read_pem("client certificate", certificate)?,
            key: read_pem("client key", key)?,
        })),
        (Some(_), None) => Err(ExportError::new(
            "client certificate",
            &"there is no key for it",
        )),
        (None, Some(_)) => Err(ExportError::new(
            "client key",
            &"there is no certificate for it",
        )),
    }
}

/// The innermost error: the outer ones repeat the URL and say that a request failed.
fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
