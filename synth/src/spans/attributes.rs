//! Attribute lists within their limits.

use std::borrow::Cow;

use crate::{
    crossings::{item::End, threads::cpu_ns},
    engines::{engine, ledger},
    folding::{called, folded},
    region::AttributeRule,
    settings::Limits,
    span::{Attributes, Value},
    spans::{
        making::{Draft, Pool},
        resources,
        values::Slots,
    },
    summary::{Noted, Tally},
};

/// Attributes that there is room for at first.
const USUAL: usize = 16;

/// A list in the making: each key once, in the order of insertion.
#[derive(Debug)]
pub(crate) struct AttributeList<'a> {
    limits: &'a Limits,
    list: Attributes,
    dropped: u32,
    shortened: u64,
    duplicates: u64,
}

impl<'a> AttributeList<'a> {
    pub fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            list: Vec::with_capacity(USUAL),
            dropped: 0,
            shortened: 0,
            duplicates: 0,
        }
    }

    /// Adds an attribute; the first of a key stays.
    pub fn add(&mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        let key = key.into();
        if self.list.iter().any(|(other, _)| *other == key) {
            self.duplicates += 1;
        } else if self.list.len() >= self.limits.attributes as usize {
            self.dropped += 1;
        } else {
            let value = self.shorten(value.into());
            self.list.push((key, value));
        }
    }

    /// Adds a count or a time in nanoseconds.
    pub fn add_number(&mut self, key: impl Into<Cow<'static, str>>, number: u64) {
        self.add(key, i64::try_from(number).unwrap_or(i64::MAX));
    }

    /// Adds what the rules make of a crossing's slots.
    pub fn add_decoded(&mut self, rules: &[AttributeRule], slots: Slots<'_>) {
        for rule in rules {
            if let Some(value) = slots.evaluate(&rule.value) {
                self.add(rule.key.clone(), value);
            }
        }
    }

    /// The list, and how many attributes were cut off.
    pub fn finish(self, tally: &mut Tally) -> (Attributes, u32) {
        tally.noted(Noted::Attributes, u64::from(self.dropped));
        tally.noted(Noted::AttributeBytes, self.shortened);
        tally.noted(Noted::DuplicateAttribute, self.duplicates);
        (self.list, self.dropped)
    }

    fn shorten(&mut self, value: Value) -> Value {
        match value {
            Value::Text(text) => Value::Text(self.shorten_text(text)),
            Value::Texts(texts) => Value::Texts(
                texts
                    .into_iter()
                    .map(|text| self.shorten_text(text))
                    .collect(),
            ),
            other => other,
        }
    }

    fn shorten_text(&mut self, mut text: String) -> String {
        let bytes = self.limits.attribute_bytes as usize;
        if text.len() > bytes {
            text.truncate(text.floor_char_boundary(bytes));
            self.shortened += 1;
        }
        text
    }
}

/// The attributes that every span of a crossing has, decoded ones last.
pub(crate) fn of_span(list: &mut AttributeList<'_>, draft: &Draft, end: &End, error_ns: u64) {
    let region = &draft.region.region;
    list.add("hotspan.origin", "probe");
    list.add("hotspan.parent.source", draft.parent.source_name());
    if draft.parent.remote {
        list.add("hotspan.parent.remote", true);
    }
    list.add_number("hotspan.error_ns", error_ns);
    if let Some(exit) = end.exit_name() {
        list.add("hotspan.exit", exit);
    }
    list.add("code.function.name", region.function.as_str());
    list.add("thread.id", i64::from(draft.item.thread));
    of_time(list, draft, end);
    resources::describe(list, draft, end);
    of_pool(list, draft.pool);
    if region.meaning.cold_start {
        list.add("hotspan.cold_start", true);
    }
    engine::describe(list, draft, end);
    if let (Some(folded), Some(rule)) = (&draft.folded, &region.meaning.fold) {
        let is_opening = rule.opening.is_some() && draft.region.opening.is_none();
        folded.describe(list, rule, is_opening);
        folded::add_rate(list, rule, end, end.exit.since(draft.item.entry));
    }
    list.add_decoded(&region.meaning.attributes, end.slots());
    if let (Some(key), Some(called)) = (&region.meaning.called, &end.called) {
        called::describe(list, key, called);
    }
    ledger::describe(list, draft);
}

/// Where the time went. Only for an exact end: the counters run on to the instant at which a lost
/// end was found out.
fn of_time(list: &mut AttributeList<'_>, draft: &Draft, end: &End) {
    if end.is_exact() {
        // The counters of a span of many crossings are sums over them, not over the time between.
        let duration_ns = (draft.folded.as_ref()).map_or_else(
            || end.exit.since(draft.item.entry),
            |folded| folded.busy_ns(),
        );
        let cpu = cpu_ns(duration_ns, end.runqueue_ns, end.blocked_ns);
        list.add_number("hotspan.cpu_ns", cpu);
        list.add_number("hotspan.runqueue_ns", end.runqueue_ns);
        list.add_number("hotspan.blocked_ns", end.blocked_ns);
    }
}

fn of_pool(list: &mut AttributeList<'_>, pool: Pool) {
    if pool.threads > 0 {
        list.add_number("hotspan.workers", pool.threads);
        list.add_number("hotspan.workers_cpu_ns", pool.threads_cpu_ns);
    }
    if pool.summed > 0 {
        list.add_number("hotspan.workers.summed", pool.summed);
        list.add_number("hotspan.workers.summed_ns", pool.summed_ns);
        list.add_number("hotspan.workers.summed_cpu_ns", pool.summed_cpu_ns);
    }
}
