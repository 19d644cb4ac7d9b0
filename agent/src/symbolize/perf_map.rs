//! `/tmp/perf-PID.map`: what a JIT says of the code that it made.
//!
//! One line a function: start and size in hex without a prefix, and a name (`Documentation/perf/
//! jit-interface.txt` of Linux). Read here, and not by blazesym, which would map a file that the target
//! may cut short.

use std::{
    fs::File,
    io::{self, Read as _},
    os::{fd::OwnedFd, unix::fs::MetadataExt as _},
    path::Path,
};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use thiserror::Error;

/// Bytes that are read of a map; later functions have no names.
const MAX_BYTES: u64 = 8 << 20;
/// Functions of one map.
const MAX_FUNCTIONS: usize = 100_000;
/// Bytes of a name.
const MAX_NAME: usize = 256;

/// Why there is no map.
#[derive(Debug, Error)]
pub enum PerfMapError {
    /// It cannot be opened or read; as a rule there is none.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is no regular file of the user that the target runs as.
    #[error("it is no file of the target's user")]
    NotTheTargets,
}

/// The functions that a map lists.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PerfMap {
    /// By start; of those that share one, the latest.
    functions: Vec<Function>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Function {
    start: u64,
    end: u64,
    name: String,
}

impl PerfMap {
    /// Reads the map of a process: `root` is its root directory, `ns_pid` its id there, `user` who it runs as.
    ///
    /// # Errors
    /// [`PerfMapError`].
    pub fn read(root: &Path, ns_pid: u32, user: u32) -> Result<Self, PerfMapError> {
        let root = File::open(root)?;
        // The target chooses what lies there: no way out of its root, no link, nothing that blocks.
        let file: OwnedFd = openat2(
            &root,
            format!("tmp/perf-{ns_pid}.map"),
            OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOFOLLOW,
            Mode::empty(),
            ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
        )
        .map_err(io::Error::from)?;
        let file = File::from(file);
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.uid() != user {
            return Err(PerfMapError::NotTheTargets);
        }
        let mut bytes = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut bytes)?;
        Ok(Self::parse(&bytes))
    }

    /// Takes in the lines that make sense.
    pub fn parse(bytes: &[u8]) -> Self {
        let lines = bytes.split(|&byte| byte == b'\n');
        let mut functions: Vec<Function> = lines.filter_map(function).take(MAX_FUNCTIONS).collect();
        // Later lines are of newer code: they come first of those that begin alike, and stay.
        functions.reverse();
        functions.sort_by_key(|function| function.start);
        functions.dedup_by_key(|function| function.start);
        Self { functions }
    }

    /// The function at an address.
    pub fn name(&self, address: u64) -> Option<&str> {
        let after = self
            .functions
            .partition_point(|function| function.start <= address);
        let function = &self.functions[after.checked_sub(1)?];
        (address < function.end).then_some(function.name.as_str())
    }
}

fn function(line: &[u8]) -> Option<Function> {
    let line = String::from_utf8_lossy(line);
    let (start, rest) = line.split_once(' ')?;
    let (size, name) = rest.split_once(' ')?;
    let start = u64::from_str_radix(start.trim_start_matches("0x"), 16).ok()?;
    let size = u64::from_str_radix(size.trim_start_matches("0x"), 16).ok()?;
    let name: String = name.trim().chars().take(MAX_NAME).collect();
    Some(Function {
        start,
        end: start.checked_add(size)?,
        name,
    })
    .filter(|function| !function.name.is_empty())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use rustix::process::getuid;
    use tempfile::TempDir;

    use super::{PerfMap, PerfMapError};

    #[test]
    fn functions_are_found_by_address() {
        let map = PerfMap::parse(
            b"1000 10 first\n0x2000 0x20 a name with spaces\nbroken\n3000 zz x\n\
              1000 8 newer\nffffffffffffffff 10 beyond\n4000 10 \n\xff\xfe 1 y\n",
        );
        for (address, name) in [
            (0xfff, None),
            (0x1000, Some("newer")),
            (0x1007, Some("newer")),
            (0x1008, None),
            (0x201f, Some("a name with spaces")),
            (0x2020, None),
            (0x4000, None),
            (u64::MAX, None),
        ] {
            assert_eq!(map.name(address), name, "{address:#x}");
        }
    }

    #[test]
    fn only_a_regular_file_of_the_targets_user_inside_of_its_root_is_read() {
        let root = TempDir::new().unwrap();
        fs::create_dir(root.path().join("tmp")).unwrap();
        let map = root.path().join("tmp/perf-7.map");
        let user = getuid().as_raw();
        let read = |user| PerfMap::read(root.path(), 7, user);
        assert!(matches!(read(user), Err(PerfMapError::Io(_))));

        fs::write(&map, "1000 10 f\n").unwrap();
        assert_eq!(read(user).unwrap().name(0x1001), Some("f"));
        assert!(matches!(read(user + 1), Err(PerfMapError::NotTheTargets)));

        let elsewhere = TempDir::new().unwrap();
        fs::write(elsewhere.path().join("secret"), "1000 10 f\n").unwrap();
        fs::remove_file(&map).unwrap();
        symlink(elsewhere.path().join("secret"), &map).unwrap();
        assert!(matches!(read(user), Err(PerfMapError::Io(_))));

        fs::remove_file(&map).unwrap();
        fs::create_dir(&map).unwrap();
        assert!(read(user).is_err());
    }
}
