//! `record upgrade`: the one verb that raises the format version of the record.

use super::{Error, Site, View};
use crate::machine::Machine;
use everboot_core::format_versions::RECORD;
use everboot_core::record::Selection;
use everboot_core::record::history::Kind;
use everboot_core::slot::SlotState;
use everboot_storage::store;
use std::fmt;
use std::ops::RangeInclusive;

/// How an upgrade of the record ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upgrade {
    /// It has the newest version already.
    Already(u16),
    /// Nothing was changed: who could not read it in that version is needed to boot, or to run.
    Refused(u16, Vec<Blind>),
    /// It has that version now.
    Done(u16, Vec<Blind>),
}

/// An everboot on this machine that could not read the record, or does not say that it could.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blind {
    /// Where it is: the name of a slot, or `initramfs`.
    pub place: String,
    /// The versions that it reads, if that is known.
    pub reads: Option<RangeInclusive<u16>>,
    /// Whether its slot is good, or it is in the initramfs.
    pub is_needed: bool,
}

impl fmt::Display for Blind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reads {
            Some(reads) => {
                write!(f, "{}: its everboot reads version {} to {}", self.place, reads.start(), reads.end())
            }
            None => write!(f, "{}: nothing says which versions its everboot reads", self.place),
        }
    }
}

/// Raises the record to the newest format version that this everboot reads. `initramfs` is what the everboot that
/// booted this machine said of its formats; absent where that is not known. Repeating it is no error.
///
/// One change of the record, in both copies; see [`store::upgrade`] for a power cut between them.
pub fn upgrade<M: Machine>(
    mut site: Site<'_, M>,
    initramfs: Option<&[String]>,
    force: bool,
) -> Result<Upgrade, Error> {
    let mut view = site.look().writable()?;
    let to = site.formats.newest;
    let version = match &view.loaded.selection {
        Selection::Current { version, .. } => *version,
        Selection::Newer { .. } | Selection::Lost => to,
    };
    if version >= to {
        return Ok(Upgrade::Already(version));
    }
    let mut blind = site.blind_slots(&view, to);
    let reads = initramfs.and_then(|lines| RECORD.read_by(lines.iter().map(String::as_str)));
    if !reads.as_ref().is_some_and(|reads| reads.contains(&to)) {
        blind.push(Blind { place: "initramfs".to_owned(), reads, is_needed: true });
    }
    if !force && blind.iter().any(|blind| blind.is_needed) {
        return Ok(Upgrade::Refused(to, blind));
    }
    if let Some(medium) = &view.medium {
        view.loaded = store::upgrade(medium, &view.loaded, &view.record, to)?;
    }
    site.note(&view, Kind::Verb, format!("record raised to format version {to}"));
    Ok(Upgrade::Done(to, blind))
}

impl<M: Machine> Site<'_, M> {
    /// The slots with an everboot that could not read a record of this version. Not the slot of this everboot, which
    /// may be newer than the image of its slot.
    fn blind_slots(&mut self, view: &View<M::Disk>, to: u16) -> Vec<Blind> {
        let running = self.machine.root_partition();
        let mut blind = Vec::new();
        let manifests = self.manifests(view);
        for (slot, manifest) in view.record.slots.iter().zip(manifests) {
            let holds = matches!(slot.state, SlotState::Good | SlotState::Trial { .. } | SlotState::Proven);
            if !holds || running.is_some() && running == slot.partition() {
                continue;
            }
            let formats = manifest.and_then(|manifest| manifest.formats);
            // An image without an everboot never reads the record.
            if formats.as_ref().is_some_and(Vec::is_empty) {
                continue;
            }
            let reads = formats.and_then(|lines| RECORD.read_by(lines.iter().map(String::as_str)));
            if !reads.as_ref().is_some_and(|reads| reads.contains(&to)) {
                let (place, is_needed) = (slot.name.to_string(), slot.state == SlotState::Good);
                blind.push(Blind { place, reads, is_needed });
            }
        }
        blind
    }
}
