//! `hotspan doctor`.

use std::{env, sync::Arc, time::Duration};

use tokio::runtime::Runtime;

use super::{
    exports, load,
    trace::{self, runtime},
};
use crate::{
    args::{DoctorArgs, Exit, ExportArgs},
    catalogue::Catalogue,
    context::endpoint::Endpoint,
    doctor::{
        Check, EndpointFacts, Glyphs, OutcomeFacts, Report, System, TargetFacts, check_endpoint,
        check_host, check_target,
    },
    target::Process,
};

/// Bound on asking hotspan's own endpoint.
const ENDPOINT_LIMIT: Duration = Duration::from_secs(1);

/// Says what this host and target allow.
///
/// # Errors
/// The target cannot be opened, a catalogue file or an endpoint cannot be used.
pub fn run(args: &DoctorArgs) -> anyhow::Result<Exit> {
    let selector = args.target.selector();
    let process = selector.map(|selector| selector.open()).transpose()?;
    let process = process.map(Arc::new);
    let catalogue = Catalogue::load(&args.regions)?;
    let runtime = runtime()?;
    let mut checks = check_host(&System::live(), Some(&load::tried(&runtime)));
    if let Some(process) = &process {
        let mut facts = runtime.block_on(TargetFacts::gather(process, &catalogue))?;
        if let Some(length) = args.watch {
            let summary = trace::observe(&runtime, process, catalogue, length)?;
            facts.outcomes = Some(OutcomeFacts::from(&summary));
        }
        checks.extend(check_target(&facts));
    }
    checks.extend(own_endpoint(args, process.as_deref(), &runtime)?);
    let report = Report { checks };
    if args.json {
        println!("{}", report.to_json()?);
    } else {
        let glyphs = Glyphs::from_locale(|name| env::var(name).ok());
        print!("{}", report.to_text(glyphs));
    }
    Ok(report.exit())
}

/// Where hotspan would send to, if that is said here or in the environment.
fn own_endpoint(
    args: &DoctorArgs,
    process: Option<&Process>,
    runtime: &Runtime,
) -> anyhow::Result<Option<Check>> {
    let export = ExportArgs {
        otlp_endpoint: args.otlp_endpoint.clone(),
        ..ExportArgs::default()
    };
    let Some(otlp) = exports::config(&export, process)?.otlp else {
        return Ok(None);
    };
    let asking = EndpointFacts::ask(Endpoint::new(otlp.shown_endpoint()), ENDPOINT_LIMIT);
    Ok(Some(check_endpoint(&runtime.block_on(asking))))
}
