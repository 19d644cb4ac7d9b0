//! Stacks of a live thread, walked by unwind tables that are damaged. Whatever they say, a walk comes to an end, the
//! end has a reason, and no frame on the way lies outside of code.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use hotspan::{
    object::Image,
    stack::{RawSample, Stacks},
    target::Process,
    unwind::{AddressSpace, ObjectStore, Stop, StopCounts, Walker},
};
use nix::{sys::signal, unistd::Pid};
use proptest::{
    collection::vec,
    prelude::*,
    sample::Index,
    test_runner::{TestCaseError, TestRunner},
};
use tempfile::TempDir;

use crate::{
    capture::now,
    native::{Built, Run, build},
};

/// Damages of each object under each chain of calls.
const CASES: u32 = 200;
/// Frames that are followed at the most.
const MAX_FRAMES: usize = 1024;
/// No walk takes as long, on a machine however busy.
const TOO_LONG: Duration = Duration::from_secs(20);
const TABLES: [&str; 2] = [".eh_frame", ".eh_frame_hdr"];
/// Starts a program from files that may be written to while it runs, as its own file may not.
const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

/// What is done to a file.
#[derive(Clone, Debug)]
enum Damage {
    /// Bits of a table are flipped.
    Bits(usize, Vec<(Index, u8)>),
    /// A part of a table is moved to elsewhere in it.
    Moved(usize, Index, Index, u8),
    /// A table is said to be elsewhere: address, offset or size.
    Told(usize, usize, i16),
    /// The file ends in a table.
    Cut(usize, Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let table = 0..TABLES.len();
    let index = any::<Index>;
    prop_oneof![
        6 => (table.clone(), vec((index(), 0..8_u8), 1..64)).prop_map(|(t, bits)| Damage::Bits(t, bits)),
        2 => (table.clone(), index(), index(), 1..128_u8).prop_map(|(t, from, to, n)| Damage::Moved(t, from, to, n)),
        1 => (table.clone(), 0..3_usize, any::<i16>()).prop_map(|(t, field, by)| Damage::Told(t, field, by)),
        1 => (table, index()).prop_map(|(t, at)| Damage::Cut(t, at)),
    ]
}

/// A file with unwind tables, as it is when nothing is wrong with it.
struct Sound {
    path: PathBuf,
    bytes: Vec<u8>,
    /// Where the tables lie in it, and their section headers.
    tables: [(std::ops::Range<usize>, usize); TABLES.len()],
}

impl Sound {
    fn of(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap();
        let image = Image::open(path).unwrap();
        let tables = TABLES.map(|name| {
            let (_, table) = image.section(name).unwrap();
            let mut parts = bytes.windows(table.len());
            let start = parts.position(|part| part == table).unwrap();
            let header = section_header(&bytes, start as u64);
            (start..start + table.len(), header)
        });
        Self {
            path: path.to_owned(),
            bytes,
            tables,
        }
    }

    fn damaged(&self, damage: &Damage) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        match damage {
            Damage::Bits(table, bits) => {
                let table = &mut bytes[self.tables[*table].0.clone()];
                for (at, bit) in bits {
                    table[at.index(table.len())] ^= 1 << bit;
                }
            }
            Damage::Moved(table, from, to, length) => {
                let table = &mut bytes[self.tables[*table].0.clone()];
                let room = table.len() - usize::from(*length).min(table.len() - 1);
                let (from, to) = (from.index(room), to.index(room));
                table.copy_within(from..from + (table.len() - room), to);
            }
            Damage::Told(table, field, by) => {
                let at = self.tables[*table].1 + SECTION_ADDRESS + 8 * field;
                let value = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
                let moved = value.wrapping_add_signed(i64::from(*by));
                bytes[at..at + 8].copy_from_slice(&moved.to_le_bytes());
            }
            Damage::Cut(table, at) => {
                let table = &self.tables[*table].0;
                bytes.truncate(table.start + at.index(table.len()));
            }
        }
        bytes
    }

    fn write(&self, bytes: &[u8]) {
        fs::write(&self.path, bytes).unwrap();
    }
}

/// Of an `Elf64_Shdr`: address, offset and size follow each other.
const SECTION_ADDRESS: usize = 16;
const SECTION_OFFSET: usize = 24;

/// Where the header of the section lies that begins at this offset of the file.
fn section_header(bytes: &[u8], offset: u64) -> usize {
    // e_shoff, e_shentsize and e_shnum of an `Elf64_Ehdr`.
    let short = |at: usize| usize::from(u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap()));
    let long = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let (first, size, count) = (long(0x28) as usize, short(0x3a), short(0x3c));
    let mut headers = (0..count).map(|number| first + number * size);
    headers
        .find(|header| long(header + SECTION_OFFSET) == offset)
        .unwrap()
}

