//! Records as one-line pictures: `a:good* b:trial(3,10) due(b,5)`.
//!
//! `due(b,5)` has all its starts in all; `due(b,5,7)` has 7 of them.
//! `*` after a slot is the default, `!` the booted and confirmed one, `?` the booted and unconfirmed one; `?<` one that
//! the boot fell back to.

use everboot_core::config::{Assess, Policy};
use everboot_core::record::{Extension, LastBoot, Owner, Record, Slot, Staged, Update};
use everboot_core::slot::{BadReason, Image, ImageId, Part, SlotId, SlotName, SlotState, Tagged, Uuid};

pub const POLICY: Policy = Policy {
    tries: 3,
    handoffs: 10,
    apply_starts: 5,
    apply_starts_in_all: 50,
    assess: Assess::Always,
    strict: false,
};

/// The image whose root hash is 32 times `hash`.
pub fn image(hash: u8) -> Image {
    let (version, id) = (format!("{hash}.0"), Some(ImageId([hash; 32])));
    Image { version, id, open: false, tries: 0, insecure: false }
}

/// The bundle that brings image 9.
pub fn bundle() -> Staged {
    Staged { manifest: [9; 32], image: image(9) }
}

fn numbers(text: &str) -> Vec<u8> {
    text.split(',').map(|number| number.parse().unwrap()).collect()
}

/// What only a newer agent knows: a tag, then its body.
fn tagged(text: &str) -> Tagged {
    let numbers = numbers(text);
    Tagged::new(numbers[0], &numbers[1..]).unwrap()
}

fn numbered(tagged: &Tagged) -> String {
    let body = tagged.body().iter().map(|byte| format!(",{byte}"));
    format!("{}{}", tagged.tag(), body.collect::<String>())
}

fn inner<'a>(text: &'a str, before: &str) -> &'a str {
    text.strip_prefix(before).and_then(|rest| rest.strip_suffix(')')).expect(text)
}

fn state(text: &str) -> SlotState {
    let bad = |reason| SlotState::Bad { reason };
    match text {
        "empty" => SlotState::Empty,
        "writing" => SlotState::Writing,
        "proven" => SlotState::Proven,
        "good" => SlotState::Good,
        "bad" => bad(BadReason::TriesExhausted),
        "bad(handoffs)" => bad(BadReason::HandoffsExhausted),
        "bad(mount)" => bad(BadReason::NotMountable),
        "bad(init)" => bad(BadReason::NoInit),
        "bad(rejected)" => bad(BadReason::Rejected),
        "bad(unproven)" => bad(BadReason::Unproven),
        "bad(rolledback)" => bad(BadReason::RolledBack),
        _ if text.starts_with("other(") => SlotState::Other(tagged(inner(text, "other("))),
        _ if text.starts_with("bad(other-") => bad(BadReason::Other(tagged(inner(text, "bad(other-")))),
        _ => {
            let inner = text.strip_prefix("trial(").and_then(|rest| rest.strip_suffix(')')).expect(text);
            let counts = numbers(inner);
            SlotState::Trial { tries_left: counts[0], handoffs_left: counts[1] }
        }
    }
}

fn show_state(state: SlotState) -> String {
    match state {
        SlotState::Empty => "empty".into(),
        SlotState::Writing => "writing".into(),
        SlotState::Proven => "proven".into(),
        SlotState::Good => "good".into(),
        SlotState::Trial { tries_left, handoffs_left } => format!("trial({tries_left},{handoffs_left})"),
        SlotState::Bad { reason } => match reason {
            BadReason::TriesExhausted => "bad".into(),
            BadReason::HandoffsExhausted => "bad(handoffs)".into(),
            BadReason::NotMountable => "bad(mount)".into(),
            BadReason::NoInit => "bad(init)".into(),
            BadReason::Rejected => "bad(rejected)".into(),
            BadReason::RolledBack => "bad(rolledback)".into(),
            BadReason::Unproven => "bad(unproven)".into(),
            BadReason::Other(reason) => format!("bad(other-{})", numbered(&reason)),
        },
        SlotState::Other(state) => format!("other({})", numbered(&state)),
    }
}

/// The record of a picture. Slot number n holds image n + 1, and was confirmed as number n + 1 if good.
pub fn record(picture: &str) -> Record {
    let mut record = Record {
        disk: Uuid([0xd1; 16]),
        slots: vec![],
        default: None,
        last_boot: None,
        update: Update::None,
        bad_images: vec![],
        recovery_rounds: 0,
        once: None,
        floor: String::new(),
        extensions: vec![],
    };
    for word in picture.split_whitespace() {
        if let Some((name, rest)) = word.split_once(':') {
            slot(&mut record, name, rest);
        }
    }
    for word in picture.split_whitespace().filter(|word| !word.contains(':')) {
        let (what, inner) =
            word.strip_suffix(')').and_then(|word| word.split_once('(')).unwrap_or((word, ""));
        match what {
            "staged" => record.update = Update::Staged(bundle()),
            "kept" => record.update = Update::Kept(bundle()),
            "preparing" => {
                record.update = Update::Preparing { bundle: bundle(), target: record.find(inner).unwrap() };
            }
            "due" => {
                let (name, starts) = inner.split_once(',').unwrap();
                let (target, starts) = (record.find(name).unwrap(), numbers(starts));
                let starts_left_in_all = starts.get(1).copied().unwrap_or(POLICY.apply_starts_in_all);
                let (bundle, starts_left) = (bundle(), starts[0]);
                record.update = Update::Due { bundle, target, starts_left, starts_left_in_all };
            }
            "other" => {
                let (tag, target) = inner.split_once(',').unwrap_or((inner, ""));
                let (step, target) = (tagged(tag), record.find(target));
                record.update = Update::Other { step, bundle: Some(bundle()), target };
            }
            "ext" | "critical" => {
                let (kind, owner) = inner.split_once(',').unwrap_or((inner, ""));
                let owner = match (owner, record.find(owner)) {
                    (_, Some(id)) => Owner::Slot(id, record.slot(id).image_id()),
                    ("update", None) => Owner::Update(bundle().manifest),
                    (other, None) if other.starts_with("other-") => {
                        let numbers = numbers(&other["other-".len()..]);
                        Owner::Other { tag: numbers[0], body: numbers[1..].to_vec() }
                    }
                    _ => Owner::Record,
                };
                let (kind, is_critical, body) = (kind.parse().unwrap(), what == "critical", vec![1, 2, 3]);
                record.extensions.push(Extension { kind, is_critical, owner, body });
            }
            "bad" => record.bad_images = numbers(inner).into_iter().map(|hash| ImageId([hash; 32])).collect(),
            "once" => record.once = record.find(inner),
            "floor" => record.floor = inner.into(),
            "rounds" => record.recovery_rounds = inner.parse().unwrap(),
            _ => panic!("{word}"),
        }
    }
    record
}

