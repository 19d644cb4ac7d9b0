//! What has no request yet: servers, event loops, threads that have just begun or wait for work.

use super::{
    place::{inside_packages, inside_standard},
    starts,
};
use crate::event::{Function, Language};

/// What a framework's function does that has no request yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It waits for requests and has them handled.
    Server,
    /// It waits for events and calls what they are for.
    Loop,
    /// It has a pool's thread wait for work, and do it.
    Pool,
    /// It hands on what came of some work.
    Outcome,
    /// It waits for what others hand over.
    Queue,
    /// It is where a thread starts, or waits for another.
    Thread,
    /// It is where a process starts that was forked: what is above it is its parent's.
    Process,
}

/// Of these, what runs for as long as a service does, by their files below the packages' or the standard library's folder.
const SERVERS: &[&str] = &[
    "billiard/",
    "celery/app/trace.py",
    "celery/concurrency/",
    "celery/worker/",
    "cheroot/",
    "daphne/",
    "dramatiq/worker.py",
    "granian/",
    "gunicorn/",
    "hypercorn/",
    "rq/worker",
    "socketserver.py",
    "uvicorn/",
    "waitress/",
    "werkzeug/serving.py",
    "wsgiref/",
];

/// The same of event loops.
const LOOPS: &[&str] = &[
    "asyncio/base_events.py",
    "asyncio/runners.py",
    "selectors.py",
    "trio/_core/_run.py",
    "uvloop/__init__.py",
];

/// Where pools' threads and processes wait for work: files and functions.
const POOLS: &[(&str, &str)] = &[
    ("concurrent/futures/process.py", "_process_worker"),
    ("concurrent/futures/thread.py", "_worker"),
    ("multiprocessing/pool.py", "worker"),
];

/// Where forked processes start.
const PROCESSES: &[(&str, &str)] = &[
    ("billiard/process.py", "_bootstrap"),
    ("multiprocessing/process.py", "_bootstrap"),
];

/// What hands on what came of their work, on their thread and on the loop that waits for it.
const OUTCOMES: &[(&str, &str)] = &[
    ("asyncio/futures.py", "_call_set_state"),
    ("asyncio/futures.py", "_set_state"),
    ("concurrent/futures/_base.py", "set_exception"),
    ("concurrent/futures/_base.py", "set_result"),
];

/// What they wait in.
const QUEUES: &[&str] = &[
    "multiprocessing/connection.py",
    "multiprocessing/queues.py",
    "multiprocessing/synchronize.py",
    "queue.py",
];

/// Whether a stack, innermost first, is that of a pool's thread that waits for work.
pub fn waits_for_work<'a>(stack: impl Iterator<Item = &'a Function>) -> bool {
    let python = stack.filter(|function| function.language == Language::Python);
    is_in_pool(python.map(of))
}

/// Whether Python's frames, innermost first, are those of a pool's thread that waits for work, or of what hands on what came of
/// some. That is nobody's, whatever span is active: where threads are instrumented, a pool's thread has the one for good in which it
/// was made.
pub(super) fn is_between_jobs(roles: impl Iterator<Item = Option<Role>> + Clone) -> bool {
    let mut outcomes = roles.clone().filter(|role| *role == Some(Role::Outcome));
    is_in_pool(roles) || outcomes.next().is_some()
}

fn is_in_pool(mut roles: impl Iterator<Item = Option<Role>>) -> bool {
    roles.find(|role| !matches!(role, Some(Role::Queue | Role::Thread))) == Some(Some(Role::Pool))
}

/// What a framework's function does, if it has no request yet.
pub(super) fn of(function: &Function) -> Option<Role> {
    if function.language != Language::Python {
        return starts::is_thread_start(&function.name).then_some(Role::Thread);
    }
    let inside = inside_packages(&function.file).or_else(|| inside_standard(&function.file))?;
    if PROCESSES.contains(&(inside, &function.name)) {
        return Some(Role::Process);
    }
    let is_one = |places: &[&str]| places.iter().any(|place| inside.starts_with(place));
    if is_one(SERVERS) {
        Some(Role::Server)
    } else if is_one(LOOPS) {
        Some(Role::Loop)
    } else if POOLS.contains(&(inside, &function.name)) {
        Some(Role::Pool)
    } else if OUTCOMES.contains(&(inside, &function.name)) {
        Some(Role::Outcome)
    } else if is_one(QUEUES) {
        Some(Role::Queue)
    } else {
        (inside == "threading.py").then_some(Role::Thread)
    }
}
