//! The kernel's side: programs loaded, probes attached, events read. Only this module knows aya.

mod arrivals;
mod counters;
mod disarming;
mod events;
mod features;
mod load;
mod off_cpu;
mod probes;
mod sampler;
mod slab;
mod suspended;
mod sweep;
mod tracefs;
mod wire;

pub use arrivals::SocketLinks;
pub use counters::KernelCounters;
pub use disarming::{Disarming, disarm};
pub use events::{Batch, Control, KernelEvent, Woken};
pub use features::{NoUprobeMulti, uprobe_multi};
pub use load::{Kernel, KernelError};
pub use off_cpu::OffCpu;
pub use probes::{Armed, ProbePoint};
pub use sampler::{Clock, SampleView, Sampler, StackRules, Taken};
pub use slab::SampleSlab;
pub use suspended::SuspendedTask;
pub use sweep::OpenFrame;
