//! A file to events.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, ErrorKind, Read},
    path::{Path, PathBuf},
};

use flate2::bufread::GzDecoder;
use hotspan_synth::{
    Settings,
    event::Event,
    recording::{End, Header, LineError, LineReader},
};

use super::RecordingError;

/// Bytes of a line; a file without newlines must not fill the memory.
const MAX_LINE: u64 = 1 << 20;

/// How hotspan begins the first line.
const HEADER_PREFIX: &[u8] = b"{\"hotspan_recording\":";

/// The first bytes of every gzip file (RFC 1952, 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Reads a recording: an iterator over its events, which ends with an error unless the recording is
/// whole.
pub struct RecordingReader {
    path: PathBuf,
    file: Box<dyn BufRead + Send>,
    text: Vec<u8>,
    lines: LineReader,
    is_over: bool,
}

impl RecordingReader {
    /// Opens a recording, compressed or not, and reads its header.
    ///
    /// # Errors
    /// The file cannot be read, is no recording, or is one of another format.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let in_path = |source| RecordingError::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = decompressed(File::open(path).map_err(in_path)?).map_err(in_path)?;
        let mut text = Vec::new();
        let lines = match next_line(&mut *file, &mut text) {
            // A file whose first line cannot even be read as text is not ours.
            Ok(Some(first)) => LineReader::new(&first),
            Err(Broken::CutOff) if text.starts_with(HEADER_PREFIX) => {
                Err(LineError::Truncated { line: 0 })
            }
            Ok(None) | Err(Broken::Line(_) | Broken::CutOff) => Err(LineError::Foreign),
            Err(Broken::Io(source)) => return Err(in_path(source)),
        };
        let lines = lines.map_err(|source| RecordingError::Line {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            file,
            text,
            lines,
            is_over: false,
        })
    }

    /// The first line: version and settings.
    pub fn header(&self) -> &Header {
        self.lines.header()
    }

    /// The settings that give the same spans.
    pub fn settings(&self) -> &Settings {
        &self.header().settings
    }

    /// The last line, once the iterator has ended without an error.
    pub fn end(&self) -> Option<End> {
        self.lines.end()
    }

    fn read(&mut self) -> Result<Option<Event>, RecordingError> {
        loop {
            let line = match next_line(&mut *self.file, &mut self.text) {
                Ok(Some(text)) => self.lines.line(&text),
                Ok(None) => self.lines.finish().map(|_| None),
                Err(Broken::CutOff) => Err(self.lines.cut_off()),
                Err(Broken::Line(reason)) => Err(self.lines.broken(reason)),
                Err(Broken::Io(source)) => {
                    return Err(RecordingError::Io {
                        path: self.path.clone(),
                        source,
                    });
                }
            };
            let line = line.map_err(|source| RecordingError::Line {
                path: self.path.clone(),
                source,
            })?;
            // After the last line, the end of the file must follow.
            if line.is_some() || self.text.is_empty() {
                return Ok(line);
            }
        }
    }
}

impl Iterator for RecordingReader {
    type Item = Result<Event, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let event = self.read().transpose();
        self.is_over = !matches!(event, Some(Ok(_)));
        event
    }
}

fn decompressed(file: File) -> io::Result<Box<dyn BufRead + Send>> {
    let mut file = BufReader::new(file);
    if file.fill_buf()?.starts_with(&GZIP_MAGIC) {
        return Ok(Box::new(BufReader::new(GzDecoder::new(file))));
    }
    Ok(Box::new(file))
}

/// Why there is no next line.
enum Broken {
    /// The file ends in the middle of it.
    CutOff,
    /// It is no line of text.
    Line(&'static str),
    Io(io::Error),
}

/// The next line without its newline; `None`, and an empty `text`, at the end of the file.
fn next_line(file: &mut dyn BufRead, text: &mut Vec<u8>) -> Result<Option<String>, Broken> {
    text.clear();
    let read = file.take(MAX_LINE).read_until(b'\n', text);
    match read {
        Ok(0) => return Ok(None),
        Ok(_) => {}
        // The compressed stream ends before its end.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(Broken::CutOff),
        Err(error) => return Err(Broken::Io(error)),
    }
    let Some(line) = text.strip_suffix(b"\n") else {
        let is_too_long = text.len() as u64 >= MAX_LINE;
        return Err(if is_too_long {
            Broken::Line("the line is too long")
        } else {
            Broken::CutOff
        });
    };
    match std::str::from_utf8(line) {
        Ok(line) => Ok(Some(line.to_owned())),
        Err(_) => Err(Broken::Line("not UTF-8 text")),
    }
}
