//! What others found out, as facts.

use super::target::provider;
use crate::{
    catalogue::{ObjectReport, RegionLine, Report, State},
    context::{
        endpoint::Endpoint,
        python::sdk::{Exporter, Processor, Provider, Sampler, SdkError, SdkReport},
    },
    doctor::{ExporterFacts, RegionFacts, SamplerFacts, SdkFacts},
};

#[test]
fn what_the_catalogue_finds_becomes_facts() {
    fn object(mapped: bool, regions: &[(&str, Option<&str>)]) -> ObjectReport {
        let line = |&(name, refused): &(&str, Option<&str>)| RegionLine {
            name: name.into(),
            role: None,
            symbol: String::new(),
            function: String::new(),
            address: 0,
            exits: 0,
            stepped_exits: 0,
            stepped_because: vec![],
            state: refused.map_or(State::Armed, |why| State::Refused(why.into())),
            left_out: vec![],
        };
        ObjectReport {
            path: String::new(),
            mapped,
            build_id: None,
            libraries: vec![],
            regions: regions.iter().map(line).collect(),
        }
    }
    let report = Report {
        objects: vec![
            object(
                true,
                &[("blas.gemm", Some("a jump")), ("highs.run", Some("a jump"))],
            ),
            object(
                true,
                &[
                    ("blas.gemm", None),
                    ("blas.gemm", None),
                    ("cpsat.solve", None),
                ],
            ),
            object(false, &[("blas.gemm", None), ("onnx.run", None)]),
        ],
        without_regions: 5,
        symbols: 900,
        ..Report::default()
    };
    let expected = RegionFacts {
        armable: vec!["blas.gemm".into(), "cpsat.solve".into()],
        installed: vec!["onnx.run".into()],
        refused: vec![("highs.run".into(), "a jump".into())],
        files: 7,
        symbols: 900,
    };
    assert_eq!(RegionFacts::from(&report), expected);
}

#[test]
fn what_the_heap_tells_becomes_facts() {
    fn report(provider: Provider, sampler: Sampler) -> SdkFacts {
        let exporter = Exporter {
            class: "OTLPSpanExporter".into(),
            module: None,
            protocol: None,
            endpoint: Some(Endpoint::new("localhost:4317")),
            insecure: None,
            shut_down: false,
        };
        let processor = |exporter| Processor {
            class: "BatchSpanProcessor".into(),
            exporter,
        };
        SdkFacts::from(&Ok(SdkReport {
            provider,
            resource: Err(SdkError::Absent("_resource")),
            sampler: Ok(sampler),
            processors: Ok(vec![processor(Some(exporter)), processor(None)]),
        }))
    }
    let exporter = ExporterFacts {
        class: "OTLPSpanExporter".into(),
        endpoint: Some(Endpoint::new("localhost:4317")),
        shut_down: false,
    };
    let parent_based = Sampler::ParentBased(Box::new(Sampler::TraceIdRatio(0.5)));
    assert_eq!(
        report(Provider::Sdk, parent_based),
        provider(SamplerFacts::Ratio(0.5), vec![exporter])
    );
    let on = || Sampler::AlwaysOn;
    assert_eq!(report(Provider::Unset, on()), SdkFacts::NoProvider);
    assert_eq!(report(Provider::NoOp, on()), SdkFacts::NoProvider);
    assert_eq!(report(Provider::Disabled, on()), SdkFacts::Disabled);
    let other = Provider::Other("DDTracer".into());
    assert_eq!(
        report(other, on()),
        SdkFacts::OtherProvider("DDTracer".into())
    );
    assert_eq!(
        SdkFacts::from(&Err(SdkError::NotImported)),
        SdkFacts::NotImported
    );
    assert_eq!(
        SdkFacts::from(&Err(SdkError::Absent("x"))),
        SdkFacts::Unknown("the tracer provider has no `x`".into())
    );
}
