//! What is mounted where: `/proc/self/mountinfo`, proc_pid_mountinfo(5).

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// `major:minor` of the file system's device.
    pub(super) device: String,
    /// The directory of the file system that is mounted; `/` is all of it.
    pub(super) root: String,
    /// Where it is mounted.
    pub(super) point: String,
    /// What was given as the device; a path for file systems on disks.
    pub(super) source: String,
    /// The file system's type, such as `ext4`.
    pub(super) kind: String,
    /// Whether it can be written: neither the mount nor the file system is read-only.
    pub(super) writable: bool,
}

/// Reads the table, oldest mount first. Lines that are not understood are left out.
pub(super) fn parse(text: &str) -> Vec<Mount> {
    text.lines().filter_map(mount).collect()
}

fn mount(line: &str) -> Option<Mount> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(2);
    let (device, root, point, options) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let mut fields = file_system.split(' ');
    let (kind, source, more) = (fields.next()?, fields.next()?, fields.next()?);
    let writable = [options, more].iter().all(|options| options.split(',').any(|option| option == "rw"));
    Some(Mount {
        device: device.into(),
        root: plain(root),
        point: plain(point),
        source: plain(source),
        kind: kind.into(),
        writable,
    })
}

/// Takes away the octal escapes of space, tab, line end and backslash.
fn plain(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|digits| str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()).filter(|_| *first == b'\\') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_with_their_escapes() {
        let text = "22 1 254:2 / / ro,relatime shared:1 - ext4 /dev/vda2 ro\n\
                    30 22 254:4 / /my\\040data rw,nosuid - ext4 /dev/vda4 rw,errors=x\n\
                    31 22 254:4 /sub /srv ro - ext4 /dev/vda4 rw\nrubbish\n";
        let mounts = parse(text);
        let seen: Vec<_> = mounts
            .iter()
            .map(|m| (m.device.as_str(), m.root.as_str(), m.point.as_str(), m.writable))
            .collect();
        let wanted =
            [("254:2", "/", "/", false), ("254:4", "/", "/my data", true), ("254:4", "/sub", "/srv", false)];
        assert_eq!(seen, wanted);
        assert_eq!((mounts[0].source.as_str(), mounts[0].kind.as_str()), ("/dev/vda2", "ext4"));
    }
}
