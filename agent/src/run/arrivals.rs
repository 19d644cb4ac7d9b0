//! When requests come in: at the sockets of the targets whose spans count from there.

use super::{engine::Engine, say, targets::Watched};
use crate::{
    kernel::{Kernel, KernelError, SocketLinks},
    target,
};

/// What follows the machine's sockets.
#[derive(Default)]
pub struct Arrivals {
    links: Option<SocketLinks>,
    /// The kernel refused, which is told of once.
    is_refused: bool,
}

impl Arrivals {
    /// Begins, if it has not. Whether it has.
    fn start(&mut self, kernel: &mut Kernel) -> bool {
        if self.links.is_none() && !self.is_refused {
            match kernel.follow_sockets() {
                Ok(links) => self.links = Some(links),
                Err(error) => self.refuse(&error),
            }
        }
        self.links.is_some()
    }

    fn refuse(&mut self, error: &KernelError) {
        self.is_refused = true;
        say::error(
            "the kernel does not tell what comes in at sockets; the time to the first token counts from what woke the \
             server, or its span",
            error,
        );
    }

    /// Nothing is attached any more.
    pub fn stop(&mut self) {
        self.links = None;
    }
}

impl Engine {
    /// Follows what comes in for a target, once it is known that that is wanted, and how its tasks are made.
    pub(super) fn follow_arrivals(&mut self, target: u32) {
        let Some(watched) = self.targets.get_mut(&target) else {
            return;
        };
        let Some(created) = watched.tells_arrivals_by() else {
            return;
        };
        watched.follows_arrivals = true;
        if !self.arrivals.start(&mut self.kernel) {
            return;
        }
        self.arming
            .arm_tasks(&mut self.kernel, target, watched, &created);
        for port in target::listening_ports(watched.process.pid()) {
            if let Err(error) = self.kernel.follow_port(port) {
                self.arrivals.refuse(&error);
            }
        }
    }

    /// A target is gone: what runs for the whole machine goes with the last that wanted it.
    pub(super) fn settle_arrivals(&mut self) {
        let wants = |watched: &Watched| watched.follows_arrivals;
        if !self.targets.values().any(wants) {
            self.arrivals.stop();
        }
    }
}
