//! The few words beside a span's name.

use hotspan_synth::span::{Span, Status, Value};

use crate::terminal::units;

/// Attributes that are shown, in this order, with the word before their value. A `*` stands for any
/// library.
const SHOWN: [(&str, &str); 8] = [
    ("*.subsolver", ""),
    ("optim.solver_status", ""),
    ("optim.objective_value", "objective "),
    ("hotspan.wait.cause", ""),
    ("hotspan.count", "×"),
    ("hotspan.workers", "workers "),
    ("error.type", ""),
    ("hotspan.exit", "exit "),
];

/// Waits on others that run, which hit any function, with the words before how long they were in all. Those that are
/// less than this part of the span are not shown.
const CONTENTION: [(&str, &str); 2] = [
    ("hotspan.runqueue_ns", "run queue "),
    ("hotspan.gil_wait_ns", "GIL "),
];
const CONTENTION_PART: u64 = 10;

/// A span's status and what people look for first among its attributes, such as
/// `OPTIMAL, objective 42, 3 events`.
pub fn tags(span: &Span) -> String {
    let mut words: Vec<String> = Vec::new();
    if span.status != Status::Unset {
        words.push("ERROR".to_owned());
    }
    for (key, before) in SHOWN {
        let found = span.attributes.iter().find(|(name, _)| matches(key, name));
        if let Some((_, value)) = found {
            words.push(format!("{before}{}", shown(value)));
        }
    }
    words.extend(CONTENTION.iter().filter_map(|(key, before)| {
        let waited = waited_ns(span, key)?;
        Some(format!("{before}{}", units::duration(waited)))
    }));
    match span.events.len() {
        0 => {}
        1 => words.push("1 event".to_owned()),
        events => words.push(format!("{events} events")),
    }
    words.join(", ")
}

/// How long a span waited, by this attribute, if it is much of its time.
fn waited_ns(span: &Span, key: &str) -> Option<u64> {
    let (_, value) = span.attributes.iter().find(|(name, _)| *name == key)?;
    let Value::Int(waited) = value else {
        return None;
    };
    let waited = u64::try_from(*waited).ok()?;
    let whole = span.end.0.saturating_sub(span.start.0);
    (waited >= 1_000_000 && waited.saturating_mul(CONTENTION_PART) >= whole).then_some(waited)
}

fn matches(pattern: &str, key: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(end) => key.ends_with(end),
        None => key == pattern,
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => number(*value),
        Value::Text(text) => text.clone(),
        Value::Texts(texts) => texts.join(" "),
    }
}

/// Six significant digits, without trailing zeros; very large and very small ones with an exponent.
fn number(value: f64) -> String {
    let magnitude = value.abs();
    if value == 0.0 || (1e-4..1e15).contains(&magnitude) {
        let decimals = (5.0 - magnitude.max(1e-4).log10().floor()).clamp(0.0, 9.0) as usize;
        let text = format!("{value:.decimals$}");
        if text.contains('.') {
            return text.trim_end_matches('0').trim_end_matches('.').to_owned();
        }
        return text;
    }
    format!("{value:.3e}")
}
