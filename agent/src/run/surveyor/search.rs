//! The thread that searches objects for regions.

use std::{
    collections::VecDeque,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, TryRecvError},
    },
};

use tokio::sync::mpsc;

use super::{Candidate, Finding, Installed, Job, Request, Searched, Survey, SurveyedObject};
use crate::{
    catalogue::{Analysed, AnalysisCache, Catalogue, HotFunction, InstalledFile},
    context,
    target::{Process, mapping::Mapping},
};

/// Objects whose analyses are kept: a Python service maps some hundred.
const CACHED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// A file that a process may map.
struct Expected {
    /// Who is to be told; `None`: nobody yet.
    target: Option<u32>,
    process: Arc<Process>,
    installed: InstalledFile,
}

/// What the thread works with.
pub(super) struct Search {
    catalogue: Catalogue,
    cache: AnalysisCache,
    inbox: Receiver<Job>,
    outbox: mpsc::Sender<Finding>,
    /// Searched one by one, while nothing else waits: what is mapped already comes first.
    expected: VecDeque<Expected>,
}

impl Search {
    pub fn new(catalogue: Catalogue, inbox: Receiver<Job>, outbox: mpsc::Sender<Finding>) -> Self {
        Self {
            catalogue,
            cache: AnalysisCache::new(CACHED),
            inbox,
            outbox,
            expected: VecDeque::new(),
        }
    }

    /// Works until nobody asks any more.
    pub fn run(mut self) {
        loop {
            let finding = match self.next() {
                Ok(job) => self.work(job),
                Err(TryRecvError::Empty) => self.look_ahead(),
                Err(TryRecvError::Disconnected) => return,
            };
            if finding.is_some_and(|finding| self.outbox.blocking_send(finding).is_err()) {
                return;
            }
        }
    }

    /// Waits for a job, unless there is something to do without one.
    fn next(&self) -> Result<Job, TryRecvError> {
        if self.expected.is_empty() {
            return self.inbox.recv().map_err(|_| TryRecvError::Disconnected);
        }
        self.inbox.try_recv()
    }

    fn work(&mut self, job: Job) -> Option<Finding> {
        match job {
            Job::Warm(process) => {
                self.warm(&process);
                let folders = context::packages(&process);
                self.expect(None, &process, &folders);
                None
            }
            Job::Survey(request) => Some(Finding::Objects(self.survey(request))),
            Job::Function(candidate) => Some(Finding::Function(Box::new(function(*candidate)))),
            Job::Ahead(files) => Some(Finding::Ahead(self.ahead(files))),
            Job::Installed(packages) => {
                self.expect(Some(packages.target), &packages.process, &packages.folders);
                None
            }
        }
    }

    fn warm(&mut self, process: &Process) {
        for mapping in process.mappings().unwrap_or_default() {
            // What cannot be read is said when the survey finds it so.
            let _ = self.analyse(&mapping.map_file, &mapping.path);
        }
    }

    fn ahead(&mut self, files: Vec<PathBuf>) -> Vec<SurveyedObject> {
        let searched = files.into_iter().map(|file| SurveyedObject {
            mapped_as: None,
            analysed: self.analyse(&file, &file),
            path: file.clone(),
            file,
        });
        searched.collect()
    }

    fn survey(&mut self, request: Request) -> Survey {
        let (mappings, failed) = match request.process.mappings() {
            Ok(mappings) => (mappings, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        let mut searched = request.searched;
        let is_new = |mapping: &Mapping| searched.insert(mapping.object);
        let objects = mappings.into_iter().filter(is_new);
        let objects = objects.map(|mapping| SurveyedObject {
            mapped_as: Some(mapping.object),
            analysed: self.analyse(&mapping.map_file, &mapping.path),
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

    fn expect(&mut self, target: Option<u32>, process: &Arc<Process>, folders: &[PathBuf]) {
        let root = process.proc_dir().join("root");
        let installed = self.catalogue.installed(&root, folders);
        let expected = installed.into_iter().map(|installed| Expected {
            target,
            process: Arc::clone(process),
            installed,
        });
        self.expected.extend(expected);
    }

    fn look_ahead(&mut self) -> Option<Finding> {
        let Expected {
            target,
            process,
            installed: InstalledFile { path, file },
        } = self.expected.pop_front()?;
        if !process.is_running() {
            return None;
        }
        let object = SurveyedObject {
            mapped_as: None,
            analysed: self.analyse(&file, &path),
            path,
            file,
        };
        let is_last = !(self.expected.iter()).any(|expected| expected.target == target);
        Some(Finding::Installed(Installed {
            target: target?,
            object: Box::new(object),
            is_last,
        }))
    }

    fn analyse(&mut self, file: &Path, name: &Path) -> Result<Analysed, String> {
        self.cache
            .analyse(&self.catalogue, file, name)
            .map_err(|error| error.to_string())
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
