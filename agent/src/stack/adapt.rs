//! How many bytes of stack a target's samples need.

use hotspan_common::STACK_SIZES;

/// Samples by which the size is judged.
const WINDOW: u32 = 256;
/// Stacks among them that may be cut: under 1 %.
const TOLERATED: u32 = 2;
/// How much of an entry may stay unused: see `ebpf/src/sampling/stack.rs`.
const UNUSED: u64 = 4096;

/// The size that targets begin with, in bytes. Copies end with the stack, so a large one costs little but
/// its place in the ring; most targets are found to need less.
pub const FIRST_SIZE: u32 = STACK_SIZES[LARGEST];
const LARGEST: usize = STACK_SIZES.len() - 1;

/// Watches how much of their stacks a target's samples need.
#[derive(Clone, Copy, Debug)]
pub(super) struct Appetite {
    samples: u32,
    /// How many needed more than each size can hold.
    beyond: [u32; STACK_SIZES.len()],
    size: usize,
}

impl Default for Appetite {
    fn default() -> Self {
        Self {
            samples: 0,
            beyond: [0; STACK_SIZES.len()],
            size: LARGEST,
        }
    }
}

impl Appetite {
    /// Takes in a walk: `reach` is the distance in bytes from the stack pointer to its outermost frame,
    /// `length` how many bytes were copied. Returns the new size to copy, if it changes.
    pub fn sampled(&mut self, was_cut: bool, reach: u64, length: usize) -> Option<u32> {
        let is_of_size = length as u64 + UNUSED >= u64::from(STACK_SIZES[self.size]);
        // Copied before the last change took effect.
        if was_cut && !is_of_size {
            return None;
        }
        self.samples += 1;
        let needed = if was_cut { u64::MAX } else { reach };
        for (count, size) in self.beyond.iter_mut().zip(STACK_SIZES) {
            *count += u32::from(needed > u64::from(size) - UNUSED);
        }
        let wanted = if self.beyond[self.size] > TOLERATED {
            (self.size + 1).min(LARGEST)
        } else if self.samples == WINDOW {
            let enough = self.beyond.iter().position(|count| *count <= TOLERATED);
            enough.unwrap_or(LARGEST)
        } else {
            return None;
        };
        let changes = wanted != self.size;
        *self = Self {
            size: wanted,
            ..Self::default()
        };
        changes.then_some(STACK_SIZES[wanted])
    }
}
