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
        if fault_in(address, length) != 0 {
            return Err(Unreadable);
        }
        // SAFETY: the same.
        unsafe { Resident::read_into(into, length, address) }
    }
}

/// Makes the pages of a read resident; 0 if they are. No read is longer than a page, so its first and its last
/// byte are on all of its pages. A function of its own to the verifier, which would follow each of the many
/// reads through it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn fault_in(address: u64, length: u32) -> u32 {
    let mut byte = 0u8;
    let into = (&raw mut byte).cast();
    let last = address.wrapping_add(u64::from(length)).wrapping_sub(1);
    for at in [address, last] {
        // SAFETY: there is room for the byte.
        if unsafe { bpf_copy_from_user(into, 1, at as *const c_void) } != 0 {
            return 1;
        }
    }
    count(Counter::ReadFaulted);
    0
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
