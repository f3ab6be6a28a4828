//! SHA-256 (FIPS 180-4) of sixteen messages of one length at once, each in a lane of the CPU's vectors.
//!
//! For CPUs with vectors of sixteen lanes, or of eight and without SHA instructions. What is `unsafe` here is the step
//! to instructions that not every CPU has, behind the question whether this one has them, and the loads and stores of
//! whole vectors.
#![expect(unsafe_code, reason = "vectors, of processors that were asked for them")]

/// Messages at once.
pub const LANES: usize = 16;
/// Bytes that go in at once.
pub const CHUNK: usize = 64;

/// Words of the state, each for all lanes.
pub type State = [[u32; LANES]; 8];
/// What goes in: slices of one length, whole chunks.
pub type Data<'a> = [&'a [u8]; LANES];

/// The state before the first chunk.
pub const START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// Instructions that this CPU has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vectors {
    /// 16 lanes, with rotations and three-way logic.
    Avx512,
    /// 8 lanes.
    Avx2,
}

#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "x86_64")]
pub use x86_64::{compress, min_batch, vectors};

/// Other architectures take one message at a time, with SHA instructions where they have them.
#[cfg(not(target_arch = "x86_64"))]
pub fn vectors() -> Option<Vectors> {
    None
}

/// Never called where [`vectors`] knows none.
#[cfg(not(target_arch = "x86_64"))]
pub fn min_batch() -> usize {
    LANES
}

/// Never called where [`vectors`] knows none.
#[cfg(not(target_arch = "x86_64"))]
pub fn compress(_: Vectors, _: &mut State, _: &Data<'_>) {}
