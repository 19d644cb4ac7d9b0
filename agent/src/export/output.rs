//! A file or a terminal, its failures counted and said.

use std::{
    io::{self, Write},
    sync::Arc,
};

use super::{
    Say,
    counts::{Counts, DropReason},
};

/// Where text goes, spans in each piece of it.
pub(super) struct Output {
    name: String,
    writer: Box<dyn Write + Send>,
    counts: Arc<Counts>,
    say: Say,
    failing: bool,
}

impl Output {
    /// `name` is how failures call it.
    pub(super) fn new(
        name: String,
        writer: Box<dyn Write + Send>,
        counts: Arc<Counts>,
        say: Say,
    ) -> Self {
        Self {
            name,
            writer,
            counts,
            say,
            failing: false,
        }
    }

    /// Writes a text that shows so many spans, in one call, so that readers of a growing file see
    /// whole lines. A failure loses it, and is said unless the text before failed too.
    pub(super) fn put(&mut self, text: io::Result<&[u8]>, spans: usize) {
        let written = text.and_then(|text| {
            self.writer.write_all(text)?;
            self.writer.flush()
        });
        match written {
            Ok(()) => {
                self.counts.send(spans);
                self.failing = false;
            }
            Err(error) => {
                self.counts.drop_spans(DropReason::WriteFailed, spans);
                self.counts.fail(&error.to_string());
                if !self.failing {
                    (self.say)(&format!("{}: {error}; spans are dropped", self.name));
                }
                self.failing = true;
            }
        }
    }
}
