//! One span for many crossings: what they come to together.

use crate::{
    crossings::item::{End, Item},
    event::Ending,
    folding::{
        requests::{Begun, Since},
        steps::Steps,
    },
    region::{FoldRule, Region},
    spans::{attributes::AttributeList, resources, values::Slots},
    time::UnixTime,
};

/// What a span that stands for many crossings has beside its draft.
#[derive(Clone, Debug, Default)]
pub(crate) struct Folded {
    steps: Steps,
    /// Crossings of the region that the fold rule waits for.
    pub marks: u64,
    /// End of the first of them, for the opening.
    pub first_mark: Option<UnixTime>,
    /// When the request began, if that is known.
    pub request: Option<Begun>,
    /// What was read in the latest crossing.
    last: Vec<(u32, u64)>,
}

impl Folded {
    /// The first crossing.
    pub fn new(item: &Item) -> Self {
        let mut folded = Self::default();
        folded.steps.add(item.duration_ns());
        let values = item.end.as_ref().map(|end| end.values.clone());
        folded.last = values.unwrap_or_default();
        folded
    }

    /// Takes in one more crossing; `end` becomes the end of all of them.
    pub fn join(&mut self, region: &Region, end: &mut End, item: &Item, joined: &End) {
        self.steps.add(item.duration_ns());
        if let Some(rule) = &region.meaning.fold {
            add_values(rule, end, joined, region);
        }
        if joined.exit >= end.exit {
            self.last.clone_from(&joined.values);
        }
        end.exit = end.exit.max(joined.exit);
        end.proven = end.proven.max(joined.proven);
        end.runqueue_ns = end.runqueue_ns.saturating_add(joined.runqueue_ns);
        end.blocked_ns = end.blocked_ns.saturating_add(joined.blocked_ns);
        end.resources = resources::together(end.resources, joined.resources);
        // One that did not return says so for all.
        if end.ending == Ending::Returned {
            end.ending = joined.ending;
        }
    }

    /// How many crossings.
    pub fn crossings(&self) -> u64 {
        self.steps.count
    }

    /// Time inside of the crossings, in nanoseconds.
    pub fn busy_ns(&self) -> u64 {
        self.steps.sum_ns
    }

    /// Adds what is said of all crossings.
    pub fn describe(&self, list: &mut AttributeList<'_>, rule: &FoldRule, is_opening: bool) {
        list.add_number("hotspan.count", self.steps.count);
        list.add_number("hotspan.busy_ns", self.steps.sum_ns);
        if self.steps.count > 1 {
            list.add_number("hotspan.step.p50_ns", self.steps.percentile_ns(50));
            list.add_number("hotspan.step.p99_ns", self.steps.percentile_ns(99));
            list.add_number("hotspan.step.max_ns", self.steps.slowest_ns);
        }
        let latest = Slots {
            values: &self.last,
            text: None,
        };
        list.add_decoded(&rule.last, latest);
        let Some(opening) = &rule.opening else { return };
        if !is_opening {
            if let Some(key) = &opening.until_count {
                list.add_number(key.clone(), self.marks);
            }
        } else if let (Some(key), Some((ns, begun))) = (&opening.first_result, self.first_result())
        {
            list.add(key.clone(), seconds(ns));
            let since = match begun.since {
                Since::Socket => "socket",
                Since::Wakeup { .. } => "wakeup",
                Since::Span => "span",
            };
            list.add("hotspan.request.since", since);
            if let Since::Wakeup { within_ns } = begun.since {
                list.add_number("hotspan.request.within_ns", within_ns);
            }
        }
    }

    /// How long after the request's beginning the first result was there, in nanoseconds.
    fn first_result(&self) -> Option<(u64, Begun)> {
        let begun = self.request?;
        let ns = self.first_mark?.0.checked_sub(begun.at.0)?;
        Some((ns, begun))
    }
}

/// Adds the rate of a summed slot over the span.
pub(crate) fn add_rate(list: &mut AttributeList<'_>, rule: &FoldRule, end: &End, duration_ns: u64) {
    if let Some(rate) = &rule.rate
        && let Some(sum) = end.slots().int(rate.slot)
        && duration_ns > 0
    {
        list.add(rate.key.clone(), sum as f64 / seconds(duration_ns));
    }
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// Sums what is to be summed. A failure's result stays, whatever came after it.
fn add_values(rule: &FoldRule, end: &mut End, joined: &End, region: &Region) {
    let failure = region.meaning.failure.as_ref();
    let has_failed = end.slots().failure(failure).is_some();
    let failed_now = joined.slots().failure(failure).is_some() && !has_failed;
    for &(slot, bits) in &joined.values {
        let is_result = failed_now && failure.is_some_and(|failure| failure.slot == slot);
        match end.values.iter_mut().find(|(known, _)| *known == slot) {
            Some((_, sum)) if rule.sum.contains(&slot) => {
                *sum = (*sum as i64).saturating_add(bits as i64) as u64;
            }
            Some((_, known)) if is_result => *known = bits,
            Some(_) => {}
            None => end.values.push((slot, bits)),
        }
    }
}
