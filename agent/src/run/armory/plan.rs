//! What is to be armed, and where.

use std::num::NonZeroU32;

use hotspan_common::{PointKind, RegionSpec};

use crate::{kernel::ProbePoint, object::FileId};

/// An object of a target: what its regions share. By file, so that it stays the same when the target
/// executes another program that maps the file, too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Process id in the root pid namespace, as the kernel's events name it.
    pub target: u32,
    /// Process id as `/proc` names it here.
    pub pid: NonZeroU32,
    /// The object.
    pub file: FileId,
}

/// A region to arm.
pub struct Plan {
    /// Span name.
    pub name: String,
    /// Instructions; their cookies get the region's number when it is armed.
    pub points: Vec<ProbePoint>,
    /// What takes their place if exits among them are passed too often by calls that go on.
    pub stepped: Option<Vec<ProbePoint>>,
    /// What the kernel programs know of it.
    pub spec: RegionSpec,
    /// The slot that its text marks.
    pub text_slot: Option<u32>,
    /// The guard is expected to trip: the regions of this name get a link of their own, so that a trip only
    /// drops that one, and touches no other probe.
    pub apart: Option<String>,
}

impl Plan {
    pub(super) fn link(&self, place: &Place) -> LinkKey {
        LinkKey {
            place: place.clone(),
            apart: self.apart.clone(),
        }
    }
}

/// What has a link: a place's regions together, or those of one name in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LinkKey {
    pub(super) place: Place,
    pub(super) apart: Option<String>,
}

impl Plan {
    /// Whether it follows tasks: an object that is searched for regions all the same.
    pub(super) fn is_of_coroutines(&self) -> bool {
        let kinds = [
            PointKind::Resume.wire(),
            PointKind::Woken.wire(),
            PointKind::Created.wire(),
        ];
        self.points
            .iter()
            .all(|point| kinds.contains(&point.cookie.kind))
    }

    /// Whether it has crossings, or adds to those of others.
    pub(super) fn is_region(&self) -> bool {
        let kinds = [PointKind::Entry.wire(), PointKind::Note.wire()];
        self.points
            .iter()
            .any(|point| kinds.contains(&point.cookie.kind))
    }
}
