//! One step of a path through the crash space, and how it is written down.

use super::act::Act;
use super::damage::{CopyDamage, SlotDamage};
use super::oracle::Profile;
use super::staged::StagedDamage;
use everboot_kit::epoch::{Loss, SectorDamage};
use everboot_kit::sim::DurableState;
use everboot_kit::sim::power::{DiskFault, Event};
use everboot_kit::timeline::Timeline;
use std::fmt;

/// A step. Each leaves either a running system or a machine without power.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// An act without faults.
    Clean(Act),
    /// Power fails in an act.
    Crash {
        act: Act,
        /// After so many changes.
        cut: usize,
        /// So many barriers before it did nothing.
        lies: usize,
        /// What becomes of the open epoch.
        loss: Loss,
    },
    /// Copies of the record are lost by themselves, while power is off.
    CopyDamage(CopyDamage),
    /// The staged bundle changes by itself, while power is off.
    StagedDamage(StagedDamage),
    /// A bit of a slot is wrong, likewise.
    SlotDamage(SlotDamage),
    /// An operation of an act fails; when the act is over, power is off.
    Fault {
        act: Act,
        /// The number of the operation, reads included.
        call: usize,
        how: DiskFault,
        /// Whether what was in the caches then is there.
        kept: bool,
    },
}

/// How a device fails, as it is written down.
pub const TROUBLE_NAMES: [(DiskFault, &str); 5] = [
    (DiskFault::Once, "eio"),
    (DiskFault::ForEver, "eio-for-ever"),
    (DiskFault::ShortRead, "short-read"),
    (DiskFault::Gone, "gone"),
    (DiskFault::Forgotten, "forgotten"),
];

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean(act) => f.write_str(act.name()),
            Self::SlotDamage(which) => f.write_str(
                SlotDamage::ALL.iter().find(|(damage, _)| damage == which).map_or("", |(_, name)| name),
            ),
            Self::CopyDamage(which) => f.write_str(
                CopyDamage::ALL
                    .iter()
                    .find(|(damage_copy, _)| damage_copy == which)
                    .map_or("", |(_, name)| name),
            ),
            Self::StagedDamage(which) => f.write_str(
                StagedDamage::ALL.iter().find(|(damage, _)| damage == which).map_or("", |(_, name)| name),
            ),
            Self::Crash { act, cut, lies: 0, loss } => write!(f, "{}@{cut}.{loss}", act.name()),
            Self::Crash { act, cut, lies, loss } => write!(f, "{}@{cut}~{lies}.{loss}", act.name()),
            Self::Fault { act, call, how, kept } => {
                let how =
                    TROUBLE_NAMES.iter().find(|(trouble, _)| trouble == how).map_or("", |(_, name)| name);
                write!(f, "{}!{call}.{how}.{}", act.name(), if *kept { "kept" } else { "lost" })
            }
        }
    }
}

impl Step {
    /// How far the device kept to its word.
    pub fn profile(&self) -> Profile {
        match self {
            Self::Crash { lies: 0, loss: Loss { damage, .. }, .. }
                if !matches!(damage, SectorDamage::Page(..)) =>
            {
                Profile::Sound
            }
            Self::Crash { .. } => Profile::Weak,
            Self::Clean(_) | Self::CopyDamage(_) | Self::StagedDamage(_) | Self::SlotDamage(_) => {
                Profile::Sound
            }
            Self::Fault { .. } => Profile::Sound,
        }
    }

    /// What it is, for a reader who does not ask where exactly.
    pub fn kind(&self) -> String {
        match self {
            Self::Clean(act) => act.name().to_owned(),
            Self::Crash { act, .. } => format!("a cut in {}", act.name()),
            Self::Fault { act, .. } => format!("a fault in {}", act.name()),
            Self::CopyDamage(_) | Self::StagedDamage(_) | Self::SlotDamage(_) => "damage".to_owned(),
        }
    }

    /// Reads what [`Step`] prints. Of a crash, the number of sectors is known only where the act is run.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some((act, rest)) = text.split_once('@') {
            let (at, loss) = rest.split_once('.')?;
            let (cut, lies) = at.split_once('~').unwrap_or((at, "0"));
            let sectors = 4 * loss.find('.')?;
            let (cut, lies, loss) = (cut.parse().ok()?, lies.parse().ok()?, Loss::parse(loss, sectors)?);
            return Some(Self::Crash { act: Act::parse(act)?, cut, lies, loss });
        }
        if let Some((act, rest)) = text.split_once('!') {
            let mut words = rest.split('.');
            let call = words.next()?.parse().ok()?;
            let how = words.next()?;
            let how = TROUBLE_NAMES.iter().find(|(_, name)| *name == how)?.0;
            return Some(Self::Fault { act: Act::parse(act)?, call, how, kept: words.next()? == "kept" });
        }
        let damage_copy = CopyDamage::ALL
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(damage_copy, _)| Self::CopyDamage(*damage_copy));
        let damage_staged = StagedDamage::ALL
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(damage, _)| Self::StagedDamage(*damage));
        let damage_slot = SlotDamage::ALL.iter().find(|(_, name)| *name == text);
        let damage_copy = damage_copy.or(damage_slot.map(|(damage, _)| Self::SlotDamage(*damage)));
        damage_copy.or(damage_staged).or_else(|| Act::parse(text).map(Self::Clean))
    }
}

/// The machine at the moment of a cut.
pub fn at_cut(before: &DurableState, events: &[Event], cut: usize, lies: usize) -> Timeline {
    Timeline::lied(before, &events[..cut.min(events.len())], lies)
}

#[test]
fn a_step_reads_back() {
    for text in [
        "boot",
        "stage2@0..-",
        "boot@17.3f.t5:8",
        "prepare@4~2.00.-",
        "flip-staged",
        "confirm!3.eio-for-ever.kept",
        "superblock-bit-b",
    ] {
        let read = Step::parse(text).map(|step| step.to_string());
        let expected = if text == "stage2@0..-" { "stage2@0..-" } else { text };
        assert_eq!(read.as_deref(), Some(expected));
    }
    assert_eq!(Step::parse("fly"), None);
    assert_eq!(Step::parse("boot@x.0.-"), None);
}
