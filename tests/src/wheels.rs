//! Wheels of packages that the registry has in source only, built once.

use std::{
    fs,
    io::{BufRead, BufReader},
    num::NonZero,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use crate::paths;

/// A package to build.
struct Package {
    /// The requirements file that needs it.
    needed_by: &'static str,
    requirement: &'static str,
    /// Arguments of `CMake`.
    cmake: &'static str,
    /// A project in it, and what `CMake` includes there: its build script has settings that no argument changes.
    project: (&'static str, &'static str),
}

const PACKAGES: &[Package] = &[Package {
    needed_by: "llama",
    requirement: "llama-cpp-python==0.3.36",
    // The same code on every machine, and no image models, which the tests don't need.
    cmake: "-DGGML_NATIVE=OFF -DLLAVA_BUILD=OFF",
    // Nor what llama.cpp's own programs share, which takes a third of the time.
    project: (
        "llama.cpp",
        "set(LLAMA_BUILD_COMMON OFF CACHE BOOL \"\" FORCE)\n",
    ),
}];

/// Folders with the wheels that a requirements file needs; built at the first call, which takes some
/// ten minutes, and found at the next.
pub(crate) fn for_requirements(name: &str, python: &Path) -> Result<Vec<PathBuf>> {
    PACKAGES
        .iter()
        .filter(|package| package.needed_by == name)
        .map(|package| package.built(python))
        .collect()
}

impl Package {
    fn built(&self, python: &Path) -> Result<PathBuf> {
        let dir = paths::build()?
            .join("wheels")
            .join(format!("{}-{}", self.needed_by, self.key()));
        let ready = dir.join("ready");
        if !ready.exists() {
            self.build(python, &dir)?;
            fs::write(&ready, "")
                .with_context(|| format!("failed to write {}", ready.display()))?;
        }
        Ok(dir)
    }

    /// The wheel does not depend on the interpreter (it is `py3-none`), only on what it is built from.
    fn key(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.requirement);
        for part in [self.cmake, self.project.0, self.project.1] {
            hash.update([0]);
            hash.update(part);
        }
        let mut key = hex::encode(hash.finalize());
        key.truncate(12);
        key
    }

    fn build(&self, python: &Path, dir: &Path) -> Result<()> {
        let started = Instant::now();
        eprintln!("  building {} from source ...", self.requirement);
        let cores = std::thread::available_parallelism()
            .map_or(2, NonZero::get)
            .to_string();
        let arguments = self.cmake_arguments(dir)?;
        let mut child = Command::new(python)
            .args(["-m", "pip", "wheel", "--verbose", "--no-deps"])
            .arg("--disable-pip-version-check")
            .arg(self.requirement)
            .arg("--wheel-dir")
            .arg(dir)
            .env("CMAKE_BUILD_PARALLEL_LEVEL", &cores)
            .env("CMAKE_ARGS", arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("failed to start pip")?;
        let output = child.stdout.take().context("pip has no output")?;
        let last = show_progress(BufReader::new(output));
        let status = child.wait().context("failed to wait for pip")?;
        ensure!(
            status.success(),
            "{} could not be built:\n{}",
            self.requirement,
            last.join("\n")
        );
        eprintln!("  built in {:.0} s", started.elapsed().as_secs_f64());
        Ok(())
    }

    fn cmake_arguments(&self, dir: &Path) -> Result<String> {
        let (project, text) = self.project;
        fs::create_dir_all(dir).with_context(|| format!("failed to make {}", dir.display()))?;
        let path = dir.join("settings.cmake");
        fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))?;
        let path = path.display();
        Ok(format!(
            "{} -DCMAKE_PROJECT_{project}_INCLUDE={path}",
            self.cmake
        ))
    }
}

/// Passes on how far the compiler is (`[20/140] ...`) now and then; returns the last lines.
fn show_progress(output: impl BufRead) -> Vec<String> {
    const SHOWN_EVERY: usize = 20;
    const KEPT: usize = 40;
    let mut last = Vec::new();
    for line in output.lines().map_while(Result::ok) {
        let step = line
            .trim_start()
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'));
        if let Some((step, _)) = step
            && let Some(number) = step.split('/').next().and_then(|n| n.parse::<usize>().ok())
            && number % SHOWN_EVERY == 0
        {
            eprintln!("  step {step}");
        }
        if last.len() == KEPT {
            last.remove(0);
        }
        last.push(line);
    }
    last
}
