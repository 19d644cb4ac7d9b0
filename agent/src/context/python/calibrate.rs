//! Checks the table of offsets on the live process: every build can differ from the released ones.

use std::{collections::HashSet, fs};

use super::{
    ContextRefusal,
    layout::{StateOffsets, TSTATE_INTERP, TSTATE_NEXT, TSTATE_PREV},
    runtime::Runtime,
};
use crate::context::memory::{Memory, MemoryError};

/// Threads that are looked at; a list that is longer than this is no list.
const MAX_THREADS: usize = 4096;
/// How often the list is read again when threads come and go under the reader.
const ATTEMPTS: usize = 5;
/// `PyObject.ob_type`.
const OB_TYPE: u64 = 8;

/// What the check has led to.
pub struct Checked {
    /// The main interpreter.
    pub interpreter: u64,
    /// Its threads.
    pub threads: Vec<u64>,
}

/// Checks the way from the runtime to each thread's context.
pub fn check(
    pid: u32,
    memory: &Memory,
    runtime: &Runtime,
    offsets: &StateOffsets,
) -> Result<Checked, ContextRefusal> {
    let checker = Checker {
        pid,
        memory,
        runtime,
        offsets,
    };
    let interpreter = checker.main_interpreter()?;
    let mut outcome = checker.threads(interpreter);
    for _ in 1..ATTEMPTS {
        if outcome.is_ok() {
            break;
        }
        outcome = checker.threads(interpreter);
    }
    outcome.map(|threads| Checked {
        interpreter,
        threads,
    })
}

struct Checker<'a> {
    pid: u32,
    memory: &'a Memory,
    runtime: &'a Runtime,
    offsets: &'a StateOffsets,
}

impl Checker<'_> {
    fn mismatch(&self, what: &'static str) -> ContextRefusal {
        ContextRefusal::LayoutMismatch {
            version: self.runtime.version,
            what,
        }
    }

    /// `interpreters.main`, which follows `interpreters.head` and is in its list.
    fn main_interpreter(&self) -> Result<u64, ContextRefusal> {
        let head = self.runtime.address + self.offsets.interpreters_head;
        match self.memory.read_u64(head + 8)? {
            0 => Err(ContextRefusal::NotInitialised),
            main => Ok(main),
        }
    }

    fn threads(&self, interpreter: u64) -> Result<Vec<u64>, ContextRefusal> {
        let threads = self
            .list(interpreter)
            .map_err(|error| self.unreadable(error))?;
        if threads.is_empty() {
            return Err(ContextRefusal::NotInitialised);
        }
        for &thread in &threads {
            self.belongs(thread, interpreter)?;
            self.context(thread)?;
        }
        self.ids(&threads)?;
        Ok(threads)
    }

    /// What the table leads to and cannot be read is not what the table says.
    fn unreadable(&self, _: MemoryError) -> ContextRefusal {
        self.mismatch("the list of threads is not readable where it should be")
    }

    fn list(&self, interpreter: u64) -> Result<Vec<u64>, MemoryError> {
        let mut threads = Vec::new();
        let mut thread = self
            .memory
            .read_u64(interpreter + self.offsets.threads_head)?;
        while thread != 0 && threads.len() < MAX_THREADS {
            threads.push(thread);
            thread = self.memory.read_u64(thread + TSTATE_NEXT)?;
        }
        Ok(threads)
    }

    fn belongs(&self, thread: u64, interpreter: u64) -> Result<(), ContextRefusal> {
        let memory = self.memory;
        if memory.read_u64(thread + TSTATE_INTERP)? != interpreter {
            return Err(self.mismatch("a thread does not name its interpreter"));
        }
        let previous = memory.read_u64(thread + TSTATE_PREV)?;
        let link = match previous {
            0 => interpreter + self.offsets.threads_head,
            previous => previous + TSTATE_NEXT,
        };
        if memory.read_u64(link)? != thread {
            return Err(self.mismatch("the list of threads is not linked both ways"));
        }
        Ok(())
    }

    /// A thread has no context, or one of the right type.
    fn context(&self, thread: u64) -> Result<(), ContextRefusal> {
        let context = self.memory.read_u64(thread + self.offsets.context)?;
        let is_context = || -> Result<bool, MemoryError> {
            Ok(self.memory.read_u64(context + OB_TYPE)? == self.runtime.types.context)
        };
        if context == 0 || is_context().unwrap_or(false) {
            return Ok(());
        }
        Err(self.mismatch("a thread's context is not a Context"))
    }

    /// At least one thread must be known by its ids: others may be about to start or to end.
    fn ids(&self, threads: &[u64]) -> Result<(), ContextRefusal> {
        if !threads.iter().any(|&thread| self.names_itself(thread)) {
            return Err(self.mismatch("no thread_id is a pthread_t"));
        }
        let Some(offset) = self.offsets.native_thread_id else {
            return Ok(());
        };
        let ids = self.thread_ids()?;
        let known = |&thread: &u64| {
            let id = self.memory.read_u64(thread + offset);
            id.is_ok_and(|id| ids.contains(&id))
        };
        if threads.iter().any(known) {
            Ok(())
        } else {
            Err(self.mismatch("no native_thread_id is a thread of the process"))
        }
    }

    /// On x86-64, what a `pthread_t` points to begins with its own address (glibc, musl).
    fn names_itself(&self, thread: u64) -> bool {
        let id = self.memory.read_u64(thread + self.offsets.thread_id);
        id.is_ok_and(|id| self.memory.read_u64(id) == Ok(id))
    }

    /// The process's thread ids as it sees them itself: the last of `NSpid`.
    fn thread_ids(&self) -> Result<HashSet<u64>, ContextRefusal> {
        let failed = |error: std::io::Error| ContextRefusal::Memory(error.to_string());
        let mut ids = HashSet::new();
        for task in fs::read_dir(format!("/proc/{}/task", self.pid)).map_err(failed)? {
            let status = task.map_err(failed)?.path().join("status");
            // A thread can end while the directory is read.
            let Ok(status) = fs::read_to_string(status) else {
                continue;
            };
            let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
            let id = line.and_then(|line| line.split_whitespace().last());
            ids.extend(id.and_then(|id| id.parse::<u64>().ok()));
        }
        Ok(ids)
    }
}
