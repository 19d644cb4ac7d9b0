//! The surveyor: two threads that look at targets, so that a large library does not keep the engine
//! from its events, nor an interpreter's heap the libraries from being armed.

use std::{
    collections::HashSet,
    io,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use hotspan_synth::{ids::FunctionId, time::KernelTime};
use tokio::sync::mpsc;

use crate::{
    catalogue::{Analysed, AnalysisCache, Catalogue, FoundRegion, HotFunction, NotProbed},
    context::{self, ContextFindings},
    stack::NativePlace,
    target::{
        Process,
        mapping::{Mapping, ObjectId},
    },
};

/// Jobs that may wait on each thread; more are not accepted until one is done.
const QUEUE: usize = 1024;

/// Objects whose analyses are kept: a Python service maps some hundred.
const CACHED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// What is to be searched.
pub(super) struct Request {
    /// Process id in the root pid namespace.
    pub target: u32,
    /// The process.
    pub process: Arc<Process>,
    /// Objects that were searched before.
    pub searched: HashSet<ObjectId>,
    /// When the first of the new mappings was made, if an event told.
    pub mapped: Option<KernelTime>,
}

/// A function to be searched for its exits.
pub(super) struct Candidate {
    /// Process id in the root pid namespace.
    pub target: u32,
    /// Its number in stacks.
    pub id: FunctionId,
    /// Where it begins.
    pub place: NativePlace,
}

/// What came of the search.
pub(super) struct Searched {
    /// The function.
    pub candidate: Candidate,
    /// Where to probe it, or why it can't be.
    pub region: Result<FoundRegion, NotProbed>,
}

/// What came of a job.
pub(super) enum Finding {
    /// What a process maps.
    Objects(Survey),
    /// What a program is going to map.
    Ahead(Vec<SurveyedObject>),
    /// Where to probe a function.
    Function(Box<Searched>),
    /// How to read a process's parents, and what it says of itself.
    Context(u32, Box<ContextFindings>),
}

/// What a process maps.
pub(super) struct Survey {
    /// Process id in the root pid namespace.
    pub target: u32,
    /// Objects that were not searched before, with what is in them.
    pub objects: Vec<SurveyedObject>,
    /// As in the request.
    pub mapped: Option<KernelTime>,
    /// Why the mappings could not be read: as a rule, the process has ended.
    pub failed: Option<String>,
}

/// One object of a target.
pub(super) struct SurveyedObject {
    /// Its identity in the target's mappings; `None`: it is not mapped yet.
    pub mapped_as: Option<ObjectId>,
    /// Its path as the target names it.
    pub path: PathBuf,
    /// Opens it.
    pub file: PathBuf,
    /// What is in it, or why it could not be read.
    pub analysed: Result<Analysed, String>,
}

impl SurveyedObject {
    /// Whether it tells of what it maps.
    pub fn is_loader(&self) -> bool {
        self.analysed
            .as_ref()
            .is_ok_and(|analysed| analysed.analysis.loaded.is_some())
    }

    /// Whether it begins the steps of asyncio's tasks.
    pub fn is_asyncio(&self) -> bool {
        context::python::coroutines::is_asyncio(&self.name())
    }

    /// The file's name, for people.
    pub fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        name.to_string_lossy().into_owned()
    }
}

/// The handle to the threads; dropping it ends them after the work under way.
pub struct Surveyor {
    jobs: SyncSender<Job>,
    looks: SyncSender<Look>,
    findings: mpsc::Receiver<Finding>,
}

enum Job {
    /// Search the process's objects, so that a survey finds them searched.
    Warm(Arc<Process>),
    Survey(Request),
    Function(Box<Candidate>),
    Ahead(Vec<PathBuf>),
}

struct Look {
    target: u32,
    process: Arc<Process>,
}

impl Surveyor {
    /// Starts the threads.
    ///
    /// # Errors
    /// No more threads.
    pub fn start(catalogue: Catalogue) -> io::Result<Self> {
        let (jobs, inbox) = sync_channel(QUEUE);
        let (looks, look_inbox) = sync_channel(QUEUE);
        let (outbox, findings) = mpsc::channel(QUEUE);
        let search_outbox = outbox.clone();
        thread::Builder::new()
            .name("surveyor".to_owned())
            .spawn(move || search(&catalogue, &inbox, &search_outbox))?;
        thread::Builder::new()
            .name("inspector".to_owned())
            .spawn(move || inspect(&look_inbox, &outbox))?;
        Ok(Self {
            jobs,
            looks,
            findings,
        })
    }

