//! A manifest's JSON. Fields that are not known are ignored, but for those that the list `critical` of the same object
//! names: these are refused. Another layout raises the format number. Known fields that come twice are refused.

use super::value::{Fields, Offset, Value};
use super::{Manifest, PartImage, VersionRange, is_version};
use crate::format_versions::MANIFEST;
use crate::quoted::Escaped;
use crate::slot::{BLOCK, MAX_COUNT, PartName, RootHash, from_hex};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// The longest manifest, in bytes.
pub const MANIFEST_MAX: usize = 32 << 10;

/// The format that this everboot reads and writes.
const FORMAT: u64 = MANIFEST.written as u64;
const SIZE_MAX: u64 = 1 << 48;
/// dm-verity's limit, in bytes.
const SALT_MAX: usize = 256;
const LIST_MAX: usize = 64;

/// Why bytes are no manifest that everboot can use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManifestError {
    /// More bytes than [`MANIFEST_MAX`].
    TooLong {
        /// How many there are.
        found: usize,
    },
    /// Not JSON, or not of a manifest's form.
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A newer format than this everboot knows.
    Format {
        /// Its number.
        found: u64,
    },
    /// A field that is not known, and that the manifest says must be.
    Critical {
        /// Its name.
        field: String,
    },
    /// A value out of its limits.
    Value {
        /// Which field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// A kind of part that this everboot does not know.
    Kind {
        /// Its name.
        found: String,
    },
}

#[cfg_attr(feature = "write", derive(serde::Serialize))]
struct Raw {
    #[cfg(feature = "write")]
    format: u64,
    compatible: String,
    version: String,
    #[cfg_attr(feature = "write", serde(skip_serializing_if = "Option::is_none"))]
    upgrade_from: Option<Vec<String>>,
    #[cfg_attr(feature = "write", serde(skip_serializing_if = "String::is_empty"))]
    floor: String,
    #[cfg_attr(feature = "write", serde(skip_serializing_if = "Option::is_none"))]
    tries: Option<u64>,
    #[cfg_attr(feature = "write", serde(skip_serializing_if = "Option::is_none"))]
    modules: Option<Vec<String>>,
    #[cfg_attr(feature = "write", serde(skip_serializing_if = "Option::is_none"))]
    formats: Option<Vec<String>>,
    parts: Vec<RawPart>,
}

#[cfg_attr(feature = "write", derive(serde::Serialize))]
struct RawPart {
    #[cfg_attr(feature = "write", serde(skip))]
    unknown_critical: Option<String>,
    name: String,
    kind: String,
    size: u64,
    root_hash: String,
    salt: String,
    mode: String,
    frame_blocks: u64,
    #[cfg_attr(feature = "write", serde(skip_serializing_if = "Option::is_none"))]
    fs_block: Option<u64>,
}

impl Manifest {
    /// Reads the JSON of a manifest and checks every value.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > MANIFEST_MAX {
            return Err(ManifestError::TooLong { found: bytes.len() });
        }
        let wrong_form = |place| wrong_form(bytes, place);
        let mut fields = Value::parse(bytes).and_then(Value::fields).map_err(wrong_form)?;
        // The number alone comes first: the rest of another format may have any form.
        let found = fields.needed("format").and_then(Value::number).map_err(wrong_form)?;
        if found != FORMAT {
            return Err(ManifestError::Format { found });
        }
        let raw = Raw::read(&mut fields).map_err(wrong_form)?;
        match fields.unknown_critical().map_err(wrong_form)? {
            Some(field) => Err(ManifestError::Critical { field }),
            None => raw.check(),
        }
    }

    /// The JSON of this manifest, with a line for each field.
    #[cfg(feature = "write")]
    pub fn to_json(&self) -> String {
        let raw = Raw {
            format: FORMAT,
            compatible: self.compatible.clone(),
            version: self.version.clone(),
            upgrade_from: self
                .upgrade_from
                .as_ref()
                .map(|from| from.iter().map(ToString::to_string).collect()),
            floor: self.floor.clone(),
            tries: self.tries.map(u64::from),
            modules: self.modules.clone(),
            formats: self.formats.clone(),
            parts: self.parts.iter().map(RawPart::of).collect(),
        };
        // Strings and numbers always have a JSON form.
        serde_json::to_string_pretty(&raw).unwrap_or_default() + "\n"
    }
}

