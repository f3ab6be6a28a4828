//! The body of a copy: what of a record is written, in which order and form. `FORMAT.md` states the bytes.
//!
//! These functions are the layout, writer beside reader: a field that comes, goes or moves is another format
//! version. What may grow within a version is a tag with a length-prefixed body, or an extension. Every body that is
//! read is written back to the letter.

use super::bytes::{Reader, Writer};
use super::{Extension, LastBoot, MAX_BAD_IMAGES, Owner, Record, Slot, Staged, Update};
use crate::slot::{
    BadReason, Image, ImageId, Location, MAX_PARTS, MAX_SLOTS, Part, PartName, SlotId, SlotName, SlotState,
    Tagged, Uuid,
};
use alloc::borrow::ToOwned;
use alloc::vec::Vec;

/// The body of a record; `None` where a value has no form.
pub(super) fn write(record: &Record) -> Option<Vec<u8>> {
    let mut to = Writer::default();
    to.array(&record.disk.0);
    to.list(&record.slots, write_slot)?;
    write_id(&mut to, record.default);
    to.option(record.last_boot, |to, boot| {
        to.byte(boot.slot.0);
        to.byte(boot.confirmed.into());
        to.byte(boot.fell_back.into());
    });
    write_update(&mut to, &record.update)?;
    to.list(&record.bad_images, |to, id| {
        to.array(&id.0);
        Some(())
    })?;
    to.byte(record.recovery_rounds);
    write_id(&mut to, record.once);
    to.bytes(record.floor.as_bytes());
    to.list(&record.extensions, write_extension)?;
    Some(to.0)
}

/// Reads a body; `None` when it is not one. Its values may be out of range still.
pub(super) fn read(bytes: &[u8]) -> Option<Record> {
    let from = &mut Reader(bytes);
    let record = Record {
        disk: Uuid(from.array()?),
        slots: from.list(MAX_SLOTS, read_slot)?,
        default: read_id(from)?,
        last_boot: from.option(|from| {
            Some(LastBoot { slot: SlotId(from.byte()?), confirmed: from.flag()?, fell_back: from.flag()? })
        })?,
        update: read_update(from)?,
        bad_images: from.list(MAX_BAD_IMAGES, |from| from.array().map(ImageId))?,
        recovery_rounds: from.byte()?,
        once: read_id(from)?,
        floor: from.text()?.to_owned(),
        extensions: from.list(usize::MAX, read_extension)?,
    };
    from.0.is_empty().then_some(record)
}

fn write_id(to: &mut Writer, id: Option<SlotId>) {
    to.option(id, |to, id| to.byte(id.0));
}

fn read_id(from: &mut Reader<'_>) -> Option<Option<SlotId>> {
    from.option(|from| from.byte().map(SlotId))
}

fn write_tagged(to: &mut Writer, tagged: Tagged) {
    to.byte(tagged.tag());
    to.bytes(tagged.body());
}

fn read_tagged(from: &mut Reader<'_>) -> Option<Tagged> {
    Tagged::new(from.byte()?, from.bytes()?)
}

fn write_slot(to: &mut Writer, slot: &Slot) -> Option<()> {
    to.bytes(slot.name.as_str().as_bytes());
    to.list(&slot.parts, write_part)?;
    write_tagged(to, write_state(slot.state)?);
    to.option(slot.image.as_ref(), write_image);
    to.number(slot.confirmed);
    Some(())
}

fn read_slot(from: &mut Reader<'_>) -> Option<Slot> {
    Some(Slot {
        name: SlotName::new(from.text()?).ok()?,
        parts: from.list(MAX_PARTS, read_part)?,
        state: read_state(read_tagged(from)?),
        image: from.option(read_image)?,
        confirmed: from.number()?,
    })
}

fn write_part(to: &mut Writer, part: &Part) -> Option<()> {
    to.bytes(part.name.as_str().as_bytes());
    write_tagged(
        to,
        match part.location {
            Location::Partition(guid) => Tagged::new(0, &guid.0)?,
            Location::Other(location) => location,
        },
    );
    Some(())
}

fn read_part(from: &mut Reader<'_>) -> Option<Part> {
    let name = PartName::new(from.text()?)?;
    let location = read_tagged(from)?;
    let location = match (location.tag(), location.body().try_into()) {
        (0, Ok(guid)) => Location::Partition(Uuid(guid)),
        _ => Location::Other(location),
    };
    Some(Part { name, location })
}

