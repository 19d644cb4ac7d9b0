//! What is in maps rather than rings: crossings still open, and those that found the ring full.

use hotspan_common::{Counter, CrossingEvent, FrameFlags, KeyCounts, MAX_DEPTH, RecordKind};

use super::{Kernel, KernelError, probes::failed};

/// A crossing that has not ended.
#[derive(Clone, Copy, Debug)]
pub struct OpenFrame {
    /// The event in the making.
    pub event: CrossingEvent,
    /// The region's epoch at its entry.
    pub epoch: u32,
    /// Whether it is a burst of counted entries, over with the last that was counted.
    pub is_burst: bool,
    /// Stack pointer at its entry.
    pub sp: u64,
    /// What lay there: the return address. While the frame lives, it still does.
    pub return_address: u64,
}

/// Looks in a row that must have found nothing open: the first may meet a program that has counted its entry, and
/// not opened the crossing yet.
const LOOKS: u32 = 2;

/// The latest looks that found nothing open, with no entry between them.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    /// Entries ever, before each of them.
    entries: u64,
    looks: u32,
}

impl Quiet {
    /// Whether nothing can be open.
    fn is_sure(&self, entries: u64) -> bool {
        self.looks >= LOOKS && self.entries == entries
    }

    fn looked(&mut self, entries: u64, found_nothing: bool) {
        let before = if self.entries == entries {
            self.looks
        } else {
            0
        };
        self.looks = if found_nothing { before + 1 } else { 0 };
        self.entries = entries;
    }
}

/// Looks at the parked crossings after the ring may have been full: a program may have found it so, and not parked
/// its crossing yet.
const LOOKS_AFTER_FULL: u32 = 10;

/// Whether crossings can be parked: only where the ring was full, and then all of it is taken in.
#[derive(Debug)]
pub(super) struct Parking {
    ring_bytes: usize,
    /// Since the last time that this was asked.
    taken_bytes: usize,
    looks: u32,
}

impl Parking {
    pub(super) fn new(ring_bytes: u32) -> Self {
        Self {
            ring_bytes: ring_bytes as usize,
            taken_bytes: 0,
            looks: 0,
        }
    }

    /// An entry of so many bytes was taken out of the ring.
    pub(super) fn took(&mut self, bytes: usize) {
        self.taken_bytes += bytes;
    }

    fn may_have_been(&mut self) -> bool {
        // Half of it: entries take a little more than they hold.
        if std::mem::take(&mut self.taken_bytes) >= self.ring_bytes / 2 {
            self.looks = LOOKS_AFTER_FULL;
        }
        let may_have_been = self.looks > 0;
        self.looks = self.looks.saturating_sub(1);
        may_have_been
    }
}

impl Kernel {
    /// As [`Self::open_crossings`], for who looks again and again: while nothing is entered, no thread is asked.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open_by_now(&mut self) -> Result<Vec<OpenFrame>, KernelError> {
        // Read before the threads are: what is entered meanwhile calls for another look.
        let entries = self.counter(Counter::Entries.wire())?;
        if self.quiet.is_sure(entries) {
            return Ok(Vec::new());
        }
        let open = self.open_crossings();
        self.quiet.looked(entries, open.is_empty());
        Ok(open)
    }

    /// The crossings that are open now. A thread's state is read while the thread may change it, so
    /// an entry is taken only if a second read shows the same crossing.
    pub fn open_crossings(&self) -> Vec<OpenFrame> {
        let mut open = Vec::new();
        for tid in self.thread_ids() {
            let Some(first) = self.thread(tid) else {
                continue;
            };
            if first.open == 0 {
                continue;
            }
            let Some(second) = self.thread(tid) else {
                continue;
            };
            for slot in 0..MAX_DEPTH {
                let (one, two) = (&first.frames[slot].event, &second.frames[slot].event);
                let in_both = first.open & second.open & (1 << slot) != 0;
                if in_both && one.id == two.id && two.kind == RecordKind::Crossing.wire() {
                    let mut event = *two;
                    event.runqueue_ns = second.runqueue_ns.saturating_sub(event.runqueue_ns);
                    event.blocked_ns = second.blocked_ns.saturating_sub(event.blocked_ns);
                    open.push(OpenFrame {
                        event,
                        is_burst: second.frames[slot].flags & FrameFlags::BURST != 0,
                        epoch: second.frames[slot].epoch,
                        sp: second.frames[slot].sp,
                        return_address: second.frames[slot].return_address,
                    });
                }
            }
        }
        open
    }

    /// Takes the counts of a burst that has been sent; `None`: the map was full when it began.
    pub fn take_counts(&mut self, id: u64) -> Option<KeyCounts> {
        let counts = self.key_counts.get(&id, 0).ok()?;
        // It is there, and nobody else removes what belongs to a burst that was sent.
        let _ = self.key_counts.remove(&id);
        Some(counts.0)
    }

    /// Takes the crossings that found the ring full.
    ///
    /// # Errors
    /// The kernel's.
    pub fn take_parked(&mut self) -> Result<Vec<CrossingEvent>, KernelError> {
        if !self.parking.may_have_been() {
            return Ok(Vec::new());
        }
        let ids: Vec<u64> = self.parked.keys().filter_map(Result::ok).collect();
        let mut taken = Vec::with_capacity(ids.len());
        for id in ids {
            if let Ok(event) = self.parked.get(&id, 0) {
                taken.push(event.0);
                self.parked.remove(&id).map_err(failed("PARKED"))?;
            }
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::{LOOKS_AFTER_FULL, Parking, Quiet};

    #[test]
    fn crossings_can_be_parked_once_the_ring_was_full() {
        let mut parking = Parking::new(4096);
        let mut looks = |taken: usize| {
            parking.took(taken);
            parking.may_have_been()
        };
        assert!(!looks(2047));
        assert!(!looks(2047), "it was read in between");
        assert!(looks(2048));
        assert!((1..LOOKS_AFTER_FULL).all(|_| looks(0)));
        assert!(!looks(0));
    }

    #[test]
    fn two_looks_that_find_nothing_hold_until_the_next_entry() {
        let mut quiet = Quiet::default();
        assert!(!quiet.is_sure(0));
        quiet.looked(0, true);
        assert!(!quiet.is_sure(0), "it may have been entered just then");
        quiet.looked(0, true);
        assert!(quiet.is_sure(0));
        assert!(!quiet.is_sure(1));
        quiet.looked(1, true);
        assert!(!quiet.is_sure(1));
        quiet.looked(1, false);
        quiet.looked(1, true);
        assert!(!quiet.is_sure(1));
        quiet.looked(1, true);
        assert!(quiet.is_sure(1));
    }
}
