//! The body of a copy: what of a record is written, in which order and form. `FORMAT.md` states the bytes.
//!
//! These structs are the layout, and nothing else uses them: a field that comes, goes or moves is another format
//! version. What may grow within a version is a tag with a length-prefixed body, or an extension. Every body that is
//! read is written back to the letter.

use super::{Extension, LastBoot, MAX_BAD_IMAGES, Owner, Record, Slot, Staged, Update};
use crate::slot::{
    BadReason, Image, ImageId, Location, MAX_PARTS, MAX_SLOTS, Part, PartName, SlotId, SlotName, SlotState,
    Tagged, Uuid,
};
use alloc::borrow::ToOwned;
use alloc::vec::Vec;
use core::fmt;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
struct Body<'a> {
    disk: Bytes<16>,
    #[serde(borrow)]
    slots: Vec<SlotBody<'a>>,
    default: Option<u8>,
    last_boot: Option<(u8, bool)>,
    update: UpdateBody<'a>,
    bad_images: Vec<Bytes<32>>,
    recovery_rounds: u8,
    once: Option<u8>,
    floor: &'a str,
    extensions: Vec<ExtensionBody<'a>>,
}

#[derive(Serialize, Deserialize)]
struct SlotBody<'a> {
    name: &'a str,
    #[serde(borrow)]
    parts: Vec<(&'a str, Tagged)>,
    state: Tagged,
    #[serde(borrow)]
    image: Option<ImageBody<'a>>,
    confirmed: u64,
}

#[derive(Serialize, Deserialize)]
struct ImageBody<'a> {
    version: &'a str,
    id: Option<Bytes<32>>,
    open: bool,
    tries: u8,
    insecure: bool,
}

#[derive(Serialize, Deserialize)]
struct UpdateBody<'a> {
    step: Tagged,
    #[serde(borrow)]
    bundle: Option<(Bytes<32>, ImageBody<'a>)>,
    target: Option<u8>,
}

#[derive(Serialize, Deserialize)]
struct ExtensionBody<'a> {
    kind: u16,
    is_critical: bool,
    owner: (u8, &'a [u8]),
    body: &'a [u8],
}

/// Memory is taken for as many slots as are announced.
const _: () = assert!(size_of::<SlotBody<'_>>() <= size_of::<Slot>());

/// An array, read in a loop: serde's own code for it has a step for each byte.
#[derive(Clone, Copy)]
struct Bytes<const N: usize>([u8; N]);

impl<const N: usize> Serialize for Bytes<N> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeTuple;
        let mut each = to.serialize_tuple(N)?;
        self.0.iter().try_for_each(|byte| each.serialize_element(byte))?;
        each.end()
    }
}

impl<'de, const N: usize> Deserialize<'de> for Bytes<N> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_tuple(N, Each)
    }
}

struct Each<const N: usize>;

impl<'de, const N: usize> Visitor<'de> for Each<N> {
    type Value = Bytes<N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{N} bytes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut each: A) -> Result<Self::Value, A::Error> {
        let mut bytes = [0; N];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = each.next_element()?.ok_or_else(|| A::Error::invalid_length(at, &self))?;
        }
        Ok(Bytes(bytes))
    }
}

impl Serialize for Tagged {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (self.tag(), self.body()).serialize(to)
    }
}

impl<'de> Deserialize<'de> for Tagged {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let (tag, body) = <(u8, &[u8])>::deserialize(from)?;
        Tagged::new(tag, body).ok_or_else(|| D::Error::invalid_length(body.len(), &"at most 16 bytes"))
    }
}

/// Writes the body into `room`, and returns its length; `None` when it does not fit.
pub(super) fn write(record: &Record, room: &mut [u8]) -> Option<usize> {
    let slots = record.slots.iter().map(SlotBody::of).collect::<Option<_>>()?;
    let owners: Vec<_> = record.extensions.iter().map(|extension| write_owner(&extension.owner)).collect();
    let body = Body {
        disk: Bytes(record.disk.0),
        slots,
        default: record.default.map(|id| id.0),
        last_boot: record.last_boot.map(|boot| (boot.slot.0, boot.confirmed)),
        update: UpdateBody::of(&record.update)?,
        bad_images: record.bad_images.iter().map(|id| Bytes(id.0)).collect(),
        recovery_rounds: record.recovery_rounds,
        once: record.once.map(|id| id.0),
        floor: &record.floor,
        extensions: record.extensions.iter().zip(&owners).map(ExtensionBody::of).collect(),
    };
    postcard::to_slice(&body, room).ok().map(|written| written.len())
}

