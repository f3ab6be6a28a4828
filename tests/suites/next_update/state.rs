//! A state of the search in one number: the normal form of a record, and which slot's system runs.
//!
//! What decides nothing is left out, and what only its order decides is ranked: names, places and GUIDs are always the
//! same; of the generations of the confirmed marks only the order counts; the rounds of recovery lengthen a wait and
//! change no target; reasons for which a slot is bad are told apart only where some function does so. Two records with
//! the same number behave alike, which a test shows.

use everboot_core::record::{LastBoot, Record, Slot, Staged, Update};
use everboot_core::slot::{BadReason, Image, ImageId, SlotId, SlotName, SlotState, Uuid};

/// How much there is: the slots of the machine, and the images that ordinary updates bring, at most [`MOST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    pub slots: usize,
    pub images: u8,
}

/// Ordinary images have the numbers from 1 to this one. Number n has version n.0, and raises the floor to n.0.
pub const MOST: u8 = 2;
/// The number of an image that filled its slot by other means: it has no root hash, and its version is not known.
pub const BY_OTHER_MEANS: u8 = 3;
/// The next good version: higher than all others, and never seen before. Not part of a state.
pub const NEXT: u8 = 9;

/// A state. Zero bits for what is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State(pub u64);

/// The image with a number.
pub fn image(number: u8) -> Image {
    let id = (number != BY_OTHER_MEANS).then_some(ImageId([number; 32]));
    let version = if id.is_some() { format!("{number}.0") } else { String::new() };
    Image { version, id, open: false, tries: 0, insecure: false }
}

/// The bundle that brings it.
pub fn bundle(number: u8) -> Staged {
    Staged { manifest: [number; 32], image: image(number) }
}

/// The number of an image.
pub fn number(image: &Image) -> u8 {
    image.id.map_or(BY_OTHER_MEANS, |id| id.0[0])
}

/// A record without images.
pub fn empty(slots: usize) -> Record {
    let slot = |at: usize| Slot {
        name: SlotName::new(["a", "b", "c"][at]).unwrap(),
        // What it is made of decides nothing; it would be copied with every record.
        parts: vec![],
        state: SlotState::Empty,
        image: None,
        confirmed: 0,
    };
    Record {
        disk: Uuid([0xd1; 16]),
        slots: (0..slots).map(slot).collect(),
        default: None,
        last_boot: None,
        update: Update::None,
        bad_images: vec![],
        recovery_rounds: 0,
        once: None,
        floor: String::new(),
        extensions: vec![],
    }
}

/// Bits, put one after the other.
struct Writer(u64, u32);

impl Writer {
    fn put(&mut self, bits: u32, value: u64) {
        assert!(value < 1 << bits && self.1 + bits <= 64, "{value} in {bits} bits");
        self.0 |= value << self.1;
        self.1 += bits;
    }

    fn slot(&mut self, id: Option<SlotId>) {
        self.put(2, id.map_or(0, |id| u64::from(id.0) + 1));
    }
}

/// The same, read.
struct Reader(u64);

impl Reader {
    fn take(&mut self, bits: u32) -> u64 {
        let value = self.0 & ((1 << bits) - 1);
        self.0 >>= bits;
        value
    }

    fn number(&mut self, bits: u32) -> u8 {
        self.take(bits) as u8
    }

    fn slot(&mut self) -> Option<SlotId> {
        self.number(2).checked_sub(1).map(SlotId)
    }
}

