//! The one place where bytes become the types of `hotspan_common`, and back.

#![expect(
    unsafe_code,
    reason = "bytes that the kernel's programs wrote are of the types that they wrote"
)]

use std::{ptr, slice};

use aya::Pod;
use hotspan_common::{
    Account, ControlEvent, CrossingEvent, KeyCounts, RegionSpec, SampleEvent, Suspended, Target,
    Task, ThreadEvent, ThreadState,
};

/// A wire type as a map value.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct Value<T: Copy>(pub T);

/// Types of which every bit pattern is a value and which have no padding.
///
/// # Safety
/// `hotspan_common` promises this for its `repr(C)` types and asserts their sizes.
pub unsafe trait Wire: Copy + 'static {}

// SAFETY: see the promise above.
unsafe impl Wire for Account {}
// SAFETY: see the promise above.
unsafe impl Wire for ControlEvent {}
// SAFETY: see the promise above.
unsafe impl Wire for CrossingEvent {}
// SAFETY: see the promise above.
unsafe impl Wire for KeyCounts {}
// SAFETY: see the promise above.
unsafe impl Wire for RegionSpec {}
// SAFETY: see the promise above.
unsafe impl Wire for SampleEvent {}
// SAFETY: see the promise above.
unsafe impl Wire for Suspended {}
// SAFETY: see the promise above.
unsafe impl Wire for Target {}
// SAFETY: see the promise above.
unsafe impl Wire for Task {}
// SAFETY: see the promise above.
unsafe impl Wire for ThreadEvent {}
// SAFETY: see the promise above.
unsafe impl Wire for ThreadState {}

// SAFETY: `Value` is transparent over a type of which every bit pattern is a value.
unsafe impl<T: Wire> Pod for Value<T> {}

/// Reads a `T` from the start of `bytes`; `None` if there are too few.
pub fn read<T: Wire>(bytes: &[u8]) -> Option<T> {
    if bytes.len() < size_of::<T>() {
        return None;
    }
    // SAFETY: enough bytes, any pattern is a `T`, and the read does not ask for alignment.
    Some(unsafe { ptr::read_unaligned(bytes.as_ptr().cast::<T>()) })
}

/// The first `length` bytes of a `T`, of whose last part often nothing is used.
pub fn front<T: Wire>(value: &T, length: usize) -> &[u8] {
    let length = length.min(size_of::<T>());
    // SAFETY: no more bytes than it has, none of which is padding, borrowed as long as it is.
    unsafe { slice::from_raw_parts(ptr::from_ref(value).cast::<u8>(), length) }
}

/// The bytes of words.
pub fn bytes(words: &[u64]) -> &[u8] {
    // SAFETY: the same memory, borrowed as long, in which any byte is initialized.
    unsafe { slice::from_raw_parts(words.as_ptr().cast::<u8>(), size_of_val(words)) }
}

/// The same, to be changed: any bytes are words.
pub fn bytes_mut(words: &mut [u64]) -> &mut [u8] {
    // SAFETY: see `bytes`; the borrow is the only one.
    unsafe { slice::from_raw_parts_mut(words.as_mut_ptr().cast::<u8>(), size_of_val(words)) }
}

/// The `T` at the start of `bytes`, where it lies; `None` if there are too few, or not at a place where
/// a `T` can be.
pub fn view<T: Wire>(bytes: &[u8]) -> Option<&T> {
    let at = bytes.as_ptr().cast::<T>();
    if bytes.len() < size_of::<T>() || !at.is_aligned() {
        return None;
    }
    // SAFETY: enough bytes, aligned, borrowed as long as `bytes`, and any pattern is a `T`.
    Some(unsafe { &*at })
}