fn slot(record: &mut Record, name: &str, rest: &str) {
    let id = SlotId(record.slots.len() as u8);
    let text = rest.trim_end_matches(['*', '!', '?', '<']);
    if rest.contains('*') {
        record.default = Some(id);
    }
    if rest.contains('!') || rest.contains('?') {
        record.last_boot =
            Some(LastBoot { slot: id, confirmed: rest.contains('!'), fell_back: rest.contains('<') });
    }
    let (text, hash) =
        text.split_once('#').map_or((text, id.0 + 1), |(text, hash)| (text, hash.parse().unwrap()));
    let state = state(text);
    let holds = !matches!(state, SlotState::Empty | SlotState::Writing);
    let name = SlotName::new(name).unwrap();
    let confirmed = if state == SlotState::Good { u64::from(id.0) + 1 } else { 0 };
    let image = holds.then(|| image(hash));
    record.slots.push(Slot { name, parts: vec![Part::root(Uuid([id.0; 16]))], state, image, confirmed });
}

/// The picture of a record.
pub fn show(record: &Record) -> String {
    let mut words = Vec::new();
    for (id, slot) in record.ids() {
        let default = if record.default == Some(id) { "*" } else { "" };
        let booted = match record.last_boot {
            Some(LastBoot { slot, confirmed, fell_back }) if slot == id => match (confirmed, fell_back) {
                (true, _) => "!",
                (false, false) => "?",
                (false, true) => "?<",
            },
            _ => "",
        };
        let hash = slot.image_id().map_or(0, |hash| hash.0[0]);
        let other = if hash == 0 || hash == id.0 + 1 { String::new() } else { format!("#{hash}") };
        words.push(format!("{}:{}{other}{default}{booted}", slot.name, show_state(slot.state)));
    }
    match &record.update {
        Update::None => {}
        Update::Staged(_) => words.push("staged".into()),
        Update::Kept(_) => words.push("kept".into()),
        Update::Preparing { target, .. } => words.push(format!("preparing({})", record.slot(*target).name)),
        Update::Due { target, starts_left, starts_left_in_all, .. } => {
            let in_all = match *starts_left_in_all {
                all if all == POLICY.apply_starts_in_all => String::new(),
                fewer => format!(",{fewer}"),
            };
            words.push(format!("due({},{starts_left}{in_all})", record.slot(*target).name));
        }
        Update::Other { step, target, .. } => {
            let target = target.map_or(String::new(), |id| format!(",{}", record.slot(id).name));
            words.push(format!("other({}{target})", step.tag()));
        }
    }
    if !record.bad_images.is_empty() {
        let hashes = record.bad_images.iter().map(|hash| hash.0[0].to_string()).collect::<Vec<_>>();
        words.push(format!("bad({})", hashes.join(",")));
    }
    if let Some(id) = record.once {
        words.push(format!("once({})", record.slot(id).name));
    }
    if record.recovery_rounds > 0 {
        words.push(format!("rounds({})", record.recovery_rounds));
    }
    if !record.floor.is_empty() {
        words.push(format!("floor({})", record.floor));
    }
    for extension in &record.extensions {
        let what = if extension.is_critical { "critical" } else { "ext" };
        let owner = match &extension.owner {
            Owner::Record => String::new(),
            Owner::Slot(id, _) => format!(",{}", record.slot(*id).name),
            Owner::Update(_) => ",update".into(),
            Owner::Other { tag, body } => {
                let body = body.iter().map(|byte| format!(",{byte}"));
                format!(",other-{tag}{}", body.collect::<String>())
            }
        };
        words.push(format!("{what}({}{owner})", extension.kind));
    }
    words.join(" ")
}

#[test]
fn a_picture_reads_back() {
    for picture in [
        "a:good* b:empty",
        "a:good*! b:trial(2,9)#9 kept bad(7,8)",
        "a:bad(mount)? b:writing due(b,5) rounds(3)",
        "a:good*! b:writing due(b,5,7)",
        "a:good b:good*! c:bad(rolledback) preparing(c)",
        "a:good*! b:good once(b) rounds(1)",
        "a:good b:good*! floor(1.5)",
        "a:good* b:good?<",
        "a:good*! b:other(9,1,2) c:bad(other-200,7) other(77,c)",
        "a:good*! b:good staged ext(300) ext(301,b) ext(302,update) critical(303)",
    ] {
        assert_eq!(show(&record(picture)), picture);
        record(picture).check().unwrap();
    }
}
