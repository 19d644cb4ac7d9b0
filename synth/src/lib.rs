//! The pure core of hotspan: events in, spans out.
//!
//! No kernel, no clock, no I/O: what comes out depends on the events and the settings alone, so a
//! recording replays to the same bytes. All judgement lives here: which crossing is whose child,
//! which parent may be named, what is emitted, folded or counted.
#![forbid(unsafe_code)]

mod clock;
mod crossings;
mod engines;
pub mod event;
mod folding;
pub mod ids;
mod inference;
mod latest;
pub mod recording;
pub mod region;
pub mod settings;
pub mod span;
mod spans;
pub mod summary;
pub mod synth;
pub mod time;

pub use inference::waits_for_work;
pub use settings::{Inference, Limits, Settings};
pub use summary::Summary;
pub use synth::{NativeWork, Sink, Synth};
