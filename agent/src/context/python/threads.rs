//! The threads of a live interpreter, read from user space: which span is active on each, and its frames.
//!
//! The kernel programs read the thread that runs. One that has been blocked since before they were there
//! never does, and its memory stands still for as long as it does not run: whoever reads it here must know
//! that it has not run meanwhile.

use std::collections::HashSet;

use hotspan_common::{PythonFramesLayout, PythonLayout};

use super::{
    frame_walk::{self, FrameWalk},
    hamt,
    heap::{Heap, HeapError, HeapLayout},
    layout::TSTATE_NEXT,
    modules::Modules,
    otel::find_otel,
    span::{SpanFacts, read_span},
};
use crate::{context::memory::Memory, target::Process};

/// Threads that are gone through; a list that is longer than this is no list.
const MAX_THREADS: usize = 4096;
/// `PyObject.ob_type`.
const OB_TYPE: u64 = 8;
/// `PyContext.ctx_vars` and `PyHamtObject.h_root`, the same in all versions.
const CTX_VARS: u64 = 24;
const H_ROOT: u64 = 16;
/// `struct pthread.tid` on x86-64: of glibc (`nptl/descr.h`, after its 704 bytes of header and a list of
/// two pointers) and of musl (`src/internal/pthread_impl.h`).
const PTHREAD_TIDS: [u64; 2] = [720, 48];

/// The interpreter of a process.
pub struct InterpreterThreads {
    memory: Memory,
    heap: HeapLayout,
    python: PythonLayout,
    frames: PythonFramesLayout,
    native_thread_id: Option<u64>,
}

/// One of its threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterpreterThread {
    /// Its `PyThreadState`.
    pub state: u64,
    /// Its id in its own pid namespace.
    pub ns_tid: u32,
}

impl InterpreterThreads {
    /// Finds the interpreter; `None` if there is none, or one that is not known.
    pub fn find(process: &Process) -> Option<Self> {
        let mappings = process.mappings().ok()?;
        let found = super::inspect(process.pid(), &mappings).ok()?;
        let memory = Memory::open(process.pid()).ok()?;
        let mut heap = Heap::new(&memory, HeapLayout::for_version(found.version.minor).ok()?);
        let modules = Modules::find(&mut heap, found.interpreter).ok()?;
        let otel = find_otel(&heap, &modules).ok();
        Some(Self {
            heap: *heap.layout(),
            python: found.layout(otel.as_ref()),
            frames: found.frames.unwrap_or_default(),
            native_thread_id: found.state.native_thread_id,
            memory,
        })
    }

    /// Whether it is known where the active span is: OpenTelemetry may be imported later.
    pub fn knows_spans(&self) -> bool {
        self.python.context_var != 0
    }

    /// Where the interpreter's lock lies.
    pub fn is_gil(&self, address: u64) -> bool {
        (self.frames.gil_start..self.frames.gil_end).contains(&address)
    }

    /// Those of the interpreter's threads that are among the process's threads, which `ids` are, each as
    /// the process sees it.
    pub fn list(&self, ids: &HashSet<u32>) -> Vec<InterpreterThread> {
        let mut threads = Vec::new();
        // A list that changes while it is read ends early, or leads astray: what is found is checked.
        let mut state = self.memory.read_u64(self.python.threads_head).unwrap_or(0);
        for _ in 0..MAX_THREADS {
            if state == 0 {
                break;
            }
            if let Some(ns_tid) = self.id(state, ids) {
                threads.push(InterpreterThread { state, ns_tid });
            }
            state = self.memory.read_u64(state + TSTATE_NEXT).unwrap_or(0);
        }
        threads
    }

    /// The C library's own record first: a forked child's interpreter may still have its parent's id.
    fn id(&self, state: u64, ids: &HashSet<u32>) -> Option<u32> {
        let known = |id: u32| ids.contains(&id).then_some(id);
        let thread = self
            .memory
            .read_u64(state.wrapping_add(u64::from(self.python.thread_id)))
            .ok()?;
        let is_pthread = self.memory.read_u64(thread) == Ok(thread);
        let by_library = PTHREAD_TIDS.iter().find_map(|offset| {
            let id = self.memory.read_u32(thread.wrapping_add(*offset)).ok()?;
            known(id)
        });
        let by_interpreter = || {
            let offset = self.native_thread_id?;
            known(self.memory.read_u64(state.wrapping_add(offset)).ok()? as u32)
        };
        by_library.filter(|_| is_pthread).or_else(by_interpreter)
    }

    /// The span that is active on a thread, and the address of its `PyContext`; `None`: no span is.
    ///
    /// # Errors
    /// Something on the way is not what it should be: the thread ran meanwhile, or the span does not record.
    pub fn active_span(&self, state: u64) -> Result<Option<(SpanFacts, u64)>, HeapError> {
        let heap = Heap::new(&self.memory, self.heap);
        let context = heap.word(state.wrapping_add(u64::from(self.python.thread_context)))?;
        Ok(self.span_in(context)?.map(|span| (span, context)))
    }

    /// The active span in a `PyContext`; `None` if there is none, or it is null. A task's context stands still
    /// only while it is suspended.
    ///
    /// # Errors
    /// Something on the way is not what it should be, or the span does not record.
    pub fn span_in(&self, context: u64) -> Result<Option<SpanFacts>, HeapError> {
        let heap = Heap::new(&self.memory, self.heap);
        if context == 0 || !self.knows_spans() {
            return Ok(None);
        }
        if heap.word(context.wrapping_add(OB_TYPE))? != self.python.context_type {
            return Err(HeapError::Malformed {
                address: context,
                what: "a thread's context that is none",
            });
        }
        let map = heap.word(context.wrapping_add(CTX_VARS))?;
        let root = heap.word(map.wrapping_add(H_ROOT))?;
        let Some(values) = hamt::value_of_context_var(&heap, &self.python, root)? else {
            return Ok(None);
        };
        let span = heap
            .dict_entries(values)?
            .into_iter()
            .find(|entry| entry.key == self.python.span_key);
        match span {
            Some(span) => read_span(&heap, span.value).map(Some),
            None => Ok(None),
        }
    }

    /// A thread's frames.
    pub fn frames(&self, state: u64) -> FrameWalk {
        frame_walk::walk(&self.memory, &self.frames, state)
    }
}
