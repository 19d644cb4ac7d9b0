//! The pure core of hotspan: events in, spans out.
//!
//! No kernel, no clock, no I/O: what comes out depends on the events and the settings alone, so a
//! recording replays to the same bytes. All judgement lives here: which crossing is whose child,
//! which parent may be named, what is emitted, folded or counted.
#![forbid(unsafe_code)]

mod attempts;
mod attributes;
mod batches;
mod called;
mod clock;
mod decide;
mod engine;
pub mod event;
mod folded;
mod folding;
mod identity;
pub mod ids;
mod inference;
mod item;
mod known;
mod ledger;
mod limits;
mod making;
mod parents;
mod pending;
mod queue;
pub mod recording;
pub mod region;
mod regions;
mod resources;
pub mod settings;
mod shared;
pub mod span;
mod spans;
mod steps;
pub mod summary;
pub mod synth;
mod threads;
pub mod time;
mod values;

pub use settings::{Inference, Limits, Settings};
pub use summary::Summary;
pub use synth::{NativeWork, Sink, Synth};
