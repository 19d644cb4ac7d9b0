//! What can be wrong with a recording's file.

use std::{io, path::PathBuf};

use hotspan_synth::recording::LineError;

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file cannot be opened or read, or its compression is damaged.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not a recording, not of this format, damaged, or cut off.
    #[error("{}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: LineError,
    },
}
