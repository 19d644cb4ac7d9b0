//! TLS with certificates from files, the client's too.

use std::{fs, path::Path, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{BOTH, Exporting, PLENTY, config, receiver::Receiver};
use crate::export::{Exporters, Protocol, sample};

/// An authority, and files that it vouches for.
struct Authority {
    files: TempDir,
    certificate: CertificateDer<'static>,
    server: (CertificateDer<'static>, PrivateKeyDer<'static>),
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).expect("a certificate");
        let issuer = Issuer::new(params, key);
        let issue = || {
            let key = KeyPair::generate().expect("a key");
            let params = CertificateParams::new(["localhost".to_owned()]).expect("parameters");
            (params.signed_by(&key, &issuer).expect("a certificate"), key)
        };
        let (server, server_key) = issue();
        let (client, client_key) = issue();
        let files = TempDir::new().expect("a directory");
        let write =
            |name: &str, text: String| fs::write(files.path().join(name), text).expect("written");
        write("ca.pem", authority.pem());
        write("client.pem", client.pem());
        write("client.key", client_key.serialize_pem());
        let server_key = PrivateKeyDer::try_from(server_key.serialize_der()).expect("a key");
        Self {
            files,
            certificate: authority.der().clone(),
            server: (server.der().clone(), server_key),
        }
    }

    fn file(&self, name: &str) -> String {
        Path::join(self.files.path(), name).display().to_string()
    }

    /// A server that wants a client's certificate of this authority.
    fn acceptor(&self, protocol: Protocol) -> TlsAcceptor {
        super::super::choose_crypto();
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("a root");
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots))
            .build()
            .expect("a verifier");
        let mut config = ServerConfig::builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![self.server.0.clone()], self.server.1.clone_key())
            .expect("a configuration");
        if protocol == Protocol::Grpc {
            config.alpn_protocols = vec![b"h2".to_vec()];
        }
        TlsAcceptor::from(Arc::new(config))
    }
}

#[tokio::test]
async fn mutual_tls() {
    let ours = Authority::new();
    let (ca, certificate, key) = (
        ours.file("ca.pem"),
        ours.file("client.pem"),
        ours.file("client.key"),
    );
    let environment = [
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", ca.as_str()),
        (
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
            certificate.as_str(),
        ),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", key.as_str()),
    ];
    for protocol in BOTH {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut receiver = Receiver::listen(protocol, listener, &[], Some(ours.acceptor(protocol)));
        let endpoint = format!("https://localhost:{}", receiver.address.port());
        let mut exporting = Exporting::start(&config(protocol, &endpoint, &environment, 1));
        exporting.exporters.export(vec![sample::span(1, 1)]);
        receiver.next().await;
        assert_eq!(
            exporting.exporters.shutdown(PLENTY).await.exporters[0].sent,
            1
        );
    }
}

#[tokio::test]
async fn an_unknown_authority_is_not_trusted() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let ca = ours.file("ca.pem");
    for protocol in BOTH {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let receiver = Receiver::listen(protocol, listener, &[], Some(theirs.acceptor(protocol)));
        let endpoint = format!("https://localhost:{}", receiver.address.port());
        let environment = [("OTEL_EXPORTER_OTLP_CERTIFICATE", ca.as_str())];
        let mut exporting = Exporting::start(&config(protocol, &endpoint, &environment, 1));
        exporting.exporters.export(vec![sample::span(1, 1)]);
        let said = exporting.said.recv().await.expect("it says so");
        assert!(said.contains("invalid peer certificate"), "{said}");
    }
}

#[test]
fn unusable_files_are_named() {
    const CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";
    const CLIENT: &str = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE";
    #[track_caller]
    fn check(protocol: Protocol, variable: &str, file: &str, expected: &str) {
        let config = config(protocol, "https://localhost:1", &[(variable, file)], 1);
        let say: super::Say = Arc::new(|_: &str| {});
        let error = Exporters::start(&config, &say)
            .expect_err("unusable")
            .to_string();
        assert!(error.contains(expected), "{protocol} {error}");
    }
    let files = TempDir::new().expect("a directory");
    let garbage = files.path().join("ca.pem");
    fs::write(
        &garbage,
        "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
    )
    .expect("written");
    let garbage = garbage.to_str().expect("UTF-8");
    for protocol in BOTH {
        check(
            protocol,
            CERTIFICATE,
            "/nowhere/ca.pem",
            "certificate /nowhere/ca.pem: No such file",
        );
        check(
            protocol,
            CLIENT,
            "client.pem",
            "client certificate: there is no key for it",
        );
    }
    check(
        Protocol::Grpc,
        CERTIFICATE,
        garbage,
        ": Error parsing TLS certificate",
    );
    check(
        Protocol::HttpProtobuf,
        CERTIFICATE,
        garbage,
        "certificate: ",
    );
}
