//! Processes that come to be watched, become another program, and end.

use std::sync::Arc;

use super::{engine::Engine, say, targets::Watched};
use crate::target::Process;

impl Engine {
    /// Begins to watch a process: its events are followed at once, its regions armed when they are
    /// found. `descends`: from another one.
    ///
    /// # Errors
    /// The kernel's maps are full, or the recording cannot be written.
    pub fn adopt(&mut self, process: Arc<Process>, descends: bool) -> anyhow::Result<()> {
        let target = self.watch(process, true)?;
        self.descends(target, descends);
        self.survey(target);
        self.look(target);
        Ok(())
    }

    /// Begins to follow a process's events. Returns what the kernel's events call it.
    pub(super) fn watch(
        &mut self,
        process: Arc<Process>,
        is_asked_for: bool,
    ) -> anyhow::Result<u32> {
        let target = process.root_pid()?;
        let watched = Watched::new(process, is_asked_for);
        self.kernel.set_target(target, watched.wire)?;
        self.watch_end(target, Arc::clone(&watched.process));
        self.sampling.adopt(target, &watched.process);
        self.targets.insert(target, watched);
        Ok(target)
    }

    /// A target's child, or what it has become. One that has ended already, or that cannot be
    /// traced, is left alone.
    pub(super) fn found(&mut self, target: u32, is_asked_for: bool) -> anyhow::Result<()> {
        match Process::open(target) {
            Ok(process) => {
                self.watch(Arc::new(process), is_asked_for)?;
                self.survey(target);
                self.look(target);
                Ok(())
            }
            Err(reason) => {
                if is_asked_for {
                    say::error("cannot be traced any longer", &reason);
                }
                self.arming.armory.release(target);
                Ok(self.kernel.remove_target(target)?)
            }
        }
    }

    /// Another program runs in the process: what was known belongs to the old one.
    pub(super) fn executed(&mut self, target: u32) -> anyhow::Result<()> {
        self.take_in()?;
        self.arming.armory.executed(target);
        let old = self.targets.remove(&target);
        self.settle_arrivals();
        let was_asked_for = old.as_ref().is_some_and(|old| old.is_asked_for);
        self.found(target, was_asked_for)?;
        self.descends(target, old.is_none_or(|old| old.descends));
        Ok(())
    }

    fn descends(&mut self, target: u32, descends: bool) {
        if let Some(watched) = self.targets.get_mut(&target) {
            watched.descends = descends;
        }
    }

    pub(super) fn ended(&mut self, target: u32) -> anyhow::Result<()> {
        let is_running = |watched: &Watched| watched.process.is_running();
        if self.targets.get(&target).is_some_and(is_running) {
            // The news is of a process that had this id before, or of what ran in it before an exec.
            return Ok(());
        }
        self.take_in()?;
        self.arming.armory.release(target);
        self.targets.remove(&target);
        self.settle_arrivals();
        self.sampling.forget(target);
        self.densities.forget(target);
        self.promoting.forget(target);
        self.kernel.remove_target(target)?;
        Ok(())
    }

    fn watch_end(&self, target: u32, process: Arc<Process>) {
        let tell = self.tell_end.clone();
        tokio::spawn(async move {
            // A descriptor that cannot be polled is treated as an end: `ended` looks again.
            let _ = process.ended().await;
            let _ = tell.send(target).await;
        });
    }
}
