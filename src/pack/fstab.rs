//! Whether the fstab(5) of a sealed image leaves its root alone.

use crate::image_file::ImageFile;
use anyhow::{Result, bail};
use std::path::Path;

const PATH: &str = "/etc/fstab";
/// More is not read, in bytes.
const LONGEST: u64 = 64 * 1024;

/// Refuses an image whose root its own fstab would mount writable, or have checked: early boot sets the device of a
/// sealed root read-only, so that both fail in every boot. An image that cannot be looked into passes.
pub(crate) fn check(image: &Path) -> Result<()> {
    match ImageFile::read(image, PATH, LONGEST) {
        Ok(ImageFile::Text(text)) => match fault(&String::from_utf8_lossy(&text)) {
            Some(why) => bail!(
                "{PATH} of the image {why}, and the root of a sealed slot is read-only for ever; remove the line, \
                 pack it with --open, or insist with --any-fstab"
            ),
            None => Ok(()),
        },
        Ok(ImageFile::Unread | ImageFile::Absent) => Ok(()),
        Err(error) => {
            eprintln!("note: {PATH} in {} is not looked at: {error:#}", image.display());
            Ok(())
        }
    }
}

/// What is wrong with the line for `/`.
fn fault(text: &str) -> Option<&'static str> {
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let root = lines.filter(|line| line.first().is_some_and(|first| !first.starts_with('#')));
    root.filter(|line| line.get(1) == Some(&"/")).find_map(|line| {
        // Of options that contradict each other the last one counts; without any it is writable.
        let options = line.get(3).map_or("", |options| options).split(',');
        let is_read_only = options.rev().find(|option| matches!(*option, "ro" | "rw")) == Some("ro");
        let pass = line.get(5).is_some_and(|pass| *pass != "0");
        match (is_read_only, pass) {
            (false, _) => Some("mounts / writable"),
            (true, true) => Some("has a pass number for /"),
            (true, false) => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn a_line_for_the_root_has_to_be_read_only_and_unchecked() {
        let rows = [
            ("", None),
            ("# / is left out\n/dev/x /data ext4 rw 0 2\n", None),
            ("#/dev/x / ext4 defaults 0 1\n", None),
            ("LABEL=root / ext4 ro,noatime 0 0\n", None),
            ("LABEL=root\t/\text4\tro\n", None),
            ("LABEL=root / ext4 defaults 0 0\n", Some("mounts / writable")),
            ("LABEL=root / ext4 ro,rw\n", Some("mounts / writable")),
            ("LABEL=root /\n", Some("mounts / writable")),
            ("LABEL=root / ext4 errors=remount-ro 0 1\n", Some("mounts / writable")),
            ("a /x ext4 rw 0 0\nLABEL=root / ext4 ro 0 1\n", Some("has a pass number for /")),
        ];
        for (text, expected) in rows {
            assert_eq!(fault(text), expected, "{text}");
        }
    }
}
