//! Memory, page faults and switches of spans, against what the program's own account says.

use std::{
    ffi::OsString,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use hotspan_tests::{
    agent::{Attach, Outcome},
    control_group::ControlGroup,
    gate::require_bpf,
    judge::span_for,
    native,
    otlp::Span,
    paths,
    python::Venv,
    service::Batch,
    truth::Call,
};
use tempfile::TempDir;

use crate::scene::{self, WORK_TIMEOUT};

const ROUNDS: usize = 4;
const MIB: usize = 1 << 20;
/// The kernel counts on each CPU, and adds up now and then: batches of 32 pages, of three kinds.
const RESIDENT_ERROR: i64 = 2 * 2 * 3 * 32 * 4096;
/// What its own reading of `/proc` and the probes add.
const SWITCH_ERROR: i64 = 4;
const PAGING: &str = "paging because resident memory overran";

fn command(file: &Path) -> Command {
    let mut command = Command::new(Venv::get("cython").unwrap().python());
    command
        .args(["batch.py", "memory"])
        .env("MEMORY", native::program("libmemory.so").unwrap())
        .env("FILE", file)
        .current_dir(paths::targets());
    command
}

fn attach(pid: u32) -> Attach {
    let regions = native::catalogue("memory");
    let options = ["--no-sampling".into(), "--regions".into(), regions.into()];
    Attach::pid(pid).with::<OsString>(options)
}

/// A file of so many MiB, on the disk.
fn file(dir: &Path, mib: usize) -> PathBuf {
    let path = dir.join("pages");
    let mut file = fs::File::create(&path).unwrap();
    for _ in 0..mib {
        file.write_all(&vec![7; MIB]).unwrap();
    }
    file.sync_all().unwrap();
    path
}

fn has_event(span: &Span) -> bool {
    span.events.iter().any(|(name, _)| name == PAGING)
}

#[test]
fn memory_faults_and_switches() {
    let Some(_turn) = require_bpf("memory of spans") else {
        return;
    };
    let dir = TempDir::new_in(paths::build().unwrap()).unwrap();
    let path = file(dir.path(), 16);
    let scene = scene::batch(&mut command(&path), attach, ROUNDS);
    scene.must_be_perfect(3 * ROUNDS);
    for call in &scene.calls {
        let span = span_for(&scene.outcome.spans, call).unwrap();
        eprintln!(
            "  {}: {:?} and {:?}",
            call.region, call.facts, span.attributes
        );
        compare(call, span);
        assert!(!has_event(span), "memory was not short: {span:?}");
    }
    let faults = |span: &Span| span.int("thread.paging.major_faults").unwrap();
    let read: i64 = scene.named("memory.page_in").map(faults).sum();
    assert!(read > 100, "only {read} faults: the file was in memory");
}

fn compare(call: &Call, span: &Span) {
    let own = |fact: &str| call.facts[fact].as_i64().unwrap();
    let said = |key: &str| span.int(key).unwrap();
    let resident = said("process.memory.rss_change_bytes");
    assert!(
        resident.abs_diff(own("resident")) < RESIDENT_ERROR.unsigned_abs(),
        "{resident}, not {}",
        own("resident")
    );
    assert_eq!(said("thread.paging.major_faults"), own("faults"));
    for (key, fact) in [
        ("thread.context_switches.voluntary", "voluntary"),
        ("thread.context_switches.involuntary", "involuntary"),
    ] {
        let off = said(key).abs_diff(own(fact));
        assert!(off <= SWITCH_ERROR.unsigned_abs(), "{key} off by {off}");
    }
    assert!(said("process.thread.count") >= 1);
}

#[test]
fn paging_begins_where_memory_runs_short() {
    let Some(_turn) = require_bpf("paging") else {
        return;
    };
    let limit = (32 * MIB).to_string();
    let Some(group) = ControlGroup::new("memory", "memory.limit_in_bytes", &limit) else {
        eprintln!("NOT COVERED: paging: no memory control group can be made here");
        return;
    };
    let dir = TempDir::new_in(paths::build().unwrap()).unwrap();
    let path = file(dir.path(), 48);
    let mut batch = Batch::start(command(&path).env("THRASH", "1")).unwrap();
    group.take(batch.pid());
    let agent = attach(batch.pid()).start().unwrap();
    batch.work(1, WORK_TIMEOUT).unwrap();
    let outcome: Outcome = agent.stop().unwrap();
    let calls = batch.finish().unwrap();
    let span = span_for(&outcome.spans, &calls[0]).unwrap();
    eprintln!("  {:?}, {:?}", calls[0].facts, span);
    assert!(span.int("thread.paging.major_faults").unwrap() > 0);
    assert!(has_event(span), "{span:?}\n{}", outcome.stderr);
}
