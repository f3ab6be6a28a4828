//! A channel: a small signed list of bundles, out of which a machine takes the newest that fits it. `FORMAT.md`
//! states its bytes.
//!
//! Pure, like a manifest. No agent has it: `everboot-pack` makes it, `everboot-fetch` reads it.

use crate::format_versions::CHANNEL;
use crate::manifest::{VersionRange, compare_versions, is_version};
use crate::slot::{ImageId, RootHash};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest list, in bytes.
pub const LIST_MAX: usize = 1 << 18;
/// The most bundles of a list.
const OFFERS_MAX: usize = 256;
const FORMAT: u32 = CHANNEL.written as u32;
/// The highest serial: every reader of JSON knows numbers up to it exactly.
const SERIAL_MAX: u64 = 1 << 53;
const SIZE_MAX: u64 = 1 << 48;
/// The fields of a list that are known here.
const FIELDS: [&str; 5] = ["format", "critical", "name", "serial", "bundles"];
/// Those of a bundle.
const OFFER_FIELDS: [&str; 9] = [
    "critical",
    "version",
    "compatible",
    "upgrade_from",
    "url",
    "size",
    "sha256",
    "manifest_sha256",
    "image",
];

/// The list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    format: u32,
    /// Its name.
    pub name: String,
    /// A later list of that name has a higher one.
    pub serial: u64,
    /// The bundles.
    pub bundles: Vec<Offer>,
}

/// A bundle of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The version of its image.
    pub version: String,
    /// The machine type that it is for.
    pub compatible: String,
    /// The versions that may be upgraded to it, as a manifest writes them; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrade_from: Option<Vec<String>>,
    /// Where it is; may be relative to where the list is.
    pub url: String,
    /// Its bytes.
    pub size: u64,
    /// SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
    /// SHA-256 of its manifest, in hexadecimal digits: with it a machine may fetch only what it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_sha256: Option<String>,
    /// Id of its image, in hexadecimal digits: with it a machine knows an image that has failed on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

