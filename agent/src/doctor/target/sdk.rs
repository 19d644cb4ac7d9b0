//! What the target's own SDK does: without its spans there is nothing to hang others under.

use super::{ExporterFacts, SamplerFacts, SdkFacts, TARGET};
use crate::doctor::Check;

const INSTRUMENT: &str =
    "start it with opentelemetry-instrument, or set up a TracerProvider in its code";

pub(super) fn checks(facts: &SdkFacts) -> Vec<Check> {
    const NAME: &str = "SDK";
    match facts {
        SdkFacts::Unknown(why) => vec![TARGET.note(NAME, format!("its state is not known: {why}"))],
        SdkFacts::NotImported => {
            vec![TARGET.missing(NAME, "OpenTelemetry is not imported", INSTRUMENT)]
        }
        SdkFacts::Disabled => vec![TARGET.missing(
            NAME,
            "OTEL_SDK_DISABLED is true",
            "unset OTEL_SDK_DISABLED and restart the process",
        )],
        SdkFacts::NoProvider => vec![TARGET.missing(
            NAME,
            "OpenTelemetry is imported, and no tracer provider is set",
            INSTRUMENT,
        )],
        SdkFacts::OtherProvider(class) => vec![TARGET.note(
            NAME,
            format!("spans are made by {class}, which is not OpenTelemetry's own"),
        )],
        SdkFacts::Provider { sampler, exporters } => {
            let mut checks = vec![TARGET.ok(NAME, "a tracer provider is set")];
            checks.extend(sampler.as_ref().map(sampling));
            checks.extend(exporters.as_deref().map(exporting));
            checks
        }
    }
}

fn sampling(sampler: &SamplerFacts) -> Check {
    const NAME: &str = "sampler";
    const MORE: &str = "set OTEL_TRACES_SAMPLER=parentbased_always_on and restart the process";
    match sampler {
        SamplerFacts::On => TARGET.ok(NAME, "every trace"),
        SamplerFacts::Off => TARGET.missing(NAME, "no trace is sampled", MORE),
        SamplerFacts::Ratio(ratio) if *ratio <= 0.0 => {
            TARGET.missing(NAME, "no trace is sampled (ratio 0)", MORE)
        }
        SamplerFacts::Ratio(ratio) if *ratio < 1.0 => TARGET.warn(
            NAME,
            format!(
                "{} % of traces; the others get no spans from hotspan either",
                ratio * 100.0
            ),
            MORE,
        ),
        SamplerFacts::Ratio(_) => TARGET.ok(NAME, "every trace (ratio 1)"),
        SamplerFacts::Other(class) => TARGET.note(
            NAME,
            format!("{class}; traces that it leaves out get no spans"),
        ),
    }
}

fn exporting(exporters: &[ExporterFacts]) -> Check {
    const NAME: &str = "exporter";
    if exporters.is_empty() {
        return TARGET.warn(
            NAME,
            "none: the process's own spans go nowhere, so hotspan's have no parent to be seen under",
            "set OTEL_TRACES_EXPORTER=otlp and OTEL_EXPORTER_OTLP_ENDPOINT, and restart the process",
        );
    }
    let shown: Vec<String> = exporters
        .iter()
        .map(|exporter| match &exporter.endpoint {
            Some(endpoint) => format!("{} to {endpoint}", exporter.class),
            None => exporter.class.clone(),
        })
        .collect();
    let shown = shown.join(", ");
    if exporters.iter().all(|exporter| exporter.shut_down) {
        let what = format!("shut down, sends nothing more: {shown}");
        return TARGET.warn(NAME, what, "restart the process");
    }
    TARGET.ok(NAME, shown)
}
