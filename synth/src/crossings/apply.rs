//! Has crossings become what was decided.

use std::{collections::VecDeque, sync::Arc};

use super::{
    fate::Fate,
    item::{Item, Key},
    known::{Anchor, Bounds, Known},
    regions::KnownRegion,
    threads::cpu_ns,
};
use crate::{
    clock::Instant,
    engines::engine::{ForwardPasses, Within},
    event::Parent,
    region::Role,
    spans::{
        finish,
        identity::span_id,
        making::{Draft, Pool},
    },
    summary::Dropped,
    synth::Synth,
    time::UnixTime,
};

impl Synth {
    /// Has a crossing become what was decided, and says in `known` what others may name of it.
    pub(super) fn apply(
        &mut self,
        item: Item,
        fate: Fate,
        known: &mut Known,
        complete: &mut Vec<Key>,
    ) {
        match fate {
            Fate::Span {
                region,
                parent,
                around,
                start,
                sequence,
            } => {
                let mut draft = self.draft(item, region, parent, around, start, known);
                self.number(&mut draft);
                if let (Some(sequence), Some(anchor)) = (sequence, known.anchor) {
                    let folded = self.start_folding(sequence, &draft, anchor);
                    draft.folded = Some(Box::new(folded));
                } else if draft.item.end.is_some() {
                    complete.push(draft.item.key);
                } else {
                    let (thread, key) = (draft.item.thread, draft.item.key);
                    if let Some(inference) = &mut self.inference
                        && !draft.parent.begins_trace()
                    {
                        inference.opened(thread, draft.parent, key, self.now);
                    }
                }
                let (key, on_device) = (draft.item.key, draft.region.meaning().on_device);
                self.making.insert(draft);
                if on_device {
                    self.making.on_device(key);
                }
            }
            Fate::Joined(anchor) => {
                (known.anchor, known.pool) = (Some(anchor), Some(anchor));
                self.join(anchor, &item);
            }
            Fate::Event {
                region,
                around,
                time,
            } => self.attach(&item, &region, around, time),
            Fate::Unattributed { region, reason } => {
                self.tally.unattributed.add(&region, &reason, &item);
            }
            Fate::Dropped(reason) => {
                if reason == Dropped::WorkersPerParent {
                    self.sum(&item, known);
                }
                self.tally.dropped(reason);
            }
        }
    }

    /// Starts a span, and says in `known` that it may be named.
    fn draft(
        &self,
        item: Item,
        region: Arc<KnownRegion>,
        parent: Parent,
        around: Option<Anchor>,
        start: Instant,
        known: &mut Known,
    ) -> Box<Draft> {
        let span_id = span_id(self.settings.seed, item.key);
        let anchor = Anchor {
            span_id,
            key: item.key,
            context: parent.context(),
            depth: around.map_or(1, |around| around.depth.saturating_add(1)),
            within: Within::of(around).enter(&region.region, item.key),
        };
        known.anchor = Some(anchor);
        if region.region.role == Role::Span {
            known.pool = Some(anchor);
        }
        known.bounds = Some(Bounds {
            start: start.unix,
            end: None,
            latest_child: UnixTime::default(),
            error_ns: start.error_ns,
        });
        Box::new(Draft {
            item,
            region,
            span_id,
            parent,
            around,
            start,
            pool: Pool::default(),
            events: VecDeque::new(),
            dropped_events: 0,
            attempt: None,
            passes: ForwardPasses::default(),
            pages_inside: None,
            folded: None,
            on_device: false,
            device_bytes: None,
        })
    }

    fn attach(&mut self, item: &Item, region: &KnownRegion, around: Key, time: Instant) {
        let Some(end) = &item.end else { return };
        let event = finish::event(
            &region.region,
            end,
            time,
            &self.settings.limits,
            &mut self.tally,
        );
        match self
            .making
            .add_event(around, event, &self.settings.limits, &mut self.tally)
        {
            Ok(()) => self.tally.span_events += 1,
            Err(reason) => self.tally.dropped(reason),
        }
    }

    /// Sums a worker's crossing on its parent.
    fn sum(&mut self, item: &Item, known: &mut Known) {
        known.is_summed = true;
        let (Some(around), Some(end)) = (known.anchor, &item.end) else {
            return;
        };
        let ns = item.duration_ns();
        let cpu = cpu_ns(ns, end.runqueue_ns, end.blocked_ns);
        let pool = Pool {
            summed: 1,
            summed_ns: ns,
            summed_cpu_ns: cpu,
            ..Pool::default()
        };
        // A parent that has gone out already, or none: the summary alone counts it.
        self.making.add_pool(around.key, pool);
    }
}
