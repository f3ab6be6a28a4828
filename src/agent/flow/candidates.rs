//! Which disk is this machine's, where several have a partition for the record: the first by this order.
//!
//! 1. The one from which the system runs; early boot has none.
//! 2. Under `lock` the one with the highest floor.
//! 3. One with a slot that can be booted, as far as record and trailers say: not a stick with a copy of the record.
//! 4. One that is fixed, before one that can be taken out.
//! 5. One whose record can be used as it is.
//! 6. The one with the newer record.
//!
//! A configuration that names the record by PARTUUID leaves one disk, or byte copies of it. Under `lock` disks that can
//! be taken out are left aside unless it does.

use super::{RecordFault, Site, View};
use crate::machine::{Machine, Partition, PartitionRef, Survey, matches};
use everboot_core::config::Locator;
use everboot_core::manifest::compare_versions;
use everboot_core::record::Selection;
use everboot_storage::store::Loaded;
use std::cmp::Ordering;
use std::rc::Rc;

/// What the order is made of.
struct Rank {
    is_booted: bool,
    floor: String,
    /// Steps 3 to 6.
    merits: (bool, bool, bool, u64),
}

impl<M: Machine> Site<'_, M> {
    /// Looks at the machine. Never fails: what is not there is trouble to be reported.
    pub fn look(&mut self) -> View<M::Disk> {
        self.look_at_all().swap_remove(0)
    }

    /// What every disk says that could be this machine's; the one that is, first. There is at least one view.
    pub(super) fn look_at_all(&mut self) -> Vec<View<M::Disk>> {
        let mut survey = self.machine.survey().unwrap_or_else(|error| {
            log::warn!("disks: {error}");
            Survey::default()
        });
        let refused = self.refuse_removable(&mut survey);
        let survey = Rc::new(survey);
        let mut found = self.record_partitions(&survey);
        let Some(last) = found.pop() else {
            let trouble = match refused.is_empty() {
                true => RecordFault::NoPartition,
                false => RecordFault::Removable(refused),
            };
            return vec![self.interpret(survey, None, None, Loaded::default(), Some(trouble))];
        };
        let disks: Vec<_> = found.iter().chain([&last]).map(|at| at.disk).collect();
        let is_slot = |part: &Partition| {
            self.config.slots.iter().flat_map(|slot| &slot.parts).any(|(_, locator)| matches(locator, part))
        };
        let has_lost_record = survey.find(is_slot).iter().any(|at| !disks.contains(&at.disk));
        let without_record = (has_lost_record && !self.config.lock.is_on()).then(|| survey.clone());
        let mut views: Vec<_> = found.into_iter().map(|at| self.look_at(survey.clone(), at)).collect();
        views.push(self.look_at(survey, last));
        if views.len() > 1 {
            self.put_in_order(&mut views);
        }
        // The last resort: the slots of a disk without the partition, beside one that has no more than that.
        views.extend(without_record.map(|survey| {
            let trouble = Some(RecordFault::NoPartition);
            self.interpret(survey, None, None, Loaded::default(), trouble)
        }));
        views
    }

    /// The partition of the record on each disk that has one. Where a disk has several, the first that can be read.
    fn record_partitions(&mut self, survey: &Survey) -> Vec<PartitionRef> {
        let mut found: Vec<PartitionRef> = Vec::new();
        for at in survey.find(|part| matches(&self.config.record, part)) {
            match found.last_mut().filter(|last| last.disk == at.disk) {
                None => found.push(at),
                Some(last) if !self.holds_record(*last) && self.holds_record(at) => *last = at,
                Some(_) => {}
            }
        }
        found
    }

    /// Under `lock` nothing of a disk that can be taken out is seen. Returns those that have a record.
    fn refuse_removable(&self, survey: &mut Survey) -> Vec<String> {
        let mut refused = Vec::new();
        if self.config.lock.is_on() && matches!(self.config.record, Locator::PartLabel(_)) {
            for disk in survey.disks.iter_mut().filter(|disk| disk.removable) {
                if disk.parts.drain(..).any(|part| matches(&self.config.record, &part)) {
                    refused.push(disk.name.clone());
                }
            }
        }
        refused
    }

    /// Sorts the views. Where nothing tells the first two apart, neither is written.
    fn put_in_order(&mut self, views: &mut Vec<View<M::Disk>>) {
        let mut ranked: Vec<_> = views.drain(..).map(|view| (self.rank(&view), view)).collect();
        let lock = self.config.lock.is_on();
        // Stable: where nothing tells them apart, the order of the names.
        ranked.sort_by(|(one, _), (other, _)| compare(other, one, lock));
        if compare(&ranked[0].0, &ranked[1].0, lock).is_eq() {
            let names =
                ranked.iter().filter_map(|(_, view)| Some(view.survey.disks[view.disk?].name.clone()));
            let trouble = RecordFault::Ambiguous(names.collect());
            (ranked[0].1.trouble, ranked[0].1.can_persist) = (Some(trouble), false);
        }
        views.extend(ranked.into_iter().map(|(_, view)| view));
    }

    fn rank(&mut self, view: &View<M::Disk>) -> Rank {
        let disk = view.disk.map(|at| (at, &view.survey.disks[at]));
        let is_booted = disk.is_some_and(|(at, disk)| match self.machine.root_disk() {
            Some(booted) => booted == at,
            // Byte copies cannot be told apart by it.
            None => {
                let root = self.machine.root_partition();
                disk.parts.iter().any(|part| Some(part.guid) == root)
            }
        });
        let can_boot = view.record.ids().any(|(id, slot)| slot.state.is_eligible() && view.can_boot(id));
        let is_fixed = disk.is_some_and(|(_, disk)| !disk.removable);
        let generation = match view.loaded.selection {
            Selection::Current { generation, .. } | Selection::Newer { generation, .. } => generation,
            Selection::Lost => 0,
        };
        let merits = (can_boot, is_fixed, view.trouble.is_none(), generation);
        Rank { is_booted, floor: view.record.floor.clone(), merits }
    }
}

/// Which of two comes first: the greater one.
fn compare(one: &Rank, other: &Rank, lock: bool) -> Ordering {
    if one.is_booted && other.is_booted {
        return Ordering::Equal;
    }
    let by_floor = || if lock { compare_versions(&one.floor, &other.floor) } else { Ordering::Equal };
    let by_merit = || one.merits.cmp(&other.merits);
    one.is_booted.cmp(&other.is_booted).then_with(by_floor).then_with(by_merit)
}