/// Reads a body; `None` when it is not one. Its values may be out of range still.
pub(super) fn read(bytes: &[u8]) -> Option<Record> {
    let (body, rest) = postcard::take_from_bytes::<Body<'_>>(bytes).ok()?;
    // Before memory is taken for them.
    let has_many_parts = body.slots.iter().any(|slot| slot.parts.len() > MAX_PARTS);
    if !rest.is_empty()
        || body.slots.len() > MAX_SLOTS
        || has_many_parts
        || body.bad_images.len() > MAX_BAD_IMAGES
    {
        return None;
    }
    Some(Record {
        disk: Uuid(body.disk.0),
        slots: body.slots.into_iter().map(SlotBody::read).collect::<Option<_>>()?,
        default: body.default.map(SlotId),
        last_boot: body.last_boot.map(|(slot, confirmed)| LastBoot { slot: SlotId(slot), confirmed }),
        update: body.update.read(),
        bad_images: body.bad_images.into_iter().map(|id| ImageId(id.0)).collect(),
        recovery_rounds: body.recovery_rounds,
        once: body.once.map(SlotId),
        floor: body.floor.to_owned(),
        extensions: body.extensions.into_iter().map(ExtensionBody::read).collect(),
    })
}

impl<'a> SlotBody<'a> {
    fn of(slot: &'a Slot) -> Option<Self> {
        Some(Self {
            name: slot.name.as_str(),
            parts: slot.parts.iter().map(write_part).collect::<Option<_>>()?,
            state: write_state(slot.state)?,
            image: slot.image.as_ref().map(ImageBody::of),
            confirmed: slot.confirmed,
        })
    }

    fn read(self) -> Option<Slot> {
        Some(Slot {
            name: SlotName::new(self.name).ok()?,
            parts: self.parts.into_iter().map(read_part).collect::<Option<_>>()?,
            state: read_state(self.state),
            image: self.image.map(ImageBody::read),
            confirmed: self.confirmed,
        })
    }
}

fn write_part(part: &Part) -> Option<(&str, Tagged)> {
    let location = match part.location {
        Location::Partition(guid) => Tagged::new(0, &guid.0),
        Location::Other(location) => Some(location),
    };
    Some((part.name.as_str(), location?))
}

fn read_part((name, location): (&str, Tagged)) -> Option<Part> {
    let location = match (location.tag(), location.body().try_into()) {
        (0, Ok(guid)) => Location::Partition(Uuid(guid)),
        _ => Location::Other(location),
    };
    Some(Part { name: PartName::new(name)?, location })
}

fn write_state(state: SlotState) -> Option<Tagged> {
    match state {
        SlotState::Empty => Tagged::new(0, &[]),
        SlotState::Writing => Tagged::new(1, &[]),
        SlotState::Proven => Tagged::new(2, &[]),
        SlotState::Trial { tries_left, handoffs_left } => Tagged::new(3, &[tries_left, handoffs_left]),
        SlotState::Good => Tagged::new(4, &[]),
        SlotState::Bad { reason } => {
            let mut body = Vec::new();
            match reason {
                BadReason::TriesExhausted => body.push(0),
                BadReason::HandoffsExhausted => body.push(1),
                BadReason::NotMountable => body.push(2),
                BadReason::NoInit => body.push(3),
                BadReason::Rejected => body.push(4),
                BadReason::RolledBack => body.push(5),
                BadReason::Unproven => body.push(6),
                BadReason::Other(reason) => {
                    body.push(reason.tag());
                    body.extend(reason.body());
                }
            }
            Tagged::new(5, &body)
        }
        SlotState::Other(state) => Some(state),
    }
}

