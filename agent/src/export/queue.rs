//! The bounded queue between the engine and one exporter's thread. The engine never waits.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hotspan_synth::span::Span;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, sleep_until},
};

use super::{
    config::BatchConfig,
    counts::{Counts, DropReason},
    targets::TargetSlot,
};

/// A span on its way, with its target.
#[derive(Clone, Debug)]
pub(super) struct Queued {
    pub(super) target: Arc<TargetSlot>,
    pub(super) span: Arc<Span>,
}

/// When full, the oldest span gives way: it is the one most likely to be a child whose parent is
/// still to come, so fewer spans are left without a parent, and what is seen after an outage is the
/// present.
#[derive(Debug)]
pub(super) struct Queue {
    spans: Mutex<VecDeque<Queued>>,
    /// For the one consumer of spans; a permit is kept while it does not listen.
    wake: Notify,
    /// Told whenever spans are taken out.
    taken: Notify,
    /// Set by the close: until when the rest may be sent.
    deadline: watch::Sender<Option<Instant>>,
    batch: BatchConfig,
    counts: Arc<Counts>,
}

impl Queue {
    pub(super) fn new(batch: BatchConfig, counts: Arc<Counts>) -> Self {
        Self {
            spans: Mutex::default(),
            wake: Notify::new(),
            taken: Notify::new(),
            deadline: watch::Sender::new(None),
            batch,
            counts,
        }
    }

    pub(super) fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// Adds spans, never waits.
    pub(super) fn push(&self, spans: impl ExactSizeIterator<Item = Queued>) {
        self.counts.accept(spans.len());
        let mut waiting = self.spans();
        let was_empty = waiting.is_empty();
        waiting.extend(spans);
        let surplus = waiting.len().saturating_sub(self.batch.max_queue);
        waiting.drain(..surplus);
        // The consumer listens for the first span and for a full batch, so nothing else wakes it.
        let wake = was_empty && !waiting.is_empty() || waiting.len() >= self.batch.max_batch;
        drop(waiting);
        self.counts.drop_spans(DropReason::QueueFull, surplus);
        if wake {
            self.wake.notify_one();
        }
    }

    /// No more spans come; what is there may be sent until `deadline`.
    pub(super) fn close(&self, deadline: Instant) {
        self.deadline.send_replace(Some(deadline));
        self.wake.notify_one();
    }

    /// The next batch, when it is full or the delay has passed since it began; at once after the
    /// close. `None` when nothing is left after the close.
    pub(super) async fn next(&self) -> Option<Vec<Queued>> {
        self.wait_for_spans(1).await;
        tokio::select! {
            () = self.wait_for_spans(self.batch.max_batch) => {}
            () = sleep(self.batch.delay) => {}
        }
        let batch = self.drain(self.batch.max_batch);
        (!batch.is_empty()).then_some(batch)
    }

    /// Takes all that wait, as soon as there is any, the queue is closed, or `until` has come.
    pub(super) async fn take(&self, until: Option<Instant>) -> Vec<Queued> {
        match until {
            Some(until) => tokio::select! {
                () = self.wait_for_spans(1) => {}
                () = sleep_until(until) => {}
            },
            None => self.wait_for_spans(1).await,
        }
        self.drain(usize::MAX)
    }

    /// Waits until half of the queue is free.
    pub(super) async fn room(&self) {
        loop {
            let taken = self.taken.notified();
            if self.spans().len() <= self.batch.max_queue / 2 {
                return;
            }
            taken.await;
        }
    }

    /// Whether [`Self::close`] was called.
    pub(super) fn is_closed(&self) -> bool {
        self.deadline.borrow().is_some()
    }

    /// Waits for the close.
    pub(super) async fn closed(&self) {
        self.wait_for_deadline().await;
    }

    /// Waits for the close, and then for the deadline.
    pub(super) async fn expired(&self) {
        if let Some(deadline) = self.wait_for_deadline().await {
            sleep_until(deadline).await;
        }
    }

    async fn wait_for_deadline(&self) -> Option<Instant> {
        let mut deadline = self.deadline.subscribe();
        // It cannot fail: `self` holds the sender.
        let set = deadline.wait_for(Option::is_some).await.ok()?;
        *set
    }

    /// Waits for so many spans, or the close.
    async fn wait_for_spans(&self, count: usize) {
        while !self.is_closed() && self.spans().len() < count {
            self.wake.notified().await;
        }
    }

    fn drain(&self, most: usize) -> Vec<Queued> {
        let mut waiting = self.spans();
        let count = waiting.len().min(most);
        let drained = waiting.drain(..count).collect();
        drop(waiting);
        self.taken.notify_waiters();
        drained
    }

    fn spans(&self) -> MutexGuard<'_, VecDeque<Queued>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Groups a batch by target, in the order of first appearance, so that no span gets another's
/// resource.
pub(super) fn by_target(batch: Vec<Queued>) -> Vec<(Arc<TargetSlot>, Vec<Arc<Span>>)> {
    let mut groups: Vec<(Arc<TargetSlot>, Vec<Arc<Span>>)> = Vec::new();
    let mut places = HashMap::new();
    for Queued { target, span } in batch {
        let place = *places.entry(Arc::as_ptr(&target)).or_insert_with(|| {
            groups.push((Arc::clone(&target), Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(span);
    }
    groups
}