/// What a list has for a machine.
#[derive(Debug, PartialEq, Eq)]
pub enum Choice<'a> {
    /// The newest bundle that fits.
    Take(&'a Offer),
    /// Nothing newer than what is installed.
    UpToDate,
    /// Nothing newer but what has failed on this machine, of which this is the newest.
    Failed(&'a Offer),
    /// The newest one, and nothing newer that may be installed over what is there.
    NotFrom(&'a Offer),
    /// Nothing for this machine type.
    Nothing,
}

/// Why bytes are no list; says what was expected and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelError(String);

impl Channel {
    /// A list, checked like one that was read.
    pub fn new(name: String, serial: u64, bundles: Vec<Offer>) -> Result<Self, ChannelError> {
        let channel = Self { format: FORMAT, name, serial, bundles };
        channel.check()?;
        Ok(channel)
    }

    /// Reads the bytes of a list whose signature was checked, and checks every value.
    pub fn parse(bytes: &[u8]) -> Result<Self, ChannelError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        if bytes.len() > LIST_MAX {
            return Err(wrong("length", &format!("at most {LIST_MAX} bytes"), &bytes.len()));
        }
        let form =
            |error: serde_json::Error| ChannelError(format!("expected the JSON of a channel: {error}"));
        // The number alone comes first: the rest of another format may have any form.
        let head: Head = serde_json::from_slice(bytes).map_err(form)?;
        if head.format != FORMAT {
            return Err(wrong("format", "1; a newer everboot-fetch may know it", &head.format));
        }
        let mut list: Value = serde_json::from_slice(bytes).map_err(form)?;
        if let Some(name) = unknown_critical(&list, &FIELDS)? {
            return Err(wrong(
                "critical",
                "fields that are known; a newer everboot-fetch may know it",
                &name,
            ));
        }
        // A bundle of which something must be known that is not known here is for others.
        if let Some(bundles) = list.get_mut("bundles").and_then(Value::as_array_mut) {
            let unknown: Vec<_> = bundles
                .iter()
                .map(|offer| unknown_critical(offer, &OFFER_FIELDS))
                .collect::<Result<_, _>>()?;
            let mut unknown = unknown.iter();
            bundles.retain(|_| unknown.next().is_none_or(Option::is_none));
        }
        let channel: Self = serde_json::from_value(list).map_err(form)?;
        channel.check()?;
        Ok(channel)
    }

    /// The JSON of the list.
    pub fn to_json(&self) -> String {
        // Strings and numbers always have a JSON form.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    fn check(&self) -> Result<(), ChannelError> {
        if !is_version(&self.name) {
            return Err(wrong("name", "1 to 64 characters out of A-Z a-z 0-9 . - ~ ^ _ +", &self.name));
        }
        if !(1..=SERIAL_MAX).contains(&self.serial) {
            return Err(wrong("serial", "1 to 2^53", &self.serial));
        }
        if self.bundles.len() > OFFERS_MAX {
            return Err(wrong("bundles", &format!("at most {OFFERS_MAX}"), &self.bundles.len()));
        }
        self.bundles.iter().try_for_each(Offer::check)
    }

    /// The newest bundle for a machine type that may be installed over `installed`; over anything when nobody says
    /// what that is. None whose image has `failed`.
    pub fn choose(&self, compatible: &str, installed: Option<&str>, failed: &[ImageId]) -> Choice<'_> {
        let of_type: Vec<_> = self.bundles.iter().filter(|offer| offer.compatible == compatible).collect();
        let is_newer = |offer: &&Offer| {
            installed.is_none_or(|installed| compare_versions(&offer.version, installed).is_gt())
        };
        let newer: Vec<_> = of_type.iter().copied().filter(is_newer).collect();
        let fits: Vec<_> = newer.iter().copied().filter(|offer| offer.is_for(installed)).collect();
        let has_failed = |offer: &&Offer| matches!(offer.image_id(), Ok(Some(id)) if failed.contains(&id));
        let hopeful: Vec<_> = fits.iter().copied().filter(|offer| !has_failed(offer)).collect();
        match (newest(&hopeful), newest(&fits), newest(&newer)) {
            (Some(offer), ..) => Choice::Take(offer),
            (None, Some(offer), _) => Choice::Failed(offer),
            (None, None, Some(offer)) => Choice::NotFrom(offer),
            (None, None, None) if of_type.is_empty() => Choice::Nothing,
            (None, None, None) => Choice::UpToDate,
        }
    }
}

/// The first field that the object calls critical, that is there, and that is none of these.
fn unknown_critical(object: &Value, known: &[&str]) -> Result<Option<String>, ChannelError> {
    let Some(critical) = object.get("critical") else { return Ok(None) };
    let names = critical.as_array().map(|names| names.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
    let names = names.flatten().ok_or_else(|| wrong("critical", "a list of names", critical))?;
    let mut unknown = names.into_iter().filter(|name| object.get(name).is_some() && !known.contains(name));
    Ok(unknown.next().map(str::to_owned))
}

fn newest<'a>(offers: &[&'a Offer]) -> Option<&'a Offer> {
    offers.iter().copied().max_by(|one, other| compare_versions(&one.version, &other.version))
}

impl Offer {
    /// SHA-256 of its bytes.
    pub fn sum(&self) -> Result<RootHash, ChannelError> {
        RootHash::parse(&self.sha256).map_err(|_| wrong("sha256", "64 hexadecimal digits", &self.sha256))
    }

    /// SHA-256 of its manifest.
    pub fn manifest(&self) -> Result<Option<RootHash>, ChannelError> {
        hash("manifest_sha256", self.manifest_sha256.as_deref())
    }

    /// Id of its image.
    pub fn image_id(&self) -> Result<Option<ImageId>, ChannelError> {
        Ok(hash("image", self.image.as_deref())?.map(|hash| ImageId(hash.0)))
    }

    /// Whether it may be installed over that version.
    fn is_for(&self, installed: Option<&str>) -> bool {
        let (Some(installed), Some(from)) = (installed, &self.upgrade_from) else { return true };
        from.iter().filter_map(|range| VersionRange::parse(range)).any(|range| range.contains(installed))
    }

