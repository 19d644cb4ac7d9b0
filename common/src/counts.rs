//! How often what was called.

use crate::MAX_KEYS;

/// The entries of a burst by one value that they were called with, the first ones that came; or the tokens
/// of a step by 1 + their sequence, with those of which a result is wanted in the high 32 bits.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct KeyCounts {
    /// Entries with a value that has no place here.
    pub beyond: u64,
    /// Values; 0: none, nor behind it.
    pub keys: [u64; MAX_KEYS],
    /// Entries with the value at the same place.
    pub counts: [u64; MAX_KEYS],
}

const _: () = assert!(size_of::<KeyCounts>() == 8 + 16 * MAX_KEYS);
