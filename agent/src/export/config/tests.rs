use std::{collections::HashMap, time::Duration};

use super::{
    Compression, EnvironmentOrigin, ExportChoice, ExportConfig, ExportOverrides, JsonlDestination,
    Sampler,
};

fn config(environment: &[(&str, &str)], overrides: &ExportOverrides) -> ExportConfig {
    read(environment, overrides).expect("a usable configuration")
}

fn read(
    environment: &[(&str, &str)],
    overrides: &ExportOverrides,
) -> Result<ExportConfig, super::ConfigError> {
    let environment: HashMap<_, _> = environment.iter().copied().collect();
    ExportConfig::from_environment(
        |name| environment.get(name).map(|&value| value.to_owned()),
        overrides,
    )
}

fn target() -> ExportOverrides {
    ExportOverrides {
        exports: vec![ExportChoice::Otlp],
        origin: EnvironmentOrigin::Target {
            root: "/proc/7/root".into(),
        },
        ..ExportOverrides::default()
    }
}

fn flag(endpoint: &str) -> ExportOverrides {
    ExportOverrides {
        endpoint: Some(endpoint.to_owned()),
        ..ExportOverrides::default()
    }
}

#[test]
fn endpoint_and_protocol() {
    #[track_caller]
    fn check(environment: &[(&str, &str)], overrides: &ExportOverrides, expected: &str) {
        let otlp = config(environment, overrides).otlp.expect("OTLP is on");
        assert_eq!(format!("{} {}", otlp.protocol, otlp.endpoint), expected);
    }
    const BASE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
    const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
    let (own, insecure) = (
        ExportOverrides::default(),
        [("OTEL_EXPORTER_OTLP_INSECURE", "true")],
    );
    let base = [(BASE, "http://c:9")];
    let grpc_port = (BASE, "http://c:4317");
    check(&base, &own, "http/protobuf http://c:9/v1/traces");
    check(
        &[(BASE, "http://c:9/otel/")],
        &own,
        "http/protobuf http://c:9/otel/v1/traces",
    );
    check(&[grpc_port], &own, "grpc http://c:4317/");
    check(
        &[grpc_port, (PROTOCOL, "http/protobuf")],
        &own,
        "http/protobuf http://c:4317/v1/traces",
    );
    check(&[base[0], (PROTOCOL, "grpc")], &own, "grpc http://c:9/");
    check(
        &[base[0], (PROTOCOL, "http/json")],
        &own,
        "http/protobuf http://c:9/v1/traces",
    );
    check(
        &[(TRACES, "http://c:9/in"), (BASE, "http://d")],
        &own,
        "http/protobuf http://c:9/in",
    );
    check(
        &base,
        &flag("http://d:8"),
        "http/protobuf http://d:8/v1/traces",
    );
    check(
        &[],
        &flag("http://c:9/v1/traces"),
        "http/protobuf http://c:9/v1/traces",
    );
    check(
        &[],
        &flag("http://c:9/x?key=1"),
        "http/protobuf http://c:9/x/v1/traces?key=1",
    );
    check(&[], &flag("localhost:4317"), "grpc http://localhost:4317/");
    check(
        &[],
        &flag("[::1]:4318"),
        "http/protobuf http://[::1]:4318/v1/traces",
    );
    check(&[], &flag("collector:4317"), "grpc https://collector:4317/");
    check(&insecure, &flag("c:4317"), "grpc http://c:4317/");
    check(&[], &target(), "grpc http://localhost:4317/");
    let by_name = [(EXPORTER, "console,otlp_proto_http")];
    check(
        &by_name,
        &target(),
        "http/protobuf http://localhost:4318/v1/traces",
    );
    check(
        &[(BASE, "http://c:4318")],
        &target(),
        "http/protobuf http://c:4318/v1/traces",
    );
}

#[test]
fn unusable_endpoints() {
    #[track_caller]
    fn check(endpoint: &str, expected: &str) {
        let error = read(&[], &flag(endpoint)).expect_err("refused").to_string();
        assert_eq!(error, expected);
    }
    check("ftp://host", "--otlp-endpoint: not an http or https URL");
    check("http://", "--otlp-endpoint: not a URL: empty string");
    check(
        "http://a b",
        "--otlp-endpoint: not a URL: invalid uri character",
    );
}

