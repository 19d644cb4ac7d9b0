//! The exporter over HTTP.

use std::error::Error;

use ::http::{
    HeaderMap, Request, Response,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError};
use opentelemetry_otlp::{
    Compression as OtlpCompression, Protocol as OtlpProtocol, SpanExporter, WithExportConfig,
    WithHttpConfig,
};

use super::{
    ClientIdentity, ExportError, choose_crypto, client_identity, diagnostics::note_failure,
    read_pem, root_cause,
};
use crate::export::config::{OtlpConfig, TlsFiles};

/// Builds the exporter; it connects when it first sends.
pub(super) fn exporter(config: &OtlpConfig) -> Result<SpanExporter, ExportError> {
    let unusable = |error: &dyn std::fmt::Display| {
        ExportError::new(format!("OTLP endpoint {}", config.shown_endpoint()), error)
    };
    choose_crypto();
    let mut client = tls(reqwest::Client::builder(), &config.tls)?
        .timeout(config.timeout)
        // A redirect would carry the headers, and what they authorize, to another host.
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("hotspan/", env!("CARGO_PKG_VERSION")));
    if config.is_loopback() {
        client = client.no_proxy();
    }
    let client = client
        .build()
        .map_err(|error| unusable(&root_cause(&error)))?;
    let mut builder = SpanExporter::builder()
        .with_http()
        .with_http_client(Client {
            client,
            headers: config.headers.clone(),
        })
        .with_protocol(OtlpProtocol::HttpBinary)
        .with_endpoint(config.endpoint.to_string())
        .with_timeout(config.timeout);
    if config.compression.is_some() {
        builder = builder.with_compression(OtlpCompression::Gzip);
    }
    builder.build().map_err(|error| unusable(&error))
}

fn tls(
    mut builder: reqwest::ClientBuilder,
    files: &TlsFiles,
) -> Result<reqwest::ClientBuilder, ExportError> {
    let unusable = |what: &str, error: &reqwest::Error| ExportError::new(what, &root_cause(error));
    if let Some(path) = &files.certificate {
        let pem = read_pem("certificate", path)?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem)
            .map_err(|error| unusable("certificate", &error))?;
        builder = builder.tls_certs_only(certificates);
    }
    if let Some(ClientIdentity { certificate, key }) = client_identity(files)? {
        let pem = [key, certificate].concat();
        let identity = reqwest::Identity::from_pem(&pem)
            .map_err(|error| unusable("client certificate", &error))?;
        builder = builder.identity(identity);
    }
    Ok(builder)
}

/// A client between the exporter and reqwest's.
#[derive(Debug)]
struct Client {
    client: reqwest::Client,
    headers: HeaderMap,
}

#[async_trait]
impl HttpClient for Client {
    /// The exporter adds headers from hotspan's own environment. They are not meant for an endpoint
    /// that comes from the target's, so only those that describe the body stay. And the exporter
    /// keeps a network error's cause to itself; it is noted here.
    async fn send_bytes(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let written = std::mem::take(request.headers_mut());
        let describes_body =
            [CONTENT_TYPE, CONTENT_ENCODING].map(|name| (name.clone(), written.get(name).cloned()));
        let headers = request.headers_mut();
        headers.extend(self.headers.clone());
        for (name, value) in describes_body {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
        let answer = self.client.send_bytes(request).await;
        if let Err(error) = &answer {
            note_failure(&cause(error.as_ref()));
        }
        answer
    }
}

fn cause(error: &(dyn Error + 'static)) -> String {
    match error.downcast_ref::<reqwest::Error>() {
        Some(error) if error.is_timeout() => "no answer in time".to_owned(),
        _ => root_cause(error),
    }
}
