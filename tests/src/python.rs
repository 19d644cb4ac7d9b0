//! Virtual environments, made once for each set of pinned requirements, and interpreters.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use crate::{paths, wheels};

/// A virtual environment.
#[derive(Clone, Debug)]
pub struct Venv {
    bin: PathBuf,
}

impl Venv {
    /// The environment with `tests/targets/requirements/NAME.txt`, on the usual interpreter.
    pub fn get(name: &str) -> Result<Self> {
        Self::with(name, &usual()?)
    }

    /// The same on a given interpreter. Made at the first call, found at the next.
    pub fn with(name: &str, interpreter: &Path) -> Result<Self> {
        let requirements = paths::targets()
            .join("requirements")
            .join(format!("{name}.txt"));
        let text = fs::read(&requirements)
            .with_context(|| format!("no requirements {}", requirements.display()))?;
        let dir = paths::build()?
            .join("venvs")
            .join(format!("{name}-{}", key(interpreter, &text)));
        let ready = dir.join("ready");
        if !ready.exists() {
            make(name, &dir, interpreter, &requirements)?;
            fs::write(&ready, "")
                .with_context(|| format!("failed to write {}", ready.display()))?;
        }
        Ok(Self {
            bin: dir.join("bin"),
        })
    }

    /// One of its programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    /// Its Python.
    pub fn python(&self) -> PathBuf {
        self.program("python")
    }
}

/// The interpreter of the services: `HOTSPAN_PYTHON`, or the newest of 3.11 and 3.12 that is installed,
/// or `python3`.
pub fn usual() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("HOTSPAN_PYTHON") {
        return Ok(PathBuf::from(path));
    }
    if let Some(path) = version("3.11").or_else(|| version("3.12")) {
        return Ok(path);
    }
    let path = PathBuf::from("/usr/bin/python3");
    ensure!(
        path.exists(),
        "no Python 3 found: install python3-venv, or set HOTSPAN_PYTHON"
    );
    Ok(path)
}

/// The interpreter of a minor version (`3.8`): pyenv's, the system's, or the one that
/// `tests/interpreters/from-debian` has unpacked.
pub fn version(minor: &str) -> Option<PathBuf> {
    let unpacked = paths::build()
        .ok()
        .map(|build| build.join("interpreters").join(minor).join("bin/python3"));
    let system = PathBuf::from(format!("/usr/bin/python{minor}"));
    of_pyenv(minor)
        .into_iter()
        .chain([system])
        .chain(unpacked)
        .find(|path| path.exists())
}

/// The newest patch level that pyenv has.
fn of_pyenv(minor: &str) -> Option<PathBuf> {
    let root = std::env::var_os("PYENV_ROOT").map_or_else(
        || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".pyenv")),
        |root| Some(PathBuf::from(root)),
    )?;
    let prefix = format!("{minor}.");
    fs::read_dir(root.join("versions"))
        .ok()?
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path().join("bin/python3"))
        .filter(|path| path.exists())
        .max()
}

fn key(interpreter: &Path, requirements: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(interpreter.as_os_str().as_encoded_bytes());
    hash.update([0]);
    hash.update(requirements);
    let mut key = hex::encode(hash.finalize());
    key.truncate(12);
    key
}

fn make(name: &str, dir: &Path, interpreter: &Path, requirements: &Path) -> Result<()> {
    let started = Instant::now();
    eprintln!(
        "  making {} on {} ...",
        dir.display(),
        interpreter.display()
    );
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("failed to remove {}", dir.display()))?;
    }
    run(Command::new(interpreter).args(["-m", "venv"]).arg(dir))?;
    let python = dir.join("bin/python");
    let built = wheels::for_requirements(name, &python)?;
    run(Command::new(&python)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
        ])
        .arg(requirements)
        .args(
            built
                .iter()
                .flat_map(|dir| ["--find-links".as_ref(), dir.as_os_str()]),
        ))?;
    eprintln!("  made in {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("failed to start {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!(
            "{command:?} failed:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}
