//! Names: demangled, short, never templated.

mod names;

pub use names::{function_name, short_name};

#[cfg(test)]
mod tests;
