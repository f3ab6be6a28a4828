//! `keygen`: a pair of keys that minisign accepts.

use anyhow::{Context, Result};
use everboot_storage::bundle::sign::NewKeys;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where the secret key goes; the public key goes to FILE.pub. Neither may be there yet
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let keys = NewKeys::generate().context("make keys")?;
    let mut public = arguments.output.clone().into_os_string();
    public.push(".pub");
    write_new(&arguments.output, &keys.secret, 0o600)?;
    write_new(Path::new(&public), &keys.public, 0o644)
}

/// A key that is there is never overwritten: machines may trust it.
fn write_new(path: &Path, text: &str, mode: u32) -> Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = file.with_context(|| {
        let what =
            if path.exists() { "a key is never overwritten; choose another name" } else { "create it" };
        format!("{}: {what}", path.display())
    })?;
    file.write_all(text.as_bytes()).with_context(|| format!("write {}", path.display()))
}
