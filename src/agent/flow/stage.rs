//! `stage`: bring a bundle onto the machine.

use super::sources::SourceSlots;
use super::{Error, FETCHED, STAGED, STAGED_PART, Site, View};
use crate::machine::{Access, Machine};
use everboot_core::lifecycle::{self, Blocked};
use everboot_core::manifest::Manifest;
use everboot_core::mutant::{self, Mutant};
use everboot_core::record::history::Kind;
use everboot_core::record::{Staged, Update};
use everboot_core::slot::ImageId;
use everboot_storage::apply::{self, Layout};
use everboot_storage::bundle::{self, Bundle};
use everboot_storage::medium::{self, Medium, Op, Staging};
use std::io;

/// What `everboot-fetch` leaves when it breaks off.
const BROKEN_OFF: &str = "fetched.everboot.part";
/// Bytes that are copied at once.
const STEP: usize = 1 << 20;

/// What may be staged beside the usual.
#[derive(Debug, Clone, Copy, Default)]
pub struct Overrides {
    /// An image that failed here before, or that is installed already.
    pub force: bool,
    /// One that no trusted key has signed, where the configuration allows that.
    pub insecure: bool,
}

/// What was staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedNow {
    /// The version of the image, for a reader.
    pub version: String,
    /// Size of the bundle in bytes.
    pub bytes: u64,
}

/// Where a bundle is to be fetched to, and what need not be.
#[derive(Debug)]
pub struct Receiver<S> {
    /// The staging area.
    pub area: S,
    /// The version that is installed.
    pub installed: Option<String>,
    /// Images that have failed.
    pub bad_images: Vec<ImageId>,
    /// Why the machine takes no new image now. One that is installed or staged already is none.
    pub blocked: Option<Error>,
}

/// Opens the staging area for a bundle that will be fetched into it. The download may take long and changes no record,
/// so this needs no lock.
pub fn receive<M: Machine>(site: &mut Site<'_, M>) -> Result<Receiver<M::Staging>, Error> {
    let view = site.look().writable()?;
    // Where a bundle is named it may be the same one, which may be staged again.
    let blocked = match view.record.update {
        Update::None => view.place(site.config).err().map(Error::from),
        _ => None,
    };
    let area = site.machine.staging(view.staging, Access::Exclusive).map_err(Error::Staging)?;
    let installed = view.record.default.and_then(|id| view.record.slot(id).version()).map(str::to_owned);
    Ok(Receiver { area, installed, bad_images: view.record.bad_images, blocked })
}

/// The slots, as they are now: what an update need not bring may be in them.
pub fn slots<M: Machine>(site: &mut Site<'_, M>) -> Vec<M::Disk> {
    let parts = site.look().parts;
    parts.into_iter().flatten().flatten().filter_map(|at| site.machine.open(at, Access::Read).ok()).collect()
}

/// A file of the staging area, or of the same kind.
type File<M> = <<M as Machine>::Staging as Staging>::File;

/// Checks everything about a bundle, copies it to the staging area, and records it.
///
/// Order: checks of signature, machine, version, size and every hash → copy · sync of the file · read back → a record
/// that no longer names an older bundle → rename · sync of the directory → a record that names this one. So a medium
/// that damages the copy leaves what was staged before. A cut before the last step leaves a file that no record names:
/// a copy is removed by the next `stage`, `cancel` or `confirm`; what was fetched stays under its own name, and gives
/// way to the next download. A refusal, which comes before the first write, changes nothing.
///
/// Without a source it is the bundle that was fetched into the staging area, as [`FETCHED`]: it gets another name in
/// place of a copy, and is checked behind a sync, as the medium has it.
pub fn stage<M: Machine>(
    mut site: Site<'_, M>,
    source: Option<File<M>>,
    Overrides { force, insecure }: Overrides,
) -> Result<StagedNow, Error> {
    if insecure && !site.keys.allows_insecure() {
        return Err(lifecycle::Refusal::NotInsecure.into());
    }
    let mut view = site.look().writable()?;
    let place = view.place(site.config);
    if let Err(Blocked::NotConfigured) = place {
        return Err(Error::NotConfigured);
    }
    let is_fetched = source.is_none();
    let source = match source {
        Some(source) => source,
        None => {
            let area = site.machine.staging(view.staging, Access::Exclusive);
            area.and_then(|area| area.open(FETCHED)).map_err(Error::Staging)?
        }
    };
    let mut bundle = Bundle::open_insecure(source, site.keys, insecure)?;
    let manifest = bundle.manifest().clone();
    site.admit(&manifest, &view.record)?;
    let image = lifecycle::image_of(&manifest);
    let version = image.label();
    let staged = Staged { manifest: bundle.signed().digest(), image };
    let next = lifecycle::stage(&view.record, staged, force, &|id| view.can_boot(id))?;
    // What is staged already may be staged again.
    if next != view.record {
        place?;
    }
    fits(&mut site, &view, &manifest)?;
    // What is due stays due, and another bundle of the same image takes the place of the one that is.
    let (target, from) = match next.update {
        Update::Due { target, .. } => (Some(target), SourceSlots::Sealed),
        _ => (lifecycle::choose_target(&view.record, &|id| view.can_boot(id)).ok(), SourceSlots::Any),
    };
    let mut sources = site.sources(&view, &bundle, target, from)?;
    if is_fetched {
        bundle.medium().sync().map_err(Error::Staging)?;
    }
    site.prove(&mut bundle, &mut sources)?;
    let area = site.machine.staging(view.staging, Access::Exclusive).map_err(Error::Staging)?;
    let len = bundle.total_len();
    if mutant::is(Mutant::RecordBeforeBundle) {
        view.save(next.clone())?;
    }
    let (blocks, machine) = (manifest.blocks(), &mut *site.machine);
    let source = (!is_fetched).then(|| bundle.medium());
    let copied = bring(&mut view, &area, (source, len), &next.update, &mut || {
        machine.show_progress(blocks, blocks);
    });
    drop(area);
    site.machine.close_staging();
    copied?;
    view.save(next)?;
    site.note(&view, Kind::Update, format!("staged version {version}"));
    Ok(StagedNow { version, bytes: len })
}

