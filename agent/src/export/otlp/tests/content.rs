//! What arrives is what the core made.

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value},
    trace::v1::Span,
};

use super::{BOTH, Exporting, PLENTY, config, receiver::Receiver};
use crate::export::{Protocol, sample};

fn only_span(message: &ExportTraceServiceRequest) -> &Span {
    &message.resource_spans[0].scope_spans[0].spans[0]
}

fn service(message: &ExportTraceServiceRequest) -> Option<&any_value::Value> {
    let resource = message.resource_spans[0].resource.as_ref()?;
    assert_eq!(
        resource.attributes.len(),
        1,
        "attributes were added to the target's resource"
    );
    resource.attributes[0].value.as_ref()?.value.as_ref()
}

fn text(value: &str) -> any_value::Value {
    any_value::Value::StringValue(value.to_owned())
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

#[tokio::test]
async fn every_field_arrives() {
    async fn check(protocol: Protocol, compression: &str) {
        let mut receiver = Receiver::start(protocol, &[]).await;
        let environment = [
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", compression),
        ];
        let config = config(
            protocol,
            &format!("http://{}", receiver.address),
            &environment,
            1,
        );
        let mut exporting = Exporting::start(&config);
        exporting.exporters.target(&sample::target(1, "shop"));
        exporting.exporters.export(vec![sample::full_span(1, 5)]);
        let request = receiver.next().await;
        let summary = exporting.exporters.shutdown(PLENTY).await;

        assert_eq!((summary.exporters[0].sent, summary.dropped()), (1, 0));
        assert_eq!(request.headers["api-key"], "secret");
        let encoding = match protocol {
            Protocol::Grpc => "grpc-encoding",
            Protocol::HttpProtobuf => {
                assert_eq!(request.path, "/v1/traces");
                "content-encoding"
            }
        };
        let encoded = request
            .headers
            .get(encoding)
            .map(|value| value.to_str().expect("ASCII"));
        assert_eq!(encoded, (compression == "gzip").then_some("gzip"));
        assert_eq!(service(&request.message), Some(&text("shop")));
        check_span(&request.message);
    }
    for protocol in BOTH {
        check(protocol, "none").await;
        check(protocol, "gzip").await;
    }
}

#[track_caller]
fn check_span(message: &ExportTraceServiceRequest) {
    let scope = message.resource_spans[0].scope_spans[0]
        .scope
        .as_ref()
        .expect("a scope");
    assert_eq!(
        (scope.name.as_str(), scope.version.as_str()),
        ("hotspan", env!("CARGO_PKG_VERSION"))
    );
    let span = only_span(message);
    assert_eq!(span.trace_id, [7; 16]);
    assert_eq!(span.span_id, 5_u64.to_be_bytes());
    assert_eq!(span.parent_span_id, [9; 8]);
    assert_eq!(span.name, "cpsat.solve");
    assert_eq!(span.kind, 1, "INTERNAL");
    assert_eq!(span.start_time_unix_nano, 1_700_000_000_000_000_001);
    assert_eq!(span.end_time_unix_nano, 1_700_000_000_500_000_002);
    // Sampled; known not to have a remote parent.
    assert_eq!(span.flags, 0x101);
    let texts = any_value::Value::ArrayValue(opentelemetry_proto::tonic::common::v1::ArrayValue {
        values: ["a", "b"]
            .map(|value| AnyValue {
                value: Some(text(value)),
            })
            .to_vec(),
    });
    assert_eq!(
        span.attributes,
        [
            attribute(
                "optim.num_variables",
                any_value::Value::IntValue(9_007_199_254_740_993)
            ),
            attribute("optim.objective_value", any_value::Value::DoubleValue(12.5)),
            attribute("optim.solution_found", any_value::Value::BoolValue(true)),
            attribute("optim.solver_status", text("OPTIMAL")),
            attribute("hotspan.workers", texts),
        ]
    );
    assert_eq!(span.events[0].name, "exception");
    assert_eq!(span.events[0].time_unix_nano, 1_700_000_000_400_000_003);
    assert_eq!(
        span.events[0].attributes,
        [attribute("exception.type", text("ValueError"))]
    );
    assert_eq!(span.links[0].trace_id, [3; 16]);
    assert_eq!(span.links[0].span_id, [4; 8]);
    assert_eq!(
        span.links[0].attributes,
        [attribute("n", any_value::Value::IntValue(1))]
    );
    let status = span.status.as_ref().expect("a status");
    assert_eq!((status.code, status.message.as_str()), (2, "it failed"));
    assert_eq!(span.dropped_attributes_count, 1);
    assert_eq!(span.dropped_events_count, 2);
    assert_eq!(span.dropped_links_count, 3);
}

#[tokio::test]
async fn each_target_has_its_own_resource() {
    for protocol in BOTH {
        let mut receiver = Receiver::start(protocol, &[]).await;
        let config = config(protocol, &format!("http://{}", receiver.address), &[], 4);
        let mut exporting = Exporting::start(&config);
        let exporters = &mut exporting.exporters;
        exporters.target(&sample::target(1, "unknown"));
        exporters.target(&sample::target(2, "b"));
        exporters.export(vec![
            sample::span(1, 1),
            sample::span(2, 2),
            sample::span(1, 3),
        ]);
        // More becomes known of the first, and the second's process id is recycled.
        exporters.target(&sample::target(1, "a"));
        let mut recycled = sample::target(2, "c");
        recycled.executable = "other".to_owned();
        exporters.target(&recycled);
        exporters.export(vec![sample::span(2, 4)]);
        let mut seen = Vec::new();
        for _ in 0..3 {
            let message = receiver.next().await.message;
            let ids: Vec<_> = message.resource_spans[0].scope_spans[0]
                .spans
                .iter()
                .map(|span| span.span_id[7])
                .collect();
            seen.push((service(&message).cloned(), ids));
        }
        assert_eq!(
            seen,
            [
                (Some(text("a")), vec![1, 3]),
                (Some(text("b")), vec![2]),
                (Some(text("c")), vec![4])
            ]
        );
        assert_eq!(
            exporting.exporters.shutdown(PLENTY).await.exporters[0].sent,
            4
        );
    }
}

/// Only the configured headers are sent; [`own_environment_stays_here`] runs it in a process whose own
/// environment has others.
#[tokio::test]
async fn only_configured_headers() {
    for protocol in BOTH {
        let mut receiver = Receiver::start(protocol, &[]).await;
        let config = config(protocol, &format!("http://{}", receiver.address), &[], 1);
        let mut exporting = Exporting::start(&config);
        exporting.exporters.export(vec![sample::span(1, 1)]);
        let request = receiver.next().await;
        assert_eq!(request.headers.get("leaked"), None);
        let agent = request.headers["user-agent"].to_str().expect("ASCII");
        assert!(agent.starts_with("hotspan/"), "user-agent {agent}");
        exporting.exporters.shutdown(PLENTY).await;
    }
}

#[test]
fn own_environment_stays_here() {
    let output = std::process::Command::new(std::env::current_exe().expect("this test"))
        .args([
            "--exact",
            "export::otlp::tests::content::only_configured_headers",
        ])
        .env("OTEL_EXPORTER_OTLP_HEADERS", "leaked=secret")
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}
