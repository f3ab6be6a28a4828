//! The machine on which updates are recorded, and the bundle that they bring: the campaign's own, or a user's.

use super::facts::looked;
use super::parts::Parts;
use super::recording::pages;
use crate::harness::bundle::{self, pack_for};
use crate::harness::{Bed, Machine, paths, system};
use anyhow::{Context, Result, bail, ensure};
use everboot::apply::{Layout, TRAILER_LEN, read_trailer};
use everboot::bundle::{Bundle, Keys};
use everboot::config::Config;
use everboot::machine::Access;
use everboot::manifest::Manifest;
use everboot::record::{Record, Selection, Update};
use everboot::slot::SlotId;
use everboot::store;
use everboot::sys::FileMedium;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// The systems of all versions say that they are up, and wait.
const INIT: &str = "sleep 99999";
/// Of an image, of a slot, of the data partition.
const MEBIBYTES: u64 = 3;
const SLOT: &str = "4";
const DATA: &str = "6";
/// Pairs of files in an image: one that is the same in each version, and one that is not, so that there are many
/// blocks to write that are no neighbours.
const FILES: usize = 12;
const MIB: u64 = 1 << 20;
/// A disk is held in memory more than once.
const LARGEST_DISK: u64 = 1 << 30;

/// Its folder below `out/work`, and the bundle in it.
const FOLDER: &str = "log-subject";
const BUNDLE: &str = "update.everboot";
/// There when the systems are the campaign's own.
const OWN: &str = "systems-say-up";

/// What a user brings.
#[derive(Debug, Clone, Default)]
pub struct Brought {
    /// A bundle.
    pub bundle: Option<PathBuf>,
    /// The disk image of the machine that it is for; its configuration and keys are in `FILE.config`.
    pub disk: Option<PathBuf>,
}

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

impl Brought {
    /// Whether the campaign can be run on it; what is wrong is one line.
    pub fn check(&self) -> Result<()> {
        match (&self.bundle, &self.disk) {
            (None, None) => Ok(()),
            (None, Some(disk)) => bail!(
                "--disk {}: expected --bundle FILE with it, an update that this machine trusts, found none",
                disk.display()
            ),
            (Some(bundle), None) => {
                let named = || format!("--bundle {}", bundle.display());
                let opened = Bundle::open_untrusted(open(bundle)?).with_context(named)?;
                fits(opened.manifest()).with_context(named)
            }
            (Some(bundle), Some(disk)) => {
                let named = || format!("--disk {}", disk.display());
                let settings = settings_of(disk);
                let (config, keys) = read_settings(&settings)?;
                let len = fs::metadata(disk).with_context(named)?.len();
                let parts = Parts::of(disk, &config).with_context(named)?;
                ensure!(
                    len <= LARGEST_DISK,
                    "--disk {}: expected an image of at most {} MiB, found {}; make one with smaller slots",
                    disk.display(),
                    LARGEST_DISK / MIB,
                    len / MIB
                );
                check_record(disk, &parts).with_context(named)?;
                let named = || format!("--bundle {}", bundle.display());
                let opened = Bundle::open(open(bundle)?, &keys);
                let opened =
                    opened.with_context(|| format!("{}, for the keys in {}", named(), settings.display()))?;
                check_fit(&opened, &config, &parts).with_context(named)
            }
        }
    }
}

/// `FILE.config`, where the agent looks with `--disk FILE`.
pub fn settings_of(disk: &Path) -> PathBuf {
    let mut name = OsString::from(disk);
    name.push(".config");
    name.into()
}

fn open(bundle: &Path) -> Result<FileMedium> {
    ensure!(bundle.is_file(), "--bundle {}: expected a file, found none", bundle.display());
    FileMedium::open(bundle, Access::Read).context("--bundle")
}

fn read_settings(folder: &Path) -> Result<(Config, Keys)> {
    let path = folder.join("everboot.conf");
    let text = fs::read_to_string(&path);
    let text = text.with_context(|| format!("{}: expected the machine's configuration", path.display()))?;
    let config = Config::parse(&text).with_context(|| path.display().to_string())?;
    let mut keys = Keys::default();
    for entry in fs::read_dir(folder.join("keys")).into_iter().flatten() {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "pub") {
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            keys.add(&text).with_context(|| path.display().to_string())?;
        }
    }
    ensure!(!keys.is_empty(), "{}/keys: expected the machine's keys, *.pub, found none", folder.display());
    Ok((config, keys))
}

/// The default slot is good and says what is in it, and nothing is under way.
fn check_record(disk: &Path, parts: &Parts) -> Result<SlotId> {
    let disk = pages(disk)?;
    let Selection::Current { record, .. } = store::load(&looked(&disk, parts.record)).selection else {
        bail!("expected a boot record, found none; see `everboot record init`")
    };
    let record: Record = *record;
    let good = record.default.filter(|id| record.is_good(*id));
    let good = good.context("expected a good default slot, found none; see `everboot --disk FILE status`")?;
    ensure!(
        record.update == Update::None && record.trial().is_none(),
        "expected a machine without an update under way, found one; see `everboot --disk FILE cancel`"
    );
    let name = &parts.names[good.index()];
    let trailer = read_trailer(&looked(&disk, parts.slots[good.index()]))?;
    let trailer =
        trailer.with_context(|| format!("{name}: expected an image that everboot wrote, found none"))?;
    fits(&Manifest::parse(&trailer.signed.manifest)?).with_context(|| name.clone())?;
    Ok(good)
}

fn fits(manifest: &Manifest) -> Result<()> {
    ensure!(
        !manifest.payload.open,
        "expected a sealed image, found an open one, whose bytes change when it runs"
    );
    Ok(())
}

