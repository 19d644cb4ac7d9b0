//! Waits for a disk outside of system calls: pages that are read in.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::MetadataExt as _,
    process::Command,
};

use hotspan_tests::{
    agent::Attach, control_group::ControlGroup, gate::require_bpf, otlp::Span, paths, python::Venv,
    service::Batch,
};
use tempfile::NamedTempFile;

use crate::scene::WORK_TIMEOUT;

/// Reads a second that the disk does for the target.
const READS: u32 = 100;
const MIB: usize = 1 << 20;

#[test]
fn pages_that_a_slow_disk_brings_are_waits_for_io() {
    let Some(_turn) = require_bpf("a slow disk") else {
        return;
    };
    let mut file = NamedTempFile::new_in(paths::build().unwrap()).unwrap();
    file.write_all(&vec![7; 8 * MIB]).unwrap();
    file.as_file().sync_all().unwrap();
    let Some(group) = slow_disk(file.as_file()) else {
        eprintln!("NOT COVERED: a slow disk: no block device can be slowed down here");
        return;
    };
    let mut command = Command::new(Venv::get("highs").unwrap().python());
    command
        .args(["batch.py", "page_in"])
        .env("FILE", file.path())
        .current_dir(paths::targets());
    let mut batch = Batch::start(&mut command).unwrap();
    let agent = Attach::pid(batch.pid()).start().unwrap();
    group.take(batch.pid());
    batch.work(2, WORK_TIMEOUT).unwrap();
    let outcome = agent.stop().unwrap();
    let calls = batch.finish().unwrap();
    for call in &calls {
        let named = |name: &str| {
            let of_call = move |span: &&Span| span.trace_id == call.trace_id;
            let spans = outcome.spans.iter().filter(of_call);
            let named = spans.filter(move |span| span.name == name);
            named.map(|span| span.end_ns - span.start_ns).sum::<u64>()
        };
        let took = call.duration_ns();
        let (io, unknown) = (named("wait.io"), named("wait.unknown"));
        eprintln!("  of {took} ns {io} waiting for the disk, {unknown} for something else");
        assert!(took > 100_000_000, "the disk is not slow: {call:?}");
        assert!(
            io > took / 10 * 8 && unknown < took / 20,
            "{:?}",
            outcome.spans
        );
    }
    assert_eq!(calls.len(), 2);
}

/// A control group in which the disk that holds a file is slow.
fn slow_disk(file: &File) -> Option<ControlGroup> {
    let device = file.metadata().ok()?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    // A partition is no device of its own there.
    let part = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    let disk = if part.join("partition").exists() {
        part.parent()?
    } else {
        &part
    };
    let number = fs::read_to_string(disk.join("dev")).ok()?;
    let limit = format!("{} {READS}", number.trim());
    ControlGroup::new("blkio", "blkio.throttle.read_iops_device", &limit)
}
