//! How to find a target's parents: what the kernel programs must know to read them, and what user space reads itself.

pub mod endpoint;
pub mod environment;
mod findings;
pub mod image;
mod kernel_types;
pub mod memory;
mod parent;
pub mod python;
pub mod resource;
pub mod task;
pub mod thread_context;

pub use findings::{ContextFindings, OwnSpans, inspect, packages};
pub use parent::{OUTCOMES, parent};
