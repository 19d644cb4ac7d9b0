//! Everything that the core saw, written to a file and read again.
//!
//! The lines and what may be in them are `hotspan_synth::recording`'s; here are the files: plain, or
//! gzip if the name ends in `.gz`. Told the events and the settings of a recording, the core gives
//! the same spans to the byte.

mod error;
mod reader;
mod writer;

pub use error::RecordingError;
pub use reader::RecordingReader;
pub use writer::{DEFAULT_MAX_BYTES, RecordingWriter};

#[cfg(test)]
mod tests;
