//! What lies where in a target.

use std::{
    cell::OnceCell,
    fs,
    io::Write as _,
    ops::Range,
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
};

use rustc_hash::FxHashMap;
use rustix::fs::{MemfdFlags, memfd_create};

use super::{object::CodeObject, store::ObjectStore, walk::NativeFrame};
use crate::{
    context::memory::Memory,
    object::FileKey,
    target::{
        Process, TargetError,
        mapping::{Mapping, ObjectId},
    },
};

/// The vdso has some pages.
const MAX_VDSO: u64 = 64 * 1024;
/// Addresses of which it is remembered what lies there: most frames of a stack were on the one before. With one more,
/// all are forgotten: to know which one was used last would cost each frame more than that.
const REMEMBERED: usize = 16_384;

/// An address of a process, in a file.
#[derive(Clone)]
pub struct Place {
    /// The file.
    pub object: Rc<CodeObject>,
    /// The address in it, as the file has it.
    pub address: u64,
    /// The file, as the mapping names it.
    pub mapped: ObjectId,
}

/// The code that a target maps, and a note of each frame that was seen in it.
pub struct AddressSpace<N = ()> {
    process: Arc<Process>,
    code: Vec<Code>,
    /// What was mapped before, and until when by the kernel's clock.
    before: Vec<Code>,
    read_at_ns: u64,
    vdso: Option<Vdso>,
    frames: FxHashMap<u64, Rc<NativeFrame<N>>>,
    /// Objects that the store had given up when the frames were remembered.
    evicted: u64,
}

struct Code {
    addresses: Range<u64>,
    file_offset: u64,
    object: ObjectId,
    path: PathBuf,
    file: PathBuf,
    /// Set at the first look; `None` in it: it cannot be opened.
    key: OnceCell<Option<FileKey>>,
}

/// The kernel's own object, copied into a file of the agent's: it is in no file.
struct Vdso {
    file: OwnedFd,
}

impl Vdso {
    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }
}

impl<N: Default> AddressSpace<N> {
    /// Reads a process's mappings, at `now_ns` of the kernel's clock.
    ///
    /// # Errors
    /// They cannot be read: as a rule, the process has ended.
    pub fn read(process: Arc<Process>, now_ns: u64) -> Result<Self, TargetError> {
        let mut space = Self {
            process,
            code: Vec::new(),
            before: Vec::new(),
            read_at_ns: 0,
            vdso: None,
            frames: FxHashMap::default(),
            evicted: 0,
        };
        space.refresh(now_ns)?;
        space.before = Vec::new();
        Ok(space)
    }

    /// Reads the mappings again.
    ///
    /// # Errors
    /// They cannot be read: as a rule, the process has ended.
    pub fn refresh(&mut self, now_ns: u64) -> Result<(), TargetError> {
        let (mappings, vdso) = self.process.code()?;
        let mut code: Vec<Code> = mappings.into_iter().map(Code::of).collect();
        if let Some(addresses) = vdso {
            code.extend(self.vdso_code(addresses));
            code.sort_by_key(|code| code.addresses.start);
        }
        let is_same = code.len() == self.code.len()
            && code
                .iter()
                .zip(&self.code)
                .all(|(now, known)| known.is_still(now));
        if is_same {
            return Ok(());
        }
        self.before = std::mem::replace(&mut self.code, code);
        self.read_at_ns = now_ns;
        self.frames.clear();
        Ok(())
    }

    /// The frame of an address, for a sample taken at `time_ns`.
    pub(super) fn frame(
        &mut self,
        address: u64,
        time_ns: u64,
        store: &mut ObjectStore,
    ) -> Rc<NativeFrame<N>> {
        // What was given up would otherwise stay in memory.
        if self.evicted != store.evicted() {
            self.evicted = store.evicted();
            self.frames.clear();
        }
        if time_ns < self.read_at_ns {
            return Rc::new(self.look(address, time_ns, store));
        }
        if let Some(known) = self.frames.get(&address) {
            return Rc::clone(known);
        }
        let frame = Rc::new(self.look(address, time_ns, store));
        if self.frames.len() == REMEMBERED {
            self.frames.clear();
        }
        self.frames.insert(address, Rc::clone(&frame));
        frame
    }

