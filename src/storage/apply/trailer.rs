//! The trailer: the signed manifest of what is in the slot, and the confirmed mark.

use super::layout::{TRAILER_LEN, trailer_start};
use crate::bundle::Signed;
use crate::medium::{Error, Medium, Op};
use everboot_core::format_versions::TRAILER;
use everboot_core::mutant::{self, Mutant};
use everboot_core::slot::{BLOCK, ImageId, checksum};
use std::io::ErrorKind;

const MAGIC: [u8; 8] = *b"evb-slot";
const MARK_MAGIC: [u8; 8] = *b"evb-mark";
const VERSION: u16 = TRAILER.written;
/// The image that is in the slot.
const IMAGE: usize = 10;
const SIGNATURE_LEN: usize = 42;
const MANIFEST_LEN: usize = 44;
const CONTENT: usize = 48;
const MANIFEST: usize = BLOCK;
const MAX_MANIFEST: usize = 8 * BLOCK;
const SIGNATURE: usize = MANIFEST + MAX_MANIFEST;
const MAX_SIGNATURE: usize = BLOCK;
/// The places of the two marks; the first one is written first.
const MARKS: [usize; 2] = [15 * BLOCK, 14 * BLOCK];
const CHECKSUM: usize = BLOCK - 4;

/// A confirmed mark: its generation, and the image that it is for.
type Mark = (u64, ImageId);

/// A trailer as found: its signature is not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trailer {
    /// The manifest's bytes and their signature.
    pub signed: Signed,
    /// The confirmed mark, that of the highest generation: for the image that is in the slot, if there is one.
    pub mark: Option<Mark>,
}

/// What a trailer says at places that are the same in all format versions: so an older everboot boots a slot that a
/// newer one has sealed, and knows the order in which slots were confirmed. No signature vouches for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal {
    /// Its format version.
    pub version: u16,
    /// The image that is in the slot, all of it.
    pub image: ImageId,
    /// Generation of the confirmed mark, where it is for this image.
    pub mark: Option<u64>,
}

impl Seal {
    /// Whether nothing else of the trailer can be read here.
    pub fn is_newer(&self) -> bool {
        self.version > TRAILER.newest
    }
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut number = [0; N];
    number.copy_from_slice(&bytes[at..at + N]);
    number
}

fn seal(block: &mut [u8]) {
    let checksum = checksum(&[&block[..CHECKSUM]]);
    block[CHECKSUM..BLOCK].copy_from_slice(&checksum.to_le_bytes());
}

fn is_sealed(block: &[u8], magic: [u8; 8]) -> bool {
    let stored = u32::from_le_bytes(number(block, CHECKSUM));
    number(block, 0) == magic && checksum(&[&block[..CHECKSUM]]) == stored
}

fn encode(signed: &Signed, image: ImageId) -> Option<Vec<u8>> {
    let (manifest, signature) = (&signed.manifest, &signed.signature);
    if manifest.is_empty() || manifest.len() > MAX_MANIFEST {
        return None;
    }
    if signature.len() > MAX_SIGNATURE {
        return None;
    }
    let mut bytes = vec![0; TRAILER_LEN as usize];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
    bytes[IMAGE..SIGNATURE_LEN].copy_from_slice(&image.0);
    bytes[SIGNATURE_LEN..MANIFEST_LEN].copy_from_slice(&(signature.len() as u16).to_le_bytes());
    bytes[MANIFEST_LEN..CONTENT].copy_from_slice(&(manifest.len() as u32).to_le_bytes());
    bytes[CONTENT..CONTENT + 4].copy_from_slice(&content_checksum(manifest, signature).to_le_bytes());
    seal(&mut bytes[..BLOCK]);
    bytes[MANIFEST..MANIFEST + manifest.len()].copy_from_slice(manifest);
    bytes[SIGNATURE..SIGNATURE + signature.len()].copy_from_slice(signature);
    Some(bytes)
}

fn content_checksum(manifest: &[u8], signature: &[u8]) -> u32 {
    checksum(&[manifest, signature])
}

fn decode_seal(bytes: &[u8]) -> Option<Seal> {
    let (version, image) = (u16::from_le_bytes(number(bytes, 8)), ImageId(number(bytes, IMAGE)));
    let mark = best_mark(decode_marks(bytes), image)
        .filter(|(_, of)| *of == image)
        .map(|(generation, _)| generation);
    is_sealed(&bytes[..BLOCK], MAGIC).then_some(Seal { version, image, mark })
}

fn decode(bytes: &[u8]) -> Option<Trailer> {
    let seal = decode_seal(bytes).filter(|seal| seal.version == VERSION)?;
    let signature_len = usize::from(u16::from_le_bytes(number(bytes, SIGNATURE_LEN)));
    let manifest_len = u32::from_le_bytes(number(bytes, MANIFEST_LEN)) as usize;
    if manifest_len > MAX_MANIFEST || signature_len > MAX_SIGNATURE {
        return None;
    }
    let manifest = bytes[MANIFEST..MANIFEST + manifest_len].to_vec();
    let signature = bytes[SIGNATURE..SIGNATURE + signature_len].to_vec();
    if content_checksum(&manifest, &signature) != u32::from_le_bytes(number(bytes, CONTENT)) {
        return None;
    }
    Some(Trailer { signed: Signed { manifest, signature }, mark: best_mark(decode_marks(bytes), seal.image) })
}

