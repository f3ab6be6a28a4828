//! Files by which a layer of an OCI image takes away what is below it: `.wh.NAME`, `.wh..wh..opq`.

use super::name::{Name, show};
use anyhow::{Result, ensure};

const MARK: &[u8] = b".wh.";
/// What the union file system aufs kept for itself.
const PRIVATE: &[u8] = b".wh..wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

#[derive(Debug, PartialEq)]
pub(crate) enum Whiteout<'a> {
    /// This name in this folder.
    Name(&'a [Name], &'a [u8]),
    /// All that the folder has.
    All(&'a [Name]),
    /// Nothing: a file for another program.
    Ignored,
}

impl<'a> Whiteout<'a> {
    /// What the file of this name takes away; `None` for an ordinary file.
    pub(crate) fn of(path: &'a [Name]) -> Result<Option<Self>> {
        let Some((name, folder)) = path.split_last() else { return Ok(None) };
        if folder.iter().any(|part| part.starts_with(PRIVATE)) {
            return Ok(Some(Self::Ignored));
        }
        let refuse = || format!("{}: expected a file's name behind .wh.", show(&path.join(&b'/')));
        ensure!(!folder.iter().any(|part| part.starts_with(MARK)), refuse());
        if name == OPAQUE {
            return Ok(Some(Self::All(folder)));
        }
        if name.starts_with(PRIVATE) {
            return Ok(Some(Self::Ignored));
        }
        let Some(hidden) = name.strip_prefix(MARK) else { return Ok(None) };
        ensure!(!matches!(hidden, b"" | b"." | b".."), refuse());
        Ok(Some(Self::Name(folder, hidden)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::name::parts;
    use super::*;

    fn check(name: &str, expected: Option<Whiteout<'_>>) {
        assert_eq!(Whiteout::of(&parts(name.as_bytes()).unwrap()).unwrap(), expected, "{name}");
    }

    #[test]
    fn a_whiteout_names_a_file_or_all_of_a_folder() {
        let folder = parts(b"etc/x").unwrap();
        check("etc/x/.wh.passwd", Some(Whiteout::Name(&folder, b"passwd")));
        check("etc/x/.wh..wh..opq", Some(Whiteout::All(&folder)));
        check(".wh.a", Some(Whiteout::Name(&[], b"a")));
        check(".wh..hidden", Some(Whiteout::Name(&[], b".hidden")));
        check("etc/x/.who", None);
        check("etc/x", None);
    }

    #[test]
    fn what_aufs_kept_for_itself_says_nothing() {
        check(".wh..wh.aufs", Some(Whiteout::Ignored));
        check(".wh..wh.plnk/7.8", Some(Whiteout::Ignored));
    }

    #[test]
    fn a_whiteout_of_nothing_of_the_folder_itself_or_of_its_parent_is_refused() {
        for name in [".wh.", "a/.wh..", "a/.wh...", ".wh.a/b"] {
            assert!(Whiteout::of(&parts(name.as_bytes()).unwrap()).is_err(), "{name}");
        }
    }
}