impl State {
    /// Of a record, and of the slot whose system runs; without one power is off.
    pub fn new(record: &Record, running: Option<SlotId>) -> Self {
        // Of each mark, how many different ones are lower; 0 is none at all.
        let lower = |mark: u64| {
            let is_first = |at: usize| {
                record.slots[..at].iter().all(|slot| slot.confirmed != record.slots[at].confirmed)
            };
            let below =
                (0..record.slots.len()).filter(|at| record.slots[*at].confirmed < mark && is_first(*at));
            let has_zero = record.slots.iter().any(|slot| slot.confirmed == 0);
            below.count() + usize::from(mark > 0 && !has_zero)
        };
        let mut to = Writer(0, 0);
        to.slot(running);
        for slot in &record.slots {
            let (state, tries, handoffs) = state_number(slot.state);
            to.put(3, state);
            to.put(2, tries);
            to.put(2, handoffs);
            to.put(2, slot.image.as_ref().map_or(0, |image| u64::from(number(image))));
            to.put(2, lower(slot.confirmed) as u64);
        }
        to.slot(record.default);
        to.slot(record.last_boot.map(|boot| boot.slot));
        to.put(1, u64::from(record.last_boot.is_some_and(|boot| boot.confirmed)));
        to.put(1, u64::from(record.last_boot.is_some_and(|boot| boot.fell_back)));
        to.slot(record.once);
        let (kind, starts, in_all) = match &record.update {
            Update::None | Update::Other { .. } => (0, 0, 0),
            Update::Staged(_) => (1, 0, 0),
            Update::Preparing { .. } => (2, 0, 0),
            Update::Due { starts_left, starts_left_in_all, .. } => (3, *starts_left, *starts_left_in_all),
            Update::Kept(_) => (4, 0, 0),
        };
        to.put(3, kind);
        to.put(2, starts.into());
        to.put(2, in_all.into());
        to.put(2, record.update.bundle().map_or(0, |bundle| u64::from(number(&bundle.image))));
        to.slot(record.update.target());
        let remembered = record.bad_images.iter().fold(0, |bits, id| bits | 1 << (id.0[0] - 1));
        to.put(u32::from(MOST), remembered);
        to.put(2, record.floor.split('.').next().and_then(|floor| floor.parse().ok()).unwrap_or(0));
        Self(to.0)
    }

    /// The record and the slot whose system runs.
    pub fn read(self, slots: usize) -> (Record, Option<SlotId>) {
        let mut from = Reader(self.0);
        let running = from.slot();
        let mut record = empty(slots);
        for slot in &mut record.slots {
            slot.state = state_of(from.number(3), from.number(2), from.number(2));
            slot.image = Some(from.number(2)).filter(|number| *number > 0).map(image);
            slot.confirmed = from.take(2);
        }
        record.default = from.slot();
        let (booted, confirmed, fell_back) = (from.slot(), from.take(1) == 1, from.take(1) == 1);
        record.last_boot = booted.map(|slot| LastBoot { slot, confirmed, fell_back });
        record.once = from.slot();
        let (kind, starts_left, starts_left_in_all) = (from.number(3), from.number(2), from.number(2));
        let (image, target) = (from.number(2), from.slot());
        record.update = match (kind, target) {
            (1, _) => Update::Staged(bundle(image)),
            (2, Some(target)) => Update::Preparing { bundle: bundle(image), target },
            (3, Some(target)) => {
                Update::Due { bundle: bundle(image), target, starts_left, starts_left_in_all }
            }
            (4, _) => Update::Kept(bundle(image)),
            _ => Update::None,
        };
        let remembered = from.take(u32::from(MOST));
        let is_bad = |number: &u8| remembered >> (number - 1) & 1 == 1;
        record.bad_images = (1..=MOST).filter(is_bad).map(|number| ImageId([number; 32])).collect();
        let floor = from.take(2);
        record.floor = if floor > 0 { format!("{floor}.0") } else { String::new() };
        (record, running)
    }
}

/// Reasons between which no function makes a difference have one number.
fn state_number(state: SlotState) -> (u64, u64, u64) {
    let plain = |number| (number, 0, 0);
    match state {
        SlotState::Empty | SlotState::Other(_) => plain(0),
        SlotState::Writing => plain(1),
        SlotState::Proven => plain(2),
        SlotState::Trial { tries_left, handoffs_left } => (3, tries_left.into(), handoffs_left.into()),
        SlotState::Good => plain(4),
        SlotState::Bad { reason } => match reason {
            BadReason::TriesExhausted | BadReason::HandoffsExhausted => plain(5),
            BadReason::NotMountable | BadReason::NoInit | BadReason::Other(_) => plain(5),
            BadReason::Rejected | BadReason::RolledBack => plain(6),
            BadReason::Unproven => plain(7),
        },
    }
}

fn state_of(number: u8, tries_left: u8, handoffs_left: u8) -> SlotState {
    match number {
        0 => SlotState::Empty,
        1 => SlotState::Writing,
        2 => SlotState::Proven,
        3 => SlotState::Trial { tries_left, handoffs_left },
        4 => SlotState::Good,
        5 => SlotState::Bad { reason: BadReason::TriesExhausted },
        6 => SlotState::Bad { reason: BadReason::Rejected },
        _ => SlotState::Bad { reason: BadReason::Unproven },
    }
}
