//! The first bytes of the interpreter's objects, read at once: nine small reads for each frame took most of the time of a look
//! at a thread.

use core::mem::MaybeUninit;

use hotspan_common::{MAX_PYTHON_FRAMES, PythonFrame, SampleEvent};

use crate::memory::{Access as _, Resident, Unreadable};

/// What has fields.
pub trait Fields {
    /// A field of at most 8 bytes.
    fn field<T: Copy>(&self, offset: u32) -> Result<T, Unreadable>;
}

/// The head of a frame or a code object. Both are at least that long in all versions.
pub struct Head {
    address: u64,
    bytes: [MaybeUninit<u64>; HEAD / 8],
}

const HEAD: usize = 80;

impl Head {
    /// Looks at the head of what lies there. It is never moved, as each copy would be on the stack.
    #[inline(always)]
    pub fn with<R>(
        address: u64,
        look: impl FnOnce(&Self) -> Result<R, Unreadable>,
    ) -> Result<R, Unreadable> {
        let mut head = Self {
            address,
            bytes: [const { MaybeUninit::uninit() }; HEAD / 8],
        };
        // SAFETY: there is that much room.
        unsafe { Resident::read_into(head.bytes.as_mut_ptr().cast(), HEAD as u32, address)? };
        look(&head)
    }
}

impl Fields for Head {
    /// What lies behind the head (in frames up to 3.10) is read on its own.
    #[inline(always)]
    fn field<T: Copy>(&self, offset: u32) -> Result<T, Unreadable> {
        let offset = offset as usize;
        if offset > HEAD - 8 {
            return Resident::read(self.address.wrapping_add(offset as u64));
        }
        // Fields lie where their types may; the mask tells the verifier, which wants it so on the stack.
        let aligned = offset & !(size_of::<T>() - 1);
        // SAFETY: in bounds, as no type here is longer than 8 bytes, and all of it was read.
        Ok(unsafe { self.bytes.as_ptr().byte_add(aligned).cast::<T>().read() })
    }
}

/// More of an object, in the part of an event that is not written to yet: a coroutine with its frame and most of its values.
pub struct Window {
    address: u64,
    bytes: *const u8,
}

/// A power of two.
const WINDOW: usize = 256;
/// No coroutine is shorter.
const LEAST: u32 = 128;
const PAGE: u64 = 4096;
/// Where the window is in an event's frames.
const FIRST_FRAME: usize = MAX_PYTHON_FRAMES - WINDOW.div_ceil(size_of::<PythonFrame>());

impl Window {
    /// Reads what lies there. An object at the end of a page ends with it if the next page cannot be read.
    #[inline(always)]
    pub fn read(event: *mut SampleEvent, address: u64) -> Result<Self, Unreadable> {
        // SAFETY: it is within the event, which the callers' references show to be valid.
        let bytes = unsafe {
            (&raw mut (*event).python)
                .cast::<PythonFrame>()
                .add(FIRST_FRAME)
                .cast::<u8>()
        };
        // SAFETY: there is that much room.
        if unsafe { Resident::read_into(bytes, WINDOW as u32, address) }.is_err() {
            let left = (PAGE - (address & (PAGE - 1))) as u32 & (WINDOW as u32 - 1);
            if left < LEAST {
                return Err(Unreadable);
            }
            // SAFETY: there is more room than that.
            unsafe { Resident::read_into(bytes, left, address)? };
        }
        Ok(Self { address, bytes })
    }
}

impl Fields for Window {
    /// What lies behind the window is read on its own.
    #[inline(always)]
    fn field<T: Copy>(&self, offset: u32) -> Result<T, Unreadable> {
        let offset = offset as usize;
        if offset > WINDOW - 8 {
            return Resident::read(self.address.wrapping_add(offset as u64));
        }
        let aligned = offset & (WINDOW - 1) & !(size_of::<T>() - 1);
        // SAFETY: in bounds, as no type here is longer than 8 bytes; what was not read is not the object's.
        Ok(unsafe { self.bytes.add(aligned).cast::<T>().read() })
    }
}

/// An object that lies in another.
pub struct Within<'a, F> {
    pub outer: &'a F,
    pub offset: u32,
}

impl<F: Fields> Fields for Within<'_, F> {
    #[inline(always)]
    fn field<T: Copy>(&self, offset: u32) -> Result<T, Unreadable> {
        self.outer.field(self.offset.wrapping_add(offset))
    }
}