#[test]
fn what_is_exported() {
    #[track_caller]
    fn check(
        environment: &[(&str, &str)],
        exports: &[ExportChoice],
        expected: (bool, bool, usize),
    ) {
        let overrides = ExportOverrides {
            exports: exports.to_vec(),
            ..ExportOverrides::default()
        };
        let config = config(environment, &overrides);
        assert_eq!(
            (config.otlp.is_some(), config.waterfall, config.jsonl.len()),
            expected
        );
    }
    let endpoint = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c")];
    let jsonl = [JsonlDestination::Stdout, JsonlDestination::File("a".into())];
    let [first, second] = jsonl.map(ExportChoice::Jsonl);
    check(&[], &[], (false, true, 0));
    check(&endpoint, &[], (true, false, 0));
    check(
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")],
        &[],
        (false, true, 0),
    );
    check(&endpoint, &[ExportChoice::Waterfall], (false, true, 0));
    check(
        &endpoint,
        &[ExportChoice::Otlp, ExportChoice::Waterfall, first, second],
        (true, true, 2),
    );
    check(&[], &[ExportChoice::Otlp], (true, false, 0));
}

#[test]
fn values() {
    let config = config(
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://user:secret@c"),
            (
                "OTEL_EXPORTER_OTLP_HEADERS",
                "api-key=s%20ecret, x=1,broken",
            ),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem"),
            ("OTEL_BSP_SCHEDULE_DELAY", "200"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "500"),
        ],
        &ExportOverrides::default(),
    );
    let otlp = config.otlp.as_ref().expect("OTLP is on");
    assert_eq!(otlp.headers["api-key"], "s ecret");
    assert_eq!(otlp.headers["x"], "1");
    assert_eq!(otlp.headers["authorization"], "Basic dXNlcjpzZWNyZXQ=");
    assert_eq!(otlp.compression, Some(Compression::Gzip));
    assert_eq!(otlp.timeout, Duration::from_millis(2500));
    assert_eq!(otlp.tls.certificate.as_deref(), Some("ca.pem".as_ref()));
    assert_eq!(otlp.shown_endpoint(), "https://c/v1/traces");
    assert_eq!(config.batch.delay, Duration::from_millis(200));
    assert_eq!((config.batch.max_batch, config.batch.max_queue), (100, 100));
    assert_eq!(
        config.warnings,
        [
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE: larger than the queue; using 100",
            "OTEL_EXPORTER_OTLP_HEADERS: entry 3 is not a header; left out",
        ]
    );
    assert!(
        !format!("{:?}", otlp.headers).contains("ecret"),
        "headers show in Debug"
    );
}

#[test]
fn target_environment_is_read_as_its_sdk_reads_it() {
    let config = config(
        &[
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/etc/ca.pem"),
            ("OTEL_TRACES_SAMPLER", "always_off"),
            ("OTEL_BSP_SCHEDULE_DELAY", "5000"),
        ],
        &target(),
    );
    let otlp = config.otlp.expect("OTLP is on");
    assert_eq!(otlp.timeout, Duration::from_secs(10));
    assert_eq!(
        otlp.tls.certificate.as_deref(),
        Some("/proc/7/root/etc/ca.pem".as_ref())
    );
    assert_eq!(config.sampler, Sampler::All);
    assert_eq!(config.batch.delay, Duration::from_secs(1));
}

#[test]
fn samplers() {
    #[track_caller]
    fn check(sampler: &str, argument: &str, expected: Sampler, warnings: usize) {
        let environment = [
            ("OTEL_TRACES_SAMPLER", sampler),
            ("OTEL_TRACES_SAMPLER_ARG", argument),
        ];
        let config = config(&environment, &ExportOverrides::default());
        assert_eq!(
            (config.sampler, config.warnings.len()),
            (expected, warnings)
        );
    }
    check("", "", Sampler::All, 0);
    check("parentbased_always_off", "", Sampler::All, 0);
    check("always_off", "", Sampler::None, 0);
    check("traceidratio", "0.25", Sampler::TraceIdRatio(0.25), 0);
    check("traceidratio", "25", Sampler::TraceIdRatio(1.0), 1);
    check("xray", "", Sampler::All, 1);
}
