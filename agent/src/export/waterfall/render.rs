//! Rows to text.

use super::{
    Row,
    bar::Scale,
    layout::{GAP, Layout, Wanted},
    tree::{Placed, place},
};
use crate::terminal::{
    style::{Part, Style},
    text::{clip, printable, width},
    units::duration,
};

/// Rows beyond this are only counted.
const MAX_ROWS: usize = 40;

/// Draws `rows` as a tree beside bars on one scale of time, in `columns` columns, one line each, ended
/// by a line feed. Roots are rows whose parent is not among them. Bars vanish where there is no room.
pub fn render(rows: &[Row], columns: usize, style: Style) -> String {
    let lines: Vec<Line> = place(rows).into_iter().map(Line::new).collect();
    let shown = &lines[..lines.len().min(MAX_ROWS)];
    let layout = Layout::new(columns, wanted(shown));
    let scale = Scale::new(rows.iter(), layout.bar);
    let mut out = String::new();
    for line in shown {
        line.draw(&mut out, layout, scale, style);
    }
    if lines.len() > shown.len() {
        let more = format!("… {} more", lines.len() - shown.len());
        style.paint(&mut out, Part::Faint, &clip(&more, columns));
        out.push('\n');
    }
    out
}

fn wanted(lines: &[Line]) -> Wanted {
    Wanted {
        name: lines.iter().map(Line::name_width).max().unwrap_or(0),
        label: lines.iter().map(Line::label_width).max().unwrap_or(0),
        duration: lines
            .iter()
            .map(|line| width(&line.duration))
            .max()
            .unwrap_or(0),
    }
}

/// A row, ready to be laid out.
struct Line<'a> {
    row: &'a Row,
    branch: String,
    name: String,
    tags: String,
    duration: String,
}

impl<'a> Line<'a> {
    fn new(Placed { row, branch }: Placed<'a>) -> Self {
        Self {
            row,
            branch,
            name: printable(&row.name),
            tags: printable(&row.tags),
            duration: duration(row.end.0.saturating_sub(row.start.0)),
        }
    }

    fn name_width(&self) -> usize {
        width(&self.branch) + width(&self.name)
    }

    fn label_width(&self) -> usize {
        let tags = width(&self.tags);
        self.name_width() + if tags > 0 { GAP + tags } else { 0 }
    }

    fn part(&self) -> Part {
        match self.row {
            Row { failed: true, .. } => Part::Failed,
            Row {
                synthetic: true, ..
            } => Part::Synthetic,
            Row { .. } => Part::Sdk,
        }
    }

    fn draw(&self, out: &mut String, layout: Layout, scale: Scale, style: Style) {
        let mut filled = self.draw_label(out, layout.label, style);
        if layout.bar > 0 {
            pad(out, layout.label - filled + GAP);
            let bar = scale.bar(self.row);
            pad(out, bar.offset);
            style.paint(out, self.part(), &bar.text);
            filled = layout.label + GAP + bar.offset + width(&bar.text);
        }
        let bars = if layout.bar > 0 { GAP + layout.bar } else { 0 };
        let end = layout.label + bars + GAP + layout.duration;
        pad(out, end - width(&self.duration) - filled);
        style.paint(out, Part::Plain, &self.duration);
        out.push('\n');
    }

    /// Draws tree, name and as much of the tags as there is room for; gives the columns used.
    fn draw_label(&self, out: &mut String, columns: usize, style: Style) -> usize {
        let branch = clip(&self.branch, columns);
        let name = clip(&self.name, columns - width(&branch));
        style.paint(out, Part::Faint, &branch);
        style.paint(out, self.part(), &name);
        let mut used = width(&branch) + width(&name);
        let room = columns.saturating_sub(used + GAP);
        // An ellipsis alone says nothing.
        if !self.tags.is_empty() && room > 1 {
            let tags = clip(&self.tags, room);
            pad(out, GAP);
            style.paint(out, Part::Faint, &tags);
            used += GAP + width(&tags);
        }
        used
    }
}

fn pad(out: &mut String, columns: usize) {
    out.extend(std::iter::repeat_n(' ', columns));
}
