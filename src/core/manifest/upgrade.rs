//! Whether an installed version may be upgraded to a manifest's.

use super::{Manifest, compare_versions, is_version};
use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;

/// Versions from `low` to `high`, both included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRange {
    /// The lowest version.
    pub low: String,
    /// The highest version.
    pub high: String,
}

/// Why a version rule forbids an upgrade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The image is older than what is installed, or than the floor.
    Older {
        /// The installed version, or the floor.
        least: String,
        /// Which of them.
        which: &'static str,
        /// The image's version.
        found: String,
    },
    /// The image may be installed over certain versions, and the installed one is none of them.
    NotFrom {
        /// The installed version.
        installed: String,
        /// The versions that the image names, as a manifest writes them.
        from: String,
    },
    /// The image may be installed over certain versions, and nobody knows which one is installed.
    FromUnknown {
        /// The versions that the image names, as a manifest writes them.
        from: String,
    },
}

impl VersionRange {
    /// Reads `X`, which is only itself, or `X..Y`. `None` when these are no versions or `X` is higher than `Y`.
    pub fn parse(text: &str) -> Option<Self> {
        let (low, high) = text.split_once("..").unwrap_or((text, text));
        let is_range = is_version(low) && is_version(high) && compare_versions(low, high).is_le();
        is_range.then(|| Self { low: low.to_owned(), high: high.to_owned() })
    }

    /// Whether `version` lies in the range.
    pub fn contains(&self, version: &str) -> bool {
        compare_versions(&self.low, version).is_le() && compare_versions(version, &self.high).is_le()
    }
}

impl Manifest {
    /// Whether the image may be installed over `installed`; `None` when nobody knows what is installed. The
    /// same version may be installed again.
    pub fn upgrade_allowed_from(&self, installed: Option<&str>) -> Result<(), Refusal> {
        let Some(installed) = installed else {
            return match self.from_rule() {
                None => Ok(()),
                Some(from) => Err(Refusal::FromUnknown { from }),
            };
        };
        if compare_versions(&self.version, installed) == Ordering::Less {
            return Err(self.older(installed, "installed"));
        }
        match &self.upgrade_from {
            Some(ranges) if !ranges.iter().any(|range| range.contains(installed)) => Err(Refusal::NotFrom {
                installed: installed.to_owned(),
                from: self.from_rule().unwrap_or_default(),
            }),
            _ => Ok(()),
        }
    }

    /// It is older than `least`.
    pub fn older(&self, least: &str, which: &'static str) -> Refusal {
        Refusal::Older { least: least.to_owned(), which, found: self.version.clone() }
    }

    /// The versions that may be upgraded, separated by commas; `None` when all may.
    pub fn from_rule(&self) -> Option<String> {
        let ranges = self.upgrade_from.as_ref()?;
        Some(ranges.iter().map(VersionRange::to_string).collect::<Vec<_>>().join(","))
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.low)?;
        if self.low != self.high {
            f.write_str("..")?;
            f.write_str(&self.high)?;
        }
        Ok(())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Older { least, which, found } => {
                write!(f, "version {found} is lower than {least} ({which})")
            }
            Self::NotFrom { installed, from } => {
                write!(f, "the image upgrades {from} only, and {installed} is installed")
            }
            Self::FromUnknown { from } => {
                write!(f, "the image upgrades {from} only, and the installed version is not known")
            }
        }
    }
}

impl core::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(version: &str, from: &[&str]) -> Manifest {
        let ranges = from.iter().map(|text| VersionRange::parse(text).unwrap()).collect::<Vec<_>>();
        Manifest {
            compatible: "test".into(),
            version: version.into(),
            upgrade_from: (!ranges.is_empty()).then_some(ranges),
            floor: String::new(),
            tries: None,
            modules: None,
            formats: None,
            insecure: false,
            parts: Vec::new(),
        }
    }

    #[test]
    fn a_range_has_both_its_ends() {
        let range = VersionRange::parse("1.2..1.10").unwrap();
        for (version, inside) in
            [("1.2", true), ("1.9", true), ("1.10", true), ("1.10^1", false), ("1.2~rc", false), ("2", false)]
        {
            assert_eq!(range.contains(version), inside, "{version}");
        }
        assert!(VersionRange::parse("3").unwrap().contains("3"));
        for bad in ["", "..", "1..", "..1", "2..1", "1 2", "1,2"] {
            assert_eq!(VersionRange::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_upgrade_rule() {
        let (ok, older, from, unknown) = ("ok", "older", "not from", "unknown");
        let rows: [(&[&str], Option<&str>, &str); 9] = [
            (&[], None, ok),
            (&[], Some("1.9"), ok),
            (&[], Some("2.0"), ok),
            (&[], Some("2.0^1"), older),
            (&["1.0", "1.5..1.9"], Some("1.0"), ok),
            (&["1.0", "1.5..1.9"], Some("1.7"), ok),
            (&["1.0", "1.5..1.9"], Some("1.1"), from),
            (&["1.0..3.0"], Some("2.1"), older),
            (&["1.0"], None, unknown),
        ];
        for (rule, installed, expected) in rows {
            let found = match manifest("2.0", rule).upgrade_allowed_from(installed) {
                Ok(()) => ok,
                Err(Refusal::Older { .. }) => older,
                Err(Refusal::NotFrom { .. }) => from,
                Err(Refusal::FromUnknown { .. }) => unknown,
            };
            assert_eq!(found, expected, "{rule:?} over {installed:?}");
        }
    }
}
