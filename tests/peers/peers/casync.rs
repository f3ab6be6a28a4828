//! casync, from a store on this machine. An option keeps it from looking for chunks in the slot first, which it
//! would rewrite all the same: so it is quicker, onto an identical image too.

use anyhow::Result;

use super::super::tool::Tool;
use super::Task;
use super::copy::{Plain, words};
use everboot_builder::command::{program, run};

pub(super) const NAME: &str = "casync extract";

pub(super) fn casync<'a>(task: &Task<'a>) -> Result<Box<dyn Tool + 'a>> {
    let folder = task.folder("casync")?;
    let (store, index) = (folder.join("store"), folder.join("image.caibx"));
    run(program("casync").arg("make").arg("--store").arg(&store).arg(&index).arg(task.image))?;
    let store = format!("--store={}", store.display());
    let extract = words(&["extract", "--seed-output=no", &store, &index.to_string_lossy(), &task.device()]);
    Ok(Plain::new(NAME, folder, vec![("casync", extract)]))
}