fn wrong_form(bytes: &[u8], place: Offset) -> ManifestError {
    let before = &bytes[..place];
    let line = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let lines = before.iter().filter(|byte| **byte == b'\n').count();
    ManifestError::Json { line: lines + 1, column: place - line + 1 }
}

fn wrong(field: &'static str, expected: &'static str, found: &dyn ToString) -> ManifestError {
    let found = found.to_string().chars().take(80).flat_map(char::escape_default).collect();
    ManifestError::Value { field, expected, found }
}

fn is_printable(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

fn salt(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || text.len() > 2 * SALT_MAX {
        return None;
    }
    let byte = |at: usize| from_hex::<1>(text.get(at..at + 2)?).ok().map(|[byte]| byte);
    (0..text.len()).step_by(2).map(byte).collect()
}

impl Raw {
    fn read(fields: &mut Fields) -> Result<Self, Offset> {
        let mut optional = |name| fields.optional(name);
        let upgrade_from = optional("upgrade_from")?.map(Value::texts).transpose()?;
        let floor = optional("floor")?.map(Value::text).transpose()?.unwrap_or_default();
        let tries = optional("tries")?.map(Value::number).transpose()?;
        let modules = optional("modules")?.map(Value::texts).transpose()?;
        // No image is refused for what it says of its own formats: a newer one may say it otherwise.
        let formats = optional("formats")?.and_then(|value| value.texts().ok());
        let parts = fields.needed("parts")?.list()?;
        Ok(Self {
            #[cfg(feature = "write")]
            format: FORMAT,
            compatible: fields.needed("compatible")?.text()?,
            version: fields.needed("version")?.text()?,
            upgrade_from,
            floor,
            tries,
            modules,
            formats,
            parts: read_parts(parts)?,
        })
    }

    fn check(self) -> Result<Manifest, ManifestError> {
        if !is_printable(&self.compatible) {
            return Err(wrong("compatible", "1 to 64 printable ASCII characters", &self.compatible));
        }
        for (field, version) in [("version", &self.version), ("floor", &self.floor)] {
            if !is_version(version) && (field == "version" || !version.is_empty()) {
                return Err(wrong(field, "1 to 64 characters out of A-Z a-z 0-9 . - ~ ^ _ +", version));
            }
        }
        let tries = self.tries.map(|tries| match u8::try_from(tries) {
            Ok(tries @ 1..=MAX_COUNT) => Ok(tries),
            _ => Err(wrong("tries", "1 to 100", &tries)),
        });
        if let Some(list) = &self.modules {
            if list.len() > LIST_MAX {
                return Err(wrong("modules", "at most 64 entries", &list.len()));
            }
            // Later it is a component of a path.
            let is_release =
                |text: &String| is_printable(text) && !text.contains('/') && !text.starts_with('.');
            if let Some(bad) = list.iter().find(|text| !is_release(text)) {
                return Err(wrong("modules", "kernel releases of 1 to 64 characters", bad));
            }
        }
        if self.parts.len() != 1 {
            return Err(wrong("parts", "exactly one", &self.parts.len()));
        }
        let mut parts = Vec::new();
        for part in self.parts {
            parts.push(part.check()?);
        }
        Ok(Manifest {
            upgrade_from: self.upgrade_from.map(ranges).transpose()?,
            compatible: self.compatible,
            version: self.version,
            floor: self.floor,
            tries: tries.transpose()?,
            modules: self.modules,
            formats: self.formats,
            insecure: false,
            parts,
        })
    }
}

fn read_parts(values: Vec<Value>) -> Result<Vec<RawPart>, Offset> {
    let mut parts = Vec::new();
    for value in values {
        parts.push(RawPart::read(value)?);
    }
    Ok(parts)
}

fn ranges(texts: Vec<String>) -> Result<Vec<VersionRange>, ManifestError> {
    if texts.len() > LIST_MAX {
        return Err(wrong("upgrade_from", "at most 64 entries", &texts.len()));
    }
    let range = |text: &String| {
        VersionRange::parse(text)
            .ok_or_else(|| wrong("upgrade_from", "versions X or X..Y, X not higher than Y", text))
    };
    texts.iter().map(range).collect()
}

impl RawPart {
    #[cfg(feature = "write")]
    fn of(part: &PartImage) -> Self {
        Self {
            unknown_critical: None,
            name: part.name.to_string(),
            kind: "image".into(),
            size: part.size,
            root_hash: part.root_hash.to_string(),
            salt: crate::slot::to_hex(&part.salt),
            mode: if part.open { "open" } else { "sealed" }.into(),
            frame_blocks: part.frame_blocks.into(),
            fs_block: part.fs_block.map(u64::from),
        }
    }

    fn read(value: Value) -> Result<Self, Offset> {
        let mut fields = value.fields()?;
        let mut text = |name| fields.needed(name)?.text();
        let (name, kind) = (text("name")?, text("kind")?);
        let (root_hash, salt, mode) = (text("root_hash")?, text("salt")?, text("mode")?);
        let mut number = |name| fields.needed(name)?.number();
        let (size, frame_blocks) = (number("size")?, number("frame_blocks")?);
        let fs_block = fields.optional("fs_block")?.map(Value::number).transpose()?;
        let unknown_critical = fields.unknown_critical()?;
        Ok(Self { unknown_critical, name, kind, size, root_hash, salt, mode, frame_blocks, fs_block })
    }

    fn check(self) -> Result<PartImage, ManifestError> {
        if let Some(field) = self.unknown_critical {
            return Err(ManifestError::Critical { field });
        }
        if self.kind != "image" {
            return Err(ManifestError::Kind { found: self.kind.chars().take(80).collect() });
        }
        let name = PartName::new(&self.name).filter(PartName::is_root);
        let name = name.ok_or_else(|| wrong("name", "root", &self.name))?;
        let block = BLOCK as u64;
        if !self.size.is_multiple_of(block) || !(2 * block..=SIZE_MAX).contains(&self.size) {
            return Err(wrong("size", "a multiple of 4096 from 8192 to 2^48", &self.size));
        }
        let root_hash = RootHash::parse(&self.root_hash)
            .map_err(|_| wrong("root_hash", "64 hexadecimal digits", &self.root_hash))?;
        let salt = salt(&self.salt)
            .ok_or_else(|| wrong("salt", "at most 256 bytes in hexadecimal digits", &self.salt))?;
        let open = match self.mode.as_str() {
            "sealed" => false,
            "open" => true,
            _ => return Err(wrong("mode", "sealed or open", &self.mode)),
        };
        let frame_blocks = match u32::try_from(self.frame_blocks) {
            Ok(blocks @ 1..=1024) => blocks,
            _ => return Err(wrong("frame_blocks", "1 to 1024", &self.frame_blocks)),
        };
        let fs_block = self.fs_block.map(|bytes| match u32::try_from(bytes) {
            Ok(bytes @ 512..=65536) if bytes.is_power_of_two() => Ok(bytes),
            _ => Err(wrong("fs_block", "a power of two from 512 to 65536", &bytes)),
        });
        let (size, fs_block) = (self.size, fs_block.transpose()?);
        Ok(PartImage { name, size, root_hash, salt, open, frame_blocks, fs_block })
    }
}

impl ManifestError {
    /// Whether a newer everboot can use the manifest.
    pub fn is_newer(&self) -> bool {
        matches!(self, Self::Format { .. } | Self::Kind { .. } | Self::Critical { .. })
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { found } => {
                write!(f, "manifest: expected at most {MANIFEST_MAX} bytes, found {found}")
            }
            Self::Json { line, column } => {
                write!(f, "manifest: not a manifest's JSON at line {line}, column {column}")
            }
            Self::Format { found } => {
                write!(f, "manifest: unsupported format: expected {FORMAT}, found {found}")
            }
            Self::Critical { field } => write!(
                f,
                "manifest: unsupported: its field {} has to be understood, and is not known here; update everboot first",
                Escaped(field)
            ),
            Self::Value { field, expected, found } => {
                write!(f, "manifest: {field}: expected {expected}, found {found}")
            }
            Self::Kind { found } => {
                write!(f, "manifest: unsupported kind of part: expected image, found {}", Escaped(found))
            }
        }
    }
}

