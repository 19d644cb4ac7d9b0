//! What goes in. A recording is a list of these.

mod crossing;
mod evidence;
mod parent;
mod target;

pub use crossing::{Called, Crossing, Ending, Member, OpenCrossing, Resources};
pub use evidence::{
    Arrival, Change, Frame, Function, Language, Sample, SampleReason, Wait, WaitEvidence, Wakeup,
};
pub use parent::{Parent, ParentRead, ParentSource, TargetSpan};
pub use target::{Target, ThreadEnded};

use serde::{Deserialize, Serialize};

use crate::{
    ids::{RegionId, TargetId},
    region::Region,
    time::{ClockAnchor, KernelTime},
};

/// Everything that a live run feeds to the core.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The clocks were compared.
    Clock(ClockAnchor),
    /// A target was attached to, or what is known of it has changed (its resource became readable).
    Target(Target),
    /// A region can be crossed from now on.
    Region(Region),
    /// A crossing ended.
    Crossing(Crossing),
    /// A crossing has been open for a while; its children need not wait for its end.
    Open(OpenCrossing),
    /// A region was not followed for a while, from now on: what it was called for is not known.
    Paused {
        /// Target.
        target: TargetId,
        /// Region.
        region: RegionId,
    },
    /// A thread that was born under a crossing ended.
    ThreadEnded(ThreadEnded),
    /// Stacks may name a function from now on.
    Function(Function),
    /// A stack at an instant.
    Sample(Sample),
    /// A thread, or a coroutine, did not run for a while.
    Wait(Wait),
    /// What a request is served for came in at a socket.
    Arrival(Arrival),
    /// More is known of a span of the target's own.
    Span(TargetSpan),
    /// Time has passed; every event of the kernel before `now` has been delivered.
    Tick {
        /// The instant.
        now: KernelTime,
    },
    /// A counter of the kernel programs or of the agent, as it stands.
    Counter {
        /// Name, as the summary shows it.
        name: String,
        /// Total since the start.
        total: u64,
    },
}
