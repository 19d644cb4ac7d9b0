//! What is known of each target, for the resource of its spans.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use hotspan_synth::{event::Target, ids::TargetId};

/// One process. Spans hold on to it, so that a recycled process id cannot give them another's
/// resource, and a resource that becomes readable while they wait is still theirs.
#[derive(Debug)]
pub(super) struct TargetSlot {
    target: Mutex<Arc<Target>>,
}

impl TargetSlot {
    fn new(target: Target) -> Arc<Self> {
        Arc::new(Self {
            target: Mutex::new(Arc::new(target)),
        })
    }

    /// What is known now.
    pub(super) fn target(&self) -> Arc<Target> {
        Arc::clone(&self.target.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn update(&self, target: Target) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(target);
    }
}

/// The targets of a run.
#[derive(Debug, Default)]
pub(super) struct Targets(HashMap<TargetId, Arc<TargetSlot>>);

impl Targets {
    /// Takes a description: of a new process if executable or inner process id differ.
    pub(super) fn describe(&mut self, target: Target) {
        if let Some(slot) = self.0.get(&target.id) {
            let known = slot.target();
            if known.executable == target.executable && known.ns_pid == target.ns_pid {
                slot.update(target);
                return;
            }
        }
        self.0.insert(target.id, TargetSlot::new(target));
    }

    /// Forgets a target; its waiting spans keep their slot.
    pub(super) fn forget(&mut self, id: TargetId) {
        self.0.remove(&id);
    }

    /// The slot of a target; one that was never described has an empty resource.
    pub(super) fn slot(&mut self, id: TargetId) -> Arc<TargetSlot> {
        let slot = self.0.entry(id).or_insert_with(|| {
            TargetSlot::new(Target {
                id,
                ns_pid: 0,
                executable: String::new(),
                resource: Vec::new(),
                begins_traces: false,
            })
        });
        Arc::clone(slot)
    }
}
