//! Why a thread or a coroutine did not run: only what the evidence shows.

use crate::{
    event::{Frame, Language, Wait, WaitEvidence},
    inference::functions::Functions,
};

/// A cause, as `wait.CAUSE` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    Lock,
    Gil,
    Io,
    Sleep,
    Child,
    /// A thread that the work was handed to.
    Thread,
    RunQueue,
    Unknown,
}

/// System calls that wait for descriptors, or sleep if they are given none.
const POLLS: &[&str] = &[
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
];

/// System calls that wait for what a descriptor stands for.
const IO: &[&str] = &[
    "accept",
    "accept4",
    "close",
    "connect",
    "copy_file_range",
    "fallocate",
    "fdatasync",
    "flock",
    "fsync",
    "ftruncate",
    "getdents64",
    "io_getevents",
    "io_pgetevents",
    "io_uring_enter",
    "msync",
    "newfstatat",
    "open",
    "openat",
    "openat2",
    "pread64",
    "preadv",
    "preadv2",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "read",
    "readv",
    "recvfrom",
    "recvmmsg",
    "recvmsg",
    "rename",
    "renameat",
    "renameat2",
    "sendfile",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "splice",
    "statx",
    "sync_file_range",
    "unlink",
    "unlinkat",
    "write",
    "writev",
];

impl Cause {
    /// What a wait was for.
    pub fn of(wait: &Wait, functions: &Functions) -> Self {
        match &wait.evidence {
            WaitEvidence::Suspended => suspended(&wait.stack, functions),
            evidence => match Self::shown_by(evidence) {
                Self::Unknown if wait.for_block_device => Self::Io,
                cause => cause,
            },
        }
    }

    /// What the evidence shows by itself.
    fn shown_by(evidence: &WaitEvidence) -> Self {
        match evidence {
            WaitEvidence::RunQueue => Self::RunQueue,
            WaitEvidence::Gil => Self::Gil,
            WaitEvidence::Syscall { name, is_idle } => syscall(name, *is_idle),
            WaitEvidence::Suspended | WaitEvidence::Fault | WaitEvidence::Unknown => Self::Unknown,
        }
    }

    /// The name of its spans.
    pub fn span_name(self) -> &'static str {
        match self {
            Self::Lock => "wait.lock",
            Self::Gil => "wait.gil",
            Self::Io => "wait.io",
            Self::Sleep => "wait.sleep",
            Self::Child => "wait.child",
            Self::Thread => "wait.thread",
            Self::RunQueue => "wait.runqueue",
            Self::Unknown => "wait.unknown",
        }
    }

    /// Whether the thread was ready to go on, and others were in its way. Such waits come as they
    /// will, and say nothing of the function that they hit.
    pub fn is_contention(self) -> bool {
        matches!(self, Self::Gil | Self::RunQueue)
    }
}

impl WaitEvidence {
    /// The cause that it shows by itself, without a stack: as in `wait.CAUSE`.
    pub fn cause(&self) -> &'static str {
        let name = Cause::shown_by(self).span_name();
        name.strip_prefix("wait.").unwrap_or(name)
    }
}

fn syscall(name: &str, is_idle: bool) -> Cause {
    match name {
        "futex" | "futex_wait" | "futex_waitv" | "semop" | "semtimedop" => Cause::Lock,
        "nanosleep" | "clock_nanosleep" | "pause" => Cause::Sleep,
        "wait4" | "waitid" | "waitpid" => Cause::Child,
        name if POLLS.contains(&name) && is_idle => Cause::Sleep,
        name if POLLS.contains(&name) || IO.contains(&name) => Cause::Io,
        _ => Cause::Unknown,
    }
}

/// By the innermost coroutine that is awaited.
fn suspended(stack: &[Frame], functions: &Functions) -> Cause {
    let awaited = stack.last().and_then(|frame| functions.get(frame.function));
    let Some(awaited) = awaited.map(|known| &known.function) else {
        return Cause::Unknown;
    };
    let is_in = |module: &str| awaited.file.ends_with(module);
    if awaited.language != Language::Python {
        return Cause::Unknown;
    }
    match awaited.name.as_str() {
        "sleep" if is_in("asyncio/tasks.py") || is_in("/anyio/_core/_eventloop.py") => Cause::Sleep,
        "acquire" if is_in("asyncio/locks.py") => Cause::Lock,
        "wait" if is_in("asyncio/subprocess.py") => Cause::Child,
        "to_thread" if is_in("asyncio/threads.py") => Cause::Thread,
        "run_sync_in_worker_thread" if is_in("/anyio/_backends/_asyncio.py") => Cause::Thread,
        "__call__" if is_in("/asgiref/sync.py") => Cause::Thread,
        "_wait_for_data" | "drain" | "_drain_helper" if is_in("asyncio/streams.py") => Cause::Io,
        "sock_recv" | "sock_recv_into" | "sock_sendall" | "sock_accept" | "sock_connect"
            if is_in("asyncio/selector_events.py") =>
        {
            Cause::Io
        }
        _ => Cause::Unknown,
    }
}
