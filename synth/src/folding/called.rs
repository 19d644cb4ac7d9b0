//! What was called most in a burst of counted entries.

use crate::{event::Called, span::Value, spans::attributes::AttributeList};

/// Names that a span lists.
const LISTED: usize = 5;

/// Adds the names that were called most, each with its number of calls. Only those that nothing which was
/// not told apart can have outnumbered.
pub(crate) fn describe(list: &mut AttributeList<'_>, key: &str, called: &Called) {
    let mut names: Vec<(&str, u64)> = Vec::new();
    for (name, calls) in &called.names {
        match names.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum += calls,
            None => names.push((name, *calls)),
        }
    }
    names.retain(|(_, calls)| *calls > called.beyond);
    // Equal numbers by name, so that the order is always the same.
    names.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(other.0)));
    names.truncate(LISTED);
    if !names.is_empty() {
        let texts = names.iter().map(|(name, calls)| format!("{calls} {name}"));
        list.add(key.to_owned(), Value::Texts(texts.collect()));
    }
}
