//! The catalogue's examples, on modules as their users build them.

use std::{fs, path::Path, process::Command, thread};

use hotspan_tests::{
    agent::{self, Attach},
    gate::require_bpf,
    otlp::Span,
    paths,
    python::Venv,
    service::Batch,
    truth::Call,
};
use tempfile::TempDir;

use crate::scene;

const CALLS: usize = 20;

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Cython to C to a module, without optimizing the loop away.
fn build(venv: &Venv, dir: &Path) {
    let (c, module) = (dir.join("shop.c"), dir.join("shop.so"));
    run(Command::new(venv.program("cython"))
        .args(["-3", "-o"])
        .arg(&c)
        .arg(paths::targets().join("shop.pyx")));
    let include = "import sysconfig; print(sysconfig.get_paths()['include'])";
    let include = run(Command::new(venv.python()).args(["-c", include]));
    run(Command::new("cc")
        .args(["-O1", "-w", "-shared", "-fPIC"])
        .arg(format!("-I{include}"))
        .arg("-o")
        .arg(&module)
        .arg(&c));
}

/// The program that uses the Cython module, which is built into `dir`.
fn shop(dir: &Path) -> Command {
    let venv = Venv::get("cython").unwrap();
    build(&venv, dir);
    let mut command = Command::new(venv.python());
    command
        .args(["batch.py", "cython"])
        .env("SHOP", dir)
        .current_dir(paths::targets());
    command
}

#[test]
fn a_cython_module() {
    let Some(_turn) = require_bpf("the Cython example") else {
        return;
    };
    let dir = TempDir::new().unwrap();
    let mut command = shop(dir.path());
    let example = paths::root().join("agent/catalogue/examples/cython_module.toml");
    let attach = |pid| Attach::pid(pid).with(["--regions".into(), example.into_os_string()]);
    let scene = scene::batch(&mut command, attach, CALLS);
    scene.must_be_perfect(CALLS);
    assert_eq!(scene.named("shop.price").count(), CALLS);
}

/// What a process is found at is traced by the file that says so.
#[test]
fn a_suggested_catalogue() {
    let Some(_turn) = require_bpf("suggested regions") else {
        return;
    };
    let dir = TempDir::new().unwrap();
    let mut command = shop(dir.path());
    let mut batch = Batch::start(&mut command).unwrap();
    let pid = batch.pid().to_string();
    let (code, text, stderr) = thread::scope(|scope| {
        let arguments = ["regions", "--suggest", "--pid", &pid, "--duration", "3s"];
        let suggesting = scope.spawn(move || agent::run(arguments).unwrap());
        while !suggesting.is_finished() {
            batch.work(CALLS, scene::WORK_TIMEOUT).unwrap();
        }
        suggesting.join().unwrap()
    });
    batch.finish().unwrap();
    eprintln!("{stderr}{text}");
    assert_eq!(code, Some(0), "{stderr}");
    let file = dir.path().join("suggested.toml");
    fs::write(&file, &text).unwrap();
    let attach = |pid| Attach::pid(pid).with(["--regions".into(), file.into_os_string()]);
    let scene = scene::batch(&mut command, attach, CALLS);
    // One call comes before the first span: the module is loaded by it.
    let calls = scene.calls.iter().filter(|call| call.has_parent());
    let calls: Vec<&Call> = calls.collect();
    assert_eq!(calls.len(), CALLS);
    let mut shares = Vec::new();
    for call in calls {
        let is_of_it = |span: &&Span| {
            let is_suggested = span.name.starts_with("shop.");
            is_suggested
                && span.parent == call.span_id
                && span.text("hotspan.origin") == Some("probe")
        };
        let spans: Vec<&Span> = scene.outcome.spans.iter().filter(is_of_it).collect();
        assert_eq!(spans.len(), 1, "{call:?}\n{}", scene.outcome.stderr);
        shares.push(spans[0].duration_ns() as f64 / call.duration_ns() as f64);
    }
    // The rest of a call is Python's, and waits for a CPU.
    shares.sort_by(f64::total_cmp);
    let median = shares[CALLS / 2];
    assert!(median > 0.8, "{median} of the call");
}
