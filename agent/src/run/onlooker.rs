//! Somebody who looks on while the engine runs: hears every event that the core is fed, and is shown twice a
//! second what stands in the kernel's maps.

use std::{io, sync::Arc};

use hotspan_synth::{
    event::{Event, OpenCrossing, ParentRead},
    ids::TargetId,
    time::KernelTime,
};

use crate::{kernel::SuspendedTask, target::Process};

/// Looks on.
pub trait Onlooker {
    /// An event that the core is fed.
    fn hear(&mut self, event: &Event);

    /// What stands now.
    ///
    /// # Errors
    /// What it makes of it cannot be shown any more: the run ends with this.
    fn look(&mut self, view: View) -> io::Result<()>;
}

/// What stands at an instant.
pub struct View {
    /// The instant.
    pub now: KernelTime,
    /// Whether a process that was asked for is armed, or was found to have nothing to arm.
    pub is_attached: bool,
    /// The targets.
    pub targets: Vec<(TargetId, Arc<Process>)>,
    /// Crossings that have not ended.
    pub open: Vec<OpenCrossing>,
    /// Threads at work that do not run.
    pub off_cpu: Vec<OffCpu>,
    /// Tasks of event loops that are suspended.
    pub suspended: Vec<SuspendedTask>,
}

/// A thread at work that does not run.
#[derive(Clone, Debug)]
pub struct OffCpu {
    /// Target.
    pub target: TargetId,
    /// Thread id in the target's own pid namespace.
    pub thread: u32,
    /// Since when.
    pub since: KernelTime,
    /// It could not run; else it waits for a CPU.
    pub is_blocked: bool,
    /// In whose service.
    pub parent: ParentRead,
}
