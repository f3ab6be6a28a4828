//! Just enough of ELF to say whether a binary asks for a loader or for libraries.

use anyhow::{Context, Result, ensure};

const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const DT_NULL: u64 = 0;
const DT_NEEDED: u64 = 1;

/// What a 64-bit little-endian ELF file asks of the system that runs it.
#[derive(Debug, PartialEq, Eq)]
pub struct Linkage {
    /// It names a program interpreter (the dynamic loader).
    pub interpreter: bool,
    /// How many shared libraries it names.
    pub libraries: usize,
}

impl Linkage {
    /// Runs with nothing else on the system.
    pub fn is_static(&self) -> bool {
        !self.interpreter && self.libraries == 0
    }
}

/// Reads program headers and the dynamic section.
pub fn linkage(bytes: &[u8]) -> Result<Linkage> {
    ensure!(bytes.starts_with(b"\x7fELF\x02\x01"), "not a 64-bit little-endian ELF file");
    let table = u64_at(bytes, 32)?;
    let entry_size = u64::from(u16_at(bytes, 54)?);
    let entries = u64::from(u16_at(bytes, 56)?);
    let mut found = Linkage { interpreter: false, libraries: 0 };
    for entry in 0..entries {
        let at = usize::try_from(table + entry * entry_size)?;
        match u32_at(bytes, at)? {
            PT_INTERP => found.interpreter = true,
            PT_DYNAMIC => {
                let start = usize::try_from(u64_at(bytes, at + 8)?)?;
                let length = usize::try_from(u64_at(bytes, at + 32)?)?;
                found.libraries += needed(bytes, start, length)?;
            }
            _ => {}
        }
    }
    Ok(found)
}

fn needed(bytes: &[u8], start: usize, length: usize) -> Result<usize> {
    let mut count = 0;
    for at in (start..start + length).step_by(16) {
        match u64_at(bytes, at)? {
            DT_NULL => break,
            DT_NEEDED => count += 1,
            _ => {}
        }
    }
    Ok(count)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N]> {
    let slice = bytes.get(at..at + N).context("ELF file ends inside a header")?;
    Ok(slice.try_into()?)
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16> {
    Ok(u16::from_le_bytes(array(bytes, at)?))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32> {
    Ok(u32::from_le_bytes(array(bytes, at)?))
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64> {
    Ok(u64::from_le_bytes(array(bytes, at)?))
}
