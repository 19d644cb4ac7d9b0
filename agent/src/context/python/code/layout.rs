//! Where each version of CPython keeps what names a code object.
//!
//! Offsets in bytes in `PyCodeObject`, of 64-bit builds with the GIL. Sources, for each version:
//! `Include/cpython/code.h` (3.8: `Include/code.h`), and for what `instruction` means
//! `Include/internal/pycore_frame.h`.

/// How a version tells the line of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFormat {
    /// Up to 3.9: `co_lnotab`, `Objects/lnotab_notes.txt`. Instructions are counted in bytes.
    Lnotab,
    /// 3.10: `co_linetable` of PEP 626, in bytes; instructions are counted in units of two.
    Pep626,
    /// 3.11 on: `co_linetable`, `Objects/locations.md`; instructions are pointers.
    Locations,
}

/// Offsets of one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeLayout {
    /// `co_firstlineno`.
    pub first_line: usize,
    /// `co_flags`.
    pub flags: usize,
    /// `co_argcount`.
    pub argument_count: usize,
    /// `co_filename`.
    pub file: usize,
    /// `co_name`.
    pub name: usize,
    /// `co_qualname`, from 3.11 on.
    pub qualified: Option<usize>,
    /// `co_linetable`, up to 3.9 `co_lnotab`.
    pub lines: usize,
    /// `co_code_adaptive`: where the instructions begin, from 3.11 on.
    pub instructions: usize,
    /// How lines are told.
    pub line_format: LineFormat,
}

impl CodeLayout {
    /// That of CPython 3.`minor`; `None` if it is not known.
    pub fn of(minor: u32) -> Option<Self> {
        match minor {
            8..=10 => Some(Self {
                first_line: 40,
                flags: 36,
                argument_count: 16,
                file: 104,
                name: 112,
                qualified: None,
                lines: 120,
                instructions: 0,
                line_format: if minor == 10 {
                    LineFormat::Pep626
                } else {
                    LineFormat::Lnotab
                },
            }),
            11 => Some(Self::with_locations(72, 56, 184)),
            12 => Some(Self::with_locations(68, 52, 192)),
            13 => Some(Self::with_locations(68, 52, 200)),
            14 | 15 => Some(Self::with_locations(68, 52, 208)),
            _ => None,
        }
    }

    /// 3.11 on, where the rest stays in its place.
    const fn with_locations(first_line: usize, argument_count: usize, instructions: usize) -> Self {
        Self {
            first_line,
            flags: 48,
            argument_count,
            file: 112,
            name: 120,
            qualified: Some(128),
            lines: 136,
            instructions,
            line_format: LineFormat::Locations,
        }
    }
}