/// A known tag with a body that is not the known one is a state of its own.
fn read_state(state: Tagged) -> SlotState {
    match (state.tag(), state.body()) {
        (0, []) => SlotState::Empty,
        (1, []) => SlotState::Writing,
        (2, []) => SlotState::Proven,
        (3, [tries_left, handoffs_left]) => {
            SlotState::Trial { tries_left: *tries_left, handoffs_left: *handoffs_left }
        }
        (4, []) => SlotState::Good,
        (5, [tag, body @ ..]) => match (tag, body, Tagged::new(*tag, body)) {
            (0, [], _) => SlotState::Bad { reason: BadReason::TriesExhausted },
            (1, [], _) => SlotState::Bad { reason: BadReason::HandoffsExhausted },
            (2, [], _) => SlotState::Bad { reason: BadReason::NotMountable },
            (3, [], _) => SlotState::Bad { reason: BadReason::NoInit },
            (4, [], _) => SlotState::Bad { reason: BadReason::Rejected },
            (5, [], _) => SlotState::Bad { reason: BadReason::RolledBack },
            (6, [], _) => SlotState::Bad { reason: BadReason::Unproven },
            (_, _, Some(reason)) => SlotState::Bad { reason: BadReason::Other(reason) },
            (_, _, None) => SlotState::Other(state),
        },
        _ => SlotState::Other(state),
    }
}

impl<'a> ImageBody<'a> {
    fn of(image: &'a Image) -> Self {
        Self {
            version: &image.version,
            id: image.id.map(|id| Bytes(id.0)),
            open: image.open,
            tries: image.tries,
            insecure: image.insecure,
        }
    }

    fn read(self) -> Image {
        Image {
            version: self.version.to_owned(),
            id: self.id.map(|id| ImageId(id.0)),
            open: self.open,
            tries: self.tries,
            insecure: self.insecure,
        }
    }
}

impl<'a> UpdateBody<'a> {
    fn of(update: &'a Update) -> Option<Self> {
        let step = match update {
            Update::None => Tagged::new(0, &[]),
            Update::Staged(_) => Tagged::new(1, &[]),
            Update::Preparing { .. } => Tagged::new(2, &[]),
            Update::Due { starts_left, .. } => Tagged::new(3, &[*starts_left]),
            Update::Kept(_) => Tagged::new(4, &[]),
            Update::Other { step, .. } => Some(*step),
        };
        let bundle = update.bundle().map(|bundle| (Bytes(bundle.manifest), ImageBody::of(&bundle.image)));
        Some(Self { step: step?, bundle, target: update.target().map(|id| id.0) })
    }

    /// Bundle and target stand apart, so that they are known of an update that is not.
    fn read(self) -> Update {
        let bundle =
            self.bundle.map(|(manifest, image)| Staged { manifest: manifest.0, image: image.read() });
        let (step, target) = (self.step, self.target.map(SlotId));
        match (step.tag(), step.body(), bundle, target) {
            (0, [], None, None) => Update::None,
            (1, [], Some(bundle), None) => Update::Staged(bundle),
            (2, [], Some(bundle), Some(target)) => Update::Preparing { bundle, target },
            (3, [starts_left], Some(bundle), Some(target)) => {
                Update::Due { bundle, target, starts_left: *starts_left }
            }
            (4, [], Some(bundle), None) => Update::Kept(bundle),
            (_, _, bundle, target) => Update::Other { step, bundle, target },
        }
    }
}

impl<'a> ExtensionBody<'a> {
    fn of((extension, owner): (&'a Extension, &'a (u8, Vec<u8>))) -> Self {
        let owner = (owner.0, &*owner.1);
        Self { kind: extension.kind, is_critical: extension.is_critical, owner, body: &extension.body }
    }

    fn read(self) -> Extension {
        let owner = read_owner(self.owner.0, self.owner.1);
        Extension { kind: self.kind, is_critical: self.is_critical, owner, body: self.body.to_owned() }
    }
}

fn write_owner(owner: &Owner) -> (u8, Vec<u8>) {
    match owner {
        Owner::Record => (0, Vec::new()),
        Owner::Slot(id, image) => {
            let mut body = Vec::from([id.0]);
            body.extend(image.iter().flat_map(|image| image.0));
            (1, body)
        }
        Owner::Update(manifest) => (2, manifest.to_vec()),
        Owner::Other { tag, body } => (*tag, body.clone()),
    }
}

/// A known tag with a body that is not the known one is an owner of its own.
fn read_owner(tag: u8, body: &[u8]) -> Owner {
    let digest = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).ok();
    let known = match (tag, body) {
        (0, []) => Some(Owner::Record),
        (1, [id]) => Some(Owner::Slot(SlotId(*id), None)),
        (1, [id, image @ ..]) => digest(image).map(|image| Owner::Slot(SlotId(*id), Some(ImageId(image)))),
        (2, manifest) => digest(manifest).map(Owner::Update),
        _ => None,
    };
    known.unwrap_or_else(|| Owner::Other { tag, body: body.to_owned() })
}
