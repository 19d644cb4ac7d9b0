//! What is known of one target.

use std::{os::unix::fs::MetadataExt as _, sync::Arc};

use hotspan_common::SampleEvent;

use super::{adapt::Appetite, native::Named, python::Interpreter};
use crate::{
    symbolize::PerfMap,
    target::{Process, mapping::ObjectId},
    unwind::AddressSpace,
};

/// Between two readings of the mappings, or of a JIT's list, that only an unknown address asks for.
const RETRY_NS: u64 = 1_000_000_000;
/// The longest time between two such readings, as they are doubled while the address stays unknown.
const MAX_RETRY_NS: u64 = 32_000_000_000;
/// Between two searches for an interpreter that was not found.
const SEARCH_NS: u64 = 5_000_000_000;

/// A target, as far as its stacks go.
pub(super) struct Target {
    pub process: Arc<Process>,
    /// `None`: its mappings could not be read.
    pub space: Option<AddressSpace<Named>>,
    pub appetite: Appetite,
    now_ns: u64,
    is_stale: bool,
    read_ns: u64,
    retry_ns: u64,
    interpreter: Option<Interpreter>,
    searched_ns: Option<u64>,
    generated: Option<PerfMap>,
    generated_ns: Option<u64>,
}

impl Target {
    pub fn new(process: Arc<Process>) -> Self {
        Self {
            process,
            space: None,
            appetite: Appetite::default(),
            now_ns: 0,
            is_stale: true,
            read_ns: 0,
            retry_ns: RETRY_NS,
            interpreter: None,
            searched_ns: None,
            generated: None,
            generated_ns: None,
        }
    }

    /// Something was mapped: what is known is to be read again.
    pub fn mapped(&mut self) {
        self.is_stale = true;
        self.retry_ns = RETRY_NS;
    }

    /// Gets ready for a sample that was taken before `now_ns`, at `ip`; 0: it has no place.
    pub fn prepare(&mut self, ip: u64, now_ns: u64) {
        self.now_ns = now_ns;
        if self.is_stale {
            return self.read_mappings(now_ns);
        }
        let is_due = now_ns.saturating_sub(self.read_ns) >= self.retry_ns;
        if ip == 0 || !is_due || self.has_seen(ip) || self.maps(ip) {
            return;
        }
        self.read_mappings(now_ns);
        self.retry_ns = if self.maps(ip) {
            RETRY_NS
        } else {
            // Code made at run time is in no file, ever.
            (2 * self.retry_ns).min(MAX_RETRY_NS)
        };
    }

    fn has_seen(&self, ip: u64) -> bool {
        let space = self.space.as_ref();
        space.is_some_and(|space| space.has_seen(ip))
    }

    fn maps(&self, ip: u64) -> bool {
        let space = self.space.as_ref();
        space.is_some_and(|space| space.path_at(ip).is_some())
    }

    fn read_mappings(&mut self, now_ns: u64) {
        self.is_stale = false;
        self.read_ns = now_ns;
        match &mut self.space {
            // What cannot be read again stays as it was: as a rule, the process has just ended.
            Some(space) => {
                let _ = space.refresh(now_ns);
            }
            None => self.space = AddressSpace::read(Arc::clone(&self.process), now_ns).ok(),
        }
    }

    /// Its interpreter, looked for when it is first asked for, and again now and then.
    pub fn interpreter(&mut self) -> Option<&Interpreter> {
        let is_due = self
            .searched_ns
            .is_none_or(|searched| self.now_ns.saturating_sub(searched) >= SEARCH_NS);
        if self.interpreter.is_none() && is_due {
            self.searched_ns = Some(self.now_ns);
            self.interpreter = Interpreter::find(&self.process);
        }
        self.interpreter.as_ref()
    }

    /// Its interpreter, if the sample is of a thread that runs Python.
    pub fn interpreter_for(&mut self, event: &SampleEvent) -> Option<&Interpreter> {
        let is_python = event.python_len != 0 || event.span_object != 0 || event.context != 0;
        is_python.then(|| self.interpreter()).flatten()
    }

    /// The object that holds the interpreter.
    pub fn interpreters_object(&self) -> Option<ObjectId> {
        self.interpreter.as_ref()?.object
    }

    /// The name that a JIT gives to its code at an address.
    pub fn generated_name(&mut self, address: u64) -> Option<String> {
        let name = |map: &Option<PerfMap>| {
            map.as_ref()
                .and_then(|map| map.name(address))
                .map(str::to_owned)
        };
        let is_due = self
            .generated_ns
            .is_none_or(|read| self.now_ns.saturating_sub(read) >= RETRY_NS);
        if let Some(known) = name(&self.generated) {
            return Some(known);
        }
        if is_due {
            self.generated_ns = Some(self.now_ns);
            self.generated = self.read_generated();
        }
        name(&self.generated)
    }

    /// As a rule there is no such list.
    fn read_generated(&self) -> Option<PerfMap> {
        let proc_dir = self.process.proc_dir();
        let user = std::fs::metadata(proc_dir).ok()?.uid();
        PerfMap::read(&proc_dir.join("root"), self.process.ns_pid(), user).ok()
    }
}
