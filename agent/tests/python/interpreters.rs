//! The interpreters of this machine, and programs run in them that print the truth about themselves.

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Write},
    ops::RangeInclusive,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use serde::de::DeserializeOwned;

/// The minor versions of `CPython` that are supported.
const MINORS: RangeInclusive<u32> = 8..=15;

/// Runs a check with one interpreter of each version that is found, and says which were not.
pub fn for_each(what: &str, check: impl Fn(&Path)) {
    let interpreters = found();
    let missing: Vec<_> = MINORS
        .filter(|minor| !interpreters.contains_key(minor))
        .map(|minor| format!("3.{minor}"))
        .collect();
    if !missing.is_empty() {
        eprintln!(
            "NOT COVERED: {what} of CPython {}: not installed",
            missing.join(", ")
        );
    }
    assert!(
        !interpreters.is_empty(),
        "no CPython was found to test with"
    );
    for interpreter in interpreters.values() {
        eprintln!("{what}: {}", interpreter.display());
        check(interpreter);
    }
}

/// Runs a check with each interpreter that has OpenTelemetry's SDK, as `HOTSPAN_TEST_OTEL_PYTHONS`
/// names them, separated by colons.
pub fn for_each_with_sdk(what: &str, check: impl Fn(&Path)) {
    let Some(paths) = env::var_os("HOTSPAN_TEST_OTEL_PYTHONS") else {
        eprintln!("NOT COVERED: {what}: HOTSPAN_TEST_OTEL_PYTHONS names no interpreters");
        return;
    };
    for interpreter in env::split_paths(&paths) {
        eprintln!("{what}: {}", interpreter.display());
        check(&interpreter);
    }
}

/// On `PATH`, or installed by pyenv.
fn found() -> BTreeMap<u32, PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut directories: Vec<PathBuf> = env::split_paths(&path).collect();
    directories.extend(pyenv());
    // Those are scripts, which may refuse to run.
    directories.retain(|directory| !directory.ends_with("shims"));
    let mut interpreters = BTreeMap::new();
    for directory in directories {
        for minor in MINORS {
            let path = directory.join(format!("python3.{minor}"));
            if path.is_file() {
                interpreters.entry(minor).or_insert(path);
            }
        }
    }
    interpreters
}

fn pyenv() -> Vec<PathBuf> {
    let root = env::var_os("PYENV_ROOT").map(PathBuf::from);
    let root = root.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".pyenv")));
    let versions = root.and_then(|root| std::fs::read_dir(root.join("versions")).ok());
    let entries = versions.into_iter().flatten();
    entries
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect()
}

/// A program that prints truths about itself, each a line of JSON; it ends with this value.
pub struct Subject {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Subject {
    /// Starts a program.
    pub fn start(interpreter: &Path, program: &str) -> Self {
        let mut child = Command::new(interpreter)
            .args(["-c", program])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Awaits the next truth.
    pub fn truth<T: DeserializeOwned>(&mut self) -> T {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).expect("the program prints lines of JSON")
    }

    /// Has it do something, and awaits the truth then.
    pub fn ask<T: DeserializeOwned>(&mut self, order: &str) -> T {
        writeln!(self.child.stdin.as_mut().unwrap(), "{order}").unwrap();
        self.truth()
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // It ends when its standard input does.
        drop(self.child.stdin.take());
        let status = self.child.wait().unwrap();
        assert!(status.success() || std::thread::panicking(), "{status}");
    }
}
