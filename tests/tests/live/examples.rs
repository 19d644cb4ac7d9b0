//! The catalogue's examples, on modules as their users build them.

use std::{path::Path, process::Command};

use hotspan_tests::{agent::Attach, gate::require_bpf, paths, python::Venv};
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

#[test]
fn a_cython_module() {
    let Some(_turn) = require_bpf("the Cython example") else {
        return;
    };
    let venv = Venv::get("cython").unwrap();
    let dir = TempDir::new().unwrap();
    build(&venv, dir.path());
    let mut command = Command::new(venv.python());
    command
        .args(["batch.py", "cython"])
        .env("SHOP", dir.path())
        .current_dir(paths::targets());
    let example = paths::root().join("agent/catalogue/examples/cython_module.toml");
    let attach = |pid| Attach::pid(pid).with(["--regions".into(), example.into_os_string()]);
    let scene = scene::batch(&mut command, attach, CALLS);
    scene.must_be_perfect(CALLS);
    assert_eq!(scene.named("shop.price").count(), CALLS);
}