    /// Searches a process's objects ahead of time. A full queue, or a process that ends, only means
    /// that its survey takes longer.
    pub fn warm(&self, process: Arc<Process>) {
        let _ = self.jobs.try_send(Job::Warm(process));
    }

    /// Searches the files that a program is going to map. The engine waits for what is found before
    /// it lets the program begin.
    pub fn look_ahead(&self, files: Vec<PathBuf>) {
        // It is the first job of all, so there is room, and the thread is there.
        let _ = self.jobs.try_send(Job::Ahead(files));
    }

    /// Asks for a search of what is mapped; `false` if too many are waiting.
    pub(super) fn request(&self, request: Request) -> bool {
        self.jobs.try_send(Job::Survey(request)).is_ok()
    }

    /// Asks where a function can be probed; `false` if too many are waiting.
    pub(super) fn search_function(&self, candidate: Candidate) -> bool {
        let job = Job::Function(Box::new(candidate));
        self.jobs.try_send(job).is_ok()
    }

    /// Asks for a look at the context; `false` if too many are waiting.
    pub(super) fn inspect(&self, target: u32, process: Arc<Process>) -> bool {
        self.looks.try_send(Look { target, process }).is_ok()
    }

    /// What is found next: of each kind in the order of the requests.
    pub(super) async fn next(&mut self) -> Option<Finding> {
        self.findings.recv().await
    }
}

fn search(catalogue: &Catalogue, inbox: &Receiver<Job>, outbox: &mpsc::Sender<Finding>) {
    let mut cache = AnalysisCache::new(CACHED);
    while let Ok(job) = inbox.recv() {
        let finding = match job {
            Job::Warm(process) => {
                warm(catalogue, &mut cache, &process);
                continue;
            }
            Job::Survey(request) => Finding::Objects(survey(catalogue, &mut cache, request)),
            Job::Function(candidate) => Finding::Function(Box::new(function(*candidate))),
            Job::Ahead(files) => Finding::Ahead(ahead(catalogue, &mut cache, files)),
        };
        if outbox.blocking_send(finding).is_err() {
            return;
        }
    }
}

fn function(candidate: Candidate) -> Searched {
    let place = &candidate.place;
    let hot = HotFunction {
        name: place.name.clone(),
        function: place.qualified.clone(),
        address: place.address,
    };
    Searched {
        region: hot.region(&place.file, &place.path),
        candidate,
    }
}

fn inspect(inbox: &Receiver<Look>, outbox: &mpsc::Sender<Finding>) {
    while let Ok(Look { target, process }) = inbox.recv() {
        // A process that has ended says nothing of itself; its end is heard of elsewhere.
        let mappings = process.mappings().unwrap_or_default();
        let findings = Box::new(context::inspect(&process, &mappings));
        if outbox
            .blocking_send(Finding::Context(target, findings))
            .is_err()
        {
            return;
        }
    }
}

fn warm(catalogue: &Catalogue, cache: &mut AnalysisCache, process: &Process) {
    for mapping in process.mappings().unwrap_or_default() {
        // What cannot be read is said when the survey finds it so.
        let _ = analyse(catalogue, cache, &mapping.map_file, &mapping.path);
    }
}

fn ahead(
    catalogue: &Catalogue,
    cache: &mut AnalysisCache,
    files: Vec<PathBuf>,
) -> Vec<SurveyedObject> {
    let searched = files.into_iter().map(|file| SurveyedObject {
        mapped_as: None,
        analysed: analyse(catalogue, cache, &file, &file),
        path: file.clone(),
        file,
    });
    searched.collect()
}

fn survey(catalogue: &Catalogue, cache: &mut AnalysisCache, request: Request) -> Survey {
    let (mappings, failed) = match request.process.mappings() {
        Ok(mappings) => (mappings, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let mut searched = request.searched;
    let is_new = |mapping: &Mapping| searched.insert(mapping.object);
    let objects = mappings.into_iter().filter(is_new);
    let objects = objects.map(|mapping| SurveyedObject {
        mapped_as: Some(mapping.object),
        analysed: analyse(catalogue, cache, &mapping.map_file, &mapping.path),
        path: mapping.path,
        file: mapping.map_file,
    });
    Survey {
        target: request.target,
        objects: objects.collect(),
        mapped: request.mapped,
        failed,
    }
}

fn analyse(
    catalogue: &Catalogue,
    cache: &mut AnalysisCache,
    file: &Path,
    name: &Path,
) -> Result<Analysed, String> {
    cache
        .analyse(catalogue, file, name)
        .map_err(|error| error.to_string())
}
