//! Lines of instructions, in CPython's three formats.

use super::layout::LineFormat;

/// Marks bytes without a line in PEP 626's table.
const NO_LINE: i8 = -128;

/// The line at `offset` bytes into the instructions; `None` if the table has none for it.
pub fn line_at(format: LineFormat, table: &[u8], first_line: u32, offset: u64) -> Option<u32> {
    let line = match format {
        LineFormat::Lnotab => Some(lnotab(table, first_line, offset)),
        LineFormat::Pep626 => pep626(table, first_line, offset),
        LineFormat::Locations => locations(table, first_line, offset),
    };
    line.and_then(|line| u32::try_from(line).ok())
        .filter(|&line| line != 0)
}

/// Pairs: bytes to go on (unsigned), lines to go on (signed).
fn lnotab(table: &[u8], first_line: u32, offset: u64) -> i64 {
    let (pairs, _) = table.as_chunks::<2>();
    let mut line = i64::from(first_line);
    let mut address = 0;
    for [bytes, lines] in pairs {
        address += u64::from(*bytes);
        if address > offset {
            break;
        }
        line += i64::from(*lines as i8);
    }
    line
}

/// Pairs: how many bytes they speak of (unsigned), the distance of their line from the last (signed).
fn pep626(table: &[u8], first_line: u32, offset: u64) -> Option<i64> {
    let (pairs, _) = table.as_chunks::<2>();
    let mut line = i64::from(first_line);
    let mut end = 0;
    for [bytes, lines] in pairs {
        let lines = *lines as i8;
        if lines != NO_LINE {
            line += i64::from(lines);
        }
        end += u64::from(*bytes);
        if offset < end {
            return (lines != NO_LINE).then_some(line);
        }
    }
    None
}

/// Entries, each begun by a byte with its high bit set: the kind, and how many units it speaks of.
fn locations(table: &[u8], first_line: u32, offset: u64) -> Option<i64> {
    let mut line = i64::from(first_line);
    let mut end = 0;
    let mut rest = table;
    while let Some((&head, tail)) = rest.split_first() {
        let length = tail
            .iter()
            .position(|byte| byte & 0x80 != 0)
            .unwrap_or(tail.len());
        let (detail, next) = tail.split_at(length);
        let kind = head >> 3 & 15;
        line = line.wrapping_add(line_delta(kind, detail));
        end += 2 * (u64::from(head & 7) + 1);
        if offset < end {
            return (kind != 15).then_some(line);
        }
        rest = next;
    }
    None
}

fn line_delta(kind: u8, detail: &[u8]) -> i64 {
    match kind {
        10..=12 => i64::from(kind) - 10,
        13 | 14 => signed_varint(detail),
        _ => 0,
    }
}

/// Six bits a byte, the lowest first; bit 6 says that more follow. The lowest bit of all is the sign.
fn signed_varint(bytes: &[u8]) -> i64 {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x3f) << (6 * index);
        if byte & 0x40 == 0 {
            break;
        }
    }
    let magnitude = (value >> 1) as i64;
    if value & 1 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::{LineFormat, line_at};

    type Case = (LineFormat, &'static [u8], u32, u64, Option<u32>);

    /// Format, table, first line, offset in bytes, line. From `Objects/lnotab_notes.txt` and
    /// `Objects/locations.md`.
    const CASES: &[Case] = &[
        (LineFormat::Lnotab, &[], 7, 4, Some(7)),
        (LineFormat::Lnotab, &[6, 1, 44, 5], 1, 5, Some(1)),
        (LineFormat::Lnotab, &[6, 1, 44, 5], 1, 6, Some(2)),
        (LineFormat::Lnotab, &[6, 1, 44, 5], 1, 50, Some(7)),
        (LineFormat::Lnotab, &[6, 1, 44, 0xfe], 9, 50, Some(8)),
        (LineFormat::Pep626, &[6, 1, 44, 5], 1, 5, Some(2)),
        (LineFormat::Pep626, &[6, 1, 44, 5], 1, 6, Some(7)),
        (LineFormat::Pep626, &[6, 1, 4, 0x80, 4, 5], 1, 8, None),
        (LineFormat::Pep626, &[6, 1, 4, 0x80, 4, 5], 1, 10, Some(7)),
        (LineFormat::Pep626, &[6, 1], 1, 6, None),
        // One unit on the next line; two units, five lines on (long form); one unit without a line.
        (
            LineFormat::Locations,
            &[0xd8, 1, 2, 0xf1, 10, 0, 1, 2, 0xf8],
            3,
            0,
            Some(4),
        ),
        (
            LineFormat::Locations,
            &[0xd8, 1, 2, 0xf1, 10, 0, 1, 2, 0xf8],
            3,
            4,
            Some(9),
        ),
        (
            LineFormat::Locations,
            &[0xd8, 1, 2, 0xf1, 10, 0, 1, 2, 0xf8],
            3,
            6,
            None,
        ),
        (
            LineFormat::Locations,
            &[0xd8, 1, 2, 0xf1, 10, 0, 1, 2, 0xf8],
            3,
            8,
            None,
        ),
        // Three lines back; a distance of more than six bits.
        (LineFormat::Locations, &[0xe8, 7], 8, 0, Some(5)),
        (LineFormat::Locations, &[0xe8, 0x40, 0x02], 1, 0, Some(65)),
        // A line before the first is none.
        (LineFormat::Locations, &[0xe8, 7], 2, 0, None),
        (LineFormat::Locations, &[], 2, 0, None),
    ];

    #[test]
    fn lines_are_found_as_cpython_finds_them() {
        for &(format, table, first_line, offset, line) in CASES {
            assert_eq!(
                line_at(format, table, first_line, offset),
                line,
                "{format:?} {table:?} at {offset}"
            );
        }
    }

    proptest! {
        #[test]
        fn damaged_tables_have_some_line_or_none(
            table in vec(any::<u8>(), 0..300),
            first_line in any::<u32>(),
            offset in any::<u64>(),
        ) {
            for format in [LineFormat::Lnotab, LineFormat::Pep626, LineFormat::Locations] {
                prop_assert_ne!(line_at(format, &table, first_line, offset % 4096), Some(0));
                prop_assert_ne!(line_at(format, &table, first_line, offset), Some(0));
            }
        }
    }
}
