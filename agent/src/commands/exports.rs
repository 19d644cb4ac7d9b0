//! From the export options to exporters.

use std::{env, path::PathBuf, sync::Arc};

use crate::{
    args::{AgentError, ExportArgs, OtlpEndpoint},
    context::environment::OtelVariables,
    export::{EnvironmentOrigin, ExportChoice, ExportConfig, ExportOverrides, Exporters},
    run::say,
    target::Process,
};

/// Starts the exporters that `args` and the environment ask for. `target` is whose environment
/// `--otlp-endpoint target` means.
///
/// # Errors
/// Endpoints that cannot be used, files that cannot be opened.
pub fn start(args: &ExportArgs, target: Option<&Process>) -> anyhow::Result<Exporters> {
    let config = config(args, target)?;
    for warning in &config.warnings {
        say::line(warning);
    }
    Ok(Exporters::start(
        &config,
        &(Arc::new(|text: &str| say::line(text)) as _),
    )?)
}

/// What `args` and the environment ask for.
///
/// # Errors
/// Endpoints that cannot be used.
pub fn config(args: &ExportArgs, target: Option<&Process>) -> anyhow::Result<ExportConfig> {
    if args.otlp_endpoint == Some(OtlpEndpoint::Target) {
        let process = target.ok_or_else(|| {
            AgentError::Usage("--otlp-endpoint target needs a running process".to_owned())
        })?;
        of_target(args, process)
    } else {
        let overrides = args.overrides(EnvironmentOrigin::Own);
        Ok(ExportConfig::from_environment(
            |name| env::var(name).ok(),
            &overrides,
        )?)
    }
}

/// No exporters at all: spans are made, and counted.
///
/// # Errors
/// None is expected: nothing is started.
pub fn none() -> anyhow::Result<Exporters> {
    let mut config = ExportConfig::from_environment(|_| None, &ExportOverrides::default())?;
    config.waterfall = false;
    Ok(Exporters::start(&config, &(Arc::new(|_: &str| {}) as _))?)
}

fn of_target(args: &ExportArgs, process: &Process) -> anyhow::Result<ExportConfig> {
    let environment = OtelVariables::read(process.pid())?;
    let mut overrides = args.overrides(EnvironmentOrigin::Target {
        root: PathBuf::from(format!("/proc/{}/root", process.pid())),
    });
    if overrides.exports.is_empty() {
        overrides.exports.push(ExportChoice::Otlp);
    }
    Ok(ExportConfig::from_environment(
        |name| environment.get(name),
        &overrides,
    )?)
}
