//! Which tests can run here, and one at a time.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::agent;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
static ALLOWED: OnceLock<bool> = OnceLock::new();

/// Held while a live test runs.
pub struct Turn(#[expect(dead_code, reason = "held for its release")] MutexGuard<'static, ()>);

/// A turn for a test that needs live probes, or `None` where the kernel or the user does not allow
/// them: `hotspan doctor` decides, and what was not covered is said.
///
/// # Panics
/// If doctor gives another answer than "allowed" or "not allowed".
pub fn require_bpf(test: &str) -> Option<Turn> {
    // A test that failed while it held the lock has no state that another could find broken.
    let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    if *ALLOWED.get_or_init(ask_doctor) {
        return Some(Turn(turn));
    }
    eprintln!("NOT COVERED: {test}: `hotspan doctor` says that live probes are not possible here");
    None
}

/// A turn for a test that needs no probes.
pub fn turn() -> Turn {
    Turn(ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner))
}

fn ask_doctor() -> bool {
    let (code, out, err) =
        agent::run(["doctor"]).unwrap_or_else(|error| panic!("doctor did not run: {error:#}"));
    match code {
        Some(0) => true,
        Some(3) => false,
        other => panic!("doctor ended with {other:?}\n{out}\n{err}"),
    }
}
