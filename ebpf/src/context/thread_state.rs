//! From the current thread to its `PyThreadState`, and to its context.
//!
//! CPython's own "current" pointer is no use: it is NULL while the thread has released the GIL, as
//! native work does. So the interpreter's list is searched once and the answer kept, to be checked
//! at each use.

use hotspan_common::{ContextOutcome, PythonLayout, PythonThread};

use super::{Walk, fs_base};
use crate::{
    memory::Access,
    repeat::{CONTINUE, STOP, repeat},
};

/// `PyThreadState.prev` and `.next`, the same in all versions.
const PREV: u64 = 0;
const NEXT: u64 = 8;
/// Threads that are searched.
const MAX_LISTED: u32 = 1024;

/// What tells the current thread's state from others'.
#[derive(Clone, Copy)]
struct Identity {
    /// Offset in `PyThreadState` of the word to compare.
    field: u64,
    /// What it holds for the current thread.
    value: u64,
}

/// The current `PyContext` of the current thread; 0 if it has none.
#[inline(always)]
pub fn context<M: Access>(layout: &PythonLayout, thread: &mut PythonThread) -> Walk<u64> {
    let identity = identity(layout, thread);
    let cached = thread.state;
    let state = if cached != 0 && is_current::<M>(layout, cached, identity) {
        cached
    } else {
        search::<M>(layout, identity)?
    };
    thread.state = state;
    let place = state.wrapping_add(u64::from(layout.thread_context));
    Ok(M::read(place)?)
}

/// The FS base is preferred over the thread id: it is the same in every pid namespace, and a forked
/// child keeps it.
#[inline(always)]
fn identity(layout: &PythonLayout, thread: &PythonThread) -> Identity {
    if layout.task_fs_base != 0 {
        Identity {
            field: u64::from(layout.thread_id),
            value: fs_base::of_current(),
        }
    } else {
        Identity {
            field: u64::from(layout.native_thread_id),
            value: u64::from(thread.ns_tid),
        }
    }
}

/// Whether the state is this thread's and still in the list: freed memory keeps its bytes.
#[inline(always)]
fn is_current<M: Access>(layout: &PythonLayout, state: u64, identity: Identity) -> bool {
    let check = || -> Walk<bool> {
        if M::read::<u64>(state.wrapping_add(identity.field))? != identity.value {
            return Ok(false);
        }
        let previous = M::read::<u64>(state.wrapping_add(PREV))?;
        let link = if previous == 0 {
            layout.threads_head
        } else {
            previous.wrapping_add(NEXT)
        };
        Ok(M::read::<u64>(link)? == state)
    };
    check().unwrap_or(false)
}

/// A search through the interpreter's list of threads.
struct Search {
    identity: Identity,
    /// The thread to look at next; 0: the list is at its end.
    next: u64,
    /// The last match.
    found: u64,
    failed: bool,
}

#[inline(always)]
fn search<M: Access>(layout: &PythonLayout, identity: Identity) -> Walk<u64> {
    let next = M::read::<u64>(layout.threads_head)?;
    let mut search = Search {
        identity,
        next,
        found: 0,
        failed: false,
    };
    repeat(MAX_LISTED, look_at::<M>, &mut search);
    if search.failed {
        Err(ContextOutcome::ReadFailed)
    } else if search.found != 0 {
        Ok(search.found)
    } else if search.next == 0 {
        Err(ContextOutcome::NotAPythonThread)
    } else {
        Err(ContextOutcome::TooManyThreads)
    }
}

/// The oldest match, the last in the list, is the thread's own: until a new thread runs, its state
/// may carry the ids of the thread that creates it.
extern "C" fn look_at<M: Access>(_: u64, search: &mut Search) -> u64 {
    let state = search.next;
    if state == 0 {
        return STOP;
    }
    let id = M::read::<u64>(state.wrapping_add(search.identity.field));
    let next = M::read::<u64>(state.wrapping_add(NEXT));
    let (Ok(id), Ok(next)) = (id, next) else {
        search.failed = true;
        return STOP;
    };
    if id == search.identity.value {
        search.found = state;
    }
    search.next = next;
    CONTINUE
}
