//! From what the catalogue and the target's heap tell to what there is to judge.

use super::{ExporterFacts, RegionFacts, SamplerFacts, SdkFacts};
use crate::{
    catalogue::{Report, State},
    context::python::sdk::{Exporter, Processor, Provider, Sampler, SdkError, SdkReport},
};

impl From<&Report> for RegionFacts {
    fn from(report: &Report) -> Self {
        let mut facts = Self {
            files: report.objects.iter().filter(|object| object.mapped).count()
                + report.without_regions,
            symbols: report.symbols,
            ..Self::default()
        };
        for object in &report.objects {
            for line in &object.regions {
                let names = match &line.state {
                    State::Armed if object.mapped => &mut facts.armable,
                    State::Armed => &mut facts.installed,
                    State::Refused(why) => {
                        facts.refused.push((line.name.clone(), why.clone()));
                        continue;
                    }
                };
                if !names.contains(&line.name) {
                    names.push(line.name.clone());
                }
            }
        }
        facts.installed.retain(|name| !facts.armable.contains(name));
        // A region that is refused in one place and armed in another is not missed.
        facts
            .refused
            .retain(|(name, _)| !facts.armable.contains(name) && !facts.installed.contains(name));
        facts
    }
}

impl From<&Result<SdkReport, SdkError>> for SdkFacts {
    fn from(report: &Result<SdkReport, SdkError>) -> Self {
        match report {
            Ok(report) => report.into(),
            Err(SdkError::NotImported) => Self::NotImported,
            Err(error) => Self::Unknown(error.to_string()),
        }
    }
}

impl From<&SdkReport> for SdkFacts {
    fn from(report: &SdkReport) -> Self {
        match &report.provider {
            Provider::Unset | Provider::NoOp => Self::NoProvider,
            Provider::Disabled => Self::Disabled,
            Provider::Other(class) => Self::OtherProvider(class.clone()),
            Provider::Sdk => Self::Provider {
                sampler: report.sampler.as_ref().ok().map(SamplerFacts::from),
                exporters: report.processors.as_deref().ok().map(exporters),
            },
        }
    }
}

impl From<&Sampler> for SamplerFacts {
    /// As it decides for a trace that starts in the process.
    fn from(sampler: &Sampler) -> Self {
        match sampler {
            Sampler::AlwaysOn => Self::On,
            Sampler::AlwaysOff => Self::Off,
            Sampler::TraceIdRatio(ratio) => Self::Ratio(*ratio),
            Sampler::ParentBased(root) | Sampler::AlwaysRecord(root) => Self::from(&**root),
            Sampler::Other(class) => Self::Other(class.clone()),
        }
    }
}

impl From<&Exporter> for ExporterFacts {
    fn from(exporter: &Exporter) -> Self {
        Self {
            class: exporter.class.clone(),
            endpoint: exporter.endpoint.clone(),
            shut_down: exporter.shut_down,
        }
    }
}

fn exporters(processors: &[Processor]) -> Vec<ExporterFacts> {
    let with_exporter = processors.iter().filter_map(|one| one.exporter.as_ref());
    with_exporter.map(ExporterFacts::from).collect()
}
