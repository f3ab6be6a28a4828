//! zchunk: unpacked and checked by unzck, written by dd.

use anyhow::Result;

use super::super::tool::Tool;
use super::Task;
use super::copy::{Plain, dd_to, words};
use everboot_builder::command::{program, run};

pub(super) const NAME: &str = "unzck, dd, direct I/O";

pub(super) fn zchunk<'a>(task: &Task<'a>) -> Result<Box<dyn Tool + 'a>> {
    let folder = task.folder("zchunk")?;
    let file = folder.join("image.zck");
    run(program("zck").arg("-o").arg(&file).arg(task.image))?;
    let steps = vec![("unzck", words(&["-c", &file.to_string_lossy()])), dd_to(&task.device(), None)];
    Ok(Plain::new(NAME, folder, steps))
}
