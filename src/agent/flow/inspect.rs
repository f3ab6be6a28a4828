//! Looking without changing anything: `status` and `explain`, `verify`.

use super::view::read_manifest;
use super::{Error, STAGED, SeenSlot, Site, View};
use crate::machine::{Access, Machine, PartitionRef};
use everboot_core::decide::{Decision, Request, decide};
use everboot_core::lifecycle::{self, Blocked, Refusal};
use everboot_core::manifest::Manifest;
use everboot_core::record::history::Entry;
use everboot_core::record::{BadCopy, Record, Selection};
use everboot_core::slot::{PartName, SlotId, SlotName, SlotState};
use everboot_storage::apply::{self, Difference};
use everboot_storage::medium::Staging as _;

/// All that `status` and `explain` show, from one look.
#[derive(Debug, Clone)]
pub struct Status {
    /// The record by which the next boot decides.
    pub record: Record,
    /// Its generation; 0 when it is not a stored one.
    pub generation: u64,
    /// The format version in which it is stored, where that can be read.
    pub version: Option<u16>,
    /// What is wrong with the first and the last copy.
    pub faults: [Option<BadCopy>; 2],
    /// What stands between the record and its use, for a reader.
    pub trouble: Option<String>,
    /// Whether the record may be saved.
    pub can_persist: bool,
    /// Each slot of the record, in its order.
    pub slots: Vec<SlotReport>,
    /// The staging area.
    pub staging: Staging,
    /// The slot that a new image would go to, or why this machine takes none.
    pub next_target: Result<SlotId, Blocked>,
    /// What the next boot would do, and why.
    pub decision: Decision,
    /// What happened, oldest first.
    pub history: Vec<Entry>,
}

/// What is seen of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotReport {
    /// Of each part, in the record's order, the disk and the size in bytes; absent when its partition is not there.
    pub parts: Vec<Option<(String, u64)>>,
    /// Whether its trailer names the image that the record names; absent where the record names none.
    pub trailer: Option<bool>,
    /// Whether the boot would enter it, and why not.
    pub seen: SeenSlot,
}

impl Status {
    /// Whether the boot would enter a slot, were its state one that boots.
    pub fn can_boot(&self, id: SlotId) -> bool {
        self.slots.get(id.index()).is_some_and(|slot| slot.seen.seen.can_enter())
    }
}

/// What is seen of the staging area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Staging {
    /// A bundle is there, or not.
    Open {
        /// Whether there is one.
        bundle: bool,
    },
    /// It cannot be opened, for a reader.
    Unavailable(String),
}

/// Looks at everything, and changes nothing. The decision is that of a boot whose kernel command line asks for the
/// slot `request`.
pub fn status<M: Machine>(mut site: Site<'_, M>, request: Option<&str>) -> Result<Status, Error> {
    let view = site.look();
    let mut seen = view.observation();
    if let Some(name) = request {
        seen.request = Some(Request::Slot(view.slot(name)?)).filter(|_| !site.config.lock.is_on());
    }
    let opened = site.machine.staging(view.staging, view.staging_access());
    let staging = match opened.and_then(|area| area.exists(STAGED)) {
        Ok(bundle) => Staging::Open { bundle },
        Err(error) => Staging::Unavailable(error.to_string()),
    };
    site.machine.close_staging();
    let mut slots = Vec::new();
    let looked = view.parts.iter().zip(&view.slots);
    for ((slot, (parts, seen)), manifest) in view.record.slots.iter().zip(looked).zip(site.manifests(&view)) {
        let place =
            |at: &PartitionRef| (view.survey.disks[at.disk].name.clone(), view.survey.partition(*at).len);
        let parts = parts.iter().map(|at| at.as_ref().map(place)).collect();
        let found = manifest.map(|manifest| manifest.image_id());
        let trailer = slot.image_id().map(|expected| found == Some(expected));
        slots.push(SlotReport { parts, trailer, seen: seen.clone() });
    }
    let (generation, version) = match view.loaded.selection {
        Selection::Current { generation, version, .. } => (generation, Some(version)),
        Selection::Newer { generation, .. } => (generation, None),
        Selection::Lost => (0, None),
    };
    Ok(Status {
        generation,
        version,
        faults: view.loaded.faults.clone(),
        trouble: view.trouble.as_ref().map(ToString::to_string),
        can_persist: view.can_persist,
        slots,
        staging,
        next_target: view.place(site.config),
        decision: decide(&view.record, &seen, &site.config.policy()),
        history: view.history().entries,
        record: view.record,
    })
}

/// Refuses a slot that nobody can boot, whoever asks: it is not there, or what is in it was never proven; and one below
/// the floor, for which there are other verbs.
pub fn bootable<M: Machine>(mut site: Site<'_, M>, slot: &str) -> Result<(), Error> {
    let view = site.look();
    let id = view.slot(slot)?;
    view.root_part(id)?;
    lifecycle::boot_once(&view.record, id, true)?;
    view.enterable(id)?;
    Ok(lifecycle::not_below(&view.record, id)?)
}

/// Reads every block of a slot and compares it with the slot's signed trees, part by part.
pub fn slot_difference<M: Machine>(
    mut site: Site<'_, M>,
    slot: &str,
) -> Result<(SlotName, Vec<(PartName, Difference)>), Error> {
    let view = site.look();
    let (id, parts, manifest) = site.treed(&view, slot, Access::Read)?;
    let (mut before, blocks) = (0, manifest.blocks());
    let machine = &mut *site.machine;
    let threads = machine.threads();
    let mut found = Vec::new();
    for (part, image) in parts.iter().zip(&manifest.parts) {
        let mut watch = |done| machine.show_progress(before + done, blocks);
        found.push((image.name.clone(), apply::verify(part, image, threads, &mut watch)?));
        before += image.blocks();
    }
    Ok((view.name(id).clone(), found))
}

impl<M: Machine> Site<'_, M> {
    /// The slot of that name, its parts opened in the order of the manifest, and what it says of its image.
    pub(super) fn treed(
        &mut self,
        view: &View<M::Disk>,
        slot: &str,
        access: Access,
    ) -> Result<(SlotId, Vec<M::Disk>, Manifest), Error> {
        let id = view.slot(slot)?;
        if matches!(view.record.slot(id).state, SlotState::Empty | SlotState::Writing) {
            return Err(Refusal::NothingIn(id).into());
        }
        let opened = self.machine.open(view.root_part(id)?, Access::Read);
        let root = opened.map_err(|error| Error::Slot(view.name(id).clone(), error))?;
        let manifest = read_manifest(&root, self.keys).ok_or_else(|| {
            let name = view.name(id).clone();
            match view.record.slot(id).image_id() {
                Some(_) => Error::TrailerLost(name),
                None => Error::WithoutTree(name),
            }
        })?;
        drop(root);
        Ok((id, self.open_parts(view, id, &manifest, access)?, manifest))
    }
}
