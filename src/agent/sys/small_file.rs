//! Small text files: the kernel's, the early boot's, and what the owner of the machine wrote.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// A file of so many bytes or more is not read.
const TOO_LONG: u64 = 4 << 20;

/// Reads a text of less than 4 MiB; a longer one is an error. Bytes that are not UTF-8 are replaced.
pub fn read_text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    match File::open(path)?.take(TOO_LONG).read_to_end(&mut bytes)? as u64 {
        TOO_LONG => Err(io::ErrorKind::FileTooLarge.into()),
        _ => Ok(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

/// The text of a file of one value, as in sysfs, without its last line end; `None` when it cannot be read.
pub(super) fn read_value(path: &Path) -> Option<String> {
    let text = read_text(path).ok()?;
    Some(text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::temp_dir::TempDir;

    #[test]
    fn a_value_is_read_without_its_line_end() {
        let temp_dir = TempDir::new("value");
        assert_eq!(read_value(&temp_dir.file("size", b" 8 \n")).as_deref(), Some(" 8"));
        assert_eq!(read_value(&temp_dir.path().join("none")), None);
    }

    #[test]
    fn a_file_of_4_mib_is_not_read() {
        let temp_dir = TempDir::new("long");
        let path = temp_dir.file("file", &vec![b'x'; TOO_LONG as usize]);
        assert_eq!(read_text(&path).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        let path = temp_dir.file("file", &vec![b'x'; TOO_LONG as usize - 1]);
        assert_eq!(read_text(&path).unwrap().len(), TOO_LONG as usize - 1);
    }
}
