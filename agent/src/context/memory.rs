//! The memory of another process.

use std::{fs::File, io, os::unix::fs::FileExt};

use thiserror::Error;

/// A read of a process's memory failed: not mapped, not readable, or the process has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("reading {length} bytes at {address:#x} failed")]
pub struct MemoryError {
    /// Where.
    pub address: u64,
    /// How many bytes were asked for.
    pub length: usize,
}

/// The address space that a process had when this was opened.
///
/// It is `/proc/PID/mem` rather than `process_vm_readv`: the file stays with the address space, so
/// a later exec or a reused pid reads as an error and not as another program's memory.
#[derive(Debug)]
pub struct Memory(File);

impl Memory {
    /// Opens the memory of a process; needs the right to trace it, and does not stop it.
    pub fn open(pid: u32) -> io::Result<Self> {
        File::open(format!("/proc/{pid}/mem")).map(Self)
    }

    /// Fills `buffer` from `address` on, or fails.
    pub fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), MemoryError> {
        self.0
            .read_exact_at(buffer, address)
            .map_err(|_| MemoryError {
                address,
                length: buffer.len(),
            })
    }

    /// Fills `buffer` from `address` on as far as there is memory; how far that is.
    pub fn read_some(&self, address: u64, buffer: &mut [u8]) -> Result<usize, MemoryError> {
        let read = self.0.read_at(buffer, address);
        read.ok().filter(|read| *read > 0).ok_or(MemoryError {
            address,
            length: buffer.len(),
        })
    }

    /// `N` bytes.
    pub fn bytes<const N: usize>(&self, address: u64) -> Result<[u8; N], MemoryError> {
        let mut bytes = [0; N];
        self.read(address, &mut bytes)?;
        Ok(bytes)
    }

    /// A little-endian 32-bit word.
    pub fn read_u32(&self, address: u64) -> Result<u32, MemoryError> {
        self.bytes(address).map(u32::from_le_bytes)
    }

    /// A little-endian 64-bit word.
    pub fn read_u64(&self, address: u64) -> Result<u64, MemoryError> {
        self.bytes(address).map(u64::from_le_bytes)
    }

    /// The text before a NUL, if one comes within `limit` bytes.
    pub fn read_c_string(
        &self,
        address: u64,
        limit: usize,
    ) -> Result<Option<Vec<u8>>, MemoryError> {
        let mut text = Vec::new();
        while text.len() < limit {
            // Piece by piece, never across a page: what follows the text may not be mapped.
            let at = address.wrapping_add(text.len() as u64);
            let mut piece = vec![0; 32 - (at % 32) as usize];
            self.read(at, &mut piece)?;
            if let Some(end) = piece.iter().position(|&byte| byte == 0) {
                text.extend_from_slice(&piece[..end]);
                return Ok(Some(text));
            }
            text.extend_from_slice(&piece);
        }
        Ok(None)
    }
}
