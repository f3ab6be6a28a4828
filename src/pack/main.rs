//! everboot-pack: makes and shows bundles, and disks with a first one. A tool for the machine that builds images; the
//! agent has none of it. Exit status: 0 done, 1 failed, 2 wrong usage.
#![expect(clippy::print_stdout, reason = "a tool that people run")]

mod channel;
mod delta;
mod disk;
mod endorse;
mod files;
mod formats;
mod fs_block;
mod fstab;
mod image;
mod image_file;
mod keygen;
mod manual;
mod modules;
mod output;
#[cfg(feature = "registry")]
mod push;
mod root;
mod secret_key;
mod show;
mod source;
mod sum;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Makes and shows everboot bundles, and disk images with a first one.
#[derive(Parser)]
#[command(name = "everboot-pack", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a pair of minisign keys: FILE (secret, not encrypted) and FILE.pub
    Keygen(keygen::Arguments),
    /// Have machines that trust an old key believe a new one, too: makes NEW.pub.endorsed
    Endorse(endorse::Arguments),
    /// Make a signed bundle of a root file system: an image, a folder, a tar or an OCI image
    Image(image::Arguments),
    /// Make a bundle of what a new image has and older ones have not
    Delta(delta::Arguments),
    /// Make a disk image as it leaves the factory
    Disk(disk::Arguments),
    /// Name the files that blocks of a slot belong to
    Files(files::Arguments),
    /// Show what a bundle says of itself
    Show(show::Arguments),
    /// Put a bundle into a registry
    #[cfg(feature = "registry")]
    Push(push::Arguments),
    /// Make and sign a channel: the list from which machines take the newest bundle that fits
    Channel(channel::Arguments),
    /// Write man pages and shell completions
    Manual(manual::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Keygen(arguments) => keygen::run(&arguments),
        Command::Endorse(arguments) => endorse::run(&arguments),
        Command::Image(arguments) => image::run(&arguments),
        Command::Delta(arguments) => delta::run(&arguments),
        Command::Disk(arguments) => disk::run(&arguments),
        Command::Files(arguments) => files::run(&arguments),
        Command::Show(arguments) => show::run(&arguments),
        #[cfg(feature = "registry")]
        Command::Push(arguments) => push::run(&arguments),
        Command::Channel(arguments) => channel::run(&arguments),
        Command::Manual(arguments) => manual::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("everboot-pack: {error:#}");
            ExitCode::FAILURE
        }
    }
}
