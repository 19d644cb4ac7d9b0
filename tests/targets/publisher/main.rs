//! A program that publishes OTEP 4947's thread context with Datadog's crate, which hotspan's authors
//! did not write, and writes the truth of its calls.
//!
//! Prints `ready PID`; for each line `COUNT` on stdin makes that many threads, each with a few calls
//! under contexts of its own, and prints `done`.

use std::{
    fs::{File, OpenOptions},
    hash::{BuildHasher, RandomState},
    hint::black_box,
    io::{self, BufRead, Write},
    sync::Mutex,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use libdd_otel_thread_ctx::linux::OwnedThreadContext;

/// Long enough that every call must have its span.
const WORK: Duration = Duration::from_micros(1_500);

/// The region, named in `publisher.toml`.
#[expect(
    unsafe_code,
    reason = "the catalogue finds it by its name, which no other symbol of the program or its libraries has"
)]
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn publisher_work(_: u64) {
    let start = Instant::now();
    while black_box(start.elapsed()) < WORK {}
}

/// A trace context, in the order of its bytes on the wire.
#[derive(Clone, Copy, Default)]
struct Parent {
    trace: [u8; 16],
    span: [u8; 8],
    flags: u8,
}

impl Parent {
    fn new(flags: u8) -> Self {
        let id = || RandomState::new().hash_one(0).to_be_bytes();
        let mut trace = [0; 16];
        trace[..8].copy_from_slice(&id());
        trace[8..].copy_from_slice(&id());
        Self {
            trace,
            span: id(),
            flags,
        }
    }
}

fn main() -> io::Result<()> {
    let truth = std::env::var_os("TRUTH_FILE").ok_or_else(|| io::Error::other("no TRUTH_FILE"))?;
    let truth = Mutex::new(OpenOptions::new().create(true).append(true).open(truth)?);
    println!("ready {}", std::process::id());
    for line in io::stdin().lock().lines() {
        let count: u64 = line?.trim().parse().map_err(io::Error::other)?;
        for index in 0..count {
            thread::scope(|scope| scope.spawn(|| calls(index, &truth)).join())
                .map_err(|_| io::Error::other("a thread panicked"))??;
        }
        println!("done");
    }
    Ok(())
}

/// Attached, changed in place, unsampled, swapped, and detached.
fn calls(index: u64, truth: &Mutex<File>) -> io::Result<()> {
    let (first, second, quiet, other) = (
        Parent::new(1),
        Parent::new(1),
        Parent::new(0),
        Parent::new(1),
    );
    context(first).attach();
    call(index, first, truth)?;
    OwnedThreadContext::update(
        second.trace,
        second.span,
        second.flags,
        second.span,
        &[(1, "GET")],
    );
    call(index, second, truth)?;
    OwnedThreadContext::update(quiet.trace, quiet.span, quiet.flags, quiet.span, &[]);
    call(index, quiet, truth)?;
    let before = context(other).attach();
    call(index, other, truth)?;
    drop(before);
    drop(OwnedThreadContext::detach());
    call(index, Parent::default(), truth)
}

fn context(parent: Parent) -> OwnedThreadContext {
    OwnedThreadContext::new(
        parent.trace,
        parent.span,
        parent.flags,
        parent.span,
        &[(0, "x")],
    )
}

fn call(index: u64, parent: Parent, truth: &Mutex<File>) -> io::Result<()> {
    let start = unix_ns();
    publisher_work(index);
    let end = unix_ns();
    let line = serde_json::json!({
        "region": "publisher.work", "route": "thread", "facts": {},
        "trace_id": hex::encode(parent.trace), "span_id": hex::encode(parent.span),
        "sampled": parent.flags & 1 != 0,
        "pid": std::process::id(), "tid": rustix::thread::gettid().as_raw_nonzero().get(),
        "start_ns": start, "end_ns": end,
    });
    let mut truth = truth
        .lock()
        .map_err(|_| io::Error::other("a thread panicked"))?;
    writeln!(truth, "{line}")
}

fn unix_ns() -> u64 {
    // The clock is after 1970.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_nanos() as u64)
}
