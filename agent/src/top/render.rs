//! Rows to text.

use super::Row;
use crate::terminal::{
    style::{Part, Style},
    text::{clip, printable, width},
    units::duration,
};

/// Requests beyond this are only counted.
const MAX_ROWS: usize = 40;
/// Columns of the age, and of the number of threads.
const AGE: usize = 9;
const THREADS: usize = 7;

/// A heading, and a line a request, the oldest first, in `columns` columns.
pub fn render(what: &str, rows: &[Row], columns: usize, style: Style) -> String {
    let mut out = String::new();
    let heading = match rows.len() {
        0 => format!("{what}: no request in flight"),
        1 => format!("{what}: 1 request in flight"),
        many => format!("{what}: {many} requests in flight"),
    };
    style.paint(&mut out, Part::Plain, &clip(&heading, columns));
    out.push('\n');
    if rows.is_empty() {
        return out;
    }
    let names = rows.iter().map(|row| width(&name(row))).max().unwrap_or(0);
    let names = names.clamp(7, (columns / 3).max(7));
    let titles = format!(
        "{:>AGE$}  {:names$}  {:>THREADS$}  DOING",
        "SINCE", "REQUEST", "THREADS"
    );
    style.paint(&mut out, Part::Faint, &clip(&titles, columns));
    out.push('\n');
    for row in rows.iter().take(MAX_ROWS) {
        line(row, names, columns, style, &mut out);
    }
    if rows.len() > MAX_ROWS {
        let more = format!("and {} more", rows.len() - MAX_ROWS);
        style.paint(&mut out, Part::Faint, &clip(&more, columns));
        out.push('\n');
    }
    out
}

fn line(row: &Row, names: usize, columns: usize, style: Style, out: &mut String) {
    let sign = if row.at_least { ">" } else { "" };
    let age = format!("{sign}{}", duration(row.age_ns));
    let name = clip(&name(row), names);
    let pad = names.saturating_sub(width(&name));
    let head = format!(
        "{age:>AGE$}  {name}{:pad$}  {:>THREADS$}  ",
        "", row.threads
    );
    let left = columns.saturating_sub(width(&head));
    style.paint(out, Part::Plain, &clip(&head, columns));
    style.paint(out, Part::Synthetic, &clip(&printable(&doing(row)), left));
    out.push('\n');
}

/// The target's own span, by its name or at least its id.
fn name(row: &Row) -> String {
    if row.name.is_empty() {
        format!("span {}", row.span_id)
    } else {
        printable(&row.name)
    }
}

fn doing(row: &Row) -> String {
    let work = if row.doing.is_empty() {
        "?".to_owned()
    } else {
        row.doing.join(" › ")
    };
    if row.waiting.is_empty() {
        return work;
    }
    let waits: Vec<String> = row
        .waiting
        .iter()
        .map(|(cause, threads)| match (row.threads, threads) {
            (1, 1) => format!("waits: {cause}"),
            (_, threads) => format!("{threads} wait: {cause}"),
        })
        .collect();
    format!("{work}, {}", waits.join(", "))
}
