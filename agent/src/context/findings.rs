//! All that is found out about a target's parents, in one go.

use std::path::PathBuf;

use hotspan_common::{PythonFramesLayout, PythonLayout, ThreadContextLayout};
use hotspan_synth::span::Value;

use super::{
    environment::TargetEnvironment,
    memory::Memory,
    python::{
        self, ContextRefusal, Coroutines, FramesRefusal, OtelAddresses, PythonProcess,
        heap::{Heap, HeapLayout},
        modules::Modules,
        otel::{OtelMissing, find_otel},
        sdk::{Provider, SdkError, SdkReport, read_sdk},
    },
    resource::resource,
    thread_context::{self, ThreadContextRefusal},
};
use crate::target::{Process, mapping::Mapping};

/// How a target's parents are read, and what it says of itself.
#[derive(Debug, Default)]
pub struct ContextFindings {
    /// For the kernel programs: CPython.
    pub python: PythonLayout,
    /// For the kernel programs: Python frames.
    pub frames: PythonFramesLayout,
    /// How suspended coroutines are told of.
    pub coroutines: Coroutines,
    /// For the kernel programs: the thread context record.
    pub thread_context: ThreadContextLayout,
    /// For people: where parents come from, or why there are none.
    pub label: String,
    /// Resource attributes for the target's spans.
    pub resource: Vec<(String, Value)>,
    /// What the target's SDK says of itself.
    pub sdk: Option<SdkReport>,
    /// Whether something in the target makes spans.
    pub spans: OwnSpans,
    /// Folders in which the interpreter looks for packages, as the target names them.
    pub packages: Vec<PathBuf>,
    /// Whether another look may find more.
    pub may_change: bool,
    /// The interpreter's objects changed under the reader: what an earlier look found still stands.
    pub was_disturbed: bool,
}

/// Whether something in a target makes spans of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnSpans {
    /// Not known.
    #[default]
    Unknown,
    /// Nothing does: no SDK, or none that is set up, and no thread context record.
    Nothing,
    /// Something does, or was told not to.
    Something,
}

/// Looks at a target.
pub fn inspect(process: &Process, mappings: &[Mapping]) -> ContextFindings {
    // An environment that cannot be read says nothing, and the process may just have ended.
    let environment = TargetEnvironment::read(process.pid()).unwrap_or_default();
    let record = thread_context::inspect(process.pid(), mappings);
    let python = python::inspect(process.pid(), mappings);
    let heap = python
        .as_ref()
        .ok()
        .map(|python| HeapFindings::read(process.pid(), python));
    let otel = heap.as_ref().and_then(|heap| heap.otel);
    let sdk = heap
        .as_ref()
        .and_then(|heap| heap.sdk.as_ref()?.as_ref().ok());
    ContextFindings {
        spans: own_spans(&python, heap.as_ref(), &record),
        label: label(&python, heap.as_ref(), &record),
        resource: resource(
            sdk.and_then(SdkReport::attributes),
            &environment,
            process.name(),
        ),
        frames: frames(&python),
        coroutines: coroutines(&python),
        may_change: may_change(&python, heap.as_ref())
            || record.as_ref().is_err_and(ThreadContextRefusal::may_change),
        was_disturbed: heap.as_ref().is_some_and(|heap| heap.was_disturbed)
            || python.as_ref().is_err_and(ContextRefusal::may_change),
        python: python
            .map(|python| python.layout(otel.as_ref()))
            .unwrap_or_default(),
        packages: heap
            .as_ref()
            .map(|heap| heap.packages.clone())
            .unwrap_or_default(),
        sdk: heap.and_then(|heap| heap.sdk?.ok()),
        thread_context: record.unwrap_or_default(),
    }
}

/// Folders in which a target's interpreter looks for packages, as the target names them; none if it has no interpreter
/// that is known.
pub fn packages(process: &Process) -> Vec<PathBuf> {
    let mappings = process.mappings().unwrap_or_default();
    let python = python::inspect(process.pid(), &mappings);
    let findings = python.map(|python| HeapFindings::read(process.pid(), &python));
    findings.map(|found| found.packages).unwrap_or_default()
}

/// A suspension is told of by its frames.
fn coroutines(python: &Result<PythonProcess, ContextRefusal>) -> Coroutines {
    match python {
        Ok(python) if python.frames.is_ok() => python.coroutines.clone(),
        _ => Coroutines::default(),
    }
}

