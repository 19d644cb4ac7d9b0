//! The test programs in C and C++, compiled when their sources change.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use anyhow::{Context, Result, bail};

use crate::paths;

/// How one program is made.
struct Recipe {
    output: &'static str,
    compiler: &'static str,
    source: &'static str,
    flags: &'static [&'static str],
    /// Whether it links the library with regions.
    with_library: bool,
}

/// The library comes first: others link it.
const RECIPES: &[Recipe] = &[
    Recipe {
        output: LIBRARY,
        compiler: "cc",
        source: "library.c",
        flags: &["-fPIC", "-shared"],
        with_library: false,
    },
    Recipe {
        output: "libcudart_stub.so",
        compiler: "cc",
        source: "cudart.c",
        flags: &["-fPIC", "-shared"],
        with_library: false,
    },
    Recipe {
        output: "libcuda_stub.so",
        compiler: "cc",
        source: "cuda.c",
        flags: &["-fPIC", "-shared"],
        with_library: false,
    },
    Recipe {
        output: "libcuda_app.so",
        compiler: "cc",
        source: "cuda_app.c",
        flags: &["-fPIC", "-shared"],
        with_library: false,
    },
    Recipe {
        output: "libengine.so",
        compiler: "c++",
        source: "engine.cpp",
        flags: &["-fPIC", "-shared", "-std=c++17"],
        with_library: false,
    },
    Recipe {
        output: "libbatching.so",
        compiler: "c++",
        source: "batching.cpp",
        flags: &["-fPIC", "-shared", "-std=c++17"],
        with_library: false,
    },
    Recipe {
        output: "libmemory.so",
        compiler: "cc",
        source: "memory.c",
        flags: &["-fPIC", "-shared"],
        with_library: false,
    },
    Recipe {
        output: "libsolve_stamps.so",
        compiler: "cc",
        source: "solve_stamps.c",
        // The solve may be left by an exception.
        flags: &["-fPIC", "-shared", "-fexceptions"],
        with_library: false,
    },
    Recipe {
        output: "torture",
        compiler: "c++",
        source: "torture.cpp",
        flags: &["-rdynamic"],
        with_library: false,
    },
    Recipe {
        output: "leaves",
        compiler: "c++",
        source: "leaves.cpp",
        flags: &["-rdynamic", "-std=c++17", "-fno-stack-protector"],
        with_library: false,
    },
    Recipe {
        output: "hardship",
        compiler: "c++",
        source: "hardship.cpp",
        flags: &["-rdynamic"],
        with_library: false,
    },
    Recipe {
        output: "hardship-stripped",
        compiler: "c++",
        source: "hardship.cpp",
        flags: &["-s", "-Wl,--export-dynamic-symbol=otel_thread_ctx_v1"],
        with_library: false,
    },
    Recipe {
        output: "coroutines",
        compiler: "c++",
        source: "coroutines.cpp",
        flags: &["-rdynamic"],
        with_library: false,
    },
    Recipe {
        output: "rate",
        compiler: "c++",
        source: "rate.cpp",
        flags: &["-rdynamic"],
        with_library: true,
    },
    Recipe {
        output: "workers",
        compiler: "c++",
        source: "workers.cpp",
        flags: &["-rdynamic", "-std=c++17"],
        with_library: false,
    },
    Recipe {
        output: "assembly",
        compiler: "c++",
        source: "assembly.cpp",
        flags: &["-rdynamic", "-std=c++17"],
        with_library: false,
    },
    Recipe {
        output: "bystander",
        compiler: "c++",
        source: "bystander.cpp",
        flags: &["-rdynamic"],
        with_library: true,
    },
];

const LIBRARY: &str = "libhsregions.so";

/// A program by name, compiled if need be.
pub fn program(name: &str) -> Result<PathBuf> {
    let dir = paths::build()?.join("native");
    fs::create_dir_all(&dir).with_context(|| format!("failed to make {}", dir.display()))?;
    for recipe in RECIPES {
        compile(&dir, recipe)?;
    }
    Ok(dir.join(name))
}

/// The library that `torture late` opens.
pub fn library() -> Result<PathBuf> {
    program(LIBRARY)
}

/// A catalogue file for the native programs.
pub fn catalogue(name: &str) -> PathBuf {
    sources().join(format!("{name}.toml"))
}

fn sources() -> PathBuf {
    paths::targets().join("native")
}

fn compile(dir: &Path, recipe: &Recipe) -> Result<()> {
    let (source, output) = (sources().join(recipe.source), dir.join(recipe.output));
    let shared = ["truth.h", "cudart.c"].map(|name| modified(&sources().join(name)));
    let newest = shared.into_iter().fold(modified(&source), Ord::max);
    if newest.is_some() && modified(&output) >= newest {
        return Ok(());
    }
    let mut command = Command::new(recipe.compiler);
    command
        .args(["-O2", "-g", "-Wall", "-Wextra"])
        .args(recipe.flags)
        .arg("-o")
        .arg(&output)
        .arg(&source);
    if recipe.with_library {
        command.arg(dir.join(LIBRARY)).arg("-Wl,-rpath,$ORIGIN");
    }
    let result = command
        .arg("-pthread")
        .output()
        .with_context(|| format!("no compiler `{}`", recipe.compiler))?;
    if !result.status.success() {
        bail!(
            "{command:?} failed:\n{}",
            String::from_utf8_lossy(&result.stderr)
        );
    }
    Ok(())
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|data| data.modified()).ok()
}