/// Where a process maps code.
fn mapped_code(pid: u32) -> Vec<std::ops::Range<u64>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let code = maps.lines().filter(|line| line.contains("r-xp"));
    let range = |line: &str| {
        let (start, end) = line.split_whitespace().next()?.split_once('-')?;
        let address = |text| u64::from_str_radix(text, 16).ok();
        Some(address(start)?..address(end)?)
    };
    code.map(|line| range(line).unwrap()).collect()
}

/// A thread that stands still in `reached`, with copies of the program and of libc that are its alone.
struct Standing {
    _run: Run,
    _directory: TempDir,
    raw: RawSample,
    process: Arc<Process>,
    /// What it maps as code, as the kernel says.
    code: Vec<std::ops::Range<u64>>,
    objects: [Sound; 2],
}

impl Standing {
    fn in_chain(program: &Built, chain: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let libc = maps.lines().find(|line| line.contains("/libc.so")).unwrap();
        let libc = Path::new(libc.split_whitespace().last().unwrap());
        let copies = [libc, &program.path].map(|original| {
            let copy = directory.path().join(original.file_name().unwrap());
            fs::copy(original, &copy).unwrap();
            copy
        });
        let paths = [directory.path(), &*copies[1]].map(|path| path.to_str().unwrap());
        let arguments = ["--library-path", paths[0], paths[1]];
        let run = Run::start(Path::new(LOADER), &[&arguments, chain].concat());
        let (raw, named) = run.at("reached", 64 << 10);
        assert!(named.is_complete, "{:?}", named.counters);
        // It must not run any more: its files are about to be cut short.
        let pid = Pid::from_raw(run.child.id() as i32);
        signal::kill(pid, signal::Signal::SIGSTOP).unwrap();
        Self {
            code: mapped_code(run.child.id()),
            process: Arc::new(Process::open(run.child.id()).unwrap()),
            objects: copies.map(|copy| Sound::of(&copy)),
            raw,
            _run: run,
            _directory: directory,
        }
    }

    /// Walks the stack, and holds the walk against what must be true of all.
    fn walk(&self, ends: &mut StopCounts) -> Result<(), TestCaseError> {
        let begun = Instant::now();
        let mut space = <AddressSpace>::read(Arc::clone(&self.process), now()).unwrap();
        let mut store = ObjectStore::new(64 << 20);
        let mut walker = Walker {
            space: &mut space,
            store: &mut store,
            time_ns: now(),
        };
        let sample = self.raw.view();
        let walk = walker.walk(sample.registers(), &sample.stack_copy());
        prop_assert!(walk.frames.len() <= MAX_FRAMES);
        prop_assert_eq!(walk.frames[0].address, self.raw.event.ip);
        let (last, before) = walk.frames.split_last().unwrap();
        for frame in before {
            let is_code = self.code.iter().any(|code| code.contains(&frame.address));
            prop_assert!(is_code, "{:#x} is no code", frame.address);
        }
        prop_assert_eq!(last.place.is_none(), walk.stop == Stop::Unmapped);
        ends.add(walk.stop);
        self.is_counted()?;
        prop_assert!(begun.elapsed() < TOO_LONG, "{:?}", begun.elapsed());
        Ok(())
    }

    /// Whoever resolves the sample counts its end, once.
    fn is_counted(&self) -> Result<(), TestCaseError> {
        let mut stacks = Stacks::default();
        stacks.adopt(self.raw.event.tgid, Arc::clone(&self.process));
        stacks.resolve(&self.raw, now());
        let is_end = |name: &str| Stop::ALL.iter().any(|stop| stop.counter() == name);
        let counted = stacks.counters().filter(|(name, _)| is_end(name));
        prop_assert_eq!(counted.map(|(_, count)| count).sum::<u64>(), 1);
        Ok(())
    }
}

#[test]
fn walks_by_damaged_tables_end_for_a_reason() {
    let program = build(&[]);
    let mut ends = StopCounts::default();
    for chain in [&["plain", "thread"][..], &["aligned"], &["signal"]] {
        let standing = Standing::in_chain(&program, chain);
        let mut sound = StopCounts::default();
        standing.walk(&mut sound).unwrap();
        assert_eq!(sound.of(Stop::Start), 1);
        for object in &standing.objects {
            let mut runner = TestRunner::new(ProptestConfig {
                cases: CASES,
                failure_persistence: None,
                ..ProptestConfig::default()
            });
            let counted = std::cell::RefCell::new(&mut ends);
            let outcome = runner.run(&damage(), |damage| {
                object.write(&object.damaged(&damage));
                standing.walk(&mut counted.borrow_mut())
            });
            object.write(&object.bytes);
            outcome.unwrap_or_else(|failed| panic!("{chain:?} {:?}: {failed}", object.path));
        }
    }
    let ends: Vec<_> = ends.named().filter(|(_, count)| *count > 0).collect();
    eprintln!("  {ends:?}");
    let walks: u64 = ends.iter().map(|(_, count)| count).sum();
    assert_eq!(walks, 3 * 2 * u64::from(CASES));
    // Damage that nothing came of would prove nothing.
    assert!(ends.len() >= 4, "{ends:?}");
}
