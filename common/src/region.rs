//! What the kernel programs know of a region: limits, and what to read where.

use crate::{MAX_HOPS, MAX_READS, wire_enum};

wire_enum! {
    /// The register or address that a read starts from (System V AMD64 ABI).
    Base: u8 {
        /// `rdi` at the entry: first integer argument, or the hidden result pointer.
        Arg0 = 0,
        /// `rsi` at the entry.
        Arg1 = 1,
        /// `rdx` at the entry.
        Arg2 = 2,
        /// `rcx` at the entry.
        Arg3 = 3,
        /// `r8` at the entry.
        Arg4 = 4,
        /// `r9` at the entry.
        Arg5 = 5,
        /// `rsp` at the entry: offset 0 is the return address, 8 the first stack argument.
        EntryStack = 6,
        /// `rax` at the exit.
        Result = 7,
    }
}

wire_enum! {
    /// When a read is done.
    ReadWhen: u8 {
        /// At the entry.
        Entry = 0,
        /// At the exit, only if the crossing ended by its own exit.
        Exit = 1,
    }
}

wire_enum! {
    /// What is read at the end of the pointer chain. Integers are extended to 64 bits.
    ///
    /// The low four bits of the wire value are the width in bytes, [`ValueKind::SIGNED`] asks for
    /// sign extension, [`ValueKind::TEXT`] marks texts: so the program needs no branch a kind.
    ValueKind: u8 {
        /// Unsigned, 1 byte.
        U8 = 0x01,
        /// Signed, 4 bytes.
        I32 = 0x14,
        /// Unsigned, 4 bytes.
        U32 = 0x04,
        /// 8 bytes, as they are (i64, u64, pointer, the bits of an f64).
        U64 = 0x08,
        /// 4 bytes: the bits of an f32, in the low half.
        F32 = 0x24,
        /// A NUL-terminated string at the final address, into the crossing's text.
        CStr = 0x80,
        /// A libstdc++ `std::string` object at the final address: pointer at 0, length at 8.
        StdString = 0x88,
    }
}

impl ValueKind {
    /// Mask of the width in bytes.
    pub const WIDTH: u8 = 0x0f;
    /// The value is sign-extended from 4 bytes.
    pub const SIGNED: u8 = 0x10;
    /// The value goes to the crossing's text.
    pub const TEXT: u8 = 0x80;
}

/// One read. The address starts as the base's value; each hop but the last replaces it by the
/// pointer at address + offset; the last hop's address + offset is what is read. Without hops
/// the value is the base itself.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadSpec {
    /// A [`Base`].
    pub base: u8,
    /// A [`ReadWhen`].
    pub when: u8,
    /// A [`ValueKind`].
    pub kind: u8,
    /// Offsets in use, 0 to `MAX_HOPS`.
    pub hops: u8,
    /// Slot that the value goes to; texts go to the crossing's one text and mark this slot valid.
    pub slot: u32,
    /// Byte offsets.
    pub offsets: [i32; MAX_HOPS],
    /// Zero.
    pub reserved: u32,
}

/// Bits of [`RegionSpec::flags`].
pub struct RegionFlags;

impl RegionFlags {
    /// The guard has tripped: hits are ignored until the agent clears it.
    pub const TRIPPED: u32 = 1;
    /// Never below the minimum: every crossing is sent.
    pub const KEEP_ALL: u32 = 2;
    /// A worker's own body: threads it creates descend from the crossing that it works for.
    pub const WORKER: u32 = 4;
    /// Not on threads that were born under an open crossing, where the library calls itself.
    pub const NOT_BY_LINEAGE: u32 = 8;
    /// Entries are counted, not paired with exits: those that follow each other are one crossing, from
    /// the first entry to the last. [`TALLY_SLOT`](crate::TALLY_SLOT) holds their number.
    pub const TALLY: u32 = 16;
    /// Not inside of an open crossing of its group: the function was called by that one's, which says all
    /// (a CUDA runtime's call to the driver).
    pub const OUTERMOST: u32 = 32;
    /// Sent whatever its parent and its duration: what it says is not of one request alone.
    pub const LEDGER: u32 = 64;
    /// Its conditional exits are passed too often by calls that go on: the agent has been told.
    pub const PASSED: u32 = 128;
    /// It has others in place of conditional exits: those are weighed against them.
    pub const WEIGHED: u32 = 1024;
    /// A moment: a crossing that is over as it is entered, as its function was called from
    /// [`RegionSpec::caller`]. It has no exits.
    pub const MOMENT: u32 = 256;
    /// Its link is being replaced: the new one's program and the old one's both run at each hit.
    pub const RELINKED: u32 = 2048;
    /// Nobody asks what it does inside: a thread in it is looked at as often as usual, however young its request is.
    pub const OPAQUE: u32 = 512;
}

/// A region as the kernel programs see it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegionSpec {
    /// Crossings shorter than this many nanoseconds stay in the kernel and are counted.
    pub min_ns: u64,
    /// Entries a second and thread beyond which the guard trips; 0: no guard.
    pub limit_per_s: u32,
    /// [`RegionFlags`].
    pub flags: u32,
    /// For a note: the group of regions it adds to; for others the group it belongs to; 0: none.
    pub group: u32,
    /// Reads in use.
    pub n_reads: u32,
    /// Changes whenever the region's probes are taken away: crossings opened before are over.
    pub epoch: u32,
    /// The generation of links whose hits count. Links are replaced whole, the new ones before the old
    /// ones go: for that while each instruction has two probes, and one of them is ignored.
    pub generation: u32,
    /// For a tally: 1 + the [`Base`] whose value its entries are counted by, too; 0: none.
    pub count_by: u32,
    /// Bytes of code that its object has before the function's first instruction, and from there on: who
    /// calls from there is of the same object.
    pub code_before: u32,
    /// See `code_before`.
    pub code_after: u32,
    /// For a tally: entries of the regions with the same number are one burst; 0: no tally.
    pub burst: u32,
    /// Of a step for several sequences, where its arguments lie on the stack at the entry: how many tokens it
    /// has (an `i32`), 0: it is no such step;
    pub members_count: u16,
    /// the sequences of each (an array of pointers to `i32`s, of which the first counts);
    pub members_list: u16,
    /// and whether a result is wanted (an array of bytes, or null).
    pub members_wanted: u16,
    /// Bit n: some of the reads are done at the [`ReadWhen`] n.
    pub reads_when: u16,
    /// Of a moment: the code that its function must be called from, its first byte and the byte after its last, in
    /// bytes from the probed instruction; empty if that is the call itself.
    pub caller: [i32; 2],
    /// The reads, entry and exit ones in any order.
    pub reads: [ReadSpec; MAX_READS],
}

impl RegionSpec {
    /// The same with more [`RegionFlags`].
    #[must_use]
    pub const fn with(self, flags: u32) -> Self {
        Self {
            flags: self.flags | flags,
            ..self
        }
    }
}

const _: () = assert!(size_of::<ReadSpec>() == 32);
const _: () = assert!(size_of::<RegionSpec>() == 64 + 32 * MAX_READS);
