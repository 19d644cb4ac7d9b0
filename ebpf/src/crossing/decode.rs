//! Decoders: what a region's reads find in registers and memory.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_probe_read_user_str;
use hotspan_common::{
    Counter, CrossingEvent, MAX_HOPS, MAX_READS, MAX_VALUES, ReadSpec, ReadWhen, TEXT_LEN,
    ThreadState, ValueKind,
};

use super::{Hit, stack};
use crate::{
    counters::count,
    maps::REGIONS,
    memory::{Access as _, Faulting, Unreadable},
};

/// Why there is no value.
enum Unread {
    /// A pointer on the way is null: as a rule, the library says so that there is nothing.
    NullPointer,
    /// The memory could not be read, or is not what it should be.
    Unreadable,
}

impl From<Unreadable> for Unread {
    fn from(_: Unreadable) -> Self {
        Self::Unreadable
    }
}

/// What reads start from, at this hit.
#[inline(always)]
pub fn bases(hit: &Hit) -> [u64; 8] {
    // SAFETY: the context of a uprobe is the registers.
    let registers = unsafe { &*hit.registers };
    [
        registers.rdi,
        registers.rsi,
        registers.rdx,
        registers.rcx,
        registers.r8,
        registers.r9,
        hit.sp,
        registers.rax,
    ]
}

/// Does the reads of this phase into the staged crossing, from its own bases; values already there
/// stay.
#[inline(always)]
pub fn run(hit: &Hit, state: &mut ThreadState, when: ReadWhen) {
    if hit.spec.reads_when & 1 << when.wire() != 0 {
        read_values(state, hit.cookie.region, when.wire(), 0);
    }
}

/// Does a note's reads into the staged crossing, from the note's bases. A note's function may be
/// entered several times in a crossing, and the last time counts.
#[inline(always)]
pub fn run_note(hit: &Hit, state: &mut ThreadState) {
    read_values(state, hit.cookie.region, ReadWhen::Entry.wire(), 1);
}

/// A function of its own to the verifier, like [`super::emit::close_crossing`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn read_values(state: *mut ThreadState, region: u32, when: u8, of_note: u32) -> u64 {
    let Some(spec) = REGIONS.get(region) else {
        return 0;
    };
    if state.is_null() {
        return 0;
    }
    // SAFETY: not null, and the caller's reference is valid.
    let state = unsafe { &mut *state };
    let note_bases = (&raw const state.note_bases).cast::<u64>();
    let frame = stack::staged(state);
    let bases = if of_note != 0 {
        note_bases
    } else {
        (&raw const frame.bases).cast::<u64>()
    };
    for index in 0..MAX_READS {
        if index >= spec.n_reads as usize {
            break;
        }
        // SAFETY: in bounds; a slice index would leave a panic in the program.
        let read = unsafe { &*spec.reads.as_ptr().add(index) };
        if read.when != when {
            continue;
        }
        if of_note != 0 {
            frame.event.valid &= !(1 << (read.slot & (MAX_VALUES as u32 - 1)));
        }
        // SAFETY: there are eight bases.
        let base = unsafe { *bases.add(usize::from(read.base & 7)) };
        read_value(&raw mut frame.event, read, base);
    }
    0
}

/// One read, into its slot. Another function of its own: its outcomes would be followed on through the loop.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn read_value(event: *mut CrossingEvent, read: *const ReadSpec, base: u64) -> u64 {
    if event.is_null() || read.is_null() {
        return 0;
    }
    // SAFETY: not null, and the caller's references are valid.
    let (event, read) = unsafe { (&mut *event, &*read) };
    match one(event, read, base) {
        Ok(()) => {}
        Err(Unread::NullPointer) => count(Counter::ReadNull),
        Err(Unread::Unreadable) => count(Counter::ReadFailed),
    }
    0
}

#[inline(always)]
fn one(event: &mut CrossingEvent, read: &ReadSpec, base: u64) -> Result<(), Unread> {
    let slot = read.slot & (MAX_VALUES as u32 - 1);
    if event.valid & (1 << slot) != 0 {
        return Ok(());
    }
    let value = if read.kind & ValueKind::TEXT != 0 {
        text(event, follow(read, base)?, read.kind)?
    } else if read.hops == 0 {
        extended(base, read.kind)
    } else {
        extended(number(follow(read, base)?, read.kind)?, read.kind)
    };
    // SAFETY: in bounds by the mask.
    unsafe { *event.values.as_mut_ptr().add(slot as usize) = value };
    event.valid |= 1 << slot;
    Ok(())
}

/// Reads as many bytes as the kind is wide.
#[inline(always)]
fn number(address: u64, kind: u8) -> Result<u64, Unread> {
    let mut buffer = [0u64; 2];
    let width = u32::from(kind & ValueKind::WIDTH);
    // SAFETY: a width is at most 15, and the buffer has 16 bytes.
    unsafe { Faulting::read_into(buffer.as_mut_ptr().cast(), width, address)? };
    Ok(buffer[0])
}

/// Cuts a value to its width and extends it again, without a branch: a register holds more than a
/// narrow value, as the ABI leaves the rest undefined.
#[inline(always)]
fn extended(value: u64, kind: u8) -> u64 {
    let unused = (64 - 8 * u32::from(kind & ValueKind::WIDTH)) & 63;
    let value = value << unused >> unused;
    let sign = u32::from(kind & ValueKind::SIGNED) << 1;
    ((value << sign) as i64 >> sign) as u64
}

/// The address that the last hop leads to.
#[inline(always)]
fn follow(read: &ReadSpec, base: u64) -> Result<u64, Unread> {
    let mut address = base;
    for hop in 0..MAX_HOPS {
        // SAFETY: in bounds; a slice index would leave a panic in the program.
        let offset = unsafe { *read.offsets.as_ptr().add(hop) };
        address = address.wrapping_add(i64::from(offset) as u64);
        if hop + 1 >= read.hops as usize {
            return Ok(address);
        }
        address = Faulting::read::<u64>(address)?;
        if address == 0 {
            return Err(Unread::NullPointer);
        }
    }
    Err(Unread::Unreadable)
}

/// A string into the event's text; returns its length in bytes. The bytes of a `std::string` end
/// with a NUL, so its length is checked rather than passed to the kernel.
#[inline(always)]
fn text(event: &mut CrossingEvent, address: u64, kind: u8) -> Result<u64, Unread> {
    let (data, length) = if kind == ValueKind::StdString.wire() {
        let length = Faulting::read::<u64>(address.wrapping_add(8))?;
        (Faulting::read::<u64>(address)?, length)
    } else {
        (address, 0)
    };
    // SAFETY: `text` is that large.
    let copied = unsafe {
        bpf_probe_read_user_str(
            event.text.as_mut_ptr().cast::<c_void>(),
            TEXT_LEN as u32,
            data as *const c_void,
        )
    };
    if copied < 1 {
        return Err(Unread::Unreadable);
    }
    let copied = copied as u64 - 1;
    if copied < length && copied + 1 < TEXT_LEN as u64 {
        return Err(Unread::Unreadable);
    }
    event.text_len = copied as u32;
    Ok(copied)
}
