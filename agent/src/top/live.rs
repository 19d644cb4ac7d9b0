//! The board, kept up to date while the engine runs.

use std::io;

use hotspan_synth::{event::Event, time::KernelTime};
use tokio::sync::oneshot;

use super::{Board, Screen, Spotter, TaskLook, ThreadLook};
use crate::{
    kernel::SuspendedTask,
    run::{Onlooker, View},
};

/// One picture needs samples of so long since the attach, and a look from user space that began after it.
const SETTLED_AFTER_NS: u64 = 1_200_000_000;
/// It is drawn then in any case: a machine can be too busy for the symbols of a large library.
const DRAWN_AFTER_NS: u64 = 15_000_000_000;

/// When it is over.
pub enum Picture {
    /// It is redrawn at each look.
    Moving,
    /// It is drawn once, and the news of that goes here.
    Still(oneshot::Sender<()>),
}

/// Looks on.
pub struct Live {
    what: String,
    board: Board,
    /// Made at the first picture, so that what is said before it stays to be seen.
    screen: Option<Screen>,
    picture: Option<Picture>,
    spotter: Spotter,
    threads: Vec<ThreadLook>,
    tasks: Vec<TaskLook>,
    /// When the look that they are from began.
    looked: Option<KernelTime>,
    /// When it was seen first that the target is armed.
    attached: Option<KernelTime>,
}

impl Live {
    /// Of the requests of `what`.
    ///
    /// # Errors
    /// No more threads.
    pub fn new(what: String, picture: Picture) -> io::Result<Self> {
        Ok(Self {
            what,
            board: Board::default(),
            screen: None,
            picture: Some(picture),
            spotter: Spotter::start()?,
            threads: Vec::new(),
            tasks: Vec::new(),
            looked: None,
            attached: None,
        })
    }

    fn draw(&mut self, now: KernelTime, attached: KernelTime) -> io::Result<()> {
        let in_place = match &self.picture {
            None => return Ok(()),
            Some(Picture::Moving) => true,
            Some(Picture::Still(_)) if !self.is_settled(now, attached) => return Ok(()),
            Some(Picture::Still(_)) => false,
        };
        if self.screen.is_none() {
            self.screen = Some(Screen::new(self.what.clone(), in_place)?);
        }
        if let Some(screen) = &self.screen {
            screen.draw(&self.board)?;
        }
        if let Some(Picture::Still(drawn)) = self.picture.take_if(|_| !in_place) {
            // The run is ending anyway if nobody waits for it.
            let _ = drawn.send(());
        }
        Ok(())
    }
}

impl Live {
    fn is_settled(&self, now: KernelTime, attached: KernelTime) -> bool {
        let heard = self.board.heard().unwrap_or_default();
        let has_looked = self.looked.is_some_and(|looked| looked >= attached);
        (has_looked && heard.since(attached) >= SETTLED_AFTER_NS)
            || now.since(attached) >= DRAWN_AFTER_NS
    }
}

impl Onlooker for Live {
    fn hear(&mut self, event: &Event) {
        self.board.hear(event);
    }

    fn look(&mut self, view: View) -> io::Result<()> {
        if let Some(looks) = self.spotter.take()? {
            (self.threads, self.looked) = (looks.threads, Some(looks.began));
            self.tasks = looks.tasks;
            self.board.leave_out(looks.left_out);
        }
        // What was read of a task counts only if it has stood there ever since.
        let stands = |task: &TaskLook| {
            let is_it = |now: &SuspendedTask| {
                (now.tgid, now.address, now.since_ns) == (task.target.0, task.address, task.since.0)
            };
            view.suspended.iter().any(is_it)
        };
        self.tasks.retain(stands);
        self.spotter.ask(view.now, view.targets, view.suspended)?;
        self.board
            .look(view.now, &view.open, &view.off_cpu, &self.threads);
        self.board.suspended(&self.tasks);
        if view.is_attached {
            let attached = *self.attached.get_or_insert(view.now);
            self.draw(view.now, attached)?;
        }
        Ok(())
    }
}
