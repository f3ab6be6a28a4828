//! Which of the two copies counts. Pure; the first row that matches wins:
//!
//! | copies                                | selection                                             |
//! |---------------------------------------|-------------------------------------------------------|
//! | a newer format is ahead of all others | `Newer`, with the valid copy to decide by, if any     |
//! | one or two valid                      | the valid one of the higher generation, the first of equals |
//! | none valid                            | `Lost`                                                |

use super::{Copy, Record};
use crate::mutant::{self, Mutant};
use alloc::boxed::Box;

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
        /// Where it is; the next save goes to the other place.
        side: Side,
    },
    /// The newest copy is of a format that this everboot does not read. Nothing is saved over it unasked.
    Newer {
        /// Its format version.
        version: u16,
        /// Its generation.
        generation: u64,
        /// Where it is.
        side: Side,
        /// An older record that can be read: good enough to choose a good slot.
        readable: Option<Box<Record>>,
    },
    /// Neither copy can be used.
    Lost,
}

impl Selection {
    /// Compares the first and the last copy.
    pub fn of(first: Copy, last: Copy) -> Self {
        let newer = newest_unread(&first, &last);
        let valid = newest_valid(first, last);
        match (newer, valid) {
            (Some((version, generation, side)), valid)
                if valid.as_ref().is_none_or(|(ours, ..)| *ours <= generation) =>
            {
                let readable = valid.map(|(_, record, _)| record);
                Self::Newer { version, generation, side, readable }
            }
            (_, Some((generation, record, side))) => Self::Current { record, generation, side },
            (_, None) => Self::Lost,
        }
    }
}

fn newest_unread(first: &Copy, last: &Copy) -> Option<(u16, u64, Side)> {
    let read = |copy: &Copy, side| match copy {
        Copy::Newer { version, generation } => Some((*version, *generation, side)),
        Copy::Valid { .. } | Copy::Bad(_) => None,
    };
    let found = [read(last, Side::Last), read(first, Side::First)];
    found.into_iter().flatten().max_by_key(|(_, generation, _)| *generation)
}

fn newest_valid(first: Copy, last: Copy) -> Option<(u64, Box<Record>, Side)> {
    let read = |copy, side| match copy {
        Copy::Valid { generation, record } => Some((generation, record, side)),
        Copy::Newer { .. } | Copy::Bad(_) => None,
    };
    // `max_by_key` gives the last of equals: the first copy.
    let found = [read(last, Side::Last), read(first, Side::First)];
    if mutant::is(Mutant::FirstValidCopy) {
        return found.into_iter().flatten().last();
    }
    found.into_iter().flatten().max_by_key(|(generation, ..)| *generation)
}

#[cfg(test)]
mod tests {
    use super::super::BadCopy;
    use super::*;
    use crate::slot::Uuid;

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
        };
        match picture.strip_prefix('n') {
            Some(generation) => Copy::Newer { version: 2, generation: generation.parse().unwrap() },
            None if picture == "x" => Copy::Bad(BadCopy::NoRecord),
            None => {
                let generation = picture.parse().unwrap();
                Copy::Valid { generation, record: Box::new(record(generation)) }
            }
        }
    }

    fn check(first: &str, last: &str, expected: &str) {
        let found = match Selection::of(copy(first), copy(last)) {
            Selection::Current { generation, side, record } => {
                assert_eq!(record.disk.0[0], generation as u8);
                format!("{generation} {side:?}")
            }
            Selection::Newer { generation, side, readable, .. } => {
                let readable = readable.map_or("-".into(), |record| record.disk.0[0].to_string());
                format!("n{generation} {side:?} {readable}")
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
