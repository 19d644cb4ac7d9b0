//! Catalogue files that tests and benchmarks give to the agent.

use std::{ffi::OsString, path::Path};

use anyhow::{Context, Result};
use hotspan::catalogue::Catalogue;

/// Arguments by which no region that is built in is armed. The file is written into `dir`.
pub fn none(dir: &Path) -> Result<[OsString; 2]> {
    let built_in = Catalogue::load(&[]).context("the built-in catalogue")?;
    let regions = built_in.region_names();
    let regions = regions
        .iter()
        .map(|name| format!("[[region]]\nname = {name:?}\nenabled = false\n"));
    let text: String = std::iter::once("library = \"none\"\n".to_owned())
        .chain(regions)
        .collect();
    let path = dir.join("none.toml");
    std::fs::write(&path, text).context("failed to write a catalogue file")?;
    Ok(["--regions".into(), path.into_os_string()])
}
