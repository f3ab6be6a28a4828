//! Making a slot equal to an image, and proving it.
//!
//! Bytes in a slot are specified in `FORMAT.md`. Order of an apply, each arrow a barrier:
//!
//! erase the trailer → blocks and tree of each part → read back → trailer → (the caller's) record
//!
//! Frames are unpacked, compared and written by all processors at once ([`crate::worker_pool`]). Each thread has one
//! request under way, a plain pread or pwrite of at most a frame: io_uring was measured and moves no more, see
//! everboot-testing(7). Reading back a run of blocks goes on beside the writing of later ones; the engine says why that
//! is safe.
//!
//! Crash argument: without a trailer a slot says nothing of itself, so a cut before the last barrier leaves
//! a slot that nobody boots. Repeating the apply reads what is there and writes what is not right. While nothing on
//! the slot was right it does not read a piece of which sixteen blocks are all wrong; a piece is proven as a whole, so
//! none of it was, and no proven block is written twice, but beside one that cannot be read. A cut after the trailer
//! and before the record leaves a slot that is complete and an apply that finds nothing to write.

mod check;
mod engine;
mod feed;
mod layout;
mod trailer;
mod verify;
mod worker;

pub use check::check;
pub use engine::{Progress, apply, repair};
pub use layout::{DoesNotFit, Layout, TRAILER_LEN};
pub use trailer::{Seal, Trailer, mark, read_seal, read_trailer, unmark};
pub use verify::{Difference, verify};

use crate::medium::Medium;
use crate::{bundle, medium};
use everboot_core::manifest::{Manifest, PartImage};
use std::fmt;

/// Refuses an image of which a part has no room in its place, or could not be mounted there; `parts` are in the order
/// of the manifest.
pub fn fits(parts: &[impl Medium], manifest: &Manifest) -> Result<(), Error> {
    layouts(parts, manifest).map(|_| ())
}

/// Where everything lies in each part of a slot.
fn layouts<T: Medium>(parts: &[T], manifest: &Manifest) -> Result<Vec<Layout>, Error> {
    let mut layouts = Vec::new();
    for (part, image) in parts.iter().zip(&manifest.parts) {
        layouts.push(Layout::new(part.len(), image.size).map_err(Error::DoesNotFit)?);
        check_sector(part, image)?;
    }
    Ok(layouts)
}

/// Refuses an image whose file system has blocks that are smaller than a sector of the medium: no kernel mounts it
/// there. One that does not say how large they are is taken.
pub fn check_sector(medium: &impl Medium, image: &PartImage) -> Result<(), Error> {
    let sector = medium.sector_size();
    match image.fs_block {
        Some(block) if block < sector => Err(Error::Sector { block, sector }),
        _ => Ok(()),
    }
}

/// Why an apply or a verification ended early. The slot is then incomplete, and has no trailer.
#[derive(Debug)]
pub enum Error {
    /// The slot's medium failed.
    Target(medium::Error),
    /// The bundle could not be read, or is not what its manifest says.
    Bundle(bundle::Error),
    /// Image, tree and trailer do not fit into the slot. Nothing was written.
    DoesNotFit(DoesNotFit),
    /// The blocks of its file system are smaller than the sectors of the disk. Nothing was written.
    Sector {
        /// Bytes of a block.
        block: u32,
        /// Bytes of a sector.
        sector: u32,
    },
    /// The medium gave other bytes back than were written.
    ReadBack {
        /// The first such block of the part.
        block: u64,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target(error) => write!(f, "slot: {error}"),
            Self::Bundle(error) => write!(f, "bundle: {error}"),
            Self::DoesNotFit(error) => error.fmt(f),
            Self::Sector { block, sector } => write!(
                f,
                "the image's file system has blocks of {block} bytes, and this disk has sectors of {sector}: it could \
                 never be mounted here; make the image anew with blocks of at least {sector} bytes"
            ),
            Self::ReadBack { block } => {
                write!(f, "slot: the disk gave back other bytes than were written to block {block}")
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<bundle::Error> for Error {
    fn from(error: bundle::Error) -> Self {
        Self::Bundle(error)
    }
}
