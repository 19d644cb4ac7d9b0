//! A recording, line by line: everything that the core was told, so that it can be told again.
//!
//! A recording is JSON lines in UTF-8: a [`Header`], the events, each as serde writes [`Event`], and
//! an [`End`] without which the recording was cut off. It holds what the core sees and nothing
//! else: trace and span ids, thread ids, times, region names, the values and texts that the
//! catalogue's decoders read, and the resource attributes of the targets. No bodies, headers,
//! arguments or environments of the target ever become events, so none are in it.

use serde::{Deserialize, Serialize};

use crate::{event::Event, settings::Settings, time::KernelTime};

/// The format that is written and read here. It changes with every change that older code would
/// misread, or by which the same events give other spans.
pub const FORMAT: u32 = 2;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`]; its name tells a recording from any other JSON.
    pub hotspan_recording: u32,
    /// The version of hotspan that wrote it, for people.
    pub version: String,
    /// Seed and limits of the run.
    pub settings: Settings,
}

impl Header {
    /// The header of a recording that begins now.
    pub fn new(version: &str, settings: &Settings) -> Self {
        Self {
            hotspan_recording: FORMAT,
            version: version.to_owned(),
            settings: settings.clone(),
        }
    }
}

/// The last line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Events between the header and this line.
    pub events: u64,
    /// Events that came after them and were left out because the recording was large enough.
    pub left_out: u64,
    /// When the run ended; what [`crate::Synth::finish`] was told.
    pub finished: KernelTime,
}

/// What is wrong with a recording. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The first line is no header.
    #[error("not a hotspan recording: the first line is no header")]
    Foreign,
    /// Another format.
    #[error("a recording of format {found}; this hotspan reads format {FORMAT}")]
    Format {
        /// What the header says.
        found: u64,
    },
    /// A header of this format that cannot be read.
    #[error("the recording's header is malformed: {reason}")]
    Header {
        /// What the parser says.
        reason: String,
    },
    /// A line that is no event.
    #[error("line {line} of the recording is malformed: {reason}")]
    Malformed {
        /// Which.
        line: u64,
        /// What the parser says.
        reason: String,
    },
    /// The last line is missing.
    #[error("the recording was cut off after line {line}: its last line is missing")]
    Truncated {
        /// The last line there is.
        line: u64,
    },
    /// The last line counts other events than there are.
    #[error("the recording has {found} events, and its last line, {line}, says {said}")]
    Count {
        /// The last line.
        line: u64,
        /// What it says.
        said: u64,
        /// Events read.
        found: u64,
    },
    /// Something follows the last line.
    #[error("line {line} of the recording follows its last line")]
    Trailing {
        /// Which.
        line: u64,
    },
}

/// How the last line begins; no event does.
const END_PREFIX: &str = "{\"end\":";

#[derive(Serialize, Deserialize)]
struct Last {
    end: End,
}

/// The line of a header, without its newline.
pub fn write_header(header: &Header, line: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    serde_json::to_writer(line, header)
}

/// The line of an event, without its newline.
pub fn write_event(event: &Event, line: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    serde_json::to_writer(line, event)
}

/// The last line, without its newline.
pub fn write_end(end: End, line: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    serde_json::to_writer(line, &Last { end })
}

/// Reads lines in their order, and knows where it is.
#[derive(Debug)]
pub struct LineReader {
    header: Header,
    line: u64,
    end: Option<End>,
}

impl LineReader {
    /// Reads the first line.
    pub fn new(first: &str) -> Result<Self, LineError> {
        let value: serde_json::Value =
            serde_json::from_str(first).map_err(|_| LineError::Foreign)?;
        let found = value
            .get("hotspan_recording")
            .and_then(serde_json::Value::as_u64)
            .ok_or(LineError::Foreign)?;
        if found != u64::from(FORMAT) {
            return Err(LineError::Format { found });
        }
        let header = serde_json::from_value(value).map_err(|error| LineError::Header {
            reason: error.to_string(),
        })?;
        Ok(Self {
            header,
            line: 1,
            end: None,
        })
    }

    /// The first line.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The last line, once it has been read.
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// Reads the next line: an event, or nothing if it is the last.
    pub fn line(&mut self, text: &str) -> Result<Option<Event>, LineError> {
        self.line += 1;
        let line = self.line;
        if self.end.is_some() {
            return Err(LineError::Trailing { line });
        }
        if text.starts_with(END_PREFIX) {
            return self.last(text).map(|()| None);
        }
        serde_json::from_str(text)
            .map(Some)
            .map_err(|error| self.malformed(&error))
    }

    /// Says what it means that no line follows.
    pub fn finish(&self) -> Result<End, LineError> {
        self.end.ok_or(LineError::Truncated { line: self.line })
    }

    /// Says what it means that the file ends in the middle of the next line.
    pub fn cut_off(&self) -> LineError {
        LineError::Truncated { line: self.line }
    }

    /// Says what it means that the next line is no text.
    pub fn broken(&self, reason: &str) -> LineError {
        LineError::Malformed {
            line: self.line + 1,
            reason: reason.to_owned(),
        }
    }

    fn last(&mut self, text: &str) -> Result<(), LineError> {
        let Last { end } = serde_json::from_str(text).map_err(|error| self.malformed(&error))?;
        let found = self.line - 2;
        if end.events != found {
            return Err(LineError::Count {
                line: self.line,
                said: end.events,
                found,
            });
        }
        self.end = Some(end);
        Ok(())
    }

    fn malformed(&self, error: &serde_json::Error) -> LineError {
        LineError::Malformed {
            line: self.line,
            reason: error.to_string(),
        }
    }
}
