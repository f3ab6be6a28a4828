//! A part of a slot: its name, and where it is.

use super::{Tagged, Uuid};
use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;

/// Most parts of a slot.
pub const MAX_PARTS: usize = 4;

/// The name of a part: 1 to 12 characters out of `a-z 0-9 -`. Every slot has a part `root`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartName(String);

impl PartName {
    /// `None` for a text outside the rules above.
    pub fn new(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        ((1..=12).contains(&text.len()) && text.bytes().all(allowed)).then(|| Self(text.to_owned()))
    }

    /// The part that holds the root file system. Its trailer seals the slot.
    pub fn root() -> Self {
        Self("root".to_owned())
    }

    /// Whether it is that part.
    pub fn is_root(&self) -> bool {
        self.0 == "root"
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A part of a slot, as the record has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Part {
    /// Its name; no two parts of a slot have the same one.
    pub name: PartName,
    /// Where it is; no two parts of a machine are at the same place.
    pub location: Location,
}

impl Part {
    /// The root part, on the partition with that unique GUID.
    pub fn root(partition: Uuid) -> Self {
        Self { name: PartName::root(), location: Location::Partition(partition) }
    }
}

/// Where a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Location {
    /// On the partition with this unique GUID.
    Partition(Uuid),
    /// Where only a newer everboot finds it. To this one the part is missing.
    Other(Tagged),
}

impl Location {
    /// The unique GUID of the partition, if it is one.
    pub fn partition(self) -> Option<Uuid> {
        match self {
            Self::Partition(guid) => Some(guid),
            Self::Other(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_outside_the_rules_are_refused() {
        for text in ["", "Root", "root_a", "a.b", &"a".repeat(13)] {
            assert_eq!(PartName::new(text), None, "{text}");
        }
        for text in ["root", "boot", "app-1", &"a".repeat(12)] {
            assert_eq!(PartName::new(text).unwrap().as_str(), text);
        }
        assert_eq!(PartName::new("root"), Some(PartName::root()));
    }
}
