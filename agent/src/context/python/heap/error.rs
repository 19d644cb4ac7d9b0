//! Why an object could not be read.

use thiserror::Error;

use crate::context::memory::MemoryError;

/// Why an object could not be read.
#[derive(Debug, Error)]
pub enum HeapError {
    /// The memory is not there.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// An object of another type than its place demands.
    #[error("the object at {address:#x} is of type `{found}`, not {expected}")]
    Type {
        /// The object.
        address: u64,
        /// Name of its type.
        found: String,
        /// What was wanted.
        expected: &'static str,
    },
    /// What the object's header says is impossible.
    #[error("the object at {address:#x} makes no sense: {what}")]
    Malformed {
        /// The object.
        address: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// It changed while it was read, each time.
    #[error("the object at {address:#x} changed each time it was read")]
    Changing {
        /// The object.
        address: u64,
    },
    /// It exceeds a bound of the reader.
    #[error("the object at {address:#x} has {size} elements, more than {limit}")]
    TooLarge {
        /// The object.
        address: u64,
        /// Its size.
        size: u64,
        /// The bound.
        limit: u64,
    },
}

impl HeapError {
    /// Whether another look may succeed, with the target running on: all but a size that it has can
    /// come from a race with it.
    pub fn may_change(&self) -> bool {
        !matches!(self, Self::TooLarge { .. })
    }
}
