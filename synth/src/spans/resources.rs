//! Memory, faults and switches of a span, and when it began to page.

use crate::{
    clock::Clock,
    crossings::item::{End, Item},
    event::Resources,
    span::SpanEvent,
    spans::{attributes::AttributeList, making::Draft},
    synth::Synth,
    time::KernelTime,
};

/// Spans of this length and more say what they used, in nanoseconds.
const FROM_NS: u64 = 50_000_000;

/// The event on the span in which paging begins.
const PAGING: &str = "paging because resident memory overran";

/// What two crossings used that one span stands for; if one does not know, none does.
pub(crate) fn together(one: Option<Resources>, other: Option<Resources>) -> Option<Resources> {
    let (one, other) = (one?, other?);
    let stalls = [one.stalled, other.stalled];
    Some(Resources {
        resident_bytes: one.resident_bytes.saturating_add(other.resident_bytes),
        major_faults: one.major_faults.saturating_add(other.major_faults),
        voluntary: one.voluntary.saturating_add(other.voluntary),
        involuntary: one.involuntary.saturating_add(other.involuntary),
        stalled: stalls.into_iter().flatten().min(),
        threads: other.threads,
    })
}

/// What the crossing used, if it lasted long enough to matter.
fn of<'a>(item: &Item, end: &'a End) -> Option<&'a Resources> {
    let lasted_ns = end.exit.since(item.entry);
    (end.resources.as_ref()).filter(|_| end.is_exact() && lasted_ns >= FROM_NS)
}

/// Adds it to a span's attributes.
pub(crate) fn describe(list: &mut AttributeList<'_>, draft: &Draft, end: &End) {
    let Some(used) = of(&draft.item, end) else {
        return;
    };
    list.add("process.memory.rss_change_bytes", used.resident_bytes);
    list.add("process.thread.count", i64::from(used.threads));
    list.add_number("thread.paging.major_faults", used.major_faults);
    list.add_number("thread.context_switches.voluntary", used.voluntary);
    list.add_number("thread.context_switches.involuntary", used.involuntary);
}

/// When paging began, by two pieces of evidence: the kernel saw the thread stall for want of memory, and
/// pages had to be read back.
fn paging(item: &Item, end: &End) -> Option<KernelTime> {
    let used = of(item, end).filter(|used| used.major_faults > 0)?;
    let bounds = item.entry..=end.exit;
    used.stalled.filter(|stalled| bounds.contains(stalled))
}

impl Synth {
    /// Says on the innermost span that paging began in it.
    pub(crate) fn page(&mut self, draft: &mut Draft, end: &End) {
        let Some(began) = paging(&draft.item, end) else {
            return;
        };
        if let Some(around) = draft.around {
            self.making.pages_inside(around.key, began);
        }
        if draft.pages_inside.is_some_and(|inside| inside <= began) {
            return;
        }
        if let Some(event) = event(&self.clock, began) {
            draft.events.push_back(event);
        }
    }
}

fn event(clock: &Clock, began: KernelTime) -> Option<SpanEvent> {
    Some(SpanEvent {
        name: PAGING.to_owned(),
        time: clock.convert(began)?.unix,
        attributes: Vec::new(),
    })
}
