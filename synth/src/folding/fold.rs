//! Which crossings are joined to one span, and when it goes out.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    crossings::{
        item::{Item, Key},
        known::Anchor,
        parents::SpanContext,
        regions::KnownRegion,
    },
    event::Parent,
    folding::{folded::Folded, requests::Requests},
    ids::TargetId,
    region::{FoldRule, Opening},
    spans::{making::Draft, values::Slots},
    summary::Noted,
    synth::Synth,
    time::KernelTime,
};

/// The crossings that may be joined: under one parent, for one engine context.
///
/// The synthetic span around comes first, so that all under one lie together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SequenceKey {
    around: Option<Key>,
    target: TargetId,
    parent: SpanContext,
    by: Option<u64>,
}

/// A span that takes in crossings.
#[derive(Debug)]
struct Open {
    name: Arc<str>,
    anchor: Anchor,
    latest: KernelTime,
    idle_ns: u64,
    /// Name of the region whose crossings it counts, or that closes it if it is an opening.
    until: Option<String>,
    is_opening: bool,
}

/// What has happened in a sequence.
#[derive(Debug, Default)]
struct Sequence {
    open: Vec<Open>,
    latest: KernelTime,
    /// Longest pause that any of its regions may make.
    idle_ns: u64,
    /// Position at which the next repetition is to begin.
    next_position: Option<i64>,
    marks: Vec<Mark>,
}

/// Crossings of a region that others wait for.
#[derive(Debug)]
struct Mark {
    name: Arc<str>,
    /// Whether there was one since the last crossing that opened or repeated.
    is_new: bool,
    /// Those since the last opening that no span has counted.
    uncounted: u64,
}

/// Where a crossing of a folded region goes.
pub(crate) enum Placement {
    /// To a span of its own, which later ones may join.
    Starts(Arc<KnownRegion>, SequenceKey),
    /// To the span of an earlier one.
    Joins(Anchor),
}

/// All sequences, bounded in number, and when requests began.
#[derive(Debug, Default)]
pub(crate) struct Folding {
    sequences: BTreeMap<SequenceKey, Sequence>,
    pub requests: Requests,
}

impl Folding {
    /// Takes out the spans of sequences that `gone` holds for.
    fn close(&mut self, gone: impl Fn(&SequenceKey, &Sequence) -> bool) -> Vec<Key> {
        self.sequences
            .extract_if(.., |key, sequence| gone(key, sequence))
            .flat_map(|(_, sequence)| sequence.open)
            .map(|open| open.anchor.key)
            .collect()
    }

    fn oldest(&self) -> Option<SequenceKey> {
        let (key, _) = (self.sequences.iter()).min_by_key(|(_, sequence)| sequence.latest)?;
        Some(*key)
    }
}

impl Synth {
    /// Where a crossing of a folded region goes; spans that it shows to be over go to `complete`.
    pub(crate) fn place(
        &mut self,
        item: &Item,
        region: &Arc<KnownRegion>,
        parent: &Parent,
        around: Option<Anchor>,
        complete: &mut Vec<Key>,
    ) -> Option<Placement> {
        let rule = region.meaning().fold.as_ref()?;
        let slots = item.end.as_ref()?.slots();
        let key = SequenceKey {
            around: around.map(|around| around.key),
            target: item.key.target,
            parent: parent.context(),
            by: rule.by.and_then(|slot| slots.bits(slot)),
        };
        self.make_room_for(key, complete);
        self.folding.sequences.entry(key).or_default();
        self.mark(key, item, &region.name, complete);
        let sequence = self.folding.sequences.get_mut(&key)?;
        sequence.idle_ns = sequence.idle_ns.max(rule.idle_ns);
        sequence.latest = sequence.latest.max(item.latest());
        let face = sequence.face(rule, region, slots);
        let mut joins = None;
        sequence.open.retain_mut(|open| {
            let is_same = open.name == face.name;
            let is_sibling = open.name == region.name || is_opening_of(&open.name, region);
            if is_same && item.entry.since(open.latest) <= open.idle_ns {
                open.latest = open.latest.max(item.latest());
                joins = Some(open.anchor);
            } else if is_same || is_sibling {
                complete.push(open.anchor.key);
                return false;
            }
            true
        });
        Some(joins.map_or(Placement::Starts(face, key), Placement::Joins))
    }

    /// A crossing that others may join has become a draft.
    pub(crate) fn start_folding(
        &mut self,
        key: SequenceKey,
        draft: &Draft,
        anchor: Anchor,
    ) -> Folded {
        let (item, region) = (&draft.item, &draft.region);
        let mut folded = Folded::new(item);
        let (Some(rule), Some(sequence)) =
            (&region.meaning().fold, self.folding.sequences.get_mut(&key))
        else {
            return folded;
        };
        let opening = rule.opening.as_ref();
        let is_opening = region.opening.is_none() && opening.is_some();
        let until = opening.map(|opening| opening.until.clone());
        if let Some(until) = &until
            && !is_opening
        {
            folded.marks = sequence.take_marks(until);
        }
        sequence.open.push(Open {
            name: Arc::clone(&region.name),
            anchor,
            latest: item.latest(),
            idle_ns: rule.idle_ns,
            until,
            is_opening,
        });
        folded
    }