    fn check(&self) -> Result<(), ChannelError> {
        let is_text = |text: &str, most: usize, allowed: fn(&u8) -> bool| {
            (1..=most).contains(&text.len()) && text.as_bytes().iter().all(allowed)
        };
        if !is_version(&self.version) {
            let expected = "1 to 64 characters out of A-Z a-z 0-9 . - ~ ^ _ +";
            return Err(wrong("version", expected, &self.version));
        }
        if !is_text(&self.compatible, 64, |byte| byte.is_ascii_graphic() || *byte == b' ') {
            return Err(wrong("compatible", "1 to 64 printable ASCII characters", &self.compatible));
        }
        let ranges = self.upgrade_from.iter().flatten();
        if let Some(range) = ranges.into_iter().find(|range| VersionRange::parse(range).is_none()) {
            return Err(wrong("upgrade_from", "versions X or X..Y, X not higher than Y", range));
        }
        if !is_text(&self.url, 2048, u8::is_ascii_graphic) {
            return Err(wrong("url", "1 to 2048 printable ASCII characters without a space", &self.url));
        }
        if self.url.starts_with("oci:") && !self.url.contains("@sha256:") {
            return Err(wrong("url", "oci:REGISTRY/NAME@DIGEST", &self.url));
        }
        if !(1..=SIZE_MAX).contains(&self.size) {
            return Err(wrong("size", "1 to 2^48 bytes", &self.size));
        }
        self.sum()?;
        self.manifest()?;
        self.image_id().map(drop)
    }
}

fn hash(field: &str, text: Option<&str>) -> Result<Option<RootHash>, ChannelError> {
    let parse = |text| RootHash::parse(text).map_err(|_| wrong(field, "64 hexadecimal digits", &text));
    text.map(parse).transpose()
}

