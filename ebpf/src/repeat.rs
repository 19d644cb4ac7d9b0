//! Loops that the verifier looks at once, however often they turn.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_loop;

/// What a turn of a loop says.
pub const CONTINUE: u64 = 0;
pub const STOP: u64 = 1;

/// Calls `turn` with 0, 1, 2, ... and `state` until it says [`STOP`], at most `times` times.
///
/// Plain loops are followed turn by turn for each way there is into them, which here exceeds the
/// verifier's limit of a million instructions. `bpf_loop` is older (5.17) than `uprobe_multi` (6.6).
#[inline(always)]
pub fn repeat<S>(times: u32, turn: extern "C" fn(u64, &mut S) -> u64, state: &mut S) {
    let state: *mut S = state;
    // SAFETY: the kernel calls `turn` with the index and this very pointer, before it returns. It
    // fails only for more than 2^23 turns.
    unsafe { bpf_loop(times, turn as *mut c_void, state.cast(), 0) };
}
