//! Landing pads: where an exception goes on in a function that it passes.

use gimli::{EndianSlice, LittleEndian, Pointer, Reader as _, constants as dw, read::EhFrame};

use super::{image::Image, unwind::Unwind};

/// Bytes of three encodings and two numbers.
const MAX_HEADER: u64 = 3 + 2 * 10;
/// The longest list of call sites that is read, in bytes; each takes four or more.
const MAX_SITES: u64 = 1 << 20;

/// The addresses of all landing pads of the function or fragment around `address`, and where it ends; `None` if its
/// exception table can't be read. (`.gcc_except_table`: "Exception Handling Tables" of the Itanium C++ ABI's
/// drafts, as LLVM and GCC write them.)
pub fn landing_pads(image: &Image, unwind: &Unwind, address: u64) -> Option<(Vec<u64>, u64)> {
    let frames = EhFrame::new(unwind.frames(), LittleEndian);
    let entry = unwind.entry_at(&frames, address)?;
    let (start, end) = (entry.initial_address(), entry.end_address());
    let table = match entry.lsda() {
        // Null: none here, though others of its kind have one.
        None | Some(Pointer::Direct(0)) => return Some((Vec::new(), end)),
        Some(Pointer::Direct(table)) => table,
        Some(Pointer::Indirect(_)) => return None,
    };
    let header = header(image, table)?;
    let sites = image.bytes_at(header.sites, header.len).ok()?;
    Some((pads(&sites, header.encoding, start)?, end))
}

/// What stands before the call sites.
struct Header {
    /// How numbers in them are written.
    encoding: dw::DwEhPe,
    /// Their address.
    sites: u64,
    /// Their length in bytes.
    len: u64,
}

fn header(image: &Image, address: u64) -> Option<Header> {
    let bytes = image.bytes_at(address, MAX_HEADER).ok()?;
    let mut table = EndianSlice::new(&bytes, LittleEndian);
    // The base of the pads: what is omitted is the function's start. No compiler writes another.
    if dw::DwEhPe(table.read_u8().ok()?) != dw::DW_EH_PE_omit {
        return None;
    }
    if dw::DwEhPe(table.read_u8().ok()?) != dw::DW_EH_PE_omit {
        table.read_uleb128().ok()?;
    }
    let encoding = dw::DwEhPe(table.read_u8().ok()?);
    let len = table.read_uleb128().ok()?;
    let sites = address + (bytes.len() - table.len()) as u64;
    (len <= MAX_SITES).then_some(Header {
        encoding,
        sites,
        len,
    })
}

fn pads(bytes: &[u8], encoding: dw::DwEhPe, start: u64) -> Option<Vec<u64>> {
    let mut sites = EndianSlice::new(bytes, LittleEndian);
    let mut pads = Vec::new();
    while !sites.is_empty() {
        let (_start, _len) = (number(&mut sites, encoding)?, number(&mut sites, encoding)?);
        let pad = number(&mut sites, encoding)?;
        let _action = sites.read_uleb128().ok()?;
        if pad != 0 {
            pads.push(start.checked_add(pad)?);
        }
    }
    Some(pads)
}

fn number(from: &mut EndianSlice<'_, LittleEndian>, encoding: dw::DwEhPe) -> Option<u64> {
    match encoding {
        dw::DW_EH_PE_uleb128 => from.read_uleb128().ok(),
        dw::DW_EH_PE_udata2 => from.read_u16().ok().map(u64::from),
        dw::DW_EH_PE_udata4 => from.read_u32().ok().map(u64::from),
        dw::DW_EH_PE_udata8 => from.read_u64().ok(),
        _ => None,
    }
}