    fn look(&self, address: u64, time_ns: u64, store: &mut ObjectStore) -> NativeFrame<N> {
        let place = self.locate(address, time_ns, store);
        let covering = place
            .as_ref()
            .and_then(|place| place.object.covering(place.address));
        NativeFrame {
            address,
            place,
            covering,
            note: N::default(),
        }
    }

    /// What lies at an address, for a sample taken at `time_ns`.
    pub fn locate(&self, address: u64, time_ns: u64, store: &mut ObjectStore) -> Option<Place> {
        let index = find(&self.code, address)?;
        if time_ns < self.read_at_ns && self.was_another(address, index) {
            return None;
        }
        let code = &self.code[index];
        let key = code.key()?;
        let object = store.get(key, &code.file, &code.path)?;
        let offset = address - code.addresses.start + code.file_offset;
        let address = object.image().code_address(offset)?;
        Some(Place {
            object,
            address,
            mapped: code.object,
        })
    }

    /// Whether a frame was seen at an address of a file, as it is mapped now.
    pub fn has_seen(&self, address: u64) -> bool {
        let known = self.frames.get(&address);
        known.is_some_and(|frame| frame.place.is_some())
    }

    /// The path that the kernel prints for the file at an address.
    pub fn path_at(&self, address: u64) -> Option<&Path> {
        find(&self.code, address).map(|index| self.code[index].path.as_path())
    }

    /// The files that hold code: state, path as the kernel prints it, path that opens it.
    pub fn files(&self) -> impl Iterator<Item = (ObjectId, FileKey, &Path, &Path)> {
        let code = self.code.iter();
        code.filter_map(|code| {
            let key = code.key()?;
            Some((code.object, key, code.path.as_path(), code.file.as_path()))
        })
    }

    /// Whether another file lay there before, so that nobody can tell which one a sample saw.
    fn was_another(&self, address: u64, now: usize) -> bool {
        find(&self.before, address).is_some_and(|before| {
            let (before, now) = (&self.before[before], &self.code[now]);
            before.object != now.object
                || before.addresses.start.wrapping_sub(before.file_offset)
                    != now.addresses.start.wrapping_sub(now.file_offset)
        })
    }

    fn vdso_code(&mut self, addresses: Range<u64>) -> Option<Code> {
        if self.vdso.is_none() {
            self.vdso = copy_vdso(self.process.pid(), &addresses);
        }
        let path = self.vdso.as_ref()?.path();
        Some(Code {
            addresses,
            file_offset: 0,
            object: ObjectId {
                device: (0, 0),
                inode: 0,
            },
            path: PathBuf::from("[vdso]"),
            file: path,
            key: OnceCell::new(),
        })
    }
}

impl Code {
    fn of(mapping: Mapping) -> Self {
        Self {
            addresses: mapping.addresses,
            file_offset: mapping.file_offset,
            object: mapping.object,
            path: mapping.path,
            file: mapping.map_file,
            key: OnceCell::new(),
        }
    }

    /// Whether it is the same as another one, and the file, if it was looked at, as it was.
    fn is_still(&self, now: &Self) -> bool {
        let place = |code: &Self| (code.addresses.clone(), code.file_offset, code.object);
        place(self) == place(now)
            && self.path == now.path
            && self.key.get().is_none_or(|key| *key == now.key())
    }

    fn key(&self) -> Option<FileKey> {
        *self.key.get_or_init(|| {
            let metadata = fs::metadata(&self.file).ok()?;
            Some(FileKey::of(&metadata))
        })
    }
}

fn find(code: &[Code], address: u64) -> Option<usize> {
    let after = code.partition_point(|code| code.addresses.start <= address);
    let index = after.checked_sub(1)?;
    code[index].addresses.contains(&address).then_some(index)
}

fn copy_vdso(pid: u32, addresses: &Range<u64>) -> Option<Vdso> {
    let length = addresses.end.checked_sub(addresses.start)?;
    if length > MAX_VDSO {
        return None;
    }
    let mut bytes = vec![0; length as usize];
    Memory::open(pid)
        .ok()?
        .read(addresses.start, &mut bytes)
        .ok()?;
    let file = memfd_create("hotspan-vdso", MemfdFlags::CLOEXEC).ok()?;
    let mut file = fs::File::from(file);
    file.write_all(&bytes).ok()?;
    Some(Vdso { file: file.into() })
}
