//! An ELF file: headers, segments, and bytes by file offset or by address.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

use object::{
    LittleEndian as LE,
    elf::{self, FileHeader64, ProgramHeader64, SectionHeader64},
    pod,
    read::elf::{FileHeader as _, NoteIterator},
};
use thiserror::Error;

use super::identity::{BuildId, FileKey};

/// The largest piece of a file that is read at once; the largest symbol tables known are a tenth of it.
const MAX_PIECE: u64 = 512 << 20;

/// Why a file can't be searched for regions.
#[derive(Debug, Error)]
pub enum OpenError {
    /// It can't be opened or read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A device, a directory, a pipe.
    #[error("not a regular file")]
    NotAFile,
    /// No ELF magic, or headers that make no sense.
    #[error("not an ELF object: {0}")]
    NotElf(&'static str),
    /// Another bitness, byte order or machine.
    #[error("not for this machine: {0}")]
    Foreign(&'static str),
}

/// A program header, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub kind: elf::ProgramType,
    pub executable: bool,
    pub offset: u64,
    pub address: u64,
    pub file_size: u64,
}

/// A section header, as far as it matters here.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub name: String,
    pub kind: elf::SectionType,
    pub address: u64,
    pub offset: u64,
    pub size: u64,
    pub link: u32,
}

/// An opened x86-64 ELF file.
#[derive(Debug)]
pub struct Image {
    file: File,
    key: FileKey,
    segments: Vec<Segment>,
    sections: Vec<Section>,
}

