//! A thread that looks at the targets' threads from user space, so that a process with many of them does not
//! keep the engine from its rings.
//!
//! This is how a request that began before hotspan did, and has been blocked ever since, comes into sight: no
//! kernel program runs on a thread that never does.

mod stack;
mod target;
mod task;

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel},
    },
    thread,
};

use hotspan_synth::{ids::TargetId, time::KernelTime};

use self::target::Spotted;
use super::board::{TaskLook, ThreadLook};
use crate::{kernel::SuspendedTask, stack::Stacks, target::Process};

/// What is to be looked at.
struct Job {
    now: KernelTime,
    targets: Vec<(TargetId, Arc<Process>)>,
    suspended: Vec<SuspendedTask>,
}

/// What came of a job.
#[derive(Debug)]
pub struct Looks {
    /// When it began.
    pub began: KernelTime,
    /// All threads, but
    pub threads: Vec<ThreadLook>,
    /// so many that were too many.
    pub left_out: u64,
    /// Suspended tasks, with what they serve.
    pub tasks: Vec<TaskLook>,
}

/// The handle to the thread.
pub struct Spotter {
    jobs: SyncSender<Job>,
    looks: Receiver<Looks>,
}

impl Spotter {
    /// Starts the thread.
    ///
    /// # Errors
    /// No more threads.
    pub fn start() -> io::Result<Self> {
        let (jobs, inbox) = sync_channel(1);
        let (outbox, looks) = sync_channel(1);
        thread::Builder::new()
            .name("spotter".to_owned())
            .spawn(move || work(&inbox, &outbox))?;
        Ok(Self { jobs, looks })
    }

    /// Asks for a look, unless one is under way.
    ///
    /// # Errors
    /// The thread has ended.
    pub fn ask(
        &self,
        now: KernelTime,
        targets: Vec<(TargetId, Arc<Process>)>,
        suspended: Vec<SuspendedTask>,
    ) -> io::Result<()> {
        let job = Job {
            now,
            targets,
            suspended,
        };
        match self.jobs.try_send(job) {
            Ok(()) | Err(TrySendError::Full(_)) => Ok(()),
            Err(TrySendError::Disconnected(_)) => Err(ended()),
        }
    }

    /// What came of the look before, once.
    ///
    /// # Errors
    /// The thread has ended.
    pub fn take(&self) -> io::Result<Option<Looks>> {
        match self.looks.try_recv() {
            Ok(looks) => Ok(Some(looks)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(ended()),
        }
    }
}

fn ended() -> io::Error {
    io::Error::other("the thread that looks at the target's threads has ended")
}

fn work(inbox: &Receiver<Job>, outbox: &SyncSender<Looks>) {
    let mut stacks = Stacks::default();
    let mut functions = HashMap::new();
    let mut targets: HashMap<TargetId, Spotted> = HashMap::new();
    while let Ok(job) = inbox.recv() {
        let is_there = |id: &TargetId| job.targets.iter().any(|(target, _)| target == id);
        targets.retain(|id, _| is_there(id));
        let mut looks = Looks {
            began: job.now,
            threads: Vec::new(),
            left_out: 0,
            tasks: Vec::new(),
        };
        for (id, process) in job.targets {
            let spotted = targets
                .entry(id)
                .and_modify(|spotted| spotted.renew(&process, &mut stacks))
                .or_insert_with(|| Spotted::new(id, Arc::clone(&process), &mut stacks));
            spotted.look(&mut looks, &mut stacks, &mut functions);
            let own = |task: &&SuspendedTask| task.tgid == id.0;
            let tasks = job.suspended.iter().filter(own);
            looks
                .tasks
                .extend(tasks.filter_map(|task| spotted.task(task)));
        }
        if outbox.send(looks).is_err() {
            return;
        }
    }
}
