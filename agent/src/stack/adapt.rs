//! How many bytes of stack a target's samples need.

use hotspan_common::STACK_SIZES;

/// Samples in which cut stacks are counted.
const WINDOW: u32 = 256;
/// Cut stacks among them that a larger copy is not taken for: under 1 %.
const TOLERATED: u32 = 2;

/// Watches how often a target's stacks are cut.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Appetite {
    samples: u32,
    cut: u32,
    size: usize,
}

impl Appetite {
    /// Takes in a sample, of which `length` bytes came. Returns the new size to copy, if it changes.
    pub fn sampled(&mut self, was_cut: bool, length: usize) -> Option<u32> {
        // Copied before the last change took effect.
        if was_cut && length < STACK_SIZES[self.size] as usize {
            return None;
        }
        self.samples += 1;
        self.cut += u32::from(was_cut);
        let wants_more = self.cut > TOLERATED;
        if wants_more || self.samples == WINDOW {
            (self.samples, self.cut) = (0, 0);
        }
        if !wants_more || self.size + 1 == STACK_SIZES.len() {
            return None;
        }
        self.size += 1;
        Some(STACK_SIZES[self.size])
    }
}
