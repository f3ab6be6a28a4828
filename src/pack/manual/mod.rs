//! `manual`: man pages, and completions for bash, zsh and fish, from the tables that the programs obey; and the pages
//! that are written by hand in `src/manual`.

mod bash;
mod chapters;
mod markdown;
mod page;
mod pages;

use anyhow::{Context, Result};
use clap::{Command, CommandFactory};
use clap_complete::aot::{Shell, generate};
use clap_mangen::Man;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The folder; it is filled as /usr/share is
    folder: PathBuf,
    /// The date that the pages show
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { folder, date } = arguments;
    write(folder, "man/man8/everboot.8", pages::everboot(date))?;
    write(folder, "man/man5/everboot.conf.5", pages::configuration(date))?;
    for chapter in chapters::pages(date) {
        let (path, text) = chapter?;
        write(folder, &path, text)?;
    }
    write(folder, "doc/everboot/examples/everboot.conf", pages::example())?;
    write(folder, "bash-completion/completions/everboot", bash::script())?;
    let (everboot, fetch) = (everboot::command(), everboot_fetch::arguments::Arguments::command());
    write(folder, "bash-completion/completions/everboot-fetch", completion(Shell::Bash, &fetch))?;
    for command in [&everboot, &fetch] {
        let name = command.get_name();
        write(folder, &format!("zsh/vendor-completions/_{name}"), completion(Shell::Zsh, command))?;
        write(folder, &format!("fish/vendor_completions.d/{name}.fish"), completion(Shell::Fish, command))?;
    }
    page(folder, date, "8", fetch)?;
    own_pages(folder, date, crate::Arguments::command())
}

/// One page for `everboot-pack`, and one for each of its commands.
fn own_pages(folder: &Path, date: &str, command: Command) -> Result<()> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut pages = vec![command.clone()];
    pages.extend(command.get_subcommands().cloned());
    pages.into_iter().try_for_each(|command| page(folder, date, "1", command))
}

/// The page of a command in a section of the manual.
fn page(folder: &Path, date: &str, section: &str, command: Command) -> Result<()> {
    let manual = if section == "8" { "System Administration" } else { "User Commands" };
    let page = Man::new(command).section(section).source(page::SOURCE).manual(manual).date(date);
    let (mut bytes, file) = (Vec::new(), page.get_filename());
    let title = file.trim_end_matches(&format!(".{section}")).to_uppercase();
    page.title(title).render(&mut bytes)?;
    write(folder, &format!("man/man{section}/{file}"), bytes)
}

fn completion(shell: Shell, command: &Command) -> Vec<u8> {
    let mut bytes = Vec::new();
    generate(shell, &mut command.clone(), command.get_name(), &mut bytes);
    bytes
}

fn write(folder: &Path, name: &str, text: impl AsRef<[u8]>) -> Result<()> {
    let path = folder.join(name);
    let parent = path.parent().context("a file has a folder")?;
    fs::create_dir_all(parent)
        .and_then(|()| fs::write(&path, text))
        .with_context(|| format!("write {}", path.display()))
}
