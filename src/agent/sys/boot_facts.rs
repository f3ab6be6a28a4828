//! What early boot reports to the booted system: small files in `/run/everboot`, which the hand-off moves.

use super::roots::Roots;
use super::small_file::read_text;
use std::fs;
use std::io;

/// The fact that names the partition of the booted root by its GUID, for where the mount table does not: there a root
/// under an overlay has no partition.
pub const ROOT_FACT: &str = "root";

/// Writes the fact `name` so that a reader sees all of it or the old one. It lies in memory: there is nothing to make
/// durable.
pub fn write_fact(roots: &Roots, name: &str, text: &str) -> io::Result<()> {
    let directory = roots.own();
    fs::create_dir_all(&directory)?;
    let part = directory.join(format!("{name}.part"));
    fs::write(&part, text)?;
    fs::rename(part, directory.join(name))
}

/// Reads the fact `name`; `None` when it is not there.
pub fn read_fact(roots: &Roots, name: &str) -> io::Result<Option<String>> {
    match read_text(&roots.own().join(name)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::temp_dir::TempDir;

    #[test]
    fn a_fact_is_read_as_it_was_written_last() {
        let temp_dir = TempDir::new("facts");
        let roots = Roots::under(temp_dir.path());
        assert_eq!(read_fact(&roots, "boot.json").unwrap(), None);
        write_fact(&roots, "boot.json", "old").unwrap();
        write_fact(&roots, "boot.json", "{}").unwrap();
        assert_eq!(read_fact(&roots, "boot.json").unwrap().as_deref(), Some("{}"));
        assert_eq!(fs::read_dir(temp_dir.path().join("run/everboot")).unwrap().count(), 1);
    }

    #[test]
    fn a_fact_that_cannot_be_read_is_an_error_and_not_absent() {
        let temp_dir = TempDir::new("facts-unread");
        let roots = Roots::under(temp_dir.path());
        temp_dir.file("run/everboot/boot.json/file", b"");
        assert!(read_fact(&roots, "boot.json").is_err());
        assert!(write_fact(&roots, "boot.json", "{}").is_err());
    }
}