impl Image {
    /// Opens a file and reads its headers.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(OpenError::NotAFile);
        }
        let mut image = Self {
            file,
            key: FileKey::of(&metadata),
            segments: Vec::new(),
            sections: Vec::new(),
        };
        image.read_headers()?;
        Ok(image)
    }

    /// Which state of which file this is.
    pub fn key(&self) -> FileKey {
        self.key
    }

    /// Bytes of the file; an error unless all of them are there.
    pub(crate) fn read(&self, offset: u64, len: u64) -> io::Result<Vec<u8>> {
        let inside = offset
            .checked_add(len)
            .is_some_and(|end| end <= self.key.size);
        if !inside || len > MAX_PIECE {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the headers point outside of the file",
            ));
        }
        let mut bytes = vec![0; len as usize];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    /// Bytes at an address, as many as the file holds of that segment, at most `len`.
    pub fn bytes_at(&self, address: u64, len: u64) -> io::Result<Vec<u8>> {
        let (segment, inside) = self.segment_at(address).ok_or_else(|| {
            io::Error::new(io::ErrorKind::UnexpectedEof, "no segment holds the address")
        })?;
        self.read(segment.offset + inside, len.min(segment.file_size - inside))
    }

    /// File offset of an address that holds code; `None` if the address is not executable.
    pub fn code_offset(&self, address: u64) -> Option<u64> {
        let (segment, inside) = self.segment_at(address)?;
        segment.executable.then_some(segment.offset + inside)
    }

    /// Bytes of code before an address, and from it on, in its segment; `None` if the address is not
    /// executable, or there are more than 4 GiB.
    pub fn code_around(&self, address: u64) -> Option<(u32, u32)> {
        let (segment, inside) = self.segment_at(address)?;
        let after = segment.file_size - inside;
        let around = (u32::try_from(inside).ok()?, u32::try_from(after).ok()?);
        segment.executable.then_some(around)
    }

    /// Address of a file offset that holds code; `None` if the offset is not executable.
    pub fn code_address(&self, offset: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| {
            let inside = offset.checked_sub(segment.offset)?;
            let holds =
                segment.kind == elf::PT_LOAD && segment.executable && inside < segment.file_size;
            holds.then(|| segment.address.wrapping_add(inside))
        })
    }

    /// The build id, from the notes in the program headers.
    pub fn build_id(&self) -> Option<BuildId> {
        self.segments
            .iter()
            .filter(|segment| segment.kind == elf::PT_NOTE)
            .find_map(|segment| {
                let bytes = self.read(segment.offset, segment.file_size).ok()?;
                let mut notes = NoteIterator::<FileHeader64<LE>>::new(LE, 4, &bytes).ok()?;
                while let Ok(Some(note)) = notes.next() {
                    if note.name() == elf::ELF_NOTE_GNU && note.n_type(LE) == elf::NT_GNU_BUILD_ID {
                        return Some(BuildId(note.desc().to_vec()));
                    }
                }
                None
            })
    }

    /// A section's bytes by its name; `None` if there is none or it can't be read.
    pub fn section_bytes(&self, name: &str) -> Option<Vec<u8>> {
        let section = self.sections.iter().find(|section| section.name == name)?;
        self.read(section.offset, section.size).ok()
    }

    /// A section's address and bytes by its name; `None` if there is none or it can't be read.
    pub fn section(&self, name: &str) -> Option<(u64, Vec<u8>)> {
        let section = self.sections.iter().find(|section| section.name == name)?;
        let bytes = self.read(section.offset, section.size).ok()?;
        Some((section.address, bytes))
    }

    pub(crate) fn sections(&self) -> &[Section] {
        &self.sections
    }

    pub(super) fn segment_of_kind(&self, kind: elf::ProgramType) -> Option<Segment> {
        self.segments.iter().copied().find(|s| s.kind == kind)
    }

    /// The loaded segment that holds `address` in the file, and the distance from its start.
    pub(super) fn segment_at(&self, address: u64) -> Option<(Segment, u64)> {
        self.segments.iter().find_map(|segment| {
            let inside = address.checked_sub(segment.address)?;
            (segment.kind == elf::PT_LOAD && inside < segment.file_size)
                .then_some((*segment, inside))
        })
    }

    fn read_headers(&mut self) -> Result<(), OpenError> {
        let start = self.read(0, self.key.size.min(64))?;
        if !start.starts_with(&elf::ELFMAG) {
            return Err(OpenError::NotElf("no magic number"));
        }
        match start.get(4).copied().map(elf::FileClass) {
            Some(elf::ELFCLASS64) => {}
            Some(elf::ELFCLASS32) => return Err(OpenError::Foreign("32-bit")),
            _ => return Err(OpenError::NotElf("unknown class")),
        }
        if start.get(5).copied().map(elf::DataEncoding) != Some(elf::ELFDATA2LSB) {
            return Err(OpenError::Foreign("big-endian"));
        }
        let (header, _) = pod::from_bytes::<FileHeader64<LE>>(&start)
            .map_err(|()| OpenError::NotElf("it ends within its header"))?;
        if header.e_machine(LE) != elf::EM_X86_64 {
            return Err(OpenError::Foreign("not x86-64"));
        }
        self.read_segments(header)?;
        self.read_sections(header)
    }

    fn read_segments(&mut self, header: &FileHeader64<LE>) -> Result<(), OpenError> {
        let count = u64::from(header.e_phnum(LE));
        let bytes = self.read(
            header.e_phoff(LE),
            count * size_of::<ProgramHeader64<LE>>() as u64,
        )?;
        let (headers, _) = pod::slice_from_bytes::<ProgramHeader64<LE>>(&bytes, count as usize)
            .map_err(|()| OpenError::NotElf("it ends within its program headers"))?;
        self.segments = headers
            .iter()
            .map(|header| Segment {
                kind: header.p_type.get(LE),
                executable: header.p_flags.get(LE).contains(elf::PF_X),
                offset: header.p_offset.get(LE),
                address: header.p_vaddr.get(LE),
                file_size: header.p_filesz.get(LE),
            })
            .collect();
        Ok(())
    }

    /// Section headers may be missing (`e_shoff` 0); then only what the segments say is known.
    fn read_sections(&mut self, header: &FileHeader64<LE>) -> Result<(), OpenError> {
        if header.e_shoff(LE) == 0 {
            return Ok(());
        }
        let size = size_of::<SectionHeader64<LE>>() as u64;
        let first = self.read(header.e_shoff(LE), size)?;
        let (first, _) = pod::from_bytes::<SectionHeader64<LE>>(&first)
            .map_err(|()| OpenError::NotElf("it ends within its section headers"))?;
        // Both counts overflow into the first header where 16 bits are too few.
        let count = match u64::from(header.e_shnum(LE)) {
            0 => first.sh_size.get(LE),
            count => count,
        };
        let names_index = match header.e_shstrndx(LE) {
            elf::SHN_XINDEX => first.sh_link.get(LE),
            index => u32::from(index.0),
        };
        let len = count
            .checked_mul(size)
            .ok_or(OpenError::NotElf("too many sections"))?;
        let bytes = self.read(header.e_shoff(LE), len)?;
        let (headers, _) = pod::slice_from_bytes::<SectionHeader64<LE>>(&bytes, count as usize)
            .map_err(|()| OpenError::NotElf("it ends within its section headers"))?;
        let names = match headers.get(names_index as usize) {
            Some(header) => self.read(header.sh_offset.get(LE), header.sh_size.get(LE))?,
            None => Vec::new(),
        };
        self.sections = headers
            .iter()
            .map(|header| Section {
                name: name_at(&names, header.sh_name.get(LE)),
                kind: header.sh_type.get(LE),
                address: header.sh_addr.get(LE),
                offset: header.sh_offset.get(LE),
                size: header.sh_size.get(LE),
                link: header.sh_link.get(LE),
            })
            .collect();
        Ok(())
    }
}

/// The NUL-terminated name at `offset`; empty if there is none.
fn name_at(names: &[u8], offset: u32) -> String {
    let tail = names.get(offset as usize..).unwrap_or_default();
    let end = tail.iter().position(|byte| *byte == 0).unwrap_or(0);
    String::from_utf8_lossy(&tail[..end]).into_owned()
}
