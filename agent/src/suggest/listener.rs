//! Counts while the engine runs, and says how far it is.

use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::{Arc, Mutex, PoisonError},
};

use hotspan_synth::{event::Event, time::KernelTime};

use super::Tally;
use crate::run::{Onlooker, View};

/// Looks on.
pub struct Listener {
    tally: Arc<Mutex<Tally>>,
    is_terminal: bool,
    /// When it was seen first that the target is armed.
    since: Option<KernelTime>,
}

impl Listener {
    /// Counts into `tally`.
    pub fn new(tally: Arc<Mutex<Tally>>) -> Self {
        Self {
            tally,
            is_terminal: io::stderr().is_terminal(),
            since: None,
        }
    }
}

impl Onlooker for Listener {
    fn hear(&mut self, event: &Event) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.hear(event);
    }

    fn look(&mut self, view: View) -> io::Result<()> {
        if !view.is_attached || !self.is_terminal {
            return Ok(());
        }
        let since = *self.since.get_or_insert(view.now);
        let stacks = {
            let tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
            tally.stacks()
        };
        let seconds = view.now.since(since) / 1_000_000_000;
        // Whatever is said next begins at the line's start.
        write!(io::stderr(), "hotspan: {seconds} s, {stacks} stacks\r")
    }
}
