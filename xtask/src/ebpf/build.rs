//! The build with the pinned toolchain.

use std::{fs, process::Command};

use anyhow::{Context, Result, bail, ensure};
use hotspan_tests::paths;

use super::provenance;

/// The linker that makes BPF of LLVM bitcode; another version may make another object.
const BPF_LINKER: &str = "0.13.0";
/// Debug information (types become BTF), BTF, and the linker. By default that turns each clearing of a few words into
/// a call of a loop that does it byte by byte.
const RUSTFLAGS: [&str; 4] = [
    "-Cdebuginfo=2",
    "-Clink-arg=--btf",
    "-Clink-arg=--disable-expand-memcpy-in-order",
    "-Clinker=bpf-linker",
];
const TARGET: &str = "bpfel-unknown-none";

/// All that is pinned: it is part of the hash.
pub fn pins() -> Result<String> {
    let toolchain = fs::read_to_string(paths::root().join("rust-toolchain.toml"))
        .context("no rust-toolchain.toml")?;
    let channel = toolchain
        .lines()
        .find(|line| line.starts_with("channel"))
        .context("no channel is pinned")?;
    Ok(format!(
        "{channel}\nbpf-linker {BPF_LINKER}\n{}\n",
        RUSTFLAGS.join(" ")
    ))
}

/// Builds the object with `hash` inside and puts it where it is committed.
pub fn run(hash: &str) -> Result<()> {
    check_tools()?;
    let dir = paths::root().join("ebpf");
    let target = paths::build()?.join("ebpf");
    // Debug information names source files: not where this machine keeps them.
    let mut flags = RUSTFLAGS.map(str::to_owned).to_vec();
    for (from, to) in remaps()? {
        flags.push(format!("--remap-path-prefix={from}={to}"));
    }
    let status = Command::new("cargo")
        .current_dir(&dir)
        .args([
            "build",
            "--release",
            "--locked",
            "--target",
            TARGET,
            "-Z",
            "build-std=core",
        ])
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        // Building `core` for BPF is unstable; the stable compiler does it on request.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("HOTSPAN_SOURCE_HASH", hash)
        .status()
        .context("failed to start cargo")?;
    ensure!(status.success(), "the kernel programs do not build");
    let built = target.join(TARGET).join("release/hotspan-ebpf");
    let object = provenance::object_path();
    fs::create_dir_all(dir.join("object")).context("failed to make ebpf/object")?;
    fs::copy(&built, &object).with_context(|| format!("failed to copy {}", built.display()))?;
    Ok(())
}

fn remaps() -> Result<Vec<(String, String)>> {
    let output = Command::new("rustc")
        .args(["--print", "sysroot"])
        .current_dir(paths::root())
        .output()?;
    let sysroot = String::from_utf8(output.stdout).context("the sysroot is no text")?;
    let home = std::env::var("CARGO_HOME")
        .or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")))?;
    Ok(vec![
        (paths::root().display().to_string(), "hotspan".to_owned()),
        (sysroot.trim().to_owned(), "rust".to_owned()),
        (home, "cargo".to_owned()),
    ])
}

fn check_tools() -> Result<()> {
    let found = Command::new("bpf-linker").arg("--version").output();
    let version = found
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    if version.split_whitespace().nth(1) != Some(BPF_LINKER) {
        let found = if version.is_empty() {
            "none is installed"
        } else {
            version.trim()
        };
        bail!(
            "bpf-linker {BPF_LINKER} is needed ({found}). With LLVM 22's development package (llvm-22-dev):\n  \
             LLVM_PREFIX=/usr/lib/llvm-22 cargo install bpf-linker --version {BPF_LINKER} --locked \
             --no-default-features --features llvm-22\nand `rustup component add rust-src`"
        );
    }
    Ok(())
}