    /// Adds a crossing to the span that it joins.
    pub(crate) fn join(&mut self, anchor: Anchor, item: &Item) {
        if let Some(end) = &item.end
            && self.making.join(anchor.key, item, end)
        {
            self.tally.joined += 1;
        }
    }

    /// Closes the spans that were joined under these, which are complete.
    pub(crate) fn close_inside(&mut self, complete: &mut Vec<Key>) {
        let mut at = 0;
        while let Some(&around) = complete.get(at) {
            complete.extend(self.folding.close(|key, _| key.around == Some(around)));
            at += 1;
        }
    }

    /// Closes the spans that no crossing has joined for long.
    pub(crate) fn close_idle(&mut self, now: KernelTime) -> Vec<Key> {
        self.folding
            .close(|_, sequence| now.since(sequence.latest) > sequence.idle_ns)
    }

    /// Closes all.
    pub(crate) fn close_all(&mut self) -> Vec<Key> {
        self.folding.close(|_, _| true)
    }

    /// Tells the spans that wait for this region that it was crossed.
    fn mark(&mut self, key: SequenceKey, item: &Item, name: &Arc<str>, complete: &mut Vec<Key>) {
        let Some(sequence) = self.folding.sequences.get_mut(&key) else {
            return;
        };
        let mut is_counted = false;
        let mut closed = Vec::new();
        sequence.open.retain(|open| {
            if open.until.as_deref() != Some(&**name) {
                return true;
            }
            if open.is_opening {
                closed.push(open.anchor.key);
                return false;
            }
            self.making.mark(open.anchor.key);
            is_counted = true;
            true
        });
        sequence.add_mark(name, is_counted);
        for opening in closed {
            let first = self
                .clock
                .convert(item.latest())
                .map(|instant| instant.unix);
            let request = (key.target, key.parent);
            let begun = self.folding.requests.begun(request, &self.clock);
            self.making.first_mark(opening, first, begun);
            complete.push(opening);
        }
    }

    fn make_room_for(&mut self, key: SequenceKey, complete: &mut Vec<Key>) {
        let limit = self.settings.limits.sequences.max(1) as usize;
        if self.folding.sequences.contains_key(&key) || self.folding.sequences.len() < limit {
            return;
        }
        if let Some(oldest) = self.folding.oldest() {
            let closed = self.folding.close(|key, _| *key == oldest);
            self.tally.noted(Noted::Sequences, closed.len() as u64);
            complete.extend(closed);
        }
    }
}

impl Sequence {
    /// As what a crossing appears: as a repetition, or as an opening.
    fn face(
        &mut self,
        rule: &FoldRule,
        region: &Arc<KnownRegion>,
        slots: Slots<'_>,
    ) -> Arc<KnownRegion> {
        let (Some(opening), Some(face)) = (&rule.opening, &region.opening) else {
            return Arc::clone(region);
        };
        let opens = self.opens(opening, slots);
        let position = opening.position.and_then(|slot| slots.int(slot));
        self.next_position = position
            .zip(slots.int(opening.length))
            .map(|(position, length)| position.saturating_add(length));
        if let Some(mark) = self.mark_of(&opening.until) {
            mark.is_new = false;
            mark.uncounted = if opens { 0 } else { mark.uncounted };
        }
        Arc::clone(if opens { face } else { region })
    }

    fn mark_of(&mut self, name: &str) -> Option<&mut Mark> {
        self.marks.iter_mut().find(|mark| *mark.name == *name)
    }

    fn add_mark(&mut self, name: &Arc<str>, is_counted: bool) {
        let uncounted = u64::from(!is_counted);
        if let Some(mark) = self.mark_of(name) {
            mark.is_new = true;
            mark.uncounted += uncounted;
        } else {
            self.marks.push(Mark {
                name: Arc::clone(name),
                is_new: true,
                uncounted,
            });
        }
    }

    /// The crossings of `name` that no span has counted, which one does now.
    fn take_marks(&mut self, name: &str) -> u64 {
        self.mark_of(name)
            .map_or(0, |mark| std::mem::take(&mut mark.uncounted))
    }

    fn opens(&self, opening: &Opening, slots: Slots<'_>) -> bool {
        let is_marked = (self.marks.iter()).any(|mark| *mark.name == *opening.until && mark.is_new);
        let position = opening.position.and_then(|slot| slots.int(slot));
        let follows = match (position, self.next_position) {
            (Some(position), Some(next)) => position == next,
            _ => true,
        };
        let is_one = slots.int(opening.length).is_none_or(|length| length <= 1);
        let asks_each = (opening.each)
            .and_then(|slot| slots.int(slot))
            .is_some_and(|each| each != 0);
        !is_marked || !follows || !(is_one || asks_each)
    }
}

fn is_opening_of(name: &str, region: &KnownRegion) -> bool {
    (region.opening.as_ref()).is_some_and(|opening| *opening.name == *name)
}
