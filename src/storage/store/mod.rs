//! The record and its history on a medium.
//!
//! Crash argument of a save: it writes the copy that is *not* current, one block, then a barrier, then
//! reads it back. Power that fails anywhere in it leaves the current copy as it was; a torn write fails its
//! checksum and loses the comparison. A save that reports an error may nevertheless have landed: callers
//! act only in ways that are safe under both outcomes.

mod history;

pub use history::History;

use crate::medium::{self, Medium};
use everboot_core::mutant::{self, Mutant};
use everboot_core::record::{self, BadCopy, Copy, Formats, Record, Selection, Side, Unread};
use everboot_core::slot::BLOCK;
use std::fmt;

/// Smallest medium that can hold a record, in bytes: copies and ring in erase units of their own.
pub const MIN_LEN: u64 = 1 << 20;

/// How often a copy is read that the medium does not give: some faults pass by, and a bad disk may take a minute each
/// time.
const READS: u32 = 2;

/// What the two copies were found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The outcome.
    pub selection: Selection,
    /// What is wrong with the first and with the last copy, if anything.
    pub faults: [Option<BadCopy>; 2],
    /// Whether both copies hold the same record: nothing is lost with one of them.
    pub agree: bool,
    /// Saves that the older copy lacks beside the last one, where both can be used. A sound medium lacks none: this one
    /// returned to what it held before.
    pub lost_saves: u64,
    /// The formats in which they were read.
    pub formats: Formats,
}

impl Default for Loaded {
    /// Nothing was read.
    fn default() -> Self {
        let faults = [Some(BadCopy::NoRecord), Some(BadCopy::NoRecord)];
        Self { selection: Selection::Lost, faults, agree: false, lost_saves: 0, formats: Formats::CURRENT }
    }
}

impl Loaded {
    /// Whether both copies can be used.
    pub fn is_whole(&self) -> bool {
        self.faults == [None, None]
    }

    /// What is wrong with copies of a record that can be used all the same. The next saves write them anew, so this is
    /// the time to say it: a block that loses its bytes again and again is known by nothing else.
    pub fn complaints(&self) -> Vec<String> {
        let names = ["first", "last"];
        let bad = names.iter().zip(&self.faults).filter_map(|(name, fault)| {
            fault.as_ref().map(|why| format!("the {name} copy is bad ({why}), and is written anew"))
        });
        let stale = (self.lost_saves > 0).then(|| {
            format!(
                "a copy has lost {} saves that its disk reported as done, and is written anew",
                self.lost_saves
            )
        });
        bad.chain(stale).collect()
    }

    /// Whether the medium failed to give a copy's bytes: it may be a good one, to be read another time.
    pub fn has_unreadable(&self) -> bool {
        self.faults.iter().any(|fault| matches!(fault, Some(BadCopy::Unreadable(_))))
    }
}

/// Why a record could not be saved.
#[derive(Debug)]
pub enum SaveError {
    /// The medium failed; the save may have landed all the same.
    Medium(medium::Error),
    /// The medium gave other bytes back than were written.
    ReadBack,
    /// The record does not fit, or breaks a rule of its format: a fault of the caller.
    Encode(String),
    /// The newest copy is not understood here, and not overwritten.
    Newer(Unread),
    /// The medium is too small.
    TooSmall {
        /// Its size in bytes.
        found: u64,
    },
}

impl fmt::Display for SaveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Medium(error) => write!(f, "record: {error}"),
            Self::ReadBack => f.write_str("record: the disk gave back other bytes than were written"),
            Self::Encode(why) => write!(f, "record: {why}"),
            Self::Newer(unread) => write!(f, "record: {unread}"),
            Self::TooSmall { found } => {
                write!(f, "record: its partition has {found} bytes, and needs at least {MIN_LEN}")
            }
        }
    }
}

impl std::error::Error for SaveError {}

fn offset(len: u64, side: Side) -> u64 {
    match side {
        Side::First => 0,
        Side::Last => len / BLOCK as u64 * BLOCK as u64 - BLOCK as u64,
    }
}

fn read_copy(medium: &impl Medium, side: Side, formats: &Formats) -> Copy {
    let mut block = Box::new([0; BLOCK]);
    if medium.len() < MIN_LEN {
        return Copy::Bad(BadCopy::Unreadable(SaveError::TooSmall { found: medium.len() }.to_string()));
    }
    let mut why = String::new();
    for _ in 0..READS {
        match medium.read_at(offset(medium.len(), side), &mut block[..]) {
            Ok(()) => return Copy::decode_with(&block, formats),
            Err(error) => why = error.to_string(),
        }
    }
    Copy::Bad(BadCopy::Unreadable(why))
}

