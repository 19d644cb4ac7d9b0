//! What a person is told while hotspan runs: lines on standard error.

use std::{error::Error, io::Write as _};

/// One line. A closed standard error is no reason to stop: nobody reads it.
pub fn line(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "hotspan: {text}");
}

/// An error with its causes, in one line.
pub fn error(what: &str, error: &dyn Error) {
    let mut text = format!("{what}: {error}");
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    line(&text);
}
