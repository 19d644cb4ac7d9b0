//! Events to a file.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use flate2::{Compression, write::GzEncoder};
use hotspan_synth::{
    Settings,
    event::Event,
    recording::{self, End, Header},
    time::KernelTime,
};

/// Bytes of a recording, before compression, unless another bound is given: 1 GiB.
pub const DEFAULT_MAX_BYTES: u64 = 1 << 30;

/// Writes a recording, buffered and bounded.
///
/// When the bound is reached, all later events are left out and counted, so that what is there is
/// the whole beginning of the run; the last line says how many.
#[derive(Debug)]
pub struct RecordingWriter {
    file: Output,
    line: Vec<u8>,
    room: u64,
    end: End,
}

impl RecordingWriter {
    /// Begins a recording; an existing file is replaced. A name that ends in `.gz` is compressed.
    ///
    /// # Errors
    /// The file cannot be created or written.
    pub fn create(path: &Path, settings: &Settings) -> io::Result<Self> {
        let file = BufWriter::new(File::create(path)?);
        let is_gzip = path.extension().is_some_and(|extension| extension == "gz");
        let file = if is_gzip {
            Output::Gzip(GzEncoder::new(file, Compression::fast()))
        } else {
            Output::Plain(file)
        };
        let end = End {
            events: 0,
            left_out: 0,
            finished: KernelTime::default(),
        };
        let mut writer = Self {
            file,
            line: Vec::new(),
            room: DEFAULT_MAX_BYTES,
            end,
        };
        let header = Header::new(env!("CARGO_PKG_VERSION"), settings);
        recording::write_header(&header, &mut writer.line)?;
        writer.flush_line()?;
        Ok(writer)
    }

    /// Sets the bound on what the events take, in bytes before compression.
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.room = bytes;
        self
    }

    /// Writes an event, or counts it if there is no room.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&mut self, event: &Event) -> io::Result<()> {
        if self.end.left_out > 0 {
            self.end.left_out += 1;
            return Ok(());
        }
        recording::write_event(event, &mut self.line)?;
        let bytes = self.line.len() as u64 + 1;
        let Some(room) = self.room.checked_sub(bytes) else {
            self.line.clear();
            self.end.left_out = 1;
            return Ok(());
        };
        self.room = room;
        self.end.events += 1;
        self.flush_line()
    }

    /// Events that were left out so far, for want of room.
    pub fn left_out(&self) -> u64 {
        self.end.left_out
    }

    /// Completes the recording. `now` is what the core's `finish` is told; a replay tells it again.
    /// Without this call the file reads as cut off.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self, now: KernelTime) -> io::Result<End> {
        self.end.finished = now;
        recording::write_end(self.end, &mut self.line)?;
        self.flush_line()?;
        self.file.finish()?;
        Ok(self.end)
    }

    fn flush_line(&mut self) -> io::Result<()> {
        self.line.push(b'\n');
        self.file.writer().write_all(&self.line)?;
        self.line.clear();
        Ok(())
    }
}

/// The file, compressed or not.
#[derive(Debug)]
enum Output {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
}

impl Output {
    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Plain(file) => file,
            Self::Gzip(file) => file,
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(mut file) => file.flush(),
            Self::Gzip(file) => file.finish()?.flush(),
        }
    }
}
