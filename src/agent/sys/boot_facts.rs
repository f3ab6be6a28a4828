//! What the early boot tells the booted system: small files in `/run/everboot`, which the hand-off moves.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Where they are.
pub const BOOT_FACTS: &str = "/run/everboot";

/// The fact that names the partition of the booted root by its GUID. It outweighs the mount table, in which a
/// root under an overlay has no partition.
pub const ROOT_FACT: &str = "root";

/// A file of so many bytes or more is not read.
const TOO_LONG: u64 = 4 << 20;

/// Writes the file `name` in `directory`, [`BOOT_FACTS`], so that a reader sees all of it or the old one. It
/// lies in memory: there is nothing to make durable.
pub fn write_fact(directory: &Path, name: &str, text: &str) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let part = directory.join(format!("{name}.part"));
    fs::write(&part, text)?;
    fs::rename(part, directory.join(name))
}

/// Reads the file `name` in `directory`; `None` when it is not there.
pub fn read_fact(directory: &Path, name: &str) -> io::Result<Option<String>> {
    match read_text(&directory.join(name)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a small file: what the early boot tells, or what the owner of the machine says of it.
pub fn read_text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    match File::open(path)?.take(TOO_LONG).read_to_end(&mut bytes)? as u64 {
        TOO_LONG => Err(io::ErrorKind::FileTooLarge.into()),
        _ => Ok(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn a_fact_is_read_as_it_was_written_last() {
        let scratch = Scratch::new("facts");
        let directory = scratch.path().join("everboot");
        assert_eq!(read_fact(&directory, "boot.json").unwrap(), None);
        write_fact(&directory, "boot.json", "old").unwrap();
        write_fact(&directory, "boot.json", "{}").unwrap();
        assert_eq!(read_fact(&directory, "boot.json").unwrap().as_deref(), Some("{}"));
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
    }
}
