//! OTLP to collectors that hotspan's authors did not write.

use std::{collections::HashSet, time::Duration};

use hotspan_tests::{
    agent::Attach,
    collector::{Receiver, Rotel},
    gate::require_bpf,
    judge::{Case, judge},
    load,
    otlp::Span,
    service::Options,
};

use crate::scene::{EXPECT_FROM_NS, excused};

const REQUESTS: usize = 36;

/// The service exports to Rotel over gRPC, hotspan as the arguments say; the tree is checked from what
/// comes out at the other end.
fn check(test: &str, arguments: impl Fn(&Rotel) -> Vec<String>) {
    let Some(_turn) = require_bpf(test) else {
        return;
    };
    let receiver = Receiver::start().unwrap();
    let rotel = Rotel::start(&receiver).unwrap();
    let service = Options {
        exports_to: Some(rotel.grpc.clone()),
        ..Options::default()
    }
    .start()
    .unwrap();
    let agent = Attach::pid(service.pid())
        .with(arguments(&rotel))
        .start()
        .unwrap();
    load::send(service.port, REQUESTS, 4, load::mixed).unwrap();
    let outcome = agent.stop().unwrap();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    receiver.wait_for_calls(&service.truth().unwrap()).unwrap();
    let calls = service.stop().unwrap();

    let sent: HashSet<String> = outcome
        .spans
        .iter()
        .map(|span| span.span_id.clone())
        .collect();
    let arrived = receiver
        .wait("every span of hotspan", Duration::from_secs(10), |spans| {
            sent.iter()
                .all(|id| spans.iter().any(|span| &span.span_id == id))
        })
        .unwrap();
    let (ours, theirs): (Vec<Span>, Vec<Span>) = arrived
        .into_iter()
        .partition(|span| span.scope == "hotspan");
    assert_eq!(ours.len(), sent.len(), "each span arrives once");
    let service_of = |spans: &[Span]| -> HashSet<String> {
        spans
            .iter()
            .map(|span| {
                span.resource
                    .get("service.name")
                    .map(ToString::to_string)
                    .unwrap_or_default()
            })
            .collect()
    };
    assert_eq!(service_of(&ours), service_of(&theirs), "the same service");
    let verdict = judge(&Case {
        spans: &ours,
        calls: &calls,
        exported: &theirs,
        expect_from_ns: EXPECT_FROM_NS,
    });
    eprintln!("  {}", verdict.summary());
    let complaints = excused(verdict.complaints(), &outcome.stderr);
    assert!(
        complaints.is_empty(),
        "{}\n{}",
        complaints.join("\n"),
        outcome.stderr
    );
}

#[test]
fn grpc_through_rotel() {
    check("OTLP over gRPC", |rotel| {
        [
            "--otlp-endpoint",
            &rotel.grpc,
            "--otlp-protocol",
            "grpc",
            "--export",
            "otlp",
        ]
        .map(str::to_owned)
        .into()
    });
}

#[test]
fn http_through_rotel() {
    check("OTLP over HTTP", |rotel| {
        [
            "--otlp-endpoint",
            &rotel.http,
            "--otlp-protocol",
            "http/protobuf",
            "--export",
            "otlp",
        ]
        .map(str::to_owned)
        .into()
    });
}

#[test]
fn to_where_the_target_itself_exports() {
    check("OTLP to the target's own endpoint", |_| {
        ["--otlp-endpoint", "target", "--export", "otlp"]
            .map(str::to_owned)
            .into()
    });
}

#[test]
fn by_the_standard_environment_variables() {
    let Some(_turn) = require_bpf("OTLP by environment") else {
        return;
    };
    let receiver = Receiver::start().unwrap();
    let service = Options {
        exports_to: Some(receiver.endpoint()),
        ..Options::default()
    }
    .start()
    .unwrap();
    let agent = Attach::pid(service.pid())
        .with(["--export", "otlp"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.endpoint())
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        .env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        .start()
        .unwrap();
    load::send(service.port, REQUESTS, 4, load::mixed).unwrap();
    let outcome = agent.stop().unwrap();
    let count = outcome.spans.len();
    assert!(count > 10, "{count} spans");
    receiver
        .wait("every span", Duration::from_secs(10), |spans| {
            spans.iter().filter(|span| span.scope == "hotspan").count() == count
        })
        .unwrap();
}
