//! Reading the target's memory from sleepable programs.

use core::{ffi::c_void, mem::MaybeUninit};

use aya_ebpf::helpers::generated::{bpf_copy_from_user, bpf_probe_read_user};
use hotspan_common::Counter;

use crate::counters::count;

/// The address could not be read.
pub struct Unreadable;

/// Reads a `T` at `address`, through a page fault if the page is not resident.
///
/// `T` must be valid for every bit pattern.
#[inline(always)]
pub fn read<T: Copy>(address: u64) -> Result<T, Unreadable> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: `value` has room for `size_of::<T>()` bytes.
    unsafe { read_into(value.as_mut_ptr().cast(), size_of::<T>() as u32, address)? };
    // SAFETY: all bytes were written, and any bit pattern is a `T`.
    Ok(unsafe { value.assume_init() })
}

/// Reads `length` bytes at `address` into `into`.
///
/// # Safety
/// `into` must have room for `length` bytes that the verifier can bound.
#[inline(always)]
pub unsafe fn read_into(into: *mut u8, length: u32, address: u64) -> Result<(), Unreadable> {
    let (into, from) = (into.cast::<c_void>(), address as *const c_void);
    // SAFETY: the caller's promise.
    if unsafe { bpf_probe_read_user(into, length, from) } == 0 {
        return Ok(());
    }
    // SAFETY: the same; only sleepable programs come here.
    if unsafe { bpf_copy_from_user(into, length, from) } == 0 {
        count(Counter::ReadFaulted);
        return Ok(());
    }
    Err(Unreadable)
}
