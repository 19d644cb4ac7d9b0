//! The live waterfall on standard output.

use std::{
    io::{self, Write},
    sync::Arc,
};

use hotspan_synth::span::{Span, Value};
use tokio::time::Instant;

use super::{
    super::{ExportError, Say, output::Output, queue::Queue, targets::TargetSlot, worker::Worker},
    Row, Style,
    pending::{Pending, Tree},
    render,
};
use crate::terminal::{
    style::{Part, terminal_width},
    text::{clip, printable},
};

/// Starts the waterfall's thread.
pub(in crate::export) fn start(queue: Queue, say: Say) -> Result<Worker, ExportError> {
    start_on(Box::new(io::stdout()), Style::of_stdout(), queue, say)
}

/// The same on any output.
pub(super) fn start_on(
    writer: Box<dyn Write + Send>,
    style: Style,
    queue: Queue,
    say: Say,
) -> Result<Worker, ExportError> {
    let name = "waterfall".to_owned();
    let output = Output::new(name.clone(), writer, Arc::clone(queue.counts()), say);
    Worker::start(
        name,
        queue,
        || Ok(output),
        async move |mut output, queue| {
            let mut pending = Pending::default();
            loop {
                let spans = queue.take(pending.next_due()).await;
                let at_end = spans.is_empty() && queue.is_closed();
                let now = Instant::now();
                pending.add(spans, now);
                for tree in pending.take_due(now, at_end) {
                    let text = draw(&tree, terminal_width(), style);
                    output.put(Ok(text.as_bytes()), tree.spans.len());
                }
                if at_end {
                    break;
                }
            }
        },
    )
}

/// A tree under its headline, with an empty line after it.
pub(super) fn draw(tree: &Tree, columns: usize, style: Style) -> String {
    let rows: Vec<Row> = tree
        .spans
        .iter()
        .map(|span| Row::from(span.as_ref()))
        .collect();
    let mut text = String::new();
    style.paint(&mut text, Part::Faint, &clip(&headline(tree), columns));
    text.push('\n');
    text.push_str(&render(&rows, columns, style));
    text.push('\n');
    text
}

fn headline(tree: &Tree) -> String {
    let Some(span) = tree.spans.first() else {
        return String::new();
    };
    let above = match (tree.parent.is_valid(), tree.complete) {
        (false, _) => "of its own".to_owned(),
        (true, true) => format!("under span {}", tree.parent),
        (true, false) => format!("in span {}, still open or shown before", tree.parent),
    };
    let source = source(&tree.spans)
        .filter(|_| tree.parent.is_valid())
        .map(|source| format!(" ({source})"))
        .unwrap_or_default();
    let service = service(&tree.target)
        .map(|name| format!("  {name}"))
        .unwrap_or_default();
    printable(&format!("trace {} {above}{source}{service}", span.trace_id))
}

fn source(spans: &[Arc<Span>]) -> Option<&str> {
    let outermost = spans
        .iter()
        .find(|span| !span.parent_is_synthetic)
        .or(spans.first())?;
    text_of(&outermost.attributes, "hotspan.parent.source")
}

fn service(target: &TargetSlot) -> Option<String> {
    text_of(&target.target().resource, "service.name").map(str::to_owned)
}

fn text_of<'a, K: AsRef<str>>(attributes: &'a [(K, Value)], key: &str) -> Option<&'a str> {
    attributes.iter().find_map(|(name, value)| match value {
        Value::Text(text) if name.as_ref() == key => Some(text.as_str()),
        _ => None,
    })
}
