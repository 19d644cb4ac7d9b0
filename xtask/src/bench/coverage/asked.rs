//! Requests of all kinds, put to the service.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use hotspan_tests::{
    http::{self, Client},
    service::Service,
    truth::Call,
};

use super::{BACKGROUND, Kind};

const BACKGROUND_TIMEOUT: Duration = Duration::from_secs(30);

/// Requests that are put to a service, and what it wrote of them.
pub struct Asked<'a> {
    service: &'a Service,
    client: Client,
    kinds: &'a [Kind],
    /// What it wrote so far.
    calls: usize,
    background_tasks: usize,
}

impl<'a> Asked<'a> {
    /// None so far.
    pub fn new(service: &'a Service, kinds: &'a [Kind]) -> Self {
        Self {
            service,
            client: http::client(),
            kinds,
            calls: 0,
            background_tasks: 0,
        }
    }

    /// One of each kind, so often.
    pub fn each_in_turn(&mut self, times: usize) -> Result<()> {
        for _ in 0..times {
            for kind in self.kinds {
                self.ask(kind)?;
            }
        }
        self.done().map(drop)
    }

    /// So many of one kind, then of the next; what the service wrote of them.
    pub fn each(&mut self, times: usize) -> Result<Vec<Call>> {
        for kind in self.kinds {
            for _ in 0..times {
                self.ask(kind)?;
            }
        }
        self.done()
    }

    fn ask(&mut self, kind: &Kind) -> Result<()> {
        http::get(&self.client, self.service.port, &kind.path)?;
        self.background_tasks += usize::from(kind.path == BACKGROUND);
        Ok(())
    }

    fn done(&mut self) -> Result<Vec<Call>> {
        let calls = calls_after(self.service, self.background_tasks)?.split_off(self.calls);
        self.calls += calls.len();
        Ok(calls)
    }
}

/// What the service did, once so many of its background tasks have ended: they outlive their answers.
fn calls_after(service: &Service, background_tasks: usize) -> Result<Vec<Call>> {
    let deadline = Instant::now() + BACKGROUND_TIMEOUT;
    loop {
        let calls = service.truth()?;
        let in_background = calls.iter().filter(|call| call.route == BACKGROUND);
        if in_background.count() >= background_tasks {
            return Ok(calls);
        }
        ensure!(Instant::now() < deadline, "the background tasks do not end");
        // The service writes to a file: nothing tells of that.
        thread::sleep(Duration::from_millis(50));
    }
}
