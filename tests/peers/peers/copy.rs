//! Those that copy and check no signature: dd, `zstd -dc | dd`, bmaptool.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::super::tool::Tool;
use super::Task;
use everboot_builder::command::{program, run};

pub(super) const DD: &str = "dd, direct I/O";
pub(super) const ZSTD: &str = "zstd -dc, dd, direct I/O";
pub(super) const BMAPTOOL: &str = "bmaptool copy";

/// A tool that has one command line, and nothing to put back.
pub(super) struct Plain {
    name: &'static str,
    temp_dir: PathBuf,
    steps: Vec<(&'static str, Vec<String>)>,
}

impl Plain {
    pub(super) fn new(
        name: &'static str,
        temp_dir: PathBuf,
        steps: Vec<(&'static str, Vec<String>)>,
    ) -> Box<Plain> {
        Box::new(Plain { name, temp_dir, steps })
    }
}

impl Tool for Plain {
    fn name(&self) -> &'static str {
        self.name
    }

    fn steps(&self) -> Vec<Command> {
        let command = |(name, words): &(&str, Vec<String>)| {
            let mut command = program(name);
            command.args(words);
            command
        };
        self.steps.iter().map(command).collect()
    }

    fn temp_dir(&self) -> &Path {
        &self.temp_dir
    }
}

pub(super) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// dd that writes to a device what it is given, in pieces of 1 MiB.
pub(super) fn dd_to(device: &str, from: Option<&Path>) -> (&'static str, Vec<String>) {
    let to = format!("of={device}");
    let common = ["bs=1M", "iflag=fullblock", "oflag=direct", "conv=fsync", "status=none"];
    let mut all = words(&[&[to.as_str()], &common[..]].concat());
    all.extend(from.map(|path| format!("if={}", path.display())));
    ("dd", all)
}

pub(super) fn dd<'a>(task: &Task<'a>) -> Result<Box<dyn Tool + 'a>> {
    let steps = vec![dd_to(&task.device(), Some(task.image))];
    Ok(Plain::new(DD, task.folder("dd")?, steps))
}

pub(super) fn zstd<'a>(task: &Task<'a>) -> Result<Box<dyn Tool + 'a>> {
    let unpack = words(&["-dcq", &task.compressed.to_string_lossy()]);
    let steps = vec![("zstd", unpack), dd_to(&task.device(), None)];
    Ok(Plain::new(ZSTD, task.folder("zstd")?, steps))
}

/// Its map says which blocks are not holes; the image itself is not compressed, which is the quickest.
pub(super) fn bmaptool<'a>(task: &Task<'a>) -> Result<Box<dyn Tool + 'a>> {
    let folder = task.folder("bmaptool")?;
    let map = folder.join("image.bmap");
    run(program("bmaptool").arg("create").arg("-o").arg(&map).arg(task.image))?;
    // It looks at the file's end for what it is given, so it has to be there.
    File::open(&map)?;
    let (map, image) = (map.to_string_lossy(), task.image.to_string_lossy());
    let copy = words(&["-q", "copy", "--bmap", &map, &image, &task.device()]);
    Ok(Plain::new(BMAPTOOL, folder, vec![("bmaptool", copy)]))
}
