//! `channel`: the signed list of bundles from which machines take the newest that fits them.

use crate::output::Output;
use crate::secret_key::read_key;
use crate::source::Source;
use crate::sum::sum;
use anyhow::{Context, Result, ensure};
use everboot_core::channel::{Channel, Offer};
use everboot_core::manifest::VersionRange;
use everboot_core::slot::RootHash;
use everboot_storage::bundle::Bundle;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The bundles, each with the URL at which machines find it: an https: or http: URL, oci:REGISTRY/NAME@DIGEST, or
    /// one that is relative to that of the list; its file name if absent
    #[arg(value_name = "BUNDLE[=URL]", required = true)]
    bundles: Vec<String>,
    /// Where the list goes; its signature goes to FILE.minisig
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Name of the channel
    #[arg(long)]
    name: String,
    /// Secret key that signs the list, made by keygen or by minisign -G
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Number of the list; without it one more than that of the list in FILE, or 1
    #[arg(long, value_name = "N")]
    serial: Option<u64>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let signer = read_key(&arguments.key)?;
    let serial = arguments.serial.map_or_else(|| next_serial(arguments), Ok)?;
    let offers = arguments.bundles.iter().map(|text| offer(text)).collect::<Result<_>>()?;
    let channel = Channel::new(arguments.name.clone(), serial, offers)?;
    let json = channel.to_json();
    // What is read back is what machines read.
    Channel::parse(json.as_bytes()).context("the list would not be accepted")?;
    let signature = signer.sign(json.as_bytes(), &format!("everboot channel {} {serial}", channel.name));
    write(&arguments.output.with_added_extension("minisig"), &signature)?;
    write(&arguments.output, json.as_bytes())
}

fn next_serial(arguments: &Arguments) -> Result<u64> {
    let path = &arguments.output;
    let Ok(bytes) = fs::read(path) else { return Ok(1) };
    let last = Channel::parse(&bytes).with_context(|| format!("{}; --serial N goes on", path.display()))?;
    ensure!(
        last.name == arguments.name,
        "{}: expected the list of {}, found that of {}",
        path.display(),
        arguments.name,
        last.name
    );
    Ok(last.serial + 1)
}

fn offer(text: &str) -> Result<Offer> {
    let (path, url) = text.split_once('=').unwrap_or((text, ""));
    let path = Path::new(path);
    let named = || path.display().to_string();
    let bundle = Bundle::open_untrusted(Source::open(path)?).with_context(named)?;
    let manifest = bundle.manifest();
    let (sum, size) = sum(path).with_context(named)?;
    let name = || path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let ranges = |from: &Vec<VersionRange>| from.iter().map(ToString::to_string).collect();
    Ok(Offer {
        version: manifest.version.clone(),
        compatible: manifest.compatible.clone(),
        upgrade_from: manifest.upgrade_from.as_ref().map(ranges),
        url: if url.is_empty() { name() } else { url.to_owned() },
        size,
        sha256: sum.to_string(),
        manifest_sha256: Some(RootHash(bundle.signed().digest()).to_string()),
        image: Some(manifest.image_id().to_string()),
    })
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let output = Output::create(path)?;
    output.write_at(0, bytes)?;
    output.finish(bytes.len() as u64)
}
