//! What a person is told while hotspan runs: lines on standard error.

use std::{
    collections::VecDeque,
    error::Error,
    io::Write as _,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Lines that are kept while they are held back; of more, the last.
const MAX_HELD: usize = 256;

/// Lines said while the terminal shows something else; `None`: they go out at once.
static HELD: Mutex<Option<VecDeque<String>>> = Mutex::new(None);

/// One line. A closed standard error is no reason to stop: nobody reads it.
pub fn line(text: &str) {
    let text = format!("hotspan: {text}");
    match &mut *lines() {
        Some(held) => {
            if held.len() == MAX_HELD {
                held.pop_front();
            }
            held.push_back(text);
        }
        None => put(&text),
    }
}

/// An error with its causes, in one line.
pub fn error(what: &str, error: &dyn Error) {
    let mut text = format!("{what}: {error}");
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    line(&text);
}

/// Holds back what is said from now on, as the terminal shows something else.
pub fn hold() {
    lines().get_or_insert_default();
}

/// What is held back.
pub fn held() -> Vec<String> {
    lines().iter().flatten().cloned().collect()
}

/// Says what was held back.
pub fn release() {
    for text in lines().take().into_iter().flatten() {
        put(&text);
    }
}

/// A panic elsewhere leaves whole lines.
fn lines() -> MutexGuard<'static, Option<VecDeque<String>>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

fn put(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
