//! Bytes to ship for an update, by everybody's own means.

use std::collections::HashSet;
use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use sha2::{Digest, Sha256};

use super::memory_folder::MemoryFolder;
use super::pair::Pair;
use super::table::Table;
use everboot_builder::command::{program, run};
use everboot_builder::paths;

/// For the report.
pub(super) const ABOUT: &str = "\
From bookworm as released to bookworm with its updates, curl and openssh-client; the device has the old image. casync
and zchunk with their own compression and their index; blocks by hash without the list of where they go.
";

const BLOCK: usize = 4096;
/// As many at once; the largest takes more than a GiB of memory.
const AT_ONCE: usize = 2;

/// How many bytes a device that has the old image has to be sent. The folder is empty.
type Method = fn(&Pair, &Path) -> Result<u64>;

/// The columns; a further method is a line here.
const METHODS: &[(&str, Method)] = &[
    ("everboot-pack delta", everboot),
    ("full, zstd -19", full),
    ("casync", casync),
    ("zchunk", zchunk),
    ("4 KiB blocks by hash, zstd -19", blocks_by_hash),
    ("xdelta3 -9", xdelta3),
    ("zstd -19 --patch-from", patch_from),
];

/// The table, and why a method is not in it.
pub(super) fn measure(memory_folder: &MemoryFolder, pairs: &[Pair]) -> Result<(Table, Vec<String>)> {
    let of_pair = |pair| METHODS.iter().map(move |(name, method)| (pair, *name, *method));
    let jobs: Vec<(&Pair, &'static str, Method)> = pairs.iter().flat_map(of_pair).collect();
    let mut found = Vec::new();
    for some in jobs.chunks(AT_ONCE) {
        let ended: Result<Vec<Found>> = thread::scope(|scope| {
            let running: Vec<_> = some.iter().map(|job| scope.spawn(|| ship(memory_folder, job))).collect();
            let join =
                |job: thread::ScopedJoinHandle<'_, _>| job.join().map_err(|_| anyhow!("a method panicked"));
            running.into_iter().map(|job| join(job)?).collect()
        });
        found.extend(ended?);
    }
    Ok(tell(pairs, &found))
}

fn ship(memory_folder: &MemoryFolder, (pair, name, method): &(&Pair, &'static str, Method)) -> Result<Found> {
    println!("bench: bytes to ship, {}: {name}", pair.format);
    let folder = memory_folder.folder(&format!("delta-{}-{name}", pair.format))?;
    let bytes = method(pair, &folder);
    paths::remove_tree(&folder)?;
    Ok((pair.format, name, bytes))
}

type Found = (&'static str, &'static str, Result<u64>);

fn tell(pairs: &[Pair], found: &[Found]) -> (Table, Vec<String>) {
    let names: Vec<&str> = METHODS.iter().map(|(name, _)| *name).collect();
    let mut table = Table::new(&[&["MB to ship"], &names[..]].concat());
    let mut notes = Vec::new();
    for pair in pairs {
        let mut cells = vec![pair.format.to_owned()];
        for name in &names {
            let it = found.iter().find(|(format, method, _)| (format, method) == (&pair.format, name));
            cells.push(match it.map(|(_, _, bytes)| bytes) {
                Some(Ok(bytes)) => format!("{:.2}", *bytes as f64 / 1e6),
                Some(Err(error)) => {
                    notes.push(format!("{name}, {}, is left out: {error:#}", pair.format));
                    String::new()
                }
                None => String::new(),
            });
        }
        table.row(cells);
    }
    (table, notes)
}

fn size(path: &Path) -> Result<u64> {
    Ok(path.metadata().with_context(|| format!("look at {}", path.display()))?.len())
}

/// Signed, as all that everboot ships.
fn everboot(pair: &Pair, folder: &Path) -> Result<u64> {
    let pack = paths::out("everboot-pack")?;
    let in_folder = || {
        let mut command = Command::new(&pack);
        command.current_dir(folder);
        command
    };
    run(in_folder().args(["keygen", "-o", "key"]))?;
    for (version, image) in [("1", &pair.old), ("2", &pair.new)] {
        let said = ["--version", version, "--compatible", "bench", "--key", "key", "--modules", "none"];
        run(in_folder().arg("image").arg(image).args(said).args(["--level", "1", "-o", version]))?;
    }
    run(in_folder().args(["delta", "1", "2", "-o", "delta"]))?;
    size(&folder.join("delta"))
}

fn full(pair: &Pair, folder: &Path) -> Result<u64> {
    compressed(&pair.new, folder)
}

fn compressed(file: &Path, folder: &Path) -> Result<u64> {
    let to = folder.join("compressed");
    run(program("zstd").args(["-q", "-19", "-o"]).arg(&to).arg(file))?;
    size(&to)
}

/// The index, and the chunks that the old image's store has not.
fn casync(pair: &Pair, folder: &Path) -> Result<u64> {
    let make = |name: &str, image: &Path| -> Result<_> {
        let (store, index) = (folder.join(name), folder.join(name).with_extension("caibx"));
        run(program("casync")
            .arg("make")
            .arg(format!("--store={}", store.display()))
            .arg(&index)
            .arg(image))?;
        Ok((chunks(&store)?, size(&index)?))
    };
    let ((old, _), (new, index)) = (make("old", &pair.old)?, make("new", &pair.new)?);
    let there: HashSet<_> = old.into_iter().map(|(name, _)| name).collect();
    let missing = new.into_iter().filter(|(name, _)| !there.contains(name));
    Ok(index + missing.map(|(_, bytes)| bytes).sum::<u64>())
}

/// The files of a store, by name, with their sizes.
fn chunks(store: &Path) -> Result<Vec<(std::ffi::OsString, u64)>> {
    let mut found = Vec::new();
    for folder in fs::read_dir(store)? {
        for chunk in fs::read_dir(folder?.path())? {
            let chunk = chunk?;
            found.push((chunk.file_name(), chunk.metadata()?.len()));
        }
    }
    Ok(found)
}

fn zchunk(pair: &Pair, folder: &Path) -> Result<u64> {
    let make = |name: &str, image: &Path| {
        let file = folder.join(name);
        run(program("zck").arg("-o").arg(&file).arg(image)).map(|_| file)
    };
    let (old, new) = (make("old.zck", &pair.old)?, make("new.zck", &pair.new)?);
    let said = run(program("zck_delta_size").arg(&old).arg(&new))?;
    would_download(&said).with_context(|| format!("zck_delta_size said: {said}"))
}

/// `Would download 123 of 456 bytes`, in which the file's head is counted.
fn would_download(said: &str) -> Option<u64> {
    let line = said.lines().find_map(|line| line.trim().strip_prefix("Would download "))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Blocks of the new image that are nowhere in the old one, each once, without the list of where they go.
fn blocks_by_hash(pair: &Pair, folder: &Path) -> Result<u64> {
    let hash = |block: &[u8]| -> [u8; 32] { Sha256::digest(block).into() };
    let mut there: HashSet<[u8; 32]> = fs::read(&pair.old)?.chunks(BLOCK).map(hash).collect();
    let path = folder.join("missing");
    let mut missing = BufWriter::new(fs::File::create(&path)?);
    for block in fs::read(&pair.new)?.chunks(BLOCK) {
        if there.insert(hash(block)) {
            missing.write_all(block)?;
        }
    }
    missing.flush()?;
    compressed(&path, folder)
}

fn xdelta3(pair: &Pair, folder: &Path) -> Result<u64> {
    let (to, window) = (folder.join("delta"), size(&pair.old)?.next_power_of_two().to_string());
    let mut encode = program("xdelta3");
    encode.args(["-e", "-q", "-9", "-S", "lzma", "-B", &window, "-s"]).arg(&pair.old);
    run(encode.arg(&pair.new).arg(&to))?;
    size(&to)
}

fn patch_from(pair: &Pair, folder: &Path) -> Result<u64> {
    let to = folder.join("patch");
    let mut encode = program("zstd");
    encode.args(["-q", "-19", "--long=31"]).arg(format!("--patch-from={}", pair.old.display()));
    run(encode.arg("-o").arg(&to).arg(&pair.new))?;
    ensure!(to.exists(), "zstd made no patch");
    size(&to)
}

#[cfg(test)]
mod tests {
    use super::{Pair, tell, would_download};

    #[test]
    fn what_zchunk_would_download_is_read() {
        let said = "Would download 17500123 of 61000000 bytes\nMatched 900 of 1400 chunks\n";
        assert_eq!(would_download(said), Some(17_500_123));
        assert_eq!(would_download("something else"), None);
    }

    #[test]
    fn a_method_that_fails_is_an_empty_cell_and_a_line() {
        let pair = Pair { format: "ext4", old: "old".into(), new: "new".into() };
        let found =
            [("ext4", "casync", Ok(19_600_000)), ("ext4", "zchunk", Err(anyhow::anyhow!("not installed")))];
        let (table, notes) = tell(&[pair], &found);
        assert!(table.markdown().contains("19.60"));
        assert_eq!(notes, ["zchunk, ext4, is left out: not installed"]);
    }
}