fn check_fit(bundle: &Bundle<FileMedium>, config: &Config, parts: &Parts) -> Result<()> {
    let manifest = bundle.manifest();
    ensure!(
        manifest.compatible == config.compatible,
        "expected a bundle for {}, found one for {}",
        config.compatible,
        manifest.compatible
    );
    for (slot, name) in parts.slots.iter().zip(&parts.names) {
        Layout::new(slot.length, manifest.payload.size).with_context(|| name.clone())?;
    }
    // What the file system needs for itself, it says when there is no room.
    let (room, needed) = (parts.data.length, bundle.total_len() + MIB);
    ensure!(room >= needed, "expected a data partition of {needed} bytes at least, found one of {room}");
    fits(manifest)
}

impl Subject {
    /// Puts a copy of all of it under `out/`.
    pub fn prepare(bed: &'static Bed, brought: &Brought) -> Result<Self> {
        brought.check()?;
        match (&brought.bundle, &brought.disk) {
            (Some(bundle), Some(disk)) => {
                let machine = Machine::copy_of(bed, FOLDER, disk, &settings_of(disk))?;
                fs::copy(bundle, machine.work.join(BUNDLE))?;
            }
            (Some(bundle), None) => {
                around(bed, bundle)?;
            }
            (None, _) => {
                own(bed)?;
            }
        }
        let subject = Self::kept()?;
        subject.check_modules(bed)?;
        subject.settle(bed)?;
        Ok(subject)
    }

    /// The one of the last run.
    pub fn kept() -> Result<Self> {
        let folder = paths::out("work/x")?.with_file_name(FOLDER);
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

    /// The kernel is the campaign's: images that need another one's modules are refused by the agent.
    fn check_modules(&self, bed: &Bed) -> Result<()> {
        let (release, modules) = (&bed.kernel.release, self.manifest.modules.as_ref());
        ensure!(
            modules.is_none_or(|modules| modules.contains(release)),
            "--bundle: the campaign boots kernel {release}: expected its modules in the image, found those of {}; \
             pack a bundle with `everboot-pack image --modules none` for it",
            modules.map_or(String::new(), |modules| modules.join(", "))
        );
        Ok(())
    }

    /// Boots it on the host, and confirms.
    fn settle(&self, bed: &'static Bed) -> Result<()> {
        let machine = Machine::copy_of(bed, "log-settled", &self.disk, &self.settings)?;
        for words in [&["boot"][..], &["confirm"]] {
            machine.must(words).context("the machine before the update")?;
        }
        fs::rename(machine.disk.path(), &self.disk)?;
        check_record(&self.disk, &Parts::of(&self.disk, &self.config)?).map(drop)
    }
}

/// A machine on which version 0 came from the factory, and version 1 is good and the default; and version 2.
fn own(bed: &'static Bed) -> Result<()> {
    let [zero, one, two] = ["0", "1", "2"].map(|number| version(bed, bundle::COMPATIBLE, number));
    let words = ["--slot-size", SLOT, "--data-size", DATA, "--record-size", "1"];
    let machine = Machine::new(bed, FOLDER, &zero?, &words)?;
    let one = one?;
    for words in [&["boot"][..], &["confirm"], &["install", &one.to_string_lossy()], &["boot"], &["confirm"]]
    {
        machine.must(words)?;
    }
    fs::copy(two?, machine.work.join(BUNDLE))?;
    Ok(fs::write(machine.work.join(OWN), "")?)
}

/// A machine for somebody's bundle: a small system that is older than it, and slots that are large enough.
fn around(bed: &'static Bed, bundle: &Path) -> Result<()> {
    let opened = Bundle::open_untrusted(open(bundle)?)?;
    let manifest = opened.manifest();
    let first = version(bed, &manifest.compatible, "0")?;
    let needed = Layout::new(u64::MAX / 2, manifest.payload.size)?;
    let needed = needed.image_len + needed.tree_len + TRAILER_LEN;
    let slot = needed.div_ceil(MIB).max(MEBIBYTES + 1).to_string();
    // The journal of a file system, its tables, and the bundle.
    let data = (opened.total_len().div_ceil(MIB) * 5 / 4 + 5).to_string();
    let words = ["--slot-size", &slot, "--data-size", &data, "--record-size", "1"];
    let configuration = format!("compatible = {}\n", manifest.compatible);
    let machine = Machine::with(bed, FOLDER, &configuration, &first, &words)?;
    let len = fs::metadata(machine.disk.path())?.len();
    ensure!(
        len <= LARGEST_DISK,
        "--bundle {}: expected one whose machine needs {} MiB at most, found {}; pack a smaller image",
        bundle.display(),
        LARGEST_DISK / MIB,
        len / MIB
    );
    bundle::signed_anew(bed, bundle, &machine.work.join(BUNDLE))
}

/// The bundle of a small system.
fn version(bed: &Bed, compatible: &str, version: &str) -> Result<PathBuf> {
    let mut mini = system::mini(bed, version, INIT);
    (mini.mebibytes, mini.modules) = (MEBIBYTES, false);
    for number in 0..FILES {
        let block = |text: String| text.repeat(4096 / text.len() + 1)[..4096].to_owned();
        let file = |kind: &str| format!("/opt/{number:02}-{kind}");
        mini.overlay = mini.overlay.file(&file("changes"), block(format!("{number} of version {version}\n")));
        mini.overlay = mini.overlay.file(&file("stays"), block(format!("{number} of every version\n")));
    }
    pack_for(compatible, bed, &mini.image(&bed.kernel)?, version, &["--modules", "none"])
}
