//! Spans to an indented tree, with what the summary counts besides.

use std::{collections::BTreeMap, fmt::Write as _};

use hotspan_synth::{
    Summary,
    ids::{SpanId, TraceId},
    span::{Span, Status, Value},
    time::UnixTime,
};

use crate::drawing::{BASE, MS};

/// Spans below the target's own, each with its bounds in columns, the attributes in `shown`, its
/// status and its events; then the counts.
pub fn render(spans: &[Span], summary: &Summary, shown: &[&str]) -> String {
    let mut text = String::new();
    let mut roots = BTreeMap::<(u32, TraceId, SpanId), Vec<&Span>>::new();
    for span in spans.iter().filter(|span| !span.parent_is_synthetic) {
        roots
            .entry((span.target.0, span.trace_id, span.parent_span_id))
            .or_default()
            .push(span);
    }
    for ((target, _, parent), children) in roots {
        let other = if target == 1 {
            String::new()
        } else {
            format!("{target}:")
        };
        // A span that begins a trace has none.
        let parent = match parent.0[0] {
            0 => '-',
            letter => char::from(letter),
        };
        line(&mut text, 0, &format!("{other}{parent}"));
        branch(&mut text, 1, children, spans, shown);
    }
    counts(&mut text, summary);
    text
}

fn branch(text: &mut String, depth: usize, mut here: Vec<&Span>, all: &[Span], shown: &[&str]) {
    here.sort_by_key(|span| (span.start, span.end));
    for span in here {
        line(text, depth, &label(span, shown));
        for event in &span.events {
            line(
                text,
                depth + 1,
                &format!("* {} {}", event.name, column(event.time)),
            );
        }
        let is_child =
            |child: &&Span| child.parent_is_synthetic && child.parent_span_id == span.span_id;
        branch(
            text,
            depth + 1,
            all.iter().filter(is_child).collect(),
            all,
            shown,
        );
    }
}

fn label(span: &Span, shown: &[&str]) -> String {
    let mut label = format!("{} {}..{}", span.name, column(span.start), column(span.end));
    for (key, value) in &span.attributes {
        if shown.contains(&&**key) {
            let key = key.strip_prefix("hotspan.").unwrap_or(key);
            write!(label, " {key}={}", value_text(value)).expect("strings can be written to");
        }
    }
    if let Status::Error { description } = &span.status {
        write!(label, " ERROR({description})").expect("strings can be written to");
    }
    label
}

fn counts(text: &mut String, summary: &Summary) {
    for entry in &summary.unattributed {
        let work = entry.work;
        let mut what = format!("unattributed {} {}", entry.region, entry.reason);
        let on_main = entry.on_main.crossings;
        if (1..work.crossings).contains(&on_main) {
            write!(what, " ({on_main} on the first thread)").expect("strings can be written to");
        }
        line(
            text,
            0,
            &format!("{what}: {}, {} ms", work.crossings, work.ns / MS),
        );
    }
    for (what, count) in summary.dropped.iter().chain(&summary.noted) {
        line(text, 0, &format!("{what}: {count}"));
    }
}

fn line(text: &mut String, depth: usize, content: &str) {
    writeln!(text, "{}{content}", "  ".repeat(depth)).expect("strings can be written to");
}

fn column(time: UnixTime) -> String {
    let ns = time.0 as i64 - BASE as i64;
    let (whole, rest) = (ns / MS as i64, ns % MS as i64);
    if rest == 0 {
        whole.to_string()
    } else {
        format!("{whole}.{rest:06}")
    }
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Text(value) => value.clone(),
        Value::Texts(values) => values.join(","),
    }
}