fn write_state(state: SlotState) -> Option<Tagged> {
    match state {
        SlotState::Empty => Tagged::new(0, &[]),
        SlotState::Writing => Tagged::new(1, &[]),
        SlotState::Proven => Tagged::new(2, &[]),
        SlotState::Trial { tries_left, handoffs_left } => Tagged::new(3, &[tries_left, handoffs_left]),
        SlotState::Good => Tagged::new(4, &[]),
        SlotState::Bad { reason } => {
            let tag = match reason {
                BadReason::TriesExhausted => 0,
                BadReason::HandoffsExhausted => 1,
                BadReason::NotMountable => 2,
                BadReason::NoInit => 3,
                BadReason::Rejected => 4,
                BadReason::RolledBack => 5,
                BadReason::Unproven => 6,
                BadReason::Other(reason) => {
                    return Tagged::new(5, &[&[reason.tag()], reason.body()].concat());
                }
            };
            Tagged::new(5, &[tag])
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

fn write_image(to: &mut Writer, image: &Image) {
    to.bytes(image.version.as_bytes());
    to.option(image.id, |to, id| to.array(&id.0));
    to.byte(image.open.into());
    to.byte(image.tries);
    to.byte(image.insecure.into());
}

fn read_image(from: &mut Reader<'_>) -> Option<Image> {
    Some(Image {
        version: from.text()?.to_owned(),
        id: from.option(|from| from.array().map(ImageId))?,
        open: from.flag()?,
        tries: from.byte()?,
        insecure: from.flag()?,
    })
}

fn write_update(to: &mut Writer, update: &Update) -> Option<()> {
    let step = match update {
        Update::None => Tagged::new(0, &[]),
        Update::Staged(_) => Tagged::new(1, &[]),
        Update::Preparing { .. } => Tagged::new(2, &[]),
        Update::Due { starts_left, starts_left_in_all, .. } => {
            Tagged::new(3, &[*starts_left, *starts_left_in_all])
        }
        Update::Kept(_) => Tagged::new(4, &[]),
        Update::Other { step, .. } => Some(*step),
    };
    write_tagged(to, step?);
    to.option(update.bundle(), |to, bundle| {
        to.array(&bundle.manifest);
        write_image(to, &bundle.image);
    });
    write_id(to, update.target());
    Some(())
}

/// Bundle and target stand apart, so that they are known of an update that is not.
fn read_update(from: &mut Reader<'_>) -> Option<Update> {
    let step = read_tagged(from)?;
    let bundle = from.option(|from| Some(Staged { manifest: from.array()?, image: read_image(from)? }))?;
    let target = read_id(from)?;
    Some(match (step.tag(), step.body(), bundle, target) {
        (0, [], None, None) => Update::None,
        (1, [], Some(bundle), None) => Update::Staged(bundle),
        (2, [], Some(bundle), Some(target)) => Update::Preparing { bundle, target },
        (3, [starts_left, starts_left_in_all], Some(bundle), Some(target)) => {
            Update::Due { bundle, target, starts_left: *starts_left, starts_left_in_all: *starts_left_in_all }
        }
        (4, [], Some(bundle), None) => Update::Kept(bundle),
        (_, _, bundle, target) => Update::Other { step, bundle, target },
    })
}

fn write_extension(to: &mut Writer, extension: &Extension) -> Option<()> {
    to.number(extension.kind.into());
    to.byte(extension.is_critical.into());
    let (tag, body) = write_owner(&extension.owner);
    to.byte(tag);
    to.bytes(&body);
    to.bytes(&extension.body);
    Some(())
}

fn read_extension(from: &mut Reader<'_>) -> Option<Extension> {
    Some(Extension {
        kind: from.number()?.try_into().ok()?,
        is_critical: from.flag()?,
        owner: read_owner(from.byte()?, from.bytes()?),
        body: from.bytes()?.to_owned(),
    })
}

fn write_owner(owner: &Owner) -> (u8, Vec<u8>) {
    match owner {
        Owner::Record => (0, Vec::new()),
        Owner::Slot(id, image) => {
            let mut body = Vec::from([id.0]);
            if let Some(image) = image {
                body.extend_from_slice(&image.0);
            }
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