/// Reads and compares both copies, as this everboot does. There is no error: what cannot be read is a fault of that
/// copy.
pub fn load(medium: &impl Medium) -> Loaded {
    load_with(medium, Formats::CURRENT)
}

/// The same as an agent of these formats does.
pub fn load_with(medium: &impl Medium, formats: Formats) -> Loaded {
    let copies = [read_copy(medium, Side::First, &formats), read_copy(medium, Side::Last, &formats)];
    let faults = copies.each_ref().map(|copy| match copy {
        Copy::Bad(fault) => Some(fault.clone()),
        Copy::Valid { .. } | Copy::Newer { .. } => None,
    });
    let (agree, lost_saves) = match &copies {
        [
            Copy::Valid { record: one, generation: first, .. },
            Copy::Valid { record: other, generation: last, .. },
        ] => (one == other, first.abs_diff(*last).saturating_sub(1)),
        _ => (false, 0),
    };
    let [first, last] = copies;
    Loaded { selection: Selection::of(first, last), faults, agree, lost_saves, formats }
}

/// Saves `record` beside what was `loaded`, and returns what a load would now find.
pub fn save(medium: &impl Medium, loaded: &Loaded, record: &Record) -> Result<Loaded, SaveError> {
    let (side, generation, version) = match &loaded.selection {
        Selection::Current { generation, side, version, .. } => {
            (side.other(), generation.saturating_add(1), *version)
        }
        Selection::Newer { unread, .. } => return Err(SaveError::Newer(*unread)),
        Selection::Lost => (Side::First, 1, Formats::FIRST),
    };
    let side = if mutant::is(Mutant::CurrentOverwritten) { side.other() } else { side };
    let generation = generation - u64::from(mutant::is(Mutant::SameGeneration));
    write(medium, side, record, generation, version)?;
    let mut faults = loaded.faults.clone();
    faults[side as usize] = None;
    let agree = matches!(&loaded.selection, Selection::Current { record: other, .. } if **other == *record);
    let record = Box::new(record.clone());
    let selection = Selection::Current { record, generation, version, side };
    Ok(Loaded { selection, faults, agree, lost_saves: 0, formats: loaded.formats })
}

/// Saves the record that was loaded in this format version, a higher one, in both copies.
///
/// The copy that is not current is written first. Power that fails between the two leaves one copy in each version: the
/// newer one counts, for those that read it and for those that do not, as when both were written.
pub fn upgrade(medium: &impl Medium, loaded: &Loaded, record: &Record, to: u16) -> Result<Loaded, SaveError> {
    let (first, generation, _) = next(loaded);
    write_both(medium, loaded, record, (first, generation, to))
}

/// Makes both copies hold `record`, whatever was there, for `record init` and `record repair`.
///
/// The copy that is not current is written first, so that power failing between the two leaves one valid.
pub fn save_both(medium: &impl Medium, loaded: &Loaded, record: &Record) -> Result<Loaded, SaveError> {
    write_both(medium, loaded, record, next(loaded))
}

/// Where both copies are written first, in which generation and format version.
fn next(loaded: &Loaded) -> (Side, u64, u16) {
    match &loaded.selection {
        Selection::Current { generation, side, version, .. } => {
            (side.other(), generation.saturating_add(1), *version)
        }
        Selection::Newer { generation, side, .. } => {
            (side.other(), generation.saturating_add(1), Formats::FIRST)
        }
        Selection::Lost => (Side::First, 1, Formats::FIRST),
    }
}

/// Writes both copies: the first one's place, generation and format version.
fn write_both(
    medium: &impl Medium,
    loaded: &Loaded,
    record: &Record,
    (first, generation, version): (Side, u64, u16),
) -> Result<Loaded, SaveError> {
    write(medium, first, record, generation, version)?;
    write(medium, first.other(), record, generation, version)?;
    Ok(load_with(medium, loaded.formats))
}

fn write(
    medium: &impl Medium,
    side: Side,
    record: &Record,
    generation: u64,
    version: u16,
) -> Result<(), SaveError> {
    record.check().map_err(|out| SaveError::Encode(format!("out of range: {}", out.0)))?;
    let block = record::encode(record, generation, version);
    let block = block.map_err(|error| SaveError::Encode(error.to_string()))?;
    if medium.len() < MIN_LEN {
        return Err(SaveError::TooSmall { found: medium.len() });
    }
    let at = offset(medium.len(), side);
    medium.write_at(at, &block[..]).map_err(SaveError::Medium)?;
    if !mutant::is(Mutant::RecordNoSync) {
        medium.sync().map_err(SaveError::Medium)?;
    }
    let mut read = Box::new([0; BLOCK]);
    medium.read_at(at, &mut read[..]).map_err(SaveError::Medium)?;
    if read == block || mutant::is(Mutant::RecordNoReadBack) { Ok(()) } else { Err(SaveError::ReadBack) }
}
