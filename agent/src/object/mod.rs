//! Object files: their symbols, functions, exits, build ids.
//!
//! An object is read piece by piece with `pread`, not mapped: a file that is cut short under a
//! mapping would kill the agent with SIGBUS, and the tables that are needed are a small part of it.

pub mod constant;
pub mod exits;
mod identity;
mod image;
mod kept;
mod links;
mod pads;
pub mod references;
pub mod rtti;
mod symbols;
mod unwind;

pub use identity::{BuildId, FileId, FileKey};
pub use image::{Image, OpenError};
pub use kept::{Kept, Weighed};
pub use links::Links;
pub use symbols::{Symbol, SymbolKind, SymbolTable};
pub(crate) use unwind::Row;
pub use unwind::{FrameRows, Unwind};
