//! Stacks as people read them, from what the kernel programs copied.
//!
//! [`Stacks`] takes a raw sample: native frames are unwound ([`crate::unwind`]) and named
//! ([`crate::symbolize`]), Python's frames resolved ([`crate::context::python::code`]), both are [`join`]ed
//! into one stack, and every function is announced once ([`FunctionTable`]). What cannot be known is
//! counted, and named less, never wrongly.

mod adapt;
mod functions;
mod interpreter;
mod join;
mod kernel;
mod native;
mod places;
mod python;
mod resolve;
mod spans;
mod target;
mod translate;

pub use adapt::FIRST_SIZE;
pub use functions::{Described, FunctionTable};
pub use interpreter::Role;
pub use join::{Joined, NativePart, PythonPart, join};
pub use places::{NativePlace, NoPlace};
pub use resolve::{RawSample, Resolved, Stacks};

#[cfg(test)]
mod tests;
