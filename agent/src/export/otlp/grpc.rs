//! The exporter over gRPC.

use opentelemetry_otlp::{
    Compression as OtlpCompression, SpanExporter, WithExportConfig, WithTonicConfig,
};
use tonic::{
    Request,
    metadata::MetadataMap,
    transport::{Certificate, ClientTlsConfig, Endpoint, Identity},
};

use super::{ClientIdentity, ExportError, choose_crypto, client_identity, read_pem, root_cause};
use crate::export::config::{OtlpConfig, TlsFiles};

/// Builds the exporter; it connects when it first sends. Needs a tokio runtime around it.
pub(super) fn exporter(config: &OtlpConfig) -> Result<SpanExporter, ExportError> {
    let unusable = |error: &dyn std::fmt::Display| {
        ExportError::new(format!("OTLP endpoint {}", config.shown_endpoint()), error)
    };
    let mut endpoint = Endpoint::from(config.endpoint.clone())
        .user_agent(concat!("hotspan/", env!("CARGO_PKG_VERSION")))
        .map_err(|error| unusable(&error))?
        .timeout(config.timeout)
        .connect_timeout(config.timeout);
    if config.endpoint.scheme_str() == Some("https") {
        choose_crypto();
        endpoint = endpoint
            .tls_config(tls(&config.tls)?)
            .map_err(|error| unusable(&root_cause(&error)))?;
    }
    // The builder adds headers from hotspan's own environment. They are not meant for an endpoint
    // that comes from the target's, so the configured ones replace them.
    let metadata = MetadataMap::from_headers(config.headers.clone());
    let mut builder = SpanExporter::builder()
        .with_tonic()
        .with_channel(endpoint.connect_lazy())
        .with_timeout(config.timeout)
        .with_interceptor(move |mut request: Request<()>| {
            *request.metadata_mut() = metadata.clone();
            Ok(request)
        });
    if config.compression.is_some() {
        builder = builder.with_compression(OtlpCompression::Gzip);
    }
    builder.build().map_err(|error| unusable(&error))
}

fn tls(files: &TlsFiles) -> Result<ClientTlsConfig, ExportError> {
    let mut tls = ClientTlsConfig::new();
    tls = match &files.certificate {
        Some(path) => tls.ca_certificate(Certificate::from_pem(read_pem("certificate", path)?)),
        None => tls.with_native_roots(),
    };
    if let Some(ClientIdentity { certificate, key }) = client_identity(files)? {
        tls = tls.identity(Identity::from_pem(certificate, key));
    }
    Ok(tls)
}
