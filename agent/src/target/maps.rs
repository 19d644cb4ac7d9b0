//! `/proc/PID/maps`, the executable part.
//!
//! Read here and not with procfs, which panics on a file whose name starts with `/SYSV` and
//! refuses the whole list if one path is not UTF-8; a target chooses its file names freely.

use std::{
    ffi::OsStr,
    ops::Range,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::mapping::{Mapping, ObjectId};

/// The executable, file-backed mappings in the bytes of a maps file, in address order.
///
/// `proc_dir` is the process's directory, for the `map_files` paths. Lines that do not look like
/// the kernel's (`fs/proc/task_mmu.c`, `show_map_vma`) are an error: their text.
pub(super) fn executable(maps: &[u8], proc_dir: &Path) -> Result<Vec<Mapping>, String> {
    let mut mappings = Vec::new();
    for line in maps
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let fields = Fields::split(line)
            .ok_or_else(|| format!("unexpected line `{}`", String::from_utf8_lossy(line)))?;
        if fields.executable && fields.object.inode != 0 {
            mappings.push(fields.into_mapping(proc_dir));
        }
    }
    Ok(mappings)
}

/// Where the kernel's own object lies, if the process maps it.
pub(super) fn vdso(maps: &[u8]) -> Option<Range<u64>> {
    let line = maps
        .split(|&byte| byte == b'\n')
        .find(|line| line.ends_with(b" [vdso]"))?;
    let fields = Fields::split(line)?;
    (fields.object.inode == 0).then_some(fields.start..fields.end)
}

/// The file that is mapped at an address, be it code or data.
pub(super) fn object_at(maps: &[u8], address: u64) -> Option<ObjectId> {
    let mut lines = maps.split(|&byte| byte == b'\n').filter_map(Fields::split);
    let fields = lines.find(|fields| (fields.start..fields.end).contains(&address))?;
    (fields.object.inode != 0).then_some(fields.object)
}

/// `START-END PERMS OFFSET MAJOR:MINOR INODE   PATH`, numbers in hex but for the inode.
struct Fields<'a> {
    start: u64,
    end: u64,
    executable: bool,
    offset: u64,
    object: ObjectId,
    path: &'a [u8],
}

impl<'a> Fields<'a> {
    fn split(line: &'a [u8]) -> Option<Self> {
        let mut words = line.splitn(6, |&byte| byte == b' ');
        let mut word = || words.next().and_then(|word| str::from_utf8(word).ok());
        let (start, end) = word()?.split_once('-')?;
        let permissions = word()?;
        let offset = word()?;
        let (major, minor) = word()?.split_once(':')?;
        let inode = word()?;
        let path = words.next().unwrap_or_default().trim_ascii_start();
        Some(Self {
            start: hex(start)?,
            end: hex(end)?,
            executable: permissions.as_bytes().get(2) == Some(&b'x'),
            offset: hex(offset)?,
            object: ObjectId {
                device: (
                    i32::from_str_radix(major, 16).ok()?,
                    i32::from_str_radix(minor, 16).ok()?,
                ),
                inode: inode.parse().ok()?,
            },
            path,
        })
    }

    fn into_mapping(self, proc_dir: &Path) -> Mapping {
        let range = format!("{:x}-{:x}", self.start, self.end);
        Mapping {
            addresses: self.start..self.end,
            file_offset: self.offset,
            object: self.object,
            path: PathBuf::from(OsStr::from_bytes(self.path)),
            map_file: proc_dir.join("map_files").join(range),
        }
    }
}

fn hex(digits: &str) -> Option<u64> {
    u64::from_str_radix(digits, 16).ok()
}