fn decode_marks(bytes: &[u8]) -> [Option<Mark>; 2] {
    MARKS.map(|at| decode_mark(&bytes[at..at + BLOCK]))
}

/// The mark of the highest generation for this image; else any other.
fn best_mark(marks: [Option<Mark>; 2], image: ImageId) -> Option<Mark> {
    marks.into_iter().flatten().max_by_key(|(generation, of)| (*of == image, *generation))
}

fn decode_mark(block: &[u8]) -> Option<Mark> {
    let generation = u64::from_le_bytes(number(block, 8));
    (is_sealed(block, MARK_MAGIC) && generation > 0).then(|| (generation, ImageId(number(block, 16))))
}

/// Reads the trailer of a part; `None` when there is none, or one of a format version that is not known here.
pub fn read_trailer(part: &impl Medium) -> Result<Option<Trailer>, Error> {
    Ok(read(part)?.and_then(|bytes| decode(&bytes)))
}

/// Reads what the trailer of a part says in every format version; `None` when there is none, or what else is in it is
/// damaged, as far as that can be seen here.
pub fn read_seal(part: &impl Medium) -> Result<Option<Seal>, Error> {
    let Some(bytes) = read(part)? else { return Ok(None) };
    Ok(decode_seal(&bytes).filter(|seal| seal.is_newer() || decode(&bytes).is_some()))
}

fn read(part: &impl Medium) -> Result<Option<Vec<u8>>, Error> {
    trailer_start(part.len()).map(|start| read_whole(part, start)).transpose()
}

fn read_whole(part: &impl Medium, start: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; TRAILER_LEN as usize];
    part.read_at(start, &mut bytes)?;
    Ok(bytes)
}

/// Makes the trailer durable. A torn one fails its checksums and is none.
pub(super) fn write_trailer(
    part: &impl Medium,
    start: u64,
    signed: &Signed,
    image: ImageId,
) -> Result<bool, Error> {
    let Some(bytes) = encode(signed, image) else { return Ok(false) };
    part.write_at(start, &bytes)?;
    part.sync()?;
    let mut read = vec![0; bytes.len()];
    part.read_at(start, &mut read)?;
    Ok(read == bytes)
}

/// Makes sure that the part has no trailer, durably. Zeroes that are there already are not written again.
/// Whether they read back.
pub(super) fn erase(part: &impl Medium, start: u64) -> Result<bool, Error> {
    let mut bytes = vec![0; TRAILER_LEN as usize];
    let is_erased = part.read_at(start, &mut bytes).is_ok() && bytes.iter().all(|byte| *byte == 0);
    if !is_erased {
        bytes.fill(0);
        part.write_at(start, &bytes)?;
    }
    // Also where nothing was written: the zeroes may be those of a write that was cut before its barrier.
    if !mutant::is(Mutant::EraseNoSync) {
        part.sync()?;
    }
    part.read_at(start, &mut bytes)?;
    Ok(bytes.iter().all(|byte| *byte == 0))
}

/// Writes the confirmed mark, makes it durable, and reads it back. It goes to the place that does not hold the mark by
/// which the slot counts now: a torn one is no mark, and the other one counts as before. One that is there already is
/// not written again.
pub fn mark(part: &impl Medium, generation: u64, image: ImageId) -> Result<(), Error> {
    let start = trailer_start(part.len()).ok_or_else(|| Error::past_end(Op::Write, part.len()))?;
    let bytes = read_whole(part, start)?;
    let marks = decode_marks(&bytes);
    let best = best_mark(marks, decode_seal(&bytes).map_or(image, |seal| seal.image));
    if best != Some((generation, image)) {
        let mut block = vec![0; BLOCK];
        block[..8].copy_from_slice(&MARK_MAGIC);
        block[8..16].copy_from_slice(&generation.to_le_bytes());
        block[16..48].copy_from_slice(&image.0);
        seal(&mut block);
        let free = MARKS.iter().zip(marks).find(|(_, mark)| best.is_none() || *mark != best);
        let place = free.map_or(MARKS[0], |(place, _)| *place);
        part.write_at(start + place as u64, &block)?;
    }
    // Also where nothing was written: the mark may be that of a write that was cut before its barrier.
    if !mutant::is(Mutant::MarkNoSync) {
        part.sync()?;
    }
    let found = decode_marks(&read_whole(part, start)?);
    if found.contains(&Some((generation, image))) { Ok(()) } else { Err(unread(start)) }
}

/// Removes the marks, if there are any, durably: should the record be lost, the slot does not come back as good.
pub fn unmark(part: &impl Medium) -> Result<(), Error> {
    let start = trailer_start(part.len()).ok_or_else(|| Error::past_end(Op::Write, part.len()))?;
    let marks = decode_marks(&read_whole(part, start)?);
    for (place, _) in MARKS.iter().zip(marks).filter(|(_, mark)| mark.is_some()) {
        part.write_at(start + *place as u64, &[0; BLOCK])?;
    }
    if marks.iter().any(Option::is_some) {
        part.sync()?;
    }
    if decode_marks(&read_whole(part, start)?).iter().all(Option::is_none) {
        Ok(())
    } else {
        Err(unread(start))
    }
}

fn unread(start: u64) -> Error {
    Error::at(Op::Write, start + MARKS[0] as u64, ErrorKind::InvalidData.into())
}
