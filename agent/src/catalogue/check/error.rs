//! What is wrong with a catalogue file, and where.

use std::{fmt, ops::Range};

use toml::Spanned;

use super::Source;

/// An error in a catalogue file. Displays as `FILE:LINE: REASON`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueError {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1; `None` if the error is about the file as a whole.
    pub line: Option<usize>,
    /// What is wrong.
    pub reason: String,
}

impl CatalogueError {
    pub(super) fn at<T>(source: &Source, at: &Spanned<T>, reason: impl Into<String>) -> Self {
        Self::new(source, Some(at.span()), reason)
    }

    fn new(source: &Source, span: Option<Range<usize>>, reason: impl Into<String>) -> Self {
        let line = span
            .and_then(|span| source.text.get(..span.start))
            .map(line_after);
        Self {
            file: source.name.clone(),
            line,
            reason: reason.into(),
        }
    }

    /// From the TOML parser, whose message says the reason in its first line.
    pub(super) fn from_toml(source: &Source, error: &toml::de::Error) -> Self {
        Self::new(source, error.span(), error.message())
    }
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.reason),
            None => write!(f, "{}: {}", self.file, self.reason),
        }
    }
}

impl std::error::Error for CatalogueError {}

/// Number of the line that follows `before`.
fn line_after(before: &str) -> usize {
    before.matches('\n').count() + 1
}
