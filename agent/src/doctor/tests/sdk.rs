//! What the SDK does, and what is said of it.

use super::target::{check, exporter, provider};
use crate::doctor::{SamplerFacts, SdkFacts, TargetFacts, Verdict};

use Verdict::{Missing, Note, Ok as Good, Warn};

fn sdk(sdk: SdkFacts) -> impl FnOnce(&mut TargetFacts) {
    move |facts| facts.sdk = Some(sdk)
}

#[test]
fn sdks() {
    const INSTRUMENT: &str =
        "start it with opentelemetry-instrument, or set up a TracerProvider in its code";
    check(|_| {}, "SDK", Some((Good, "a tracer provider is set")));
    check(
        sdk(SdkFacts::NotImported),
        "SDK",
        Some((
            Missing,
            &format!("OpenTelemetry is not imported -> {INSTRUMENT}"),
        )),
    );
    check(
        sdk(SdkFacts::NoProvider),
        "SDK",
        Some((
            Missing,
            &format!("OpenTelemetry is imported, and no tracer provider is set -> {INSTRUMENT}"),
        )),
    );
    check(
        sdk(SdkFacts::Disabled),
        "SDK",
        Some((
            Missing,
            "OTEL_SDK_DISABLED is true -> unset OTEL_SDK_DISABLED and restart the process",
        )),
    );
    check(
        sdk(SdkFacts::Unknown("a read failed".into())),
        "SDK",
        Some((Note, "its state is not known: a read failed")),
    );
    check(
        sdk(SdkFacts::OtherProvider("DDTracer".into())),
        "SDK",
        Some((
            Note,
            "spans are made by DDTracer, which is not OpenTelemetry's own",
        )),
    );
}

#[test]
fn samplers() {
    const SAMPLE: &str = "set OTEL_TRACES_SAMPLER=parentbased_always_on and restart the process";
    let samplers = [
        (SamplerFacts::On, Good, "every trace".to_owned()),
        (
            SamplerFacts::Ratio(1.0),
            Good,
            "every trace (ratio 1)".to_owned(),
        ),
        (
            SamplerFacts::Off,
            Missing,
            format!("no trace is sampled -> {SAMPLE}"),
        ),
        (
            SamplerFacts::Ratio(0.0),
            Missing,
            format!("no trace is sampled (ratio 0) -> {SAMPLE}"),
        ),
        (
            SamplerFacts::Ratio(0.25),
            Warn,
            format!("25 % of traces; the others get no spans from hotspan either -> {SAMPLE}"),
        ),
        (
            SamplerFacts::Other("MySampler".into()),
            Note,
            "MySampler; traces that it leaves out get no spans".to_owned(),
        ),
    ];
    for (sampler, verdict, says) in samplers {
        check(
            sdk(provider(sampler, vec![exporter(false)])),
            "sampler",
            Some((verdict, &says)),
        );
    }
}

#[test]
fn exporters() {
    check(
        |_| {},
        "exporter",
        Some((Good, "OTLPSpanExporter to localhost:4317")),
    );
    check(
        sdk(provider(SamplerFacts::On, vec![])),
        "exporter",
        Some((
            Warn,
            "none: the process's own spans go nowhere, so hotspan's have no parent to be seen under -> \
             set OTEL_TRACES_EXPORTER=otlp and OTEL_EXPORTER_OTLP_ENDPOINT, and restart the process",
        )),
    );
    check(
        sdk(provider(SamplerFacts::On, vec![exporter(true)])),
        "exporter",
        Some((
            Warn,
            "shut down, sends nothing more: OTLPSpanExporter to localhost:4317 -> restart the process",
        )),
    );
}
