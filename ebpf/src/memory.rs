//! Reading the target's memory.

use core::{ffi::c_void, mem::MaybeUninit};

use aya_ebpf::helpers::generated::{bpf_copy_from_user, bpf_probe_read_user};
use hotspan_common::Counter;

use crate::counters::count;

/// The address could not be read.
pub struct Unreadable;

/// How a program reads: what is shared by several programs is made once for each way.
pub trait Access {
    /// Reads `length` bytes at `address` into `into`.
    ///
    /// # Safety
    /// `into` must have room for `length` bytes that the verifier can bound.
    unsafe fn read_into(into: *mut u8, length: u32, address: u64) -> Result<(), Unreadable>;

    /// Reads a `T` at `address`. `T` must be valid for every bit pattern.
    #[inline(always)]
    fn read<T: Copy>(address: u64) -> Result<T, Unreadable> {
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: `value` has room for `size_of::<T>()` bytes.
        unsafe { Self::read_into(value.as_mut_ptr().cast(), size_of::<T>() as u32, address)? };
        // SAFETY: all bytes were written, and any bit pattern is a `T`.
        Ok(unsafe { value.assume_init() })
    }
}

/// For sleepable programs: through a page fault if the page is not resident.
pub struct Faulting;

/// For programs that must not sleep: only what is resident.
pub struct Resident;

impl Access for Faulting {
    #[inline(always)]
    unsafe fn read_into(into: *mut u8, length: u32, address: u64) -> Result<(), Unreadable> {
        // SAFETY: the caller's promise.
        if unsafe { Resident::read_into(into, length, address) }.is_ok() {
            return Ok(());
        }
        // SAFETY: the same.
        if unsafe { bpf_copy_from_user(into.cast(), length, address as *const c_void) } == 0 {
            count(Counter::ReadFaulted);
            return Ok(());
        }
        Err(Unreadable)
    }
}

impl Access for Resident {
    #[inline(always)]
    unsafe fn read_into(into: *mut u8, length: u32, address: u64) -> Result<(), Unreadable> {
        // SAFETY: the caller's promise.
        if unsafe { bpf_probe_read_user(into.cast(), length, address as *const c_void) } == 0 {
            return Ok(());
        }
        Err(Unreadable)
    }
}