impl core::error::Error for ManifestError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn json() -> String {
        let hash = "ab".repeat(32);
        format!(
            r#"{{"format":1,"compatible":"demo","version":"1.3","upgrade_from":["1.0","1.2..1.9"],"floor":"1.1","tries":3,
            "modules":["6.1.0-13-amd64"],"parts":[{{"name":"root","kind":"image","size":8192,
            "root_hash":"{hash}","salt":"00fF","mode":"sealed","frame_blocks":256}}]}}"#
        )
    }

    #[test]
    fn all_fields_of_a_manifest_are_read() {
        let manifest = Manifest::parse(json().as_bytes()).unwrap();
        assert_eq!(manifest.compatible, "demo");
        assert_eq!(manifest.version, "1.3");
        assert_eq!(manifest.from_rule().as_deref(), Some("1.0,1.2..1.9"));
        assert_eq!((manifest.tries, manifest.floor.as_str()), (Some(3), "1.1"));
        assert_eq!(manifest.modules, Some(vec!["6.1.0-13-amd64".to_owned()]));
        let root = manifest.root();
        assert_eq!((root.name.as_str(), root.size, root.open), ("root", 8192, false));
        assert_eq!((root.root_hash, root.salt.as_slice()), (RootHash([0xab; 32]), &[0, 255][..]));
        assert_eq!((root.blocks(), root.frames(), root.frame_blocks), (2, 1, 256));
    }

    #[test]
    fn absent_rules_and_unknown_fields_are_no_error() {
        let text = json().replace(
            r#""upgrade_from":["1.0","1.2..1.9"],"floor":"1.1","tries":3,"#,
            r#""labels":{"a":[1]},"#,
        );
        let manifest =
            Manifest::parse(text.replace("modules", r#"formats":{"record":2},"gadgets"#).as_bytes()).unwrap();
        assert_eq!((manifest.upgrade_from, manifest.tries, manifest.modules), (None, None, None));
        assert_eq!(manifest.formats, None);
        assert_eq!(manifest.floor, "");
    }

    #[test]
    fn a_critical_field_that_is_not_known_is_refused_in_the_manifest_and_in_a_part() {
        let critical = |field: &str| Err(ManifestError::Critical { field: field.to_owned() });
        for (place, more, expected) in [
            (r#""compatible""#, r#""gates":[1],"critical":["tries","gates"],"#, critical("gates")),
            (r#""compatible""#, r#""critical":["a","b"],"b":{},"a":0,"#, critical("a")),
            (r#""kind""#, r#""verity":1,"critical":["verity"],"#, critical("verity")),
            // Each object speaks of its own fields, and of none that are not there.
            (r#""compatible""#, r#""critical":["verity","tries","critical"],"#, Ok(())),
            (r#""kind""#, r#""verity":1,"critical":[],"#, Ok(())),
        ] {
            let text = json().replacen(place, &format!("{more}{place}"), 1);
            assert_eq!(Manifest::parse(text.as_bytes()).map(drop), expected, "{more}");
        }
        let text = json().replacen(r#""compatible""#, r#""critical":"tries","compatible""#, 1);
        assert!(matches!(Manifest::parse(text.as_bytes()), Err(ManifestError::Json { .. })));
        let said = ManifestError::Critical { field: "ga\ntes".into() }.to_string();
        assert!(said.contains("its field ga\\ntes has to be understood"), "{said}");
    }

    #[test]
    fn values_out_of_their_limits_are_refused() {
        let rows = [
            ("compatible", r#""demo""#, r#""""#),
            ("compatible", r#""demo""#, r#""a\u0007""#),
            ("version", r#""1.3""#, r#""1 3""#),
            ("upgrade_from", r#""1.0""#, r#""1..0""#),
            ("floor", r#""1.1""#, r#""1 1""#),
            ("tries", r#""tries":3"#, r#""tries":0"#),
            ("tries", r#""tries":3"#, r#""tries":257"#),
            ("modules", "6.1.0-13-amd64", "../../etc"),
            ("modules", "6.1.0-13-amd64", ""),
            ("name", r#""name":"root""#, r#""name":"Root""#),
            ("name", r#""name":"root""#, r#""name":"../root""#),
            ("name", r#""name":"root""#, r#""name":"boot""#),
            ("size", "8192", "4096"),
            ("size", "8192", "8193"),
            ("size", "8192", "281474976714752"),
            ("root_hash", "abab", "ab"),
            ("salt", "00fF", "00f"),
            ("salt", "00fF", "00fg"),
            ("salt", "00fF", &"0".repeat(514)),
            ("mode", "sealed", "shut"),
            ("frame_blocks", "256", "0"),
            ("frame_blocks", "256", "1025"),
        ];
        for (field, good, bad) in rows {
            match Manifest::parse(json().replacen(good, bad, 1).as_bytes()) {
                Err(ManifestError::Value { field: found, .. }) => assert_eq!(found, field, "{bad}"),
                other => panic!("{field} {bad}: {other:?}"),
            }
        }
    }

    #[test]
    fn other_formats_and_kinds_are_unsupported_and_not_corrupt() {
        let newer = Manifest::parse(br#"{"parts":{"new":true},"format":2}"#);
        assert_eq!(newer, Err(ManifestError::Format { found: 2 }));
        let kind = Manifest::parse(json().replace("image", "delta").as_bytes());
        assert_eq!(kind, Err(ManifestError::Kind { found: "delta".into() }));
    }

    #[test]
    fn what_is_no_json_of_a_manifest_is_refused_at_its_place() {
        let twice = json().replace(r#""tries":3"#, r#""tries":3,"tries":4"#);
        let missing = json().replace("compatible", "gone");
        let negative = json().replace("8192", "-8192");
        for text in ["", "[]", "{", "{\"format\":1}", &twice, &missing, &negative, &"[".repeat(20000)] {
            let found = Manifest::parse(text.as_bytes());
            assert!(matches!(found, Err(ManifestError::Json { .. })), "{text:.60}: {found:?}");
        }
        let long = json() + &" ".repeat(MANIFEST_MAX);
        assert!(matches!(Manifest::parse(long.as_bytes()), Err(ManifestError::TooLong { .. })));
        assert!(Manifest::parse(&json().as_bytes()[..json().len() - 1]).is_err());
    }

    #[test]
    fn no_part_or_two_are_refused() {
        let one = json();
        let (start, end) = (one.find("[{").unwrap() + 1, one.rfind("}]").unwrap() + 1);
        let part = &one[start..end];
        for parts in [String::new(), format!("{part},{part}")] {
            let text = format!("{}{parts}{}", &one[..start], &one[end..]);
            let found = Manifest::parse(text.as_bytes());
            assert!(matches!(found, Err(ManifestError::Value { field: "parts", .. })), "{found:?}");
        }
    }

    #[cfg(feature = "write")]
    #[test]
    fn a_written_manifest_reads_back() {
        let mut manifest = Manifest::parse(json().as_bytes()).unwrap();
        assert_eq!(Manifest::parse(manifest.to_json().as_bytes()), Ok(manifest.clone()));
        manifest.upgrade_from = None;
        manifest.floor.clear();
        manifest.tries = None;
        manifest.modules = None;
        manifest.formats = Some(vec!["record reads 1..1 writes 1".into()]);
        manifest.parts[0].open = true;
        assert_eq!(Manifest::parse(manifest.to_json().as_bytes()), Ok(manifest));
    }
}
