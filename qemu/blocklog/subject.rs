//! The machine on which updates are recorded, and the bundle that they bring: the campaign's own, or a user's.

use super::disk::pages;
use super::disk_sizes::DiskSizes;
use super::partitions::Partitions;
use super::user_machine::{UserMachine, beside, check_idle, open, read_settings};
use anyhow::{Context, Result};
use everboot_builder::paths;
use everboot_core::config::Config;
use everboot_core::manifest::Manifest;
use everboot_storage::bundle::{Bundle, Keys};
use everboot_testbed::bundle::{self, pack_for};
use everboot_testbed::{Machine, Testbed, system};
use std::fs;
use std::path::{Path, PathBuf};

/// The systems of all versions say that they are up, and wait.
const INIT: &str = "sleep 99999";
/// The size of an image.
const MEBIBYTES: u64 = 3;
/// Pairs of files in an image: one that is the same in each version, and one that is not, so that there are many
/// blocks to write that are no neighbours.
const FILES: usize = 12;

/// Its folder below `out/work`.
const FOLDER: &str = "log-subject";
/// The bundle in its folder.
const BUNDLE: &str = "update.everboot";
/// A file in its folder, there when the systems are the campaign's own.
const OWN: &str = "systems-say-up";

/// A machine before an update, and the update.
#[derive(Debug)]
pub struct Subject {
    /// Its disk: a slot is good, the default, and was confirmed in the latest boot. Only copies of it are written.
    pub disk: PathBuf,
    /// Its `/etc/everboot`.
    pub settings: PathBuf,
    /// What this says.
    pub config: Config,
    /// The keys in it.
    pub keys: Keys,
    /// The bundle, which the machine trusts.
    pub bundle: PathBuf,
    /// What it says.
    pub manifest: Manifest,
    /// Whether the systems say `UP` and their version when they are up.
    pub says_up: bool,
}

impl Subject {
    /// Puts a copy of all of it under `out/`; what is brought was checked.
    pub fn prepare(testbed: &'static Testbed, user_machine: &UserMachine) -> Result<Self> {
        match (&user_machine.bundle, &user_machine.disk) {
            (Some(bundle), Some(disk)) => {
                let machine = Machine::copy_of(testbed, FOLDER, disk, &beside(disk))?;
                fs::copy(bundle, machine.work.join(BUNDLE))?;
            }
            (Some(bundle), None) => {
                around(testbed, bundle)?;
            }
            (None, _) => {
                own(testbed)?;
            }
        }
        let subject = Self::kept()?;
        subject.settle(testbed)?;
        Ok(subject)
    }

    /// The one of the last run.
    pub fn kept() -> Result<Self> {
        let folder = paths::out(&format!("work/{FOLDER}"))?;
        let (settings, bundle) = (folder.join("etc"), folder.join(BUNDLE));
        let (config, keys) = read_settings(&settings)?;
        let manifest = Bundle::open(open(&bundle)?, &keys)?.manifest().clone();
        let says_up = folder.join(OWN).exists();
        Ok(Self { disk: folder.join("disk.img"), settings, config, keys, bundle, manifest, says_up })
    }

    /// The drivers that its initramfs needs for roots that may be of any kind.
    pub fn drivers(&self) -> &'static [&'static str] {
        if self.says_up { &[] } else { &["squashfs", "erofs"] }
    }

    /// Boots of a trial of the update that nobody confirms.
    pub fn tries(&self) -> usize {
        usize::from(self.manifest.tries.unwrap_or(self.config.tries).min(self.config.handoffs))
    }

    /// Boots it on the host, and confirms.
    fn settle(&self, testbed: &'static Testbed) -> Result<()> {
        let machine = Machine::copy_of(testbed, "log-settled", &self.disk, &self.settings)?;
        for words in [&["boot"][..], &["confirm"]] {
            machine.must(words).context("the machine before the update")?;
        }
        fs::rename(machine.disk.path(), &self.disk)?;
        check_idle(&pages(&self.disk)?, &Partitions::of(&self.disk, &self.config)?)
    }
}

/// A machine on which version 0 came from the factory, and version 1 is good and the default; and version 2.
fn own(testbed: &'static Testbed) -> Result<()> {
    let [zero, one, two] = ["0", "1", "2"].map(|number| version(testbed, bundle::COMPATIBLE, number));
    let machine =
        Machine::new(testbed, FOLDER, &zero?, &DiskSizes::SMALLEST.words().each_ref().map(String::as_str))?;
    let one = one?;
    for words in [&["boot"][..], &["confirm"], &["install", &one.to_string_lossy()], &["boot"], &["confirm"]]
    {
        machine.must(words)?;
    }
    fs::copy(two?, machine.work.join(BUNDLE))?;
    Ok(fs::write(machine.work.join(OWN), "")?)
}

/// A machine for somebody's bundle: a small system that is older than it, and slots that are large enough.
fn around(testbed: &'static Testbed, bundle: &Path) -> Result<()> {
    let opened = Bundle::open_untrusted(open(bundle)?)?;
    let manifest = opened.manifest();
    let first = version(testbed, &manifest.compatible, "0")?;
    let words = DiskSizes::of(manifest.root().size, opened.total_len())?.words();
    let words = words.each_ref().map(String::as_str);
    let configuration = format!("compatible = {}\n", manifest.compatible);
    let machine = Machine::with(testbed, FOLDER, &configuration, &first, &words)?;
    bundle::signed_anew(testbed, bundle, &machine.work.join(BUNDLE))
}

/// The bundle of a small system.
fn version(testbed: &Testbed, compatible: &str, version: &str) -> Result<PathBuf> {
    let mut mini = system::mini(testbed, version, INIT);
    (mini.mebibytes, mini.modules) = (MEBIBYTES, false);
    // Nothing of it is run, and a smaller image is checked faster: the smaller program.
    mini.overlay = mini.overlay.host_file("/usr/bin/everboot", 0o755, &testbed.agent.init);
    for number in 0..FILES {
        let block = |text: String| text.repeat(4096 / text.len() + 1)[..4096].to_owned();
        let file = |kind: &str| format!("/opt/{number:02}-{kind}");
        mini.overlay = mini.overlay.file(&file("changes"), block(format!("{number} of version {version}\n")));
        mini.overlay = mini.overlay.file(&file("stays"), block(format!("{number} of every version\n")));
    }
    pack_for(compatible, testbed, &mini.image(&testbed.kernel)?, version, &["--modules", "none"])
}
