//! Rows to text.

use super::{Board, Pool, Row, Waiting};
use crate::terminal::{
    style::{Part, Style},
    text::{clip, printable, width},
    units::duration,
};

/// Requests beyond this are only counted; pools likewise.
const MAX_ROWS: usize = 40;
const MAX_POOLS: usize = 8;
/// Columns of the age, and of the number of threads.
const AGE: usize = 9;
const THREADS: usize = 7;

/// A heading, a line a request, the oldest first, and a line for each pool of threads that works for none
/// that is known, in `columns` columns.
pub fn render(what: &str, board: &Board, columns: usize, style: Style) -> String {
    let (rows, pools) = (board.rows(), board.pools());
    let mut page = Page {
        out: String::new(),
        columns,
        style,
    };
    let heading = match rows.len() {
        0 => format!("{what}: no request in flight"),
        1 => format!("{what}: 1 request in flight"),
        many => format!("{what}: {many} requests in flight"),
    };
    page.line(Part::Plain, &heading);
    if !rows.is_empty() {
        page.rows(&rows);
    }
    if !pools.is_empty() {
        page.pools(&pools);
    }
    match board.lost() {
        0 => {}
        lost => page.line(Part::Failed, &format!("{lost} stacks lost since the start")),
    }
    match board.left_out() {
        0 => {}
        many => page.line(
            Part::Failed,
            &format!("{many} times, a request or a thread was one too many to be followed"),
        ),
    }
    page.out
}

struct Page {
    out: String,
    columns: usize,
    style: Style,
}

impl Page {
    fn line(&mut self, part: Part, text: &str) {
        self.style
            .paint(&mut self.out, part, &clip(text, self.columns));
        self.out.push('\n');
    }

    fn rows(&mut self, rows: &[Row]) {
        let names = rows.iter().map(|row| width(&name(row))).max().unwrap_or(0);
        let names = names.clamp(7, (self.columns / 3).max(7));
        let titles = format!(
            "{:>AGE$}  {:names$}  {:>THREADS$}  DOING",
            "SINCE", "REQUEST", "THREADS"
        );
        self.line(Part::Faint, &titles);
        for row in rows.iter().take(MAX_ROWS) {
            self.row(row, names);
        }
        if rows.len() > MAX_ROWS {
            self.line(Part::Faint, &format!("and {} more", rows.len() - MAX_ROWS));
        }
        if rows.iter().any(|row| row.likely.is_some()) {
            let legend =
                "? likely its threads: born since it began, in a library where no other request is";
            self.line(Part::Faint, legend);
        }
    }

    fn row(&mut self, row: &Row, names: usize) {
        let sign = if row.at_least { ">" } else { "" };
        let age = format!("{sign}{}", duration(row.age_ns));
        let name = clip(&name(row), names);
        let pad = names.saturating_sub(width(&name));
        let head = format!(
            "{age:>AGE$}  {name}{:pad$}  {:>THREADS$}  ",
            "",
            threads(row)
        );
        let left = self.columns.saturating_sub(width(&head));
        let head = clip(&head, self.columns);
        self.style.paint(&mut self.out, Part::Plain, &head);
        let doing = clip(&printable(&doing(row)), left);
        self.style.paint(&mut self.out, Part::Synthetic, &doing);
        self.out.push('\n');
    }

    fn pools(&mut self, pools: &[Pool]) {
        self.line(Part::Faint, "At work for no request that is known:");
        for pool in pools.iter().take(MAX_POOLS) {
            let threads = match pool.threads {
                1 => "1 thread".to_owned(),
                many => format!("{many} threads"),
            };
            let or_unknown = |text: &str| if text.is_empty() { "?" } else { text }.to_owned();
            let line = format!(
                "  {threads} `{}` in {}: {}",
                pool.name,
                or_unknown(&pool.object),
                or_unknown(&pool.function),
            );
            self.line(Part::Plain, &printable(&line));
        }
        if pools.len() > MAX_POOLS {
            let more = format!("  and {} more", pools.len() - MAX_POOLS);
            self.line(Part::Faint, &more);
        }
    }
}

/// The target's own span, by its name or at least its id.
fn name(row: &Row) -> String {
    if row.name.is_empty() {
        format!("span {}", row.span_id)
    } else {
        printable(&row.name)
    }
}

fn threads(row: &Row) -> String {
    match &row.likely {
        Some(likely) => format!("{}+{}?", row.threads, likely.threads),
        None => row.threads.to_string(),
    }
}

fn doing(row: &Row) -> String {
    let mut parts = vec![if row.doing.is_empty() {
        "?".to_owned()
    } else {
        row.doing.join(" › ")
    }];
    let waits = row.waiting.iter();
    parts.extend(waits.map(|(cause, waiting)| wait(row.threads, cause, *waiting)));
    let likely = row.likely.as_ref();
    parts.extend(
        likely
            .filter(|likely| !likely.function.is_empty())
            .map(|likely| format!("{}? in {}", likely.threads, likely.function)),
    );
    parts.join(", ")
}

fn wait(threads: usize, cause: &str, waiting: Waiting) -> String {
    let sign = if waiting.at_least { ">" } else { "" };
    let length = duration(waiting.longest_ns);
    // Seen once, it may have begun just then.
    let since = match (waiting.longest_ns, waiting.threads) {
        (0, _) => String::new(),
        (_, 1) => format!(" {sign}{length}"),
        (_, _) => format!(" up to {sign}{length}"),
    };
    match (threads, waiting.threads) {
        (1, 1) => format!("waits{since}: {cause}"),
        (_, 1) => format!("1 waits{since}: {cause}"),
        (_, many) => format!("{many} wait{since}: {cause}"),
    }
}
