//! What has no request yet: servers, event loops, threads that have just begun.

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
    /// It is where a thread starts.
    Thread,
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

/// What a framework's function does, if it has no request yet.
pub(super) fn of(function: &Function) -> Option<Role> {
    if function.language != Language::Python {
        return starts::is_thread_start(&function.name).then_some(Role::Thread);
    }
    let inside = inside_packages(&function.file).or_else(|| inside_standard(&function.file))?;
    let is_one = |places: &[&str]| places.iter().any(|place| inside.starts_with(place));
    if is_one(SERVERS) {
        Some(Role::Server)
    } else if is_one(LOOPS) {
        Some(Role::Loop)
    } else {
        (inside == "threading.py").then_some(Role::Thread)
    }
}
