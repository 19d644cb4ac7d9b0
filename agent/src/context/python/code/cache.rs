//! The code objects of all targets, bounded.

use rustc_hash::FxHashMap;

use super::{Code, CodeError, CodeLayout};
use crate::context::python::heap::Heap;

/// Code objects that are kept; a large service runs some thousands in its requests.
const MAX_CODES: usize = 8192;
/// Bytes that they may take together.
const MAX_BYTES: usize = 12 << 20;
/// How long a code object that was found is believed to be there, in nanoseconds of the samples' clock.
const BELIEVED_NS: u64 = 1_000_000_000;

/// What came of the requests for code objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodeCounts {
    /// Frames whose code object was gone, or another one, when it was looked at.
    pub gone: u64,
    /// Frames whose code object could not be read.
    pub unreadable: u64,
    /// Code objects given up for others.
    pub evicted: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    target: u32,
    address: u64,
    checksum: u32,
}

/// What each frame asks for lies together, the rest elsewhere.
struct Known<T> {
    seen_ns: u64,
    /// What its user made of it.
    note: T,
    code: Box<Code>,
}

/// Code objects by target, address and checksum, each with a note of who uses it. With one too many, those go that
/// were not asked for lately: to know which one was used last would cost each frame more than to read them again.
pub struct CodeCache<T> {
    codes: FxHashMap<Key, Known<T>>,
    size: usize,
    counts: CodeCounts,
}

impl<T> Default for CodeCache<T> {
    fn default() -> Self {
        Self {
            codes: FxHashMap::default(),
            size: 0,
            counts: CodeCounts::default(),
        }
    }
}

impl<T: Default> CodeCache<T> {
    /// The code object of a frame that was sampled at `time_ns`, and the note; `None` if it is gone or
    /// unreadable.
    pub fn get(
        &mut self,
        heap: &Heap<'_>,
        layout: &CodeLayout,
        (target, address, checksum): (u32, u64, u32),
        time_ns: u64,
    ) -> Option<(&Code, &mut T)> {
        let key = Key {
            target,
            address,
            checksum,
        };
        if !self.is_known(heap, layout, key, time_ns) {
            match Code::read(heap, layout, address, checksum) {
                Ok(code) => self.insert(key, code, time_ns),
                Err(CodeError::Gone(_)) => self.counts.gone += 1,
                Err(CodeError::Heap(_)) => self.counts.unreadable += 1,
            }
        }
        let known = self.codes.get_mut(&key)?;
        Some((&*known.code, &mut known.note))
    }

    /// Whether it was read, and is there still.
    fn is_known(&mut self, heap: &Heap<'_>, layout: &CodeLayout, key: Key, time_ns: u64) -> bool {
        let Some(known) = self.codes.get_mut(&key) else {
            return false;
        };
        let is_fresh = time_ns.saturating_sub(known.seen_ns) < BELIEVED_NS;
        if is_fresh {
            return true;
        }
        if known.code.is_still_at(heap, layout, key.address) {
            known.seen_ns = time_ns;
            return true;
        }
        self.remove(key);
        false
    }

    /// What became of the requests.
    pub fn counts(&self) -> CodeCounts {
        self.counts
    }

    fn insert(&mut self, key: Key, code: Code, seen_ns: u64) {
        if self.codes.len() == MAX_CODES || self.size + code.size() > MAX_BYTES {
            self.make_room(seen_ns);
        }
        self.size += code.size();
        let known = Known {
            seen_ns,
            note: T::default(),
            code: Box::new(code),
        };
        if let Some(old) = self.codes.insert(key, known) {
            self.size -= old.code.size();
        }
    }

    /// Lets those go that were not asked for since they ceased to be believed; if that is not half of them, all go.
    fn make_room(&mut self, now_ns: u64) {
        let before = self.codes.len();
        self.codes
            .retain(|_, known| now_ns.saturating_sub(known.seen_ns) < 2 * BELIEVED_NS);
        if self.codes.len() > MAX_CODES / 2 {
            self.codes.clear();
        }
        self.size = self.codes.values().map(|known| known.code.size()).sum();
        self.counts.evicted += (before - self.codes.len()) as u64;
    }

    fn remove(&mut self, key: Key) {
        if let Some(old) = self.codes.remove(&key) {
            self.size -= old.code.size();
        }
    }
}
