//! What a file system has, as the tools of others tell it.

use super::layer::{CAPABILITY, NOTE, long, noise};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Runs a tool that must succeed, and returns what it printed.
fn described(program: &str, arguments: &[&str], image: &Path) -> Vec<u8> {
    let path = "/usr/sbin:/usr/bin:/sbin:/bin";
    let output = Command::new(program).args(arguments).arg(image).env("PATH", path).output();
    let output =
        output.unwrap_or_else(|error| panic!("{program}: {error}; run ./tests/run, which installs it"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn text(program: &str, arguments: &[&str], image: &Path) -> String {
    String::from_utf8_lossy(&described(program, arguments, image)).into_owned()
}

/// Path, what `describe` says of it, and how many names it has.
type Row = (&'static str, &'static str, u32);

const ROWS: [Row; 14] = [
    ("/bin", "folder 755 0:0", 0),
    ("/bin/tool", "file 4755 7:8", 3),
    ("/bin/twin", "file 4755 7:8", 3),
    ("/bin/third", "file 4755 7:8", 3),
    ("/usr/lib", "folder 2775 0:50", 0),
    ("/lib", "link 777 0:0", 1),
    ("/usr/lib/so", "file 644 0:0", 1),
    ("/dev/null", "char 666 0:6", 1),
    ("/dev/disk", "block 660 0:6", 1),
    ("/dev/pipe", "fifo 600 0:6", 1),
    ("/cache", "folder 1777 0:0", 0),
    ("/cache/z", "file 640 3:4", 1),
    ("/swap-file", "folder 700 0:0", 0),
    ("/swap-folder", "file 644 0:0", 1),
];
const GONE: [&str; 5] = ["/etc/old", "/etc/gone", "/cache/x", "/cache/.wh..wh..opq", "/.wh..wh.aufs"];

pub const ATTRIBUTES: [(&str, &str, &[u8]); 2] =
    [("/etc", "user.note", NOTE), ("/bin/tool", "security.capability", CAPABILITY)];

fn files() -> BTreeMap<String, Vec<u8>> {
    [
        ("/bin/third".to_owned(), b"the tool".to_vec()),
        ("/etc/keep".to_owned(), b"new".to_vec()),
        ("/swap-file/inner".to_owned(), b"new".to_vec()),
        ("/usr/noise".to_owned(), noise(300_000)),
        (format!("/usr/{}", long()), b"far down".to_vec()),
    ]
    .into()
}

/// The words behind a key, up to the next one or the end of the line.
fn field<'a>(text: &'a str, key: &str) -> &'a str {
    let rest = text.split(key).nth(1).unwrap_or_else(|| panic!("no {key:?} in {text}"));
    rest.split_whitespace().next().unwrap_or_default()
}

pub fn ext4(image: &Path) {
    described("e2fsck", &["-f", "-n"], image);
    let debugfs = |request: String| text("debugfs", &["-R", &request], image);
    let describe = |path: &str| {
        let stat = debugfs(format!("stat {path}"));
        if !stat.contains("Inode:") {
            return None;
        }
        let kind = match field(&stat, "Type:") {
            "directory" => "folder",
            "regular" => "file",
            "symlink" => "link",
            "character" => "char",
            "block" => "block",
            "FIFO" => "fifo",
            other => panic!("{other}"),
        };
        let mode = field(&stat, "Mode:").trim_start_matches('0');
        let owner = format!("{}:{}", field(&stat, "User:"), field(&stat, "Group:"));
        Some((format!("{kind} {mode} {owner}"), field(&stat, "Links:").parse().unwrap(), stat))
    };
    for (path, expected, links) in ROWS {
        let (found, count, stat) = describe(path).unwrap_or_else(|| panic!("no {path}"));
        assert_eq!((found.as_str(), if links == 0 { 0 } else { count }), (expected, links), "{path}");
        assert!(stat.contains("mtime: 0x6553f100"), "{path}: {stat}");
    }
    assert_eq!(describe("/").unwrap().0, "folder 751 1:2");
    GONE.iter().for_each(|path| assert!(describe(path).is_none(), "{path} is there"));
    for (path, numbers) in [("/dev/null", "number: 01:03"), ("/dev/disk", "number: 259:300")] {
        assert!(describe(path).unwrap().2.contains(numbers), "{path}");
    }
    for (path, content) in files() {
        assert_eq!(described("debugfs", &["-R", &format!("cat {path}")], image), content, "{path}");
    }
    for (path, name, value) in ATTRIBUTES {
        let found = described("debugfs", &["-R", &format!("ea_get -V {path} {name}")], image);
        assert_eq!(found, [value, b"\n"].concat(), "{name}");
    }
}

pub fn squashfs(image: &Path) {
    let list = text("rdsquashfs", &["--describe"], image);
    let line = |path: &str| list.lines().find(|line| line.split(' ').nth(1) == Some(&path[1..]));
    for (path, expected, links) in ROWS {
        let words: Vec<_> = line(path).unwrap_or_else(|| panic!("no {path} in {list}")).split(' ').collect();
        let kind = match (words[0], words.get(5)) {
            ("dir", _) => "folder",
            ("slink", _) => "link",
            ("nod", Some(&"c")) => "char",
            ("nod", _) => "block",
            ("pipe", _) => "fifo",
            (other, _) => other,
        };
        let mode = words[2].trim_start_matches('0');
        assert_eq!(format!("{kind} {mode} {}:{}", words[3], words[4]), expected, "{path}");
        let stat = text("rdsquashfs", &["--stat", path], image);
        assert!(links < 2 || field(&stat, "Hard link count:") == links.to_string(), "{path}: {stat}");
    }
    assert!(
        line("/dev/null").unwrap().ends_with("c 1 3") && line("/dev/disk").unwrap().ends_with("b 259 300")
    );
    // The same by the other tools that there are for squashfs.
    let all = text("unsquashfs", &["-lln", "-d", ""], image);
    let has = |start: &str, end: &str| all.lines().any(|line| line.starts_with(start) && line.ends_with(end));
    assert!(
        has("drwxr-x--x 1/2 ", "2023-11-14 22:13 ") && has("-rwsr-xr-x 7/8 ", "22:13 /bin/third"),
        "{all}"
    );
    GONE.iter().for_each(|path| assert!(line(path).is_none(), "{path} is there"));
    for (path, content) in files() {
        assert_eq!(described("rdsquashfs", &["--cat", &path], image), content, "{path}");
    }
    for (path, name, value) in ATTRIBUTES {
        let found = text("rdsquashfs", &["--xattr", path], image);
        let hex: String = value.iter().map(|byte| format!("{byte:02X}")).collect();
        let is_there = [format!("{name}=0x{hex}\n"), format!("{name}={}\n", String::from_utf8_lossy(value))];
        assert!(is_there.contains(&found), "{path}: {found}");
    }
}

pub fn erofs(image: &Path, folder: &Path) {
    let bytes = std::fs::read(image).unwrap();
    let meta = 4096 * u32::from_le_bytes(bytes[1064..1068].try_into().unwrap()) as usize;
    let describe = |path: &str| text("dump.erofs", &[&format!("--path={path}")], image);
    for (path, expected, links) in ROWS {
        let stat = describe(path);
        let kind = match field(&stat, "File : ") {
            _ if stat.contains("directory") => "folder",
            _ if stat.contains("regular file") => "file",
            _ if stat.contains("symlink") => "link",
            _ if stat.contains("char") => "char",
            _ if stat.contains("block") => "block",
            _ if stat.contains("FIFO") => "fifo",
            _ => panic!("{path}: {stat}"),
        };
        // It does not tell of the highest three bits, so we look at the inode ourselves.
        let inode = meta + 32 * field(&stat, "NID: ").parse::<usize>().unwrap();
        let mode = u16::from_le_bytes([bytes[inode + 4], bytes[inode + 5]]) & 0o7777;
        let found = format!("{kind} {mode:o} {}:{}", field(&stat, "Uid: "), field(&stat, "Gid: "));
        assert_eq!(found, expected, "{path}");
        assert!(links == 0 || field(&stat, "Links: ") == links.to_string(), "{path}: {stat}");
    }
    GONE.iter().for_each(|path| assert!(!describe(path).contains("Uid:"), "{path} is there"));
    described("fsck.erofs", &[&format!("--extract={}", folder.display())], image);
    for (path, content) in files() {
        assert_eq!(std::fs::read(format!("{}{path}", folder.display())).unwrap(), content, "{path}");
    }
    for (_, _, value) in ATTRIBUTES {
        assert!(bytes.windows(value.len()).any(|window| window == value), "{value:?} is not there");
    }
}
