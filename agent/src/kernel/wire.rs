//! The one place where bytes become the types of `hotspan_common`, and back.

#![expect(
    unsafe_code,
    reason = "bytes that the kernel's programs wrote are of the types that they wrote"
)]

use std::ptr;

use aya::Pod;
use hotspan_common::{
    ControlEvent, CrossingEvent, KeyCounts, RegionSpec, SampleEvent, Suspended, Target, Task,
    ThreadEvent, ThreadState,
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

/// Makes the first `length` bytes of `to` those of `from`, for types whose last part is often unused.
pub fn copy_front<T: Wire>(from: &T, to: &mut T, length: usize) {
    let length = length.min(size_of::<T>());
    // SAFETY: no more bytes than both have, which are apart as one is borrowed alone, and any pattern is a `T`.
    unsafe {
        ptr::copy_nonoverlapping(
            ptr::from_ref(from).cast::<u8>(),
            ptr::from_mut(to).cast::<u8>(),
            length,
        );
    }
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
