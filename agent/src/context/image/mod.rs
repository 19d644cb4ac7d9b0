//! An ELF file as it lies in a process: symbols, sections and data at the process's addresses.

mod symbols;

use std::{fs::File, io, ops::Range, path::PathBuf};

use object::{
    Endianness, ReadCache, ReadRef, elf,
    read::elf::{FileHeader, ProgramHeader, SectionHeader, SectionTable},
};
use thiserror::Error;

pub use self::symbols::Symbol;
use crate::target::mapping::Mapping;

type Header = elf::FileHeader64<Endianness>;
type Segment = elf::ProgramHeader64<Endianness>;
type Data<'data> = &'data ReadCache<File>;

/// Bytes of a page: mappings begin at multiples of it.
const PAGE: u64 = 4096;

/// A mapped file that could not be read as ELF.
#[derive(Debug, Error)]
pub enum ImageError {
    /// It could not be opened: the process may have ended, or unmapped it.
    #[error("cannot open {path}: {source}")]
    Open {
        /// The path under `/proc`.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// It is no 64-bit ELF file, or a broken one.
    #[error("{path} is not a readable 64-bit ELF file: {source}")]
    Parse {
        /// The path under `/proc`.
        path: PathBuf,
        /// The reason.
        source: object::read::Error,
    },
}

/// The file behind a mapping. It is read piece by piece as needed: no copy of the whole, and no
/// map that a truncated file would turn into a signal.
pub struct ImageFile(ReadCache<File>);

/// The parsed file, and where it lies.
pub struct Image<'data> {
    endian: Endianness,
    data: Data<'data>,
    segments: &'data [Segment],
    sections: SectionTable<'data, Header, Data<'data>>,
    /// What is added to an address in the file to get one in the process.
    bias: u64,
}

/// The file's block of thread-local variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsBlock {
    /// Address in the file.
    pub address: u64,
    /// Bytes, in memory.
    pub size: u64,
    /// A power of two.
    pub alignment: u64,
}

impl ImageFile {
    /// Opens the very inode that is mapped.
    pub fn open(mapping: &Mapping) -> Result<Self, ImageError> {
        let path = &mapping.map_file;
        File::open(path)
            .map(|file| Self(ReadCache::new(file)))
            .map_err(|source| ImageError::Open {
                path: path.clone(),
                source,
            })
    }

    /// Parses it, as mapped by `mapping`.
    pub fn parse(&self, mapping: &Mapping) -> Result<Image<'_>, ImageError> {
        Image::parse(&self.0, mapping).map_err(|source| ImageError::Parse {
            path: mapping.map_file.clone(),
            source,
        })
    }
}

impl<'data> Image<'data> {
    fn parse(data: Data<'data>, mapping: &Mapping) -> object::read::Result<Self> {
        let header = Header::parse(data)?;
        let endian = header.endian()?;
        let mut image = Self {
            endian,
            data,
            segments: header.program_headers(endian, data)?,
            sections: header.sections(endian, data)?,
            bias: 0,
        };
        image.bias = image.bias_of(mapping);
        Ok(image)
    }

    /// The segment that the mapping shows tells how far the file was moved.
    fn bias_of(&self, mapping: &Mapping) -> u64 {
        let shown = self.loaded().find(|segment| {
            let (offset, size) = segment.file_range(self.endian);
            let pages = offset / PAGE * PAGE..offset + size;
            self.has_flag(segment, elf::PF_X) && pages.contains(&mapping.file_offset)
        });
        shown.map_or(0, |segment| {
            let (offset, _) = segment.file_range(self.endian);
            let in_file = segment.p_vaddr(self.endian).wrapping_sub(offset);
            let in_process = mapping.addresses.start.wrapping_sub(mapping.file_offset);
            in_process.wrapping_sub(in_file)
        })
    }

    fn loaded(&self) -> impl Iterator<Item = &'data Segment> {
        let endian = self.endian;
        self.segments
            .iter()
            .filter(move |segment| segment.p_type(endian) == elf::PT_LOAD)
    }

    fn has_flag(&self, segment: &Segment, flag: elf::ProgramFlags) -> bool {
        segment.p_flags(self.endian).contains(flag)
    }

    /// An address of the file as one of the process.
    pub fn address(&self, value: u64) -> u64 {
        value.wrapping_add(self.bias)
    }

    /// The address of a section, if the file still lists its sections.
    pub fn section(&self, name: &str) -> Option<u64> {
        let (_, section) = self
            .sections
            .section_by_name(self.endian, name.as_bytes())?;
        Some(self.address(section.sh_addr(self.endian)))
    }

    /// The addresses of the initialised, writable data.
    pub fn data_ranges(&self) -> Vec<Range<u64>> {
        self.loaded()
            .filter(|segment| self.has_flag(segment, elf::PF_W))
            .map(|segment| {
                let start = self.address(segment.p_vaddr(self.endian));
                start..start + segment.p_filesz(self.endian)
            })
            .collect()
    }

    /// The block of thread-local variables, if the file has one.
    pub fn tls_block(&self) -> Option<TlsBlock> {
        let endian = self.endian;
        let segment = self
            .segments
            .iter()
            .find(|segment| segment.p_type(endian) == elf::PT_TLS)?;
        Some(TlsBlock {
            address: segment.p_vaddr(endian),
            size: segment.p_memsz(endian),
            alignment: segment.p_align(endian).max(1),
        })
    }

    /// The addresses of each occurrence of `needle` in the read-only data.
    pub fn find_constant(&self, needle: &[u8]) -> Vec<u64> {
        let mut found = Vec::new();
        for segment in self
            .loaded()
            .filter(|segment| !self.has_flag(segment, elf::PF_W))
        {
            let (offset, size) = segment.file_range(self.endian);
            // A part that the file lacks cannot hold it.
            if let Ok(bytes) = self.data.read_bytes_at(offset, size) {
                let start = self.address(segment.p_vaddr(self.endian));
                let positions = memchr::memmem::find_iter(bytes, needle);
                found.extend(positions.map(|position| start + position as u64));
            }
        }
        found
    }

    /// `length` bytes of the read-only parts at an address of the process, as the file has them.
    pub fn constant(&self, address: u64, length: u64) -> Option<&'data [u8]> {
        let value = address.wrapping_sub(self.bias);
        self.loaded()
            .filter(|segment| !self.has_flag(segment, elf::PF_W))
            .find_map(|segment| {
                let position = value.checked_sub(segment.p_vaddr(self.endian))?;
                let (offset, size) = segment.file_range(self.endian);
                let inside = position.checked_add(length)? <= size;
                let bytes = inside.then(|| self.data.read_bytes_at(offset + position, length));
                bytes?.ok()
            })
    }
}
