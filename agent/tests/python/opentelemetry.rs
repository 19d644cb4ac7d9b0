//! OpenTelemetry in live processes: context, span key, SDK.

use hotspan::context::{
    memory::Memory,
    python::{
        OtelAddresses,
        heap::{Heap, HeapLayout},
        modules::Modules,
        otel::{OtelMissing, find_otel},
        sdk::{Processor, SdkError, SdkReport, read_sdk},
        span::{read_span, span_name},
    },
};
use hotspan_synth::ids::{SpanId, TraceId};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::interpreters::{self, Subject};

const PROGRAM: &str = include_str!("otel.py");

/// What `otel.py` prints.
#[derive(Deserialize)]
struct Truth {
    minor: u32,
    interpreter: u64,
    context_var: u64,
    hash: u64,
    span_key: u64,
    stored_keys: Vec<Vec<u64>>,
    span: u64,
    span_name: Option<String>,
    /// Trace id, span id, start.
    span_facts: Option<(String, String, u64)>,
    sdk: Sdk,
}

#[derive(Deserialize)]
struct Sdk {
    provider: String,
    parts: Option<Parts>,
}

#[derive(Deserialize)]
struct Parts {
    sampler: String,
    processors: Json,
    attributes: Vec<(String, Json)>,
    left_out: Vec<String>,
}

fn shown(processor: &Processor) -> Json {
    let exporter = processor.exporter.as_ref().unwrap();
    let protocol = exporter.protocol.map(|protocol| format!("{protocol:?}"));
    let endpoint = exporter.endpoint.as_ref().map(ToString::to_string);
    assert!(!exporter.shut_down);
    serde_json::json!([
        processor.class,
        exporter.class,
        protocol,
        endpoint,
        exporter.insecure
    ])
}

fn check_sdk(report: &SdkReport, expected: &Parts) {
    assert_eq!(
        report.sampler.as_ref().unwrap().to_string(),
        expected.sampler
    );
    let processors = report.processors.as_ref().unwrap();
    let processors: Vec<_> = processors.iter().map(shown).collect();
    assert_eq!(Json::from(processors), expected.processors);
    let resource = report.resource.as_ref().unwrap();
    let attributes = resource.attributes.iter().cloned();
    let attributes: Vec<_> = attributes
        .map(|(key, value)| (key, serde_json::to_value(value).unwrap()))
        .collect();
    assert_eq!(attributes, expected.attributes);
    assert_eq!(resource.left_out, expected.left_out);
    // What is printed into logs and reports holds no secret of the target.
    assert!(!format!("{report:?}").contains("hunter2"));
}

fn open(memory: &Memory, minor: u32, state: u64) -> (Heap<'_>, Modules) {
    let mut heap = Heap::new(memory, HeapLayout::for_version(minor).unwrap());
    let modules = Modules::find(&mut heap, state).unwrap();
    (heap, modules)
}

fn check(subject: &mut Subject, kind: &str, sampler: &str) {
    let truth: Truth = subject.ask(&format!("{kind} {sampler}"));
    let memory = Memory::open(subject.pid()).unwrap();
    let (heap, modules) = open(&memory, truth.minor, truth.interpreter);

    let expected = OtelAddresses {
        context_var: truth.context_var,
        hash: truth.hash,
        span_key: truth.span_key,
    };
    assert_eq!(find_otel(&heap, &modules).unwrap(), expected);
    for keys in truth.stored_keys {
        assert_eq!(
            keys,
            [truth.span_key],
            "the span is stored under the key itself"
        );
    }
    assert_eq!(span_name(&heap, truth.span).unwrap(), truth.span_name);
    let facts = read_span(&heap, truth.span).ok().map(|span| {
        let trace_id = TraceId(span.trace_id).to_string();
        let span_id = SpanId(span.span_id).to_string();
        (trace_id, span_id, span.start_ns)
    });
    assert_eq!(facts, truth.span_facts, "{kind}");

    let report = read_sdk(&heap, &modules).unwrap();
    assert_eq!(
        format!("{:?}", report.provider),
        truth.sdk.provider,
        "{kind}"
    );
    assert_eq!(report.may_change(), truth.sdk.provider == "Unset", "{kind}");
    match &truth.sdk.parts {
        Some(expected) => check_sdk(&report, expected),
        None => assert!(matches!(report.resource, Err(SdkError::Absent(_)))),
    }
}

#[test]
fn context_and_sdk_are_read_as_the_process_has_them() {
    const DEFAULT: &str = "ParentBased(root:AlwaysOn)";
    const SAMPLERS: [&str; 6] = [
        "ParentBased(root:AlwaysOff)",
        "AlwaysOn",
        "AlwaysOff",
        "TraceIdRatio(0.25)",
        "ParentBased(root:TraceIdRatio(0.125))",
        "Custom",
    ];
    interpreters::for_each_with_sdk("OpenTelemetry", |interpreter| {
        let mut subject = Subject::start(interpreter, PROGRAM);
        for kind in ["unset", "noop", "sdk", "wrapped", "disabled"] {
            check(&mut subject, kind, DEFAULT);
        }
        for sampler in SAMPLERS {
            check(&mut subject, "plain", sampler);
        }
    });
}

#[test]
fn a_process_without_opentelemetry_says_so() {
    interpreters::for_each("absence of OpenTelemetry", |path| {
        let mut subject = Subject::start(path, include_str!("objects.py"));
        let truth: serde_json::Value = subject.truth();
        let number = |key: &str| truth[key].as_u64().unwrap();
        let memory = Memory::open(subject.pid()).unwrap();
        let (minor, state) = (number("minor") as u32, number("interpreter"));
        let (heap, modules) = open(&memory, minor, state);
        let missing = find_otel(&heap, &modules).unwrap_err();
        assert!(matches!(missing, OtelMissing::NotImported) && missing.may_change());
        assert!(matches!(
            read_sdk(&heap, &modules),
            Err(SdkError::NotImported)
        ));
    });
}
