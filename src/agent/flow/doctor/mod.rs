//! `doctor`: whether an installation is sound, and what to do where it is not. Changes nothing.
//!
//! [`examine`] looks at the disks; the checks themselves are pure: [`disk`], and [`host`] for what only the
//! machine that runs shows. Those marked * are notes: nothing needs to be done.
//!
//! | finding         | when                                                                         |
//! |-----------------|------------------------------------------------------------------------------|
//! | `configuration` | it cannot be read (the command line adds this and the next one)              |
//! | `key`           | there is none, one cannot be read, or one is there twice                     |
//! | `missing`       | the partition of record, staging area or a slot is not there                 |
//! | `ambiguous`     | several partitions answer to its name                                        |
//! | `other-disk` *  | one of another disk answers to its name as well                              |
//! | `table`         | the partition table is damaged, or the kernel has another one; * on a disk that is not this machine's |
//! | `shared`        | two of them are one partition                                                |
//! | `overlap`       | it overlaps with another partition                                           |
//! | `part-uuid`     | two partitions have one PARTUUID, on any disk                                |
//! | `record`        | the record cannot be used                                                    |
//! | `record-copy`   | one of its copies is bad, or lost what was saved in it                       |
//! | `record-healed` * | this boot found a copy bad, or both, and wrote it anew                    |
//! | `record-size`   | its partition is smaller than `record/FORMAT.md` says                        |
//! | `blocked` *     | this machine takes no new image now: the reason; JSON has its code too       |
//! | `slot-moved`    | record and configuration disagree about a slot                               |
//! | `no-good-slot`  | no slot is good                                                              |
//! | `trailer`       | a slot does not hold the signed trailer of the image that the record names   |
//! | `boot-refused`  | the boot does not enter a slot that the record counts on: trailer, signature or lock forbid it |
//! | `boot-last`     | the image of a slot has no modules for the running kernel: other good slots boot first |
//! | `insecure`      | no trusted key had signed the image in a slot                                |
//! | `floor` *       | a slot is below the floor: it boots only when no other does                  |
//! | `slot-size`     | a slot is too small for the largest image that is installed                  |
//! | `staging`       | the staging area cannot be opened                                            |
//! | `staging-room`        | it has no room for another bundle like the one that is staged                |
//! | `boot`          | this boot did not come through everboot                                      |
//! | `agent`         | the everboot in the initramfs that booted has another version                |
//! | `panic`         | the kernel stays where it is after a crash                                   |
//! | `gpt` *         | the kernel does not use the backup partition table                           |
//! | `watchdog` *    | there is none                                                                |
//! | `initramfs` *   | it is not where one is looked for, or older than this everboot               |

mod disk;
mod host;

pub use host::Host;

use super::{STAGED, Site};
use crate::machine::{Access, Machine, PartitionRef};
use disk::SlotContent;
use everboot_core::manifest::Manifest;
use everboot_core::slot::SlotState;
use everboot_storage::medium::{Medium, Staging};
use serde::Serialize;
use std::fmt::Display;
use std::io::ErrorKind;

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its name in the table of this module; part of the interface.
    pub name: &'static str,
    /// Whether something needs to be done.
    pub fault: bool,
    /// Of `blocked`: the code of the reason, as `status` has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// Of what, what was expected, what was found, what to do.
    pub text: String,
}

/// What was found so far.
#[derive(Debug, Default)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// Something that needs to be done about `what`.
    pub fn fault(&mut self, name: &'static str, what: &str, text: &dyn Display) {
        self.0.push(Finding { name, fault: true, code: None, text: format!("{what}: {text}") });
    }

    /// Something worth knowing.
    fn note(&mut self, name: &'static str, what: &str, text: &dyn Display) {
        self.0.push(Finding { name, fault: false, code: None, text: format!("{what}: {text}") });
    }
}

/// Looks at the disks.
pub fn examine<M: Machine>(mut site: Site<'_, M>, found: &mut Findings) {
    let view = site.look();
    disk::check_tables(&view.survey, view.disk, found);
    disk::check_places(&view.survey, view.disk, site.config, found);
    disk::check_uuids(&view.survey, found);
    disk::check_record(&view.trouble, &view.loaded.faults, found);
    disk::check_lost_saves(view.loaded.lost_saves, found);
    if view.trouble.is_none() {
        disk::check_slots(&view.survey, site.config, &view.record, found);
    }
    if let Err(why) = view.place(site.config) {
        let (code, text) = (Some(why.code()), format!("no new image now: {why}"));
        found.0.push(Finding { name: "blocked", fault: false, code, text });
    }
    let mut slots = Vec::new();
    for ((id, slot), manifest) in view.record.ids().zip(site.manifests(&view)) {
        let Some(at) = view.root(id) else { continue };
        let expected = slot.image_id();
        // What is being written has none yet.
        let holds = !matches!(slot.state, SlotState::Empty | SlotState::Writing);
        slots.push(SlotContent {
            name: &slot.name,
            len: view.survey.partition(at).len,
            is_right: !holds || expected.is_none() || manifest.as_ref().map(Manifest::image_id) == expected,
            image: manifest.map(|manifest| manifest.root().size),
        });
    }
    disk::check_filled(&slots, found);
    disk::check_bootable(&view.record, &view.slots, found);
    disk::check_warnings(&view.record, found);
    if let Some(at) = view.staging {
        examine_staging(&mut site, (at, view.staging_access()), found);
    }
}

fn examine_staging<M: Machine>(
    site: &mut Site<'_, M>,
    (at, access): (PartitionRef, Access),
    found: &mut Findings,
) {
    let opened = site.machine.staging(Some(at), access).and_then(|area| {
        let staged = if area.exists(STAGED)? { area.open(STAGED)?.len() } else { 0 };
        Ok((staged, area.available()?))
    });
    site.machine.close_staging();
    match opened {
        Ok((staged, free_space)) => disk::check_free_space(staged, free_space, found),
        // The first bundle makes the directory.
        Err(error) if error.source.kind() == ErrorKind::NotFound => {}
        Err(error) => {
            found.fault("staging", "staging area", &format_args!("{error}; make a file system there"));
        }
    }
}
