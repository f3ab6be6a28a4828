//! `manual`: man pages, and completions for bash, zsh and fish, from the tables that the programs obey.

mod bash;
mod command;
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
    write(folder, "doc/everboot/examples/everboot.conf", pages::example())?;
    write(folder, "bash-completion/completions/everboot", bash::script())?;
    let everboot = command::everboot();
    write(folder, "zsh/vendor-completions/_everboot", completion(Shell::Zsh, &everboot))?;
    write(folder, "fish/vendor_completions.d/everboot.fish", completion(Shell::Fish, &everboot))?;
    own_pages(folder, date, crate::Arguments::command())
}

/// One page for `everboot-pack`, and one for each of its commands.
fn own_pages(folder: &Path, date: &str, command: Command) -> Result<()> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut pages = vec![command.clone()];
    pages.extend(command.get_subcommands().cloned());
    for page in pages {
        let page = Man::new(page).section("1").source(page::SOURCE).manual("User Commands").date(date);
        let (mut bytes, file) = (Vec::new(), page.get_filename());
        page.title(file.trim_end_matches(".1").to_uppercase()).render(&mut bytes)?;
        write(folder, &format!("man/man1/{file}"), bytes)?;
    }
    Ok(())
}

fn completion(shell: Shell, command: &Command) -> Vec<u8> {
    let mut bytes = Vec::new();
    generate(shell, &mut command.clone(), "everboot", &mut bytes);
    bytes
}

fn write(folder: &Path, name: &str, text: impl AsRef<[u8]>) -> Result<()> {
    let path = folder.join(name);
    let parent = path.parent().context("a file has a folder")?;
    fs::create_dir_all(parent)
        .and_then(|()| fs::write(&path, text))
        .with_context(|| format!("write {}", path.display()))
}
