//! Letting go of probes: the kernel takes some hundred milliseconds for each link, most of which it waits.

use std::{sync::Arc, thread};

use super::Armed;

/// Threads that let go of links side by side.
const SIDE_BY_SIDE: usize = 32;
/// Processes whose links are let go of aside, at the most; of more it is waited for.
const ASIDE: usize = 16;

/// Lets go of all of them, side by side, and waits for that.
pub fn disarm(armed: Vec<Armed>) {
    let share = armed.len().div_ceil(SIDE_BY_SIDE).max(1);
    let mut armed = armed.into_iter();
    thread::scope(|scope| {
        loop {
            let some: Vec<Armed> = armed.by_ref().take(share).collect();
            if some.is_empty() {
                break;
            }
            // Without a thread they are dropped here and now.
            let _ = thread::Builder::new().spawn_scoped(scope, move || drop(some));
        }
    });
}

/// Lets go of what nobody waits for.
#[derive(Debug, Default)]
pub struct Disarming {
    /// Shared with each thread at it.
    busy: Arc<()>,
}

impl Disarming {
    /// Lets go of links, on a thread of their own unless too many are at it.
    pub fn aside(&self, armed: Vec<Armed>) {
        if armed.is_empty() {
            return;
        }
        if Arc::strong_count(&self.busy) > ASIDE {
            return disarm(armed);
        }
        let busy = Arc::clone(&self.busy);
        let thread = thread::Builder::new().name("disarming".to_owned());
        // Without a thread they are dropped here and now.
        let _ = thread.spawn(move || {
            drop(armed);
            drop(busy);
        });
    }
}
