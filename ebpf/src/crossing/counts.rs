//! A burst's entries by what they were called with.

use hotspan_common::{Counter, CrossingEvent, MAX_KEYS};

use super::Hit;
use crate::{
    counters::count,
    maps::{KEY_COUNTS, NO_COUNTS},
};

/// Counts the entry for its burst, if its region asks for that.
#[inline(always)]
pub fn add(hit: &Hit, event: &mut CrossingEvent) {
    if hit.spec.count_by == 0 {
        return;
    }
    // Both are read, each by its own load: the verifier allows no load from a chosen place in the context.
    // SAFETY: the context of a uprobe is the registers.
    let (first, second) = unsafe {
        (
            (&raw const (*hit.registers).rdi).read_volatile(),
            (&raw const (*hit.registers).rsi).read_volatile(),
        )
    };
    let key = if hit.spec.count_by == 1 {
        first
    } else {
        second
    };
    event.valid |= CrossingEvent::COUNTED;
    count_key(event.id, key, 1);
}

/// A function of its own to the verifier, like [`super::emit::close_crossing`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn count_key(id: u64, key: u64, amount: u64) -> u64 {
    let table = match KEY_COUNTS.get_ptr_mut(&id) {
        Some(table) => table,
        None => {
            let Some(blank) = NO_COUNTS.get(0) else {
                return 0;
            };
            if KEY_COUNTS.insert(&id, blank, 0).is_err() {
                count(Counter::CountsFull);
                return 0;
            }
            let Some(table) = KEY_COUNTS.get_ptr_mut(&id) else {
                return 0;
            };
            table
        }
    };
    // SAFETY: the burst is this thread's own, and so is its table until the burst is sent.
    let table = unsafe { &mut *table };
    for index in 0..MAX_KEYS {
        // SAFETY: in bounds; a slice index would leave a panic in the program.
        let (known, counted) = unsafe {
            (
                &mut *table.keys.as_mut_ptr().add(index),
                &mut *table.counts.as_mut_ptr().add(index),
            )
        };
        if *known == 0 {
            *known = key;
        }
        if *known == key && key != 0 {
            *counted += amount;
            return 0;
        }
    }
    table.beyond += amount;
    0
}

/// Gives up the counts of a burst that is not sent.
#[inline(always)]
pub fn forget(event: &CrossingEvent) {
    if event.valid & CrossingEvent::COUNTED != 0 {
        // Not there where the map was full.
        let _ = KEY_COUNTS.remove(&event.id);
    }
}
