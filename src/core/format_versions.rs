//! Which versions of each format this everboot reads and writes. This is the home of these numbers: the readers and
//! writers take them from here, and so does what a machine looks at before it is upgraded.
//!
//! As text it is a line for each format, `NAME reads LOW..HIGH writes N`: in the file [`PATH`] of a system, in the
//! manifest of an image, and in what an early boot leaves behind. A reader passes over lines that begin otherwise, and
//! over what follows these words.

use alloc::string::{String, ToString};
use core::fmt;
use core::ops::RangeInclusive;

/// The file of a system that has the lines of the everboot in it, from the root on.
pub const PATH: &str = "/usr/lib/everboot/formats";

/// The versions of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormatVersions {
    /// What has the format; part of the interface.
    name: &'static str,
    /// The lowest version that is read.
    pub oldest: u16,
    /// The highest version that is read.
    pub newest: u16,
    /// The version of what is made anew. What is there already keeps its version.
    pub written: u16,
}

const fn only_the_first(name: &'static str) -> FormatVersions {
    FormatVersions { name, oldest: 1, newest: 1, written: 1 }
}

/// Those of the record (`record/FORMAT.md`).
pub const RECORD: FormatVersions =
    FormatVersions { newest: if cfg!(feature = "next") { 2 } else { 1 }, ..only_the_first("record") };
/// Those of the trailer of a slot (`apply/FORMAT.md`).
pub const TRAILER: FormatVersions = only_the_first("trailer");
/// Those of the manifest of an image (`bundle/FORMAT.md`).
pub const MANIFEST: FormatVersions = only_the_first("manifest");
/// Those of the members of a bundle (`bundle/FORMAT.md`).
pub const BUNDLE: FormatVersions = only_the_first("bundle");
/// Those of the list of a channel (`channel/FORMAT.md`).
pub const CHANNEL: FormatVersions = only_the_first("channel");

/// All of them.
pub const ALL: [FormatVersions; 5] = [RECORD, TRAILER, MANIFEST, BUNDLE, CHANNEL];

impl fmt::Display for FormatVersions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} reads {}..{} writes {}", self.name, self.oldest, self.newest, self.written)
    }
}

impl FormatVersions {
    /// The versions of this format that are read by the everboot of which these are the lines; `None` when they do not
    /// say so.
    pub fn read_by<'a>(&self, lines: impl IntoIterator<Item = &'a str>) -> Option<RangeInclusive<u16>> {
        lines.into_iter().find_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let is_meant = words.next() == Some(self.name) && words.next() == Some("reads");
            let (low, high) = words.next().filter(|_| is_meant)?.split_once("..")?;
            Some(low.parse().ok()?..=high.parse().ok()?)
        })
    }
}

/// The text of the file [`PATH`].
pub fn text() -> String {
    ALL.iter().map(|versions| versions.to_string() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for versions in ALL {
            assert_eq!(versions.read_by(text().lines()), Some(versions.oldest..=versions.newest));
        }
        assert_eq!(text().lines().next(), Some("record reads 1..1 writes 1"));
    }

    #[test]
    fn lines_of_a_newer_everboot_are_read_as_far_as_they_are_known() {
        let lines = ["# 2.0", "", "counter reads 1..4 writes 4", "record reads 1..3 writes 2 since 1.9"];
        assert_eq!(RECORD.read_by(lines), Some(1..=3));
        for unsaid in
            ["", "record", "record reads", "record reads 1", "record reads 1..x", "records reads 1..1"]
        {
            assert_eq!(RECORD.read_by([unsaid]), None, "{unsaid}");
        }
    }
}
