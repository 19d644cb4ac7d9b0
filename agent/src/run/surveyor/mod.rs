//! The surveyor: two threads that look at targets, so that a large library does not keep the engine
//! from its events, nor an interpreter's heap the libraries from being armed.

mod search;

use std::{
    collections::HashSet,
    io,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use hotspan_synth::{ids::FunctionId, time::KernelTime};
use tokio::sync::mpsc;

use self::search::Search;
use crate::{
    catalogue::{Analysed, Catalogue, FoundRegion, NotProbed},
    context::{self, ContextFindings},
    stack::NativePlace,
    target::{Process, mapping::ObjectId},
};

/// Jobs that may wait on each thread; more are not accepted until one is done.
const QUEUE: usize = 1024;

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
    /// What a process may map.
    Installed(Installed),
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

/// A library that is installed where a process looks for packages.
pub(super) struct Installed {
    /// Process id in the root pid namespace.
    pub target: u32,
    /// The library.
    pub object: Box<SurveyedObject>,
    /// Whether no more of them are to be searched, as things stand.
    pub is_last: bool,
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

    /// Whether it holds regions of the catalogue.
    pub fn has_regions(&self) -> bool {
        self.analysed
            .as_ref()
            .is_ok_and(|analysed| !analysed.analysis.regions.is_empty())
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
    /// Search the process's objects and those that it may map, so that a survey finds them searched.
    Warm(Arc<Process>),
    Survey(Request),
    Function(Box<Candidate>),
    Ahead(Vec<PathBuf>),
    Installed(Packages),
}

/// Folders of packages, which a process may load libraries from.
struct Packages {
    target: u32,
    process: Arc<Process>,
    folders: Vec<PathBuf>,
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
            .spawn(move || Search::new(catalogue, inbox, search_outbox).run())?;
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

    /// Searches libraries of the catalogue that are installed in `folders`, whenever there is nothing else to do. A full
    /// queue only means that they are armed when they are mapped.
    pub(super) fn look_into(&self, target: u32, process: Arc<Process>, folders: Vec<PathBuf>) {
        let _ = self.jobs.try_send(Job::Installed(Packages {
            target,
            process,
            folders,
        }));
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
