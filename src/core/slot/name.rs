//! The name of a slot, as people type it and as partition labels carry it.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;

/// A slot's name: 1 to 36 characters (the room in a GPT partition name, UEFI specification 5.3.3) out of
/// lower-case letters, digits, `.`, `_` and `-`, beginning with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotName(String);

/// The text cannot name a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameError(String);

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expected a slot name of 1 to 36 characters out of a-z 0-9 . _ -, found {}",
            crate::quoted::Quoted(&self.0)
        )
    }
}

impl core::error::Error for NameError {}

impl SlotName {
    /// Checks the rules above.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let fits = (1..=36).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
        if fits { Ok(Self(text.to_owned())) } else { Err(NameError(text.chars().take(40).collect())) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SlotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_outside_the_rules_are_refused() {
        for text in ["", "-a", "A", "slot a", "slöt", &"a".repeat(37)] {
            assert!(SlotName::new(text).is_err(), "{text}");
        }
        for text in ["a", "slot-a", "0", "os_1.x", &"a".repeat(36)] {
            assert_eq!(SlotName::new(text).unwrap().as_str(), text);
        }
    }
}
