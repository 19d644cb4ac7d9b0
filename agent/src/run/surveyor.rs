//! The surveyor: a thread that searches objects and reads interpreters, so that a large library does
//! not keep the engine from its events.

use std::{
    collections::HashSet,
    io,
    num::NonZeroUsize,
    path::Path,
    sync::{Arc, mpsc as std_mpsc},
    thread,
};

use tokio::sync::mpsc;

use crate::{
    catalogue::{Analysis, AnalysisCache, Catalogue},
    context::{self, ContextFindings},
    target::{
        Process,
        mapping::{Mapping, ObjectId},
    },
};

/// Surveys that may wait; more are not accepted until one is done.
const QUEUE: usize = 1024;

/// Objects whose analyses are kept: a Python service maps some hundred.
const CACHED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// What is to be looked at.
pub(super) struct Request {
    /// Process id in the root pid namespace.
    pub target: u32,
    /// The process.
    pub process: Arc<Process>,
    /// Objects that were searched before.
    pub searched: HashSet<ObjectId>,
}

/// What was found.
pub(super) struct Survey {
    /// Process id in the root pid namespace.
    pub target: u32,
    /// Objects that were not searched before, with what is in them.
    pub objects: Vec<SurveyedObject>,
    /// How to read parents, and what the target says of itself.
    pub context: ContextFindings,
    /// Why the mappings could not be read: as a rule, the process has ended.
    pub failed: Option<String>,
}

/// One object of a target.
pub(super) struct SurveyedObject {
    /// Its first executable mapping.
    pub mapping: Mapping,
    /// What is in it, or why it could not be read.
    pub analysis: Result<Arc<Analysis>, String>,
}

/// The handle to the thread; dropping it ends the thread after the work under way.
pub struct Surveyor {
    jobs: std_mpsc::SyncSender<Job>,
    surveys: mpsc::Receiver<Survey>,
}

enum Job {
    /// Search the process's objects, so that a survey finds them searched.
    Warm(Arc<Process>),
    Survey(Request),
}

impl Surveyor {
    /// Starts the thread.
    ///
    /// # Errors
    /// No more threads.
    pub fn start(catalogue: Catalogue) -> io::Result<Self> {
        let (jobs, inbox) = std_mpsc::sync_channel(QUEUE);
        let (outbox, surveys) = mpsc::channel(QUEUE);
        thread::Builder::new()
            .name("surveyor".to_owned())
            .spawn(move || work(&catalogue, &inbox, &outbox))?;
        Ok(Self { jobs, surveys })
    }

    /// Searches a process's objects ahead of time. A full queue, or a process that ends, only means
    /// that its survey takes longer.
    pub fn warm(&self, process: Arc<Process>) {
        let _ = self.jobs.try_send(Job::Warm(process));
    }

    /// Asks for a survey; `false` if too many are waiting.
    pub(super) fn request(&self, request: Request) -> bool {
        self.jobs.try_send(Job::Survey(request)).is_ok()
    }

    /// The next survey, in the order of the requests.
    pub(super) async fn next(&mut self) -> Option<Survey> {
        self.surveys.recv().await
    }
}

fn work(catalogue: &Catalogue, inbox: &std_mpsc::Receiver<Job>, outbox: &mpsc::Sender<Survey>) {
    let mut cache = AnalysisCache::new(CACHED);
    while let Ok(job) = inbox.recv() {
        match job {
            Job::Warm(process) => warm(catalogue, &mut cache, &process),
            Job::Survey(request) => {
                let survey = survey(catalogue, &mut cache, &request);
                if outbox.blocking_send(survey).is_err() {
                    return;
                }
            }
        }
    }
}

fn warm(catalogue: &Catalogue, cache: &mut AnalysisCache, process: &Process) {
    for mapping in process.mappings().unwrap_or_default() {
        // What cannot be read is said when the survey finds it so.
        let _ = analyse(catalogue, cache, &mapping.map_file, &mapping.path);
    }
}

fn survey(catalogue: &Catalogue, cache: &mut AnalysisCache, request: &Request) -> Survey {
    let (mappings, failed) = match request.process.mappings() {
        Ok(mappings) => (mappings, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let mut searched = request.searched.clone();
    let objects = mappings
        .iter()
        .filter(|mapping| searched.insert(mapping.object))
        .map(|mapping| SurveyedObject {
            mapping: mapping.clone(),
            analysis: analyse(catalogue, cache, &mapping.map_file, &mapping.path),
        })
        .collect();
    Survey {
        target: request.target,
        objects,
        context: context::inspect(&request.process, &mappings),
        failed,
    }
}

fn analyse(
    catalogue: &Catalogue,
    cache: &mut AnalysisCache,
    file: &Path,
    name: &Path,
) -> Result<Arc<Analysis>, String> {
    cache
        .analyse(catalogue, file, name)
        .map_err(|error| error.to_string())
}
