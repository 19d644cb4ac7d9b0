//! Where things lie.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use anyhow::{Context, Result, anyhow, ensure};

/// The repository's root.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// The services and programs under test.
pub fn targets() -> PathBuf {
    root().join("tests/targets")
}

/// Cargo's target folder: `CARGO_TARGET_DIR`, or the one that this binary was built into.
pub fn build() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("CARGO_TARGET_DIR") {
        return Ok(PathBuf::from(dir));
    }
    let profile = profile()?;
    Ok(profile
        .parent()
        .context("a profile's folder lies in the target folder")?
        .to_path_buf())
}

/// From now on, this is the binary under test.
///
/// Errors: one has been named before.
pub fn use_agent(path: PathBuf) -> Result<()> {
    AGENT
        .set(path)
        .map_err(|path| anyhow!("the binary is named already: {}", path.display()))
}

static AGENT: OnceLock<PathBuf> = OnceLock::new();

/// The binary under test: the one that was named, or `HOTSPAN_BIN`, or the one that Cargo built
/// beside this one.
pub fn agent() -> Result<PathBuf> {
    if let Some(path) = AGENT.get() {
        return Ok(path.clone());
    }
    if let Some(path) = std::env::var_os("HOTSPAN_BIN") {
        return Ok(PathBuf::from(path));
    }
    let path = profile()?.join("hotspan");
    ensure!(
        path.exists(),
        "{} is missing: `cargo build -p hotspan`, or set HOTSPAN_BIN",
        path.display()
    );
    Ok(path)
}

/// The folder of the profile that this binary was built in.
fn profile() -> Result<PathBuf> {
    let exe = std::env::current_exe().context("failed to find this executable")?;
    let profile = exe
        .ancestors()
        .find(|dir| dir.ends_with("debug") || dir.ends_with("release"));
    Ok(profile
        .context("this executable is not in a target folder")?
        .to_path_buf())
}