fn wrong(field: &str, expected: &str, found: &dyn ToString) -> ChannelError {
    let found: String = found.to_string().chars().take(80).flat_map(char::escape_default).collect();
    ChannelError(format!("{field}: expected {expected}, found {found}"))
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for ChannelError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(version: &str, from: Option<&str>) -> Offer {
        Offer {
            version: version.into(),
            compatible: "demo".into(),
            upgrade_from: from.map(|range| vec![range.into()]),
            url: format!("{version}.everboot"),
            size: 1,
            sha256: "0".repeat(64),
            manifest_sha256: None,
            image: None,
        }
    }

    fn channel() -> Channel {
        let bundles = vec![offer("1.9", None), offer("2.0", Some("1.5..1.9")), offer("1.10", None)];
        Channel::new("stable".into(), 7, bundles).unwrap()
    }

    #[test]
    fn the_newest_bundle_that_fits_is_chosen() {
        let channel = channel();
        let check = |compatible, installed, expected: &str| {
            let found = match channel.choose(compatible, installed, &[]) {
                Choice::Take(offer) => offer.version.clone(),
                Choice::NotFrom(offer) => format!("not {}", offer.version),
                other => format!("{other:?}"),
            };
            assert_eq!(found, expected, "{compatible} {installed:?}");
        };
        check("demo", None, "2.0");
        check("demo", Some("1.0"), "1.10");
        check("demo", Some("1.7"), "2.0");
        check("demo", Some("1.10"), "not 2.0");
        check("demo", Some("2.0"), "UpToDate");
        check("demo", Some("3.0"), "UpToDate");
        check("other", Some("1.0"), "Nothing");
    }

    #[test]
    fn what_has_failed_is_not_chosen() {
        let mut channel = channel();
        for (offer, digit) in channel.bundles.iter_mut().zip(["9", "2", "a"]) {
            offer.image = Some(digit.repeat(64));
        }
        let id = |digit: &str| ImageId::parse(&digit.repeat(64)).unwrap();
        let choose = |installed, failed: &[ImageId]| match channel.choose("demo", Some(installed), failed) {
            Choice::Take(offer) => offer.version.clone(),
            Choice::Failed(offer) => format!("{} failed", offer.version),
            other => format!("{other:?}"),
        };
        assert_eq!(choose("1.7", &[id("9")]), "2.0");
        assert_eq!(choose("1.7", &[id("2")]), "1.10");
        assert_eq!(choose("1.7", &[id("2"), id("a")]), "1.9");
        assert_eq!(choose("1.7", &[id("2"), id("a"), id("9")]), "2.0 failed");
        assert_eq!(choose("2.0", &[id("2")]), "UpToDate");
    }

    #[test]
    fn a_list_reads_back_as_it_was_written() {
        assert_eq!(Channel::parse(channel().to_json().as_bytes()), Ok(channel()));
    }

    #[test]
    fn a_field_that_is_not_known_is_ignored_unless_it_is_critical() {
        let json = channel().to_json();
        let with = |from: &str, more: &str| json.replacen(from, &format!("{more}{from}"), 1);
        let of_list = |more: &str| Channel::parse(with("\"format\"", more).as_bytes());
        assert_eq!(of_list(r#""new":{"a":1},"#), Ok(channel()));
        // Neither is there.
        assert_eq!(of_list(r#""new":1,"critical":["other","serial"],"#), Ok(channel()));
        let error = of_list(r#""new":1,"critical":["serial","new"],"#).unwrap_err().to_string();
        assert_eq!(
            error,
            "critical: expected fields that are known; a newer everboot-fetch may know it, found new"
        );
        for wrong in [r#""critical":"new","#, r#""critical":[1],"#] {
            assert!(
                of_list(wrong).unwrap_err().to_string().starts_with("critical: expected a list of names")
            );
        }
        let of_offer = |more: &str| Channel::parse(with("\"version\": \"2.0\"", more).as_bytes()).unwrap();
        assert_eq!(of_offer(r#""new":1,"#), channel());
        let others = of_offer(r#""new":1,"critical":["new"],"#);
        assert!(
            matches!(others.choose("demo", Some("1.7"), &[]), Choice::Take(offer) if offer.version == "1.10")
        );
        assert_eq!(others.bundles.len(), 2);
    }

    #[test]
    fn all_fields_that_are_written_are_known() {
        let mut channel = channel();
        let offer = &mut channel.bundles[0];
        (offer.manifest_sha256, offer.image) = (Some("0".repeat(64)), Some("0".repeat(64)));
        offer.upgrade_from = Some(vec![]);
        let list: Value = serde_json::from_str(&channel.to_json()).unwrap();
        let fields = |object: &Value| {
            let mut fields: Vec<_> = object.as_object().unwrap().keys().cloned().collect();
            fields.sort();
            fields
        };
        let known = |known: &[&str]| {
            let mut known: Vec<_> =
                known.iter().filter(|name| **name != "critical").map(|name| (*name).to_owned()).collect();
            known.sort();
            known
        };
        assert_eq!(fields(&list), known(&FIELDS));
        assert_eq!(fields(&list["bundles"][0]), known(&OFFER_FIELDS));
    }

    #[test]
    fn a_list_with_a_wrong_value_is_refused_with_what_was_expected() {
        let json = channel().to_json();
        for (from, to, expected) in [
            (
                "\"format\": 1",
                "\"format\": 2",
                "format: expected 1; a newer everboot-fetch may know it, found 2",
            ),
            ("\"stable\"", "\"a b\"", "name: expected 1 to 64"),
            ("\"serial\": 7", "\"serial\": 0", "serial: expected 1 to 2^53, found 0"),
            ("\"1.10\"", "\"\"", "version: expected 1 to 64"),
            ("\"demo\"", "\"\"", "compatible: expected 1 to 64"),
            ("1.5..1.9", "1.9..1.5", "upgrade_from: expected versions X or X..Y"),
            ("1.9.everboot", "a b", "url: expected 1 to 2048"),
            ("\"size\": 1", "\"size\": 0", "size: expected 1 to 2^48"),
            ("0000\"", "\"", "sha256: expected 64 hexadecimal digits"),
            ("\"serial\"", "\"cereal\"", "expected the JSON of a channel: missing field `serial`"),
        ] {
            let changed = json.replace(from, to);
            assert!(changed != json, "{from}");
            let error = Channel::parse(changed.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(Channel::parse(&vec![b' '; LIST_MAX + 1]).unwrap_err().to_string().contains("at most"));
    }
}
