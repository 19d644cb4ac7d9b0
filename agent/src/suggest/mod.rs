//! A catalogue file for the functions that a process spends its time in.
//!
//! [`Tally`] counts stacks by function, [`choose`] decides which of them a region is worth, and
//! [`Suggestion`] writes them as a catalogue file. Pure but for [`Listener`], which the engine tells of
//! each stack.

mod choose;
mod listener;
mod tally;
mod text;

pub use choose::{Candidate, choose};
pub use listener::Listener;
pub use tally::Tally;
pub use text::Suggestion;

#[cfg(test)]
mod tests;
