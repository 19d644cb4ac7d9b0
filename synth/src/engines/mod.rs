//! What is known of inference engines beside their calls: queues, shared steps, repeats, memory.

pub(crate) mod attempts;
pub(crate) mod batches;
pub(crate) mod engine;
pub(crate) mod ledger;
pub(crate) mod own;
mod share;
pub(crate) mod shared;
