//! Which of the two copies counts. Pure; the first row that matches wins:
//!
//! | copies                                | selection                                             |
//! |---------------------------------------|-------------------------------------------------------|
//! | one that is not understood is ahead   | `Newer`, with what can be read to decide by           |
//! | one or two valid                      | the valid one of the higher generation, the first of equals |
//! | none valid                            | `Lost`                                                |

use super::{Copy, Record, Unread};
use crate::mutant::{self, Mutant};
use crate::slot::Uuid;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// The place of a copy in the record's partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first block.
    First,
    /// The last block.
    Last,
}

impl Side {
    /// The other place.
    pub fn other(self) -> Self {
        match self {
            Self::First => Self::Last,
            Self::Last => Self::First,
        }
    }
}

/// The outcome of comparing the copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// A record, the current copy's place, and its generation.
    Current {
        /// The record.
        record: Box<Record>,
        /// Its generation.
        generation: u64,
        /// Its format version.
        version: u16,
        /// Where it is; the next save goes to the other place.
        side: Side,
    },
    /// The newest copy says what this agent does not know. Nothing is saved over it unasked.
    Newer {
        /// What is not known.
        unread: Unread,
        /// Its generation.
        generation: u64,
        /// Where it is.
        side: Side,
        /// Partitions that its writer would boot without counting, best first.
        order: Vec<Uuid>,
        /// Its record, where only an extension is not known.
        record: Option<Box<Record>>,
        /// The record of the other copy, which is older: it tells what the slots are called.
        older: Option<Box<Record>>,
    },
    /// Neither copy can be used.
    Lost,
}

impl Selection {
    /// The record that was chosen, also where only a newer everboot understands all of it.
    pub fn record(&self) -> Option<&Record> {
        match self {
            Self::Current { record, .. } | Self::Newer { record: Some(record), .. } => Some(record),
            Self::Newer { record: None, .. } | Self::Lost => None,
        }
    }

    /// The disk that it is of; where it cannot be read, that of an older copy.
    pub fn disk(&self) -> Option<Uuid> {
        let older = match self {
            Self::Newer { older, .. } => older.as_deref(),
            Self::Current { .. } | Self::Lost => None,
        };
        self.record().or(older).map(|record| record.disk)
    }

    /// Compares the first and the last copy.
    pub fn of(first: Copy, last: Copy) -> Self {
        // Of equal generations, what is not understood counts more, then the first copy.
        let generation = |copy: &Copy| match copy {
            Copy::Valid { generation, .. } => Some((*generation, false)),
            Copy::Newer { generation, .. } => Some((*generation, true)),
            Copy::Bad(_) => None,
        };
        let is_last = match mutant::is(Mutant::FirstValidCopy) {
            true => generation(&first).is_none(),
            false => generation(&last) > generation(&first),
        };
        let (newest, other, side) =
            if is_last { (last, first, Side::Last) } else { (first, last, Side::First) };
        match newest {
            Copy::Valid { record, generation, version } => {
                Self::Current { record, generation, version, side }
            }
            Copy::Newer { unread, generation, order, record } => {
                let older = match other {
                    Copy::Valid { record, .. } => Some(record),
                    Copy::Newer { record, .. } => record,
                    Copy::Bad(_) => None,
                };
                Self::Newer { unread, generation, side, order, record, older }
            }
            Copy::Bad(_) => Self::Lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::BadCopy;
    use super::*;

    /// `5`: valid of generation 5, `n7`: newer format of generation 7, `x`: bad.
    fn copy(picture: &str) -> Copy {
        let record = |generation: u64| Record {
            disk: Uuid([generation as u8; 16]),
            slots: vec![],
            default: None,
            last_boot: None,
            update: super::super::Update::None,
            bad_images: vec![],
            recovery_rounds: 0,
            once: None,
            floor: String::new(),
            extensions: vec![],
        };
        match picture.strip_prefix('n') {
            Some(generation) => Copy::Newer {
                unread: Unread::Version(2),
                generation: generation.parse().unwrap(),
                order: vec![],
                record: None,
            },
            None if picture == "x" => Copy::Bad(BadCopy::NoRecord),
            None => {
                let generation = picture.parse().unwrap();
                Copy::Valid { generation, version: 1, record: Box::new(record(generation)) }
            }
        }
    }

    fn check(first: &str, last: &str, expected: &str) {
        let found = match Selection::of(copy(first), copy(last)) {
            Selection::Current { generation, side, record, .. } => {
                assert_eq!(record.disk.0[0], generation as u8);
                format!("{generation} {side:?}")
            }
            Selection::Newer { generation, side, older, .. } => {
                let older = older.map_or("-".into(), |record| record.disk.0[0].to_string());
                format!("n{generation} {side:?} {older}")
            }
            Selection::Lost => "lost".into(),
        };
        assert_eq!(found, expected, "{first} | {last}");
    }

    #[test]
    fn pictures_of_two_copies() {
        check("5", "6", "6 Last");
        check("6", "5", "6 First");
        check("6", "6", "6 First");
        check("x", "6", "6 Last");
        check("6", "x", "6 First");
        check("x", "x", "lost");
        check("n7", "6", "n7 First 6");
        check("6", "n7", "n7 Last 6");
        check("n6", "6", "n6 First 6");
        check("n5", "6", "6 Last");
        check("n7", "x", "n7 First -");
        check("n7", "n8", "n8 Last -");
    }
}
