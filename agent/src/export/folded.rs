//! Sampled stacks for flame graphs, one stack a line with its time in microseconds behind it.
//!
//! The format of `stackcollapse-*.pl`, read by flamegraph.pl, inferno and speedscope:
//! <https://github.com/brendangregg/FlameGraph>

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use super::{ExportError, Say};

/// A file that is written at the end of a run.
#[derive(Debug)]
pub(super) struct FoldedFile {
    path: PathBuf,
    file: File,
}

impl FoldedFile {
    /// Creates the file, so that one that cannot be written is known at the start.
    pub(super) fn create(path: &Path) -> Result<Self, ExportError> {
        let file = File::create(path)
            .map_err(|error| ExportError::new(format!("folded {}", path.display()), &error))?;
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }

    /// Writes the stacks, with their times in nanoseconds; says it if that fails.
    pub(super) fn write(self, stacks: &[(String, u64)], say: &Say) {
        if let Err(error) = write(self.file, stacks) {
            say(&format!("folded {}: {error}", self.path.display()));
        }
    }
}

fn write(file: File, stacks: &[(String, u64)]) -> io::Result<()> {
    let mut file = BufWriter::new(file);
    for (stack, ns) in stacks {
        writeln!(file, "{stack} {}", ns / 1_000)?;
    }
    file.flush()
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::Arc};

    use super::*;

    #[test]
    fn a_stack_is_a_line_with_its_microseconds() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("stacks.folded");
        let file = FoldedFile::create(&path).expect("the file can be created");
        let stacks = [("GET /;cpsat.solve;solve".to_owned(), 10_101_010)];
        file.write(&stacks, &(Arc::new(|_: &str| {}) as _));
        let text = fs::read_to_string(path).expect("the file can be read");
        assert_eq!(text, "GET /;cpsat.solve;solve 10101\n");
    }
}
