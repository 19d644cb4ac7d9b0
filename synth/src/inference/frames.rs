//! Which frames of a stack are evidence of what.

use super::functions::Functions;
use crate::event::Frame;

/// Frames of a stack that are looked at; what lies deeper is no span of its own.
const MAX_FRAMES: usize = 192;

/// Drops frames of the kernel, and those above the handler.
pub(super) fn handler_frames(stack: &[Frame], functions: &Functions) -> Vec<Frame> {
    frames_from(functions.handler(stack), stack, functions)
}

/// The same, if it is known where the handler begins.
pub(super) fn frames_from(from: usize, stack: &[Frame], functions: &Functions) -> Vec<Frame> {
    let inside = stack.get(from..).unwrap_or_default();
    let is_user = |frame: &&Frame| !functions.is_kernel(frame.function);
    inside
        .iter()
        .filter(is_user)
        .take(MAX_FRAMES)
        .copied()
        .collect()
}

/// Those of the kernel, which stand below all others.
pub(super) fn kernel_frames(stack: &[Frame], functions: &Functions) -> Vec<Frame> {
    let of_kernel = |frame: &&Frame| functions.is_kernel(frame.function);
    stack.iter().filter(of_kernel).copied().collect()
}
