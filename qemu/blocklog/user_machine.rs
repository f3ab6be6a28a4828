//! What a user brings for a campaign: a bundle, and the disk of the machine that it is for. Whether it can be used is
//! checked before anything is made of it; the error is one line that names the file.

use super::disk::{good_default, pages, record_on, view};
use super::disk_sizes::{DiskSizes, check_disk_size};
use super::partitions::Partitions;
use super::staging;
use anyhow::{Context, Error, Result, bail, ensure};
use everboot_agent::machine::Access;
use everboot_agent::settings::Settings;
pub use everboot_agent::settings::beside;
use everboot_agent::sys::FileMedium;
use everboot_builder::paths;
use everboot_core::config::Config;
use everboot_core::manifest::Manifest;
use everboot_core::record::Update;
use everboot_kit::sim::pages::Pages;
use everboot_storage::apply::{Layout, read_trailer};
use everboot_storage::bundle::{Bundle, Keys};
use std::fs;
use std::path::{Path, PathBuf};

const MIB: u64 = 1 << 20;

/// What a user brings.
#[derive(Debug, Clone, Default)]
pub struct UserMachine {
    /// A bundle.
    pub bundle: Option<PathBuf>,
    /// The disk image of the machine that it is for; its configuration and keys are in `FILE.config`.
    pub disk: Option<PathBuf>,
}

impl UserMachine {
    /// Whether the campaign can be run on it, as far as that can be said before anything is built.
    pub fn check(&self) -> Result<()> {
        self.bundle.iter().chain(&self.disk).try_for_each(|path| check_place(path))?;
        match (&self.bundle, &self.disk) {
            (None, None) => Ok(()),
            (None, Some(disk)) => bail!(
                "--disk {}: expected --bundle FILE with it, an update that this machine trusts, found none",
                disk.display()
            ),
            (Some(bundle), None) => check_alone(bundle).with_context(|| named(bundle)),
            (Some(bundle), Some(disk)) => {
                let settings = beside(disk);
                let (config, keys) = read_settings(&settings)?;
                let parts =
                    check_disk(disk, &config).with_context(|| format!("--disk {}", disk.display()))?;
                let opened = open(bundle).and_then(|file| Ok(Bundle::open(file, &keys)?));
                let opened = opened
                    .with_context(|| format!("{}, for the keys in {}", named(bundle), settings.display()))?;
                check_fit(&opened, &config, &parts).with_context(|| named(bundle))
            }
        }
    }

    /// Whether the images that it names have modules for the campaign's kernel: the agent refuses others.
    pub fn check_modules(&self, release: &str) -> Result<()> {
        let Some(bundle) = &self.bundle else { return Ok(()) };
        let opened = Bundle::open_untrusted(open(bundle)?).with_context(|| named(bundle))?;
        let modules = opened.manifest().modules.as_ref();
        ensure!(
            modules.is_none_or(|modules| modules.iter().any(|known| known == release)),
            "{}: the campaign boots kernel {release}: expected its modules in the image, found {}; pack a bundle \
             with `everboot-pack image --modules none` for it",
            named(bundle),
            modules
                .filter(|modules| !modules.is_empty())
                .map_or("none".to_owned(), |found| format!("those of {}", found.join(", ")))
        );
        Ok(())
    }
}

fn named(bundle: &Path) -> String {
    format!("--bundle {}", bundle.display())
}

/// Opens a bundle's file.
pub fn open(bundle: &Path) -> Result<FileMedium> {
    ensure!(bundle.is_file(), "expected a file, found none");
    Ok(FileMedium::open(bundle, Access::Read)?)
}

/// Reads a machine's `/etc/everboot`. A campaign needs one with which the machine itself is content: what the agent
/// warns of and goes on without is an error here.
pub fn read_settings(folder: &Path) -> Result<(Config, Keys)> {
    let faultless = Settings::read(folder).faultless().map_err(Error::msg);
    faultless.with_context(|| format!("{}: expected the machine's configuration and keys", folder.display()))
}

/// What lies where the campaign makes its own files would be gone with them.
fn check_place(path: &Path) -> Result<()> {
    let work = paths::out("work")?;
    let is_below = fs::canonicalize(path)
        .is_ok_and(|path| fs::canonicalize(&work).is_ok_and(|work| path.starts_with(work)));
    ensure!(
        !is_below,
        "{}: expected a file elsewhere, found one below {}, which a campaign empties; copy it first",
        path.display(),
        work.display()
    );
    Ok(())
}

/// The machine that is made for a bundle alone has to be small enough.
fn check_alone(bundle: &Path) -> Result<()> {
    let opened = Bundle::open_untrusted(open(bundle)?)?;
    check_sealed(opened.manifest())?;
    let sizes = DiskSizes::of(opened.manifest().root().size, opened.total_len())?;
    check_disk_size(sizes.disk(), "it is made for the image: pack a smaller one")
}

fn check_disk(disk: &Path, config: &Config) -> Result<Partitions> {
    let len = fs::metadata(disk)?.len();
    let parts = Partitions::of(disk, config)?;
    check_disk_size(len, "make one with smaller slots")?;
    let pages = pages(disk)?;
    check_idle(&pages, &parts)?;
    staging::check(&pages, parts.data)?;
    Ok(parts)
}

/// The default slot is good and says what is in it, and nothing is under way.
pub fn check_idle(disk: &Pages, parts: &Partitions) -> Result<()> {
    let record = record_on(disk, parts);
    let record = record.context("expected a boot record, found none; see `everboot record init`")?;
    let good = good_default(&record);
    let good = good.context("expected a good default slot, found none; see `everboot --disk FILE status`")?;
    ensure!(
        record.update == Update::None && record.trial().is_none(),
        "expected a machine without an update under way, found one; see `everboot --disk FILE cancel`"
    );
    let name = &parts.names[good.index()];
    let trailer = read_trailer(&view(disk, parts.slots[good.index()]))?;
    let trailer =
        trailer.with_context(|| format!("{name}: expected an image that everboot wrote, found none"))?;
    check_sealed(&Manifest::parse(&trailer.signed.manifest)?).with_context(|| name.clone())
}

fn check_sealed(manifest: &Manifest) -> Result<()> {
    ensure!(
        !manifest.root().open,
        "expected a sealed image, found an open one, whose bytes change when it runs"
    );
    Ok(())
}

fn check_fit(bundle: &Bundle<FileMedium>, config: &Config, parts: &Partitions) -> Result<()> {
    let manifest = bundle.manifest();
    ensure!(
        manifest.compatible == config.compatible,
        "expected a bundle for {}, found one for {}",
        config.compatible,
        manifest.compatible
    );
    for (slot, name) in parts.slots.iter().zip(&parts.names) {
        Layout::new(slot.length, manifest.root().size).with_context(|| name.clone())?;
    }
    // What the file system needs for itself, it says when there is no room.
    let (found, needed) = (parts.data.length, bundle.total_len() + MIB);
    ensure!(found >= needed, "expected a data partition of {needed} bytes at least, found one of {found}");
    check_sealed(manifest)
}