/// Without a layout stacks have no Python frames.
fn frames(python: &Result<PythonProcess, ContextRefusal>) -> PythonFramesLayout {
    python
        .as_ref()
        .ok()
        .and_then(|python| python.frames.ok())
        .unwrap_or_default()
}

/// What the interpreter's objects say.
struct HeapFindings {
    otel: Option<OtelAddresses>,
    missing: Option<String>,
    /// `None`: the heap could not be read.
    sdk: Option<Result<SdkReport, SdkError>>,
    packages: Vec<PathBuf>,
    may_change: bool,
    /// A read failed, which says nothing of what is there.
    was_disturbed: bool,
}

impl HeapFindings {
    fn read(pid: u32, python: &PythonProcess) -> Self {
        match Self::try_read(pid, python) {
            Ok(findings) => findings,
            Err(reason) => Self {
                otel: None,
                missing: Some(reason),
                sdk: None,
                packages: Vec::new(),
                may_change: true,
                was_disturbed: true,
            },
        }
    }

    fn try_read(pid: u32, python: &PythonProcess) -> Result<Self, String> {
        let memory = Memory::open(pid).map_err(|error| error.to_string())?;
        let layout =
            HeapLayout::for_version(python.version.minor).map_err(|unknown| unknown.to_string())?;
        let mut heap = Heap::new(&memory, layout);
        let modules =
            Modules::find(&mut heap, python.interpreter).map_err(|error| error.to_string())?;
        let (otel, missing) = match find_otel(&heap, &modules) {
            Ok(found) => (Some(found), None),
            Err(missing) => (None, Some(missing)),
        };
        let sdk = read_sdk(&heap, &modules);
        Ok(Self {
            otel,
            may_change: missing.as_ref().is_some_and(OtelMissing::may_change)
                || sdk.as_ref().map_or(true, SdkReport::may_change),
            was_disturbed: matches!(missing, Some(OtelMissing::Heap(_))),
            missing: missing.map(|missing| missing.to_string()),
            sdk: Some(sdk),
            // Without it, libraries are armed when they are mapped.
            packages: modules.search_path(&heap).unwrap_or_default(),
        })
    }
}

fn own_spans(
    python: &Result<PythonProcess, ContextRefusal>,
    heap: Option<&HeapFindings>,
    record: &Result<ThreadContextLayout, ThreadContextRefusal>,
) -> OwnSpans {
    match record {
        Ok(_) => return OwnSpans::Something,
        Err(ThreadContextRefusal::NotPublished) => {}
        Err(_) => return OwnSpans::Unknown,
    }
    if matches!(python, Err(ContextRefusal::NotPython)) {
        return OwnSpans::Nothing;
    }
    match heap.and_then(|heap| heap.sdk.as_ref()) {
        Some(Err(SdkError::NotImported)) => OwnSpans::Nothing,
        Some(Ok(report)) if report.provider == Provider::Unset => OwnSpans::Nothing,
        Some(Ok(_)) => OwnSpans::Something,
        Some(Err(_)) | None => OwnSpans::Unknown,
    }
}

fn label(
    python: &Result<PythonProcess, ContextRefusal>,
    heap: Option<&HeapFindings>,
    record: &Result<ThreadContextLayout, ThreadContextRefusal>,
) -> String {
    let mut sources = Vec::new();
    match record {
        Ok(_) => sources.push("otel.thread_context".to_owned()),
        // Most processes have none, and nobody misses it there.
        Err(ThreadContextRefusal::NotPublished) => {}
        Err(refusal) => sources.push(format!("no otel.thread_context ({refusal})")),
    }
    match (python, heap) {
        (Ok(python), Some(heap)) => match &heap.missing {
            None => sources.push(format!("otel.python ({python})")),
            Some(missing) => sources.push(format!("none yet ({python}: {missing})")),
        },
        (Err(refusal), _) if record.is_err() => sources.push(format!("none ({refusal})")),
        _ => {}
    }
    if let Ok(python) = python
        && let Err(refusal) = &python.frames
    {
        sources.push(format!("no Python stacks ({refusal})"));
    }
    sources.join(", ")
}

fn may_change(python: &Result<PythonProcess, ContextRefusal>, heap: Option<&HeapFindings>) -> bool {
    match python {
        Ok(python) => {
            heap.is_some_and(|heap| heap.may_change)
                || python.frames.is_err_and(FramesRefusal::may_change)
        }
        // An interpreter that is mapped later brings a survey of its own.
        Err(ContextRefusal::NotPython) => false,
        Err(refusal) => refusal.may_change(),
    }
}
