//! Unwind information: the bounds of functions, and where in them the frame is gone.

use std::{ops::Range, sync::Arc};

use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, EndianSlice, FrameDescriptionEntry, LittleEndian,
    ParsedEhFrameHdr, UnwindContext, UnwindSection, UnwindTableRow, X86_64,
};
use object::elf;

use super::image::{Image, Segment};

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// `.eh_frame_hdr` and `.eh_frame` of an object.
///
/// Found by the program header, so that it works without section headers too.
#[derive(Debug)]
pub struct Unwind {
    header: Arc<[u8]>,
    header_address: u64,
    frames: Arc<[u8]>,
    frames_address: u64,
    bases: BaseAddresses,
}

/// The tables as they lie in the file, for who unwinds by them.
pub(crate) struct Tables {
    /// `.eh_frame_hdr`; empty: there is none.
    pub header: Arc<[u8]>,
    /// Its address.
    pub header_address: u64,
    /// `.eh_frame`.
    pub frames: Arc<[u8]>,
    /// Its address.
    pub frames_address: u64,
}

/// What holds at one instruction.
pub(crate) struct Row<'a> {
    /// The addresses of the function or fragment around it.
    pub range: Range<u64>,
    /// The addresses around it at which the same rules hold.
    pub extent: Range<u64>,
    /// Whether the kernel built this frame: its caller was interrupted, and called nothing.
    pub is_signal_frame: bool,
    /// How the caller's registers are found.
    pub rules: UnwindTableRow<usize>,
    /// How expressions in the rules are encoded.
    pub encoding: gimli::Encoding,
    /// Where expressions in the rules lie.
    pub section: EhFrame<Bytes<'a>>,
}

/// One function, or one fragment of a function, as the unwind information describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameRows {
    /// Its addresses.
    pub range: Range<u64>,
    /// Where the canonical frame address is `rsp + 8`: before the frame is set up and after it is gone.
    bare: Vec<Range<u64>>,
}

impl FrameRows {
    /// Whether the instruction at `address` runs with nothing on the stack but the return address.
    pub fn is_bare(&self, address: u64) -> bool {
        self.bare.iter().any(|range| range.contains(&address))
    }
}

impl Unwind {
    /// Reads the tables; `None` if the object has none.
    pub fn load(image: &Image) -> Option<Self> {
        match image.segment_of_kind(elf::PT_GNU_EH_FRAME) {
            Some(segment) => Self::with_header(image, segment),
            None => Self::without_header(image),
        }
    }

    fn with_header(image: &Image, segment: Segment) -> Option<Self> {
        let header = image.read(segment.offset, segment.file_size).ok()?;
        let bases = BaseAddresses::default().set_eh_frame_hdr(segment.address);
        let start = parse_header(&header, &bases)?
            .eh_frame_ptr()
            .direct()
            .ok()?;
        let len = match image.sections().iter().find(|s| s.address == start) {
            Some(section) => section.size,
            None => u64::MAX,
        };
        let frames = image.bytes_at(start, len).ok()?;
        Some(Self {
            header: header.into(),
            header_address: segment.address,
            frames: frames.into(),
            frames_address: start,
            bases: bases.set_eh_frame(start),
        })
    }

    /// Static programs have no header.
    fn without_header(image: &Image) -> Option<Self> {
        let section = image.sections().iter().find(|s| s.name == ".eh_frame")?;
        let frames = image.read(section.offset, section.size).ok()?;
        Some(Self {
            header: Arc::default(),
            header_address: 0,
            frames: frames.into(),
            frames_address: section.address,
            bases: BaseAddresses::default().set_eh_frame(section.address),
        })
    }

    /// The tables, shared and not copied.
    pub(crate) fn tables(&self) -> Tables {
        Tables {
            header: Arc::clone(&self.header),
            header_address: self.header_address,
            frames: Arc::clone(&self.frames),
            frames_address: self.frames_address,
        }
    }

    /// Bytes that it keeps in memory.
    pub(crate) fn size(&self) -> usize {
        self.header.len() + self.frames.len()
    }

    /// What holds at `address`; `None` if no entry covers it, or a broken one does.
    pub(crate) fn row_at(&self, address: u64) -> Option<Row<'_>> {
        let section = EhFrame::new(&self.frames, LittleEndian);
        let entry = self.entry_at(&section, address)?;
        let mut context = UnwindContext::new();
        let rules = entry
            .unwind_info_for_address(&section, &self.bases, &mut context, address)
            .ok()?
            .clone();
        Some(Row {
            range: entry.initial_address()..entry.end_address(),
            extent: rules.start_address()..rules.end_address(),
            is_signal_frame: entry.is_signal_trampoline(),
            rules,
            encoding: entry.cie().encoding(),
            section,
        })
    }

    /// The entry that covers `address`.
    pub fn rows_at(&self, address: u64) -> Option<FrameRows> {
        let frames = EhFrame::new(&self.frames, LittleEndian);
        let entry = self.entry_at(&frames, address)?;
        let mut context = UnwindContext::new();
        let mut rows = entry.rows(&frames, &self.bases, &mut context).ok()?;
        let mut bare = Vec::new();
        // A row that can't be decoded ends the list: what follows counts as "frame in place",
        // and a jump out of there is refused or followed as a fragment, never taken as an exit.
        while let Ok(Some(row)) = rows.next_row() {
            let cfa = CfaRule::RegisterAndOffset {
                register: X86_64::RSP,
                offset: 8,
            };
            if *row.cfa() == cfa {
                bare.push(row.start_address()..row.end_address());
            }
        }
        Some(FrameRows {
            range: entry.initial_address()..entry.end_address(),
            bare,
        })
    }

    /// The addresses of the function or fragment around `address`.
    pub fn bounds_at(&self, address: u64) -> Option<Range<u64>> {
        let frames = EhFrame::new(&self.frames, LittleEndian);
        let entry = self.entry_at(&frames, address)?;
        Some(entry.initial_address()..entry.end_address())
    }

    /// `.eh_frame`.
    pub(super) fn frames(&self) -> &[u8] {
        &self.frames
    }

    pub(super) fn entry_at<'a>(
        &'a self,
        frames: &EhFrame<Bytes<'a>>,
        address: u64,
    ) -> Option<FrameDescriptionEntry<Bytes<'a>>> {
        let header = if self.header.is_empty() {
            None
        } else {
            Some(parse_header(&self.header, &self.bases)?)
        };
        match header.as_ref().and_then(ParsedEhFrameHdr::table) {
            Some(table) => table
                .fde_for_address(frames, &self.bases, address, EhFrame::cie_from_offset)
                .ok(),
            None => frames
                .fde_for_address(&self.bases, address, EhFrame::cie_from_offset)
                .ok(),
        }
    }
}

fn parse_header<'a>(
    header: &'a [u8],
    bases: &BaseAddresses,
) -> Option<ParsedEhFrameHdr<Bytes<'a>>> {
    EhFrameHdr::new(header, LittleEndian).parse(bases, 8).ok()
}
