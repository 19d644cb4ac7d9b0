//! Arming: one link for each object and target.

use std::{io::ErrorKind, num::NonZeroU32, path::Path};

use aya::{
    maps::MapError,
    programs::{
        UProbe,
        uprobe::{UProbeAttachLocation, UProbeAttachPoint, UProbeLink, UProbeScope},
    },
};
use hotspan_common::{Cookie, RegionSpec, Target, ThreadState};

use super::{
    Kernel, KernelError,
    load::{CROSSING, program, refused},
    wire::Value,
};

/// An instruction and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbePoint {
    /// Offset in the file.
    pub file_offset: u64,
    /// What the program is told.
    pub cookie: Cookie,
}

/// Armed instructions; dropping it disarms them.
pub struct Armed {
    /// Held for its drop.
    _link: Option<UProbeLink>,
}

impl Kernel {
    /// Arms `points` of the file behind `object` in the process `pid` alone, in their order, with one
    /// link: the kernel takes some hundred milliseconds to let go of each.
    ///
    /// # Errors
    /// What the kernel refused; nothing is armed then.
    pub fn arm(
        &mut self,
        pid: NonZeroU32,
        object: &Path,
        points: &[ProbePoint],
    ) -> Result<Armed, KernelError> {
        if points.is_empty() {
            return Ok(Armed { _link: None });
        }
        let program: &mut UProbe = program(&mut self.programs, CROSSING)?;
        let attach = points.iter().map(|point| UProbeAttachPoint {
            location: UProbeAttachLocation::AbsoluteOffset(point.file_offset),
            cookie: Some(point.cookie.pack()),
        });
        let link = program
            .attach(attach, object, UProbeScope::OneProcess(pid))
            .and_then(|id| program.take_link(id))
            .map_err(refused(CROSSING))?;
        Ok(Armed { _link: Some(link) })
    }

    /// Tells the programs of a target, or what is newly known of it.
    ///
    /// # Errors
    /// The map is full.
    pub fn set_target(&mut self, pid: u32, target: Target) -> Result<(), KernelError> {
        self.targets
            .insert(&pid, &Value(target), 0)
            .map_err(failed("TARGETS"))
    }

    /// Forgets a target; one that is already gone is no error.
    ///
    /// # Errors
    /// The kernel's.
    pub fn remove_target(&mut self, pid: u32) -> Result<(), KernelError> {
        match self.targets.remove(&pid) {
            Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
            // The program that sees a process end may have been first: aya reports that so.
            Err(MapError::SyscallError(error)) if error.io_error.kind() == ErrorKind::NotFound => {
                Ok(())
            }
            Err(error) => Err(failed("TARGETS")(error)),
        }
    }

    /// Writes a region's entry; also what clears a tripped guard.
    ///
    /// # Errors
    /// The number is beyond the map.
    pub fn set_region(&mut self, number: u32, spec: RegionSpec) -> Result<(), KernelError> {
        self.regions
            .set(number, &Value(spec), 0)
            .map_err(failed("REGIONS"))
    }

    /// The threads whose state is followed.
    pub(super) fn thread_ids(&self) -> Vec<u32> {
        self.threads.keys().filter_map(Result::ok).collect()
    }

    pub(super) fn thread(&self, tid: u32) -> Option<ThreadState> {
        self.threads.get(&tid, 0).ok().map(|state| state.0)
    }
}

pub(super) fn failed(name: &'static str) -> impl FnOnce(MapError) -> KernelError {
    move |error| KernelError::Map {
        name,
        source: Box::new(error),
    }
}
