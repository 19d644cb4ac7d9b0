//! Looking at a live target, for [`super::check_target`].

use std::{collections::HashSet, path::Path, time::Duration};

use super::{ContextFacts, EndpointFacts, ProcessFacts, RegionFacts, SdkFacts, TargetFacts};
use crate::{
    catalogue::{Catalogue, InstalledFile, Report},
    context::{
        self,
        endpoint::Endpoint,
        memory::Memory,
        python::{
            self, ContextRefusal, PythonProcess,
            heap::{Heap, HeapLayout},
            modules::Modules,
            sdk::read_sdk,
        },
        thread_context,
    },
    object::{FileId, FileKey},
    target::{Process, TargetError, mapping::Mapping},
};

/// Bound on asking one endpoint.
const ENDPOINT_LIMIT: Duration = Duration::from_secs(1);

impl TargetFacts {
    /// Everything about `process` that can be found out without tracing it. Takes a few hundred
    /// milliseconds for a large process, and as much as a second more for endpoints that are silent.
    ///
    /// Must be called within a tokio runtime with time.
    ///
    /// Errors: the process has ended, or may not be looked at.
    pub async fn gather(process: &Process, catalogue: &Catalogue) -> Result<Self, TargetError> {
        let mappings = process.mappings()?;
        let mut regions = regions_of(catalogue, &mappings);
        add_installed(&mut regions, catalogue, process, &mappings);
        let python = python::inspect(process.pid(), &mappings);
        let record = thread_context::inspect(process.pid(), &mappings);
        let has_record = record.is_ok_and(|layout| layout.enabled != 0);
        let sdk = python.as_ref().ok().map(|python| sdk(process, python));
        let mut endpoints = Vec::new();
        for endpoint in sdk.iter().flat_map(exported_to) {
            endpoints.push(EndpointFacts::ask_from(process, endpoint, ENDPOINT_LIMIT).await);
        }
        Ok(Self {
            process: ProcessFacts::read(process)?,
            regions: Some(RegionFacts::from(&regions)),
            context: Some(context(has_record, &python)),
            sdk,
            endpoints,
            outcomes: None,
        })
    }
}

/// What the catalogue finds in these mappings, each file once.
pub fn regions_of(catalogue: &Catalogue, mappings: &[Mapping]) -> Report {
    let mut report = Report::default();
    let mut seen = HashSet::new();
    for mapping in mappings
        .iter()
        .filter(|mapping| seen.insert(mapping.object))
    {
        let path = mapping.path.to_string_lossy();
        match catalogue.analyse(&mapping.map_file, &mapping.path) {
            Ok(analysis) => report.add(&path, &analysis),
            Err(error) => report.add_unreadable(&path, error),
        }
    }
    report
}

/// What the catalogue finds in libraries that the process has installed and not mapped.
pub fn add_installed(
    report: &mut Report,
    catalogue: &Catalogue,
    process: &Process,
    mappings: &[Mapping],
) {
    let mut known: HashSet<FileId> = mappings
        .iter()
        .filter_map(|mapping| file_id(&mapping.map_file))
        .collect();
    let root = process.proc_dir().join("root");
    for InstalledFile { path, file } in catalogue.installed(&root, &context::packages(process)) {
        if file_id(&file).is_none_or(|id| !known.insert(id)) {
            continue;
        }
        let path = path.to_string_lossy();
        match catalogue.analyse(&file, Path::new(&*path)) {
            Ok(analysis) => report.add_installed(&path, &analysis),
            Err(error) => report.add_unreadable(&path, error),
        }
    }
}

fn file_id(path: &Path) -> Option<FileId> {
    Some(FileKey::of(&path.metadata().ok()?).id())
}

fn context(has_record: bool, python: &Result<PythonProcess, ContextRefusal>) -> ContextFacts {
    match python {
        _ if has_record => ContextFacts::ThreadContext,
        Ok(python) => ContextFacts::Python(python.to_string()),
        Err(ContextRefusal::NotPython) => ContextFacts::Neither,
        Err(refusal) => ContextFacts::Refused(refusal.to_string()),
    }
}

fn sdk(process: &Process, python: &PythonProcess) -> SdkFacts {
    match read_heap(process, python) {
        Ok(facts) => facts,
        Err(why) => SdkFacts::Unknown(why),
    }
}

fn read_heap(process: &Process, python: &PythonProcess) -> Result<SdkFacts, String> {
    let memory = Memory::open(process.pid()).map_err(|error| error.to_string())?;
    let layout = HeapLayout::for_version(python.version.minor);
    let layout = layout.map_err(|unknown| unknown.to_string())?;
    let mut heap = Heap::new(&memory, layout);
    let modules = Modules::find(&mut heap, python.interpreter);
    let modules = modules.map_err(|error| error.to_string())?;
    Ok(SdkFacts::from(&read_sdk(&heap, &modules)))
}

/// Where the exporters of an SDK send to, each endpoint once.
fn exported_to(sdk: &SdkFacts) -> Vec<Endpoint> {
    let SdkFacts::Provider {
        exporters: Some(exporters),
        ..
    } = sdk
    else {
        return Vec::new();
    };
    let mut endpoints = Vec::new();
    for endpoint in exporters
        .iter()
        .filter_map(|exporter| exporter.endpoint.as_ref())
    {
        if !endpoints.contains(endpoint) {
            endpoints.push(endpoint.clone());
        }
    }
    endpoints
}