/// Refuses an image that is larger than the slot it would go to, could not be mounted there, or is for other parts.
/// While no slot may be written, it has to fit into one of those that may be later.
fn fits<M: Machine>(site: &mut Site<'_, M>, view: &View<M::Disk>, manifest: &Manifest) -> Result<(), Error> {
    let later = || view.record.ids().map(|(id, _)| id).find(|id| Some(*id) != view.record.default);
    let Some(target) = lifecycle::choose_target(&view.record, &|id| view.can_boot(id)).ok().or_else(later)
    else {
        return Ok(());
    };
    lifecycle::admit_parts(manifest, view.record.slot(target))?;
    for image in &manifest.parts {
        let at = view.part(target, &image.name)?;
        let len = view.survey.partition(at).len;
        Layout::new(len, image.size).map_err(|error| Error::Apply(apply::Error::DoesNotFit(error)))?;
        // A slot that does not answer is found out when it is to be written.
        if let Ok(part) = site.machine.open(at, Access::Read) {
            apply::check_sector(&part, image)?;
        }
    }
    Ok(())
}

/// Brings a bundle under the name of what is staged: a copy of this source, or without one what was fetched. `alive` is
/// called now and then.
fn bring<D: Medium>(
    view: &mut View<D>,
    area: &impl Staging,
    (source, len): (Option<&impl Medium>, u64),
    update: &Update,
    alive: &mut dyn FnMut(),
) -> Result<(), Error> {
    let Some(source) = source else { return take(view, area, FETCHED, update) };
    free_space_for(area, len)?;
    let brought = copy(area, source, len, alive).and_then(|()| take(view, area, STAGED_PART, update));
    if brought.is_err() {
        // Gives the room back; whether that works changes nothing about the failure.
        let _ = area.remove(STAGED_PART);
    }
    brought
}

fn free_space_for(area: &impl Staging, len: u64) -> Result<(), Error> {
    area.remove(STAGED_PART).map_err(Error::Staging)?;
    let mut found = area.available().map_err(Error::Staging)?;
    // What a download that broke off has left is worth less than what is here, where its room is enough.
    if found < len && area.open(BROKEN_OFF).is_ok_and(|part| found + part.len() >= len) {
        area.remove_unheld(BROKEN_OFF).map_err(Error::Staging)?;
        found = area.available().map_err(Error::Staging)?;
    }
    if found < len { Err(Error::NoSpace { needed: len, found }) } else { Ok(()) }
}

/// Copies, and reads the copy back behind its barrier, so from the medium.
fn copy(area: &impl Staging, source: &impl Medium, len: u64, alive: &mut dyn FnMut()) -> Result<(), Error> {
    let file = area.create(STAGED_PART).map_err(Error::Staging)?;
    each_step(source, len, alive, &mut |at, chunk| file.write_at(at, chunk))?;
    if !mutant::is(Mutant::StagedNoSync) {
        file.sync().map_err(Error::Staging)?;
    }
    if mutant::is(Mutant::StagedNotReadBack) {
        return Ok(());
    }
    let mut there = vec![0; STEP];
    each_step(source, len, alive, &mut |at, chunk| {
        let there = &mut there[..chunk.len()];
        file.read_at(at, there)?;
        let why = "the disk gave back other bytes than were written";
        let wrong = || medium::Error::at(Op::Read, at, io::Error::other(why));
        if *there == *chunk { Ok(()) } else { Err(wrong()) }
    })
}

/// What is done with a piece of a bundle, which begins at this byte.
type Hand<'a> = dyn FnMut(u64, &[u8]) -> Result<(), medium::Error> + 'a;

/// Reads all of a bundle, and hands it on in pieces.
fn each_step(
    source: &impl Medium,
    len: u64,
    alive: &mut dyn FnMut(),
    hand: &mut Hand<'_>,
) -> Result<(), Error> {
    let mut chunk = vec![0; STEP];
    for at in (0..len).step_by(STEP) {
        let chunk = &mut chunk[..(len - at).min(STEP as u64) as usize];
        source.read_at(at, chunk).map_err(bundle::Error::Medium)?;
        hand(at, chunk).map_err(Error::Staging)?;
        alive();
    }
    Ok(())
}

/// Gives a file that is complete the name of what is staged. What had it is named by no record any more by then.
fn take<D: Medium>(
    view: &mut View<D>,
    area: &impl Staging,
    name: &str,
    update: &Update,
) -> Result<(), Error> {
    if view.record.update.bundle() != update.bundle() && !mutant::is(Mutant::BundleBeforeRecord) {
        let mut unnamed = view.record.clone();
        unnamed.update = Update::None;
        view.save(unnamed)?;
    }
    area.rename(name, STAGED).map_err(Error::Staging)?;
    if mutant::is(Mutant::DirectoryNoSync) { Ok(()) } else { area.sync_dir().map_err(Error::Staging) }
}
