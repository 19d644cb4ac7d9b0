//! Load: so many requests, so many at once.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};

use crate::http;

/// What a round of load showed.
#[derive(Clone, Debug)]
pub struct Load {
    /// From the first request to the last answer.
    pub took: Duration,
    /// Each request's time, sorted.
    pub latencies: Vec<Duration>,
}

impl Load {
    /// Requests a second.
    pub fn throughput(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    /// The given quantile of the latencies, 0 to 1.
    pub fn quantile(&self, q: f64) -> Duration {
        quantile(&self.latencies, q).unwrap_or_default()
    }
}

/// The element of a sorted list at a quantile, 0 to 1.
pub fn quantile<T: Copy>(sorted: &[T], q: f64) -> Option<T> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * q).round() as usize).copied()
}

/// Sends `count` requests, `at_once` at a time; `path` names the n-th. Every one must be answered.
pub fn send(
    port: u16,
    count: usize,
    at_once: usize,
    path: impl Fn(usize) -> String + Sync,
) -> Result<Load> {
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    let results: Vec<Result<Vec<Duration>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..at_once)
            .map(|_| scope.spawn(|| one_thread(port, count, &next, &path)))
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .map_err(|_| anyhow!("a load thread panicked"))?
            })
            .collect()
    });
    let took = started.elapsed();
    let mut latencies = Vec::with_capacity(count);
    for result in results {
        latencies.extend(result?);
    }
    latencies.sort_unstable();
    Ok(Load { took, latencies })
}

fn one_thread(
    port: u16,
    count: usize,
    next: &AtomicUsize,
    path: &impl Fn(usize) -> String,
) -> Result<Vec<Duration>> {
    let client = http::client();
    let mut latencies = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            return Ok(latencies);
        }
        let started = Instant::now();
        http::get(&client, port, &path(number))?;
        latencies.push(started.elapsed());
    }
}

/// The mixed endpoints, in turn: every way in which a span can be active around a native call, and
/// those in which none is.
pub fn mixed(number: usize) -> String {
    let seed = number / 12 + 1;
    match number % 12 {
        0 => format!("/cpsat?seed={seed}"),
        1 => format!("/routing?locations={}&seed={seed}", 4 + seed % 5),
        2 => format!("/to_thread?seed={seed}"),
        3 => format!("/async?seed={seed}"),
        4 => format!("/child_span?seed={seed}"),
        5 => format!("/executor?seed={seed}"),
        6 => format!("/gemm?size=300&seed={seed}"),
        7 => "/regex?length=17".to_owned(),
        8 => format!("/cpsat_callback?seed={seed}"),
        9 => format!("/mp?seed={seed}"),
        10 => format!("/cpsat?workers=4&jobs=3&machines=3&seed={seed}"),
        _ => "/infeasible".to_owned(),
    }
}

/// Work of 0.1 s and more, the same each time that a number comes again: solves on one worker, matrix products and a pattern that
/// backtracks.
pub fn long(number: usize) -> String {
    let seed = number / 4 + 1;
    match number % 4 {
        0 | 2 => format!("/cpsat?jobs=9&machines=9&seed={seed}"),
        1 => format!("/gemm?size=1200&seed={seed}"),
        _ => "/regex?length=21".to_owned(),
    }
}
