//! What the early boot tells the booted system: small files in `/run/everboot`, which the hand-off moves.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Where they are.
pub const BOOT_FACTS: &str = "/run/everboot";

/// The fact that names the partition of the booted root by its GUID. It outweighs the mount table, in which a
/// root under an overlay has no partition.
pub const ROOT_FACT: &str = "root";

/// Longest file that is read, in bytes.
const LONGEST: u64 = 256 * 1024;

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
    let mut text = String::new();
    match File::open(directory.join(name)) {
        Ok(file) => file.take(LONGEST).read_to_string(&mut text).map(|_| Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
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
