//! `endorse`: a new key shipped under an old one.
//!
//! An endorsement is the text of a public key and a minisign signature over it. Bundles carry it behind the signature
//! of their manifest, so a machine that trusts only the old key believes the new one, too.

use crate::secret_key::read_key;
use anyhow::{Context, Result, ensure};
use everboot_storage::bundle::sign::{Signer, endorsement};
use everboot_storage::bundle::{ENDORSEMENTS_MAX, Keys, SIGNATURE_MAX};
use std::fs;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The new public key
    #[arg(value_name = "NEW.pub")]
    public: PathBuf,
    /// The old secret key, whose public key machines trust
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Where the endorsement goes; by default NEW.pub.endorsed
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let signer = read_key(&arguments.key)?;
    let public = read_public(&arguments.public)?;
    let mut output = arguments.public.clone().into_os_string();
    output.push(".endorsed");
    let output = arguments.output.clone().unwrap_or(output.into());
    fs::write(&output, signer.endorse(&public)).with_context(|| format!("write {}", output.display()))
}

/// A public key as minisign writes it: a comment, and the key.
fn read_public(path: &Path) -> Result<String> {
    let named = || format!("key {}", path.display());
    let text = fs::read_to_string(path).with_context(named)?;
    Keys::parse(&text).with_context(named)?;
    ensure!(
        text.lines().count() == 2 && text.ends_with('\n'),
        "{}: expected a comment and a key, a line each, found something else",
        named()
    );
    Ok(text)
}

/// The endorsements in these files, one behind the other: the first for the key of `signer`, each by the key that the
/// next one is for.
pub(crate) fn read_chain(paths: &[PathBuf], signer: &Signer) -> Result<String> {
    ensure!(
        paths.len() <= ENDORSEMENTS_MAX,
        "expected at most {ENDORSEMENTS_MAX} endorsements, found {}",
        paths.len()
    );
    let (mut chain, mut number) = (String::new(), signer.number());
    for path in paths {
        let named = || format!("endorsement {}", path.display());
        let text = fs::read_to_string(path).with_context(named)?;
        let wrong = || format!("{}: expected what `everboot-pack endorse` makes", named());
        let [key, by] = endorsement(&text).with_context(wrong)?;
        ensure!(
            key == number,
            "{}: expected that of the key before it, found another's; name that of --key first",
            named()
        );
        (chain, number) = (chain + &text, by);
    }
    let most = SIGNATURE_MAX / 2;
    ensure!(chain.len() <= most, "expected endorsements of at most {most} bytes, found {}", chain.len());
    Ok(chain)
}
