//! The command line, of which the manual is made, too.

use clap::{Parser, ValueHint};
use everboot_core::slot::ImageId;
use std::path::PathBuf;

/// Fetches everboot bundles onto the device.
///
/// everboot-fetch repeats a download that breaks off. What has arrived stays in FILE.part beside FILE, and the next run
/// continues with it. FILE appears when it is complete and durable. everboot-fetch does not check whether this machine
/// trusts the bundle: `everboot stage` does, and calls everboot-fetch by itself for such a SOURCE.
///
/// Exit codes: 0 done, or nothing newer in the channel; 1 failure; 2 usage; 3 an older list of the channel than seen
/// before; 4 nothing in the channel for this machine; 5 not what was signed or pinned; 6 another everboot-fetch is at
/// work on it; 9 no room.
///
/// Environment: SSL_CERT_FILE names a file, and SSL_CERT_DIR folders separated by colons, with the certificates (PEM)
/// of the authorities that https trusts. When one of them is set, the certificates of the system are not read.
/// HTTPS_PROXY, HTTP_PROXY and NO_PROXY choose a proxy. `everboot stage` and `everboot install` pass the environment
/// on.
#[derive(Parser)]
#[command(name = "everboot-fetch", version)]
pub struct Arguments {
    /// What is fetched: oci:REGISTRY/NAME[:TAG|@DIGEST], an https: or http: URL, file:PATH, or channel:URL, the newest
    /// bundle for this machine out of a signed list
    #[arg(value_name = "SOURCE", value_hint = ValueHint::Url)]
    pub source: String,
    /// Where the bundle goes; by default the last part of its name, in this folder
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// The folder with everboot.conf and keys/*.pub, for a channel
    #[arg(long, value_name = "DIR", default_value = "/etc/everboot", value_hint = ValueHint::DirPath)]
    pub config: PathBuf,
    /// The folder with the keys *.pub that may sign a channel, or with --have a bundle; by default keys in --config
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub keys: Option<PathBuf>,
    /// The machine type, for a channel; by default that of everboot.conf
    #[arg(long, value_name = "TYPE")]
    pub compatible: Option<String>,
    /// What is installed: of a channel, fetch only a newer version that may be installed over it
    #[arg(long, value_name = "VERSION")]
    pub installed: Option<String>,
    /// Do not fetch blocks that are in these files or devices, but make the bundle from them and from ranges of the
    /// source; a key of --keys must have signed it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub have: Vec<PathBuf>,
    /// Images that are known to fail on this machine.
    #[arg(skip)]
    pub failed: Vec<ImageId>,
    /// Why this machine takes no new image now; a channel may have none for it all the same.
    #[arg(skip)]
    pub blocked: Option<String>,
    /// Remember in FILE which list of a channel was read, and refuse an older one
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub state: Option<PathBuf>,
    /// Give up after this number of tries in a row that brought no new bytes
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub tries: u32,
    /// Wait before the second try; each further wait is twice as long, up to five minutes
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=300))]
    pub wait: u64,
    /// Do not show progress
    #[arg(long)]
    pub no_progress: bool,
}

impl Arguments {
    /// The folder of the keys.
    pub fn keys(&self) -> PathBuf {
        self.keys.clone().unwrap_or_else(|| self.config.join("keys"))
    }
}
