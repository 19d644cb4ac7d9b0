//! Native work of a running process as OpenTelemetry spans, from outside.
//!
//! The pipeline, in the order of the data: [`target`] names a process, [`object`] and [`catalogue`]
//! find its regions, [`context`] finds out where its parents lie, [`kernel`] arms probes and reads
//! events, `hotspan_synth` makes spans of them, [`export`] sends these. [`run`] drives it all.

pub mod allocator;
pub mod args;
pub mod catalogue;
pub mod commands;
pub mod context;
pub mod doctor;
pub mod export;
pub mod kernel;
pub mod object;
mod readiness;
pub mod recording;
pub mod run;
pub mod stack;
pub mod suggest;
pub mod symbolize;
pub mod target;
pub mod terminal;
pub mod top;
pub mod unwind;
