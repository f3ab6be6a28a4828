//! Names of an archive's members, taken apart. None leads out of the tree.

use anyhow::{Result, ensure};

/// One part of a path: any bytes but a slash and zero.
pub(crate) type Name = Vec<u8>;

/// What Linux takes.
const NAME_MAX: usize = 255;
const PATH_MAX: usize = 4095;

/// The parts of a member's name, from the root on. A slash at its head and "." say nothing; ".." is refused.
pub(crate) fn parts(name: &[u8]) -> Result<Vec<Name>> {
    ensure!(name.len() <= PATH_MAX, "expected a name of at most {PATH_MAX} bytes, found {}", name.len());
    let mut parts = Vec::new();
    for part in pieces(name) {
        ensure!(part != b"..", "{}: expected a name below the root, found one with ..", show(name));
        ensure!(part.len() <= NAME_MAX, "{}: expected parts of at most {NAME_MAX} bytes", show(name));
        ensure!(!part.contains(&0), "{}: expected no zero byte in a name", show(name));
        parts.push(part.to_vec());
    }
    Ok(parts)
}

/// What stands between slashes, without what says nothing. May have "..", as the target of a symbolic link.
pub(crate) fn pieces(name: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    name.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".")
}

/// The target of a symbolic link, which may be anything that Linux takes.
pub(crate) fn target(name: &[u8]) -> Result<Vec<u8>> {
    let is_right = !name.is_empty() && name.len() <= PATH_MAX && !name.contains(&0);
    ensure!(is_right, "{}: expected a symbolic link's target of 1 to {PATH_MAX} bytes", show(name));
    Ok(name.to_vec())
}

/// For messages: what cannot be printed is escaped.
pub(crate) fn show(name: &[u8]) -> String {
    String::from_utf8_lossy(name).escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(name: &str) -> Option<String> {
        let parts = parts(name.as_bytes()).ok()?;
        Some(parts.iter().map(|part| String::from_utf8_lossy(part)).collect::<Vec<_>>().join("|"))
    }

    #[test]
    fn a_name_is_taken_from_the_root_on_however_it_is_written() {
        for name in ["usr/bin/sh", "./usr/bin/sh", "/usr/bin/sh", "usr//bin/./sh/", "//usr/bin/sh"] {
            assert_eq!(joined(name).unwrap(), "usr|bin|sh", "{name}");
        }
        assert_eq!(joined("./").unwrap(), "");
        assert_eq!(joined("..a/...").unwrap(), "..a|...");
    }

    #[test]
    fn a_name_that_leads_out_is_refused() {
        for name in ["..", "../etc/passwd", "a/../../b", "a/..", "/..", "a\0b"] {
            assert!(parts(name.as_bytes()).is_err(), "{name}");
        }
    }

    #[test]
    fn a_name_is_no_longer_than_linux_takes() {
        assert!(parts("n".repeat(255).as_bytes()).is_ok());
        assert!(parts("n".repeat(256).as_bytes()).is_err());
        assert!(parts("n/".repeat(2048).as_bytes()).is_err());
    }
}
