//! `hotspan regions`.

use std::path::Path;

use anyhow::Context;

use crate::{
    args::{AgentError, Exit, RegionsArgs},
    catalogue::{Catalogue, Report},
    doctor::{add_installed, regions_of},
    target::{Process, Selector, tree},
};

/// Lists what the catalogue finds in a process or a file.
///
/// # Errors
/// The process or file cannot be opened, a catalogue file cannot be used.
pub fn run(args: &RegionsArgs) -> anyhow::Result<Exit> {
    let catalogue = Catalogue::load(&args.regions)?;
    let report = match (&args.file, args.target.selector()) {
        (Some(file), _) => of_file(&catalogue, file)?,
        (None, Some(selector)) => of_process(&catalogue, &selector)?,
        (None, None) => anyhow::bail!(AgentError::Usage("name a process or a file".to_owned())),
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(Exit::Done)
}

fn of_file(catalogue: &Catalogue, file: &Path) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let analysis = catalogue
        .analyse(file, file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    report.add(&file.to_string_lossy(), &analysis);
    Ok(report)
}

/// Of a master and its workers together, as tracing covers them.
fn of_process(catalogue: &Catalogue, selector: &Selector) -> anyhow::Result<Report> {
    let process = selector.open()?;
    let mut mappings = process.mappings()?;
    for pid in tree(process.pid())? {
        // A worker that ends meanwhile, or that cannot be traced, adds no regions.
        let worker = Process::open(pid).and_then(|worker| worker.mappings());
        mappings.extend(worker.unwrap_or_default());
    }
    let mut report = regions_of(catalogue, &mappings);
    add_installed(&mut report, catalogue, &process, &mappings);
    Ok(report)
}
