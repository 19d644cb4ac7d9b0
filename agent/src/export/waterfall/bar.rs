//! A span as a bar on the common scale of time.

use hotspan_synth::time::UnixTime;

use super::Row;

/// The times that the columns of bars stand for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    start: u64,
    length: u64,
    columns: usize,
}

/// Where a bar is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bar {
    /// Empty columns before it.
    pub(super) offset: usize,
    /// The bar itself.
    pub(super) text: String,
}

impl Scale {
    /// From the first start to the last end of `rows`.
    pub(super) fn new<'a>(rows: impl Iterator<Item = &'a Row> + Clone, columns: usize) -> Self {
        let start = rows.clone().map(|row| row.start).min().unwrap_or_default();
        let end = rows.map(|row| row.end).max().unwrap_or_default();
        Self {
            start: start.0,
            length: end.0.saturating_sub(start.0).max(1),
            columns,
        }
    }

    /// The bar of a row. All columns that it touches are filled; one that takes less than half a
    /// column is a thin mark, so that it does not look longer than its neighbours.
    pub(super) fn bar(self, row: &Row) -> Bar {
        let first = self.column(row.start);
        let last = self.column(row.end);
        let offset = (first as usize).min(self.columns.saturating_sub(1));
        if last - first < 0.5 {
            return Bar {
                offset,
                text: "▏".to_owned(),
            };
        }
        let end = (last.ceil() as usize).clamp(offset + 1, self.columns);
        let fill = if row.synthetic { "█" } else { "▒" };
        Bar {
            offset,
            text: fill.repeat(end - offset),
        }
    }

    fn column(self, time: UnixTime) -> f64 {
        let elapsed = time.0.saturating_sub(self.start) as f64;
        elapsed / self.length as f64 * self.columns as f64
    }
}
