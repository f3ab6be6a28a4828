//! `/etc/everboot/everboot.conf`: one `key = value` a line; empty lines and lines that begin with `#` say
//! nothing. Each key may stand once, `slot` once for each slot, in order; [`super::KEYS`] is their table.
//!
//! Hard limits: 64 KiB, 2 to [`MAX_SLOTS`] slots when any is named.
//!
//! [`Config::parse`] is for those who must not go on with a mistake. Early boot must: for it [`Config::read`] leaves
//! the wrong lines out, and every other line counts.

use super::line::{key_and_value, shown};
use super::{Assess, Config, Locator, Lock, ShellAccess, SlotConfig, Watchdog};
use crate::slot::{MAX_COUNT, MAX_SLOTS, SlotName, Uuid};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

/// Longest file in bytes.
pub const LONGEST: usize = 64 * 1024;

/// The most mistakes that are kept, the first ones: a file may have as many as it has lines.
const MOST_FAULTS: usize = 8;

/// A mistake in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The line that is wrong, from 1 on; `None` when it is the file as a whole.
    pub line: Option<usize>,
    /// What was expected and what was found.
    pub text: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "configuration, line {line}: {}", self.text),
            None => write!(f, "configuration: {}", self.text),
        }
    }
}

impl core::error::Error for ConfigError {}

impl Default for Config {
    fn default() -> Self {
        let label = |text: &str| Locator::PartLabel(text.to_owned());
        let slots = ["slot-a", "slot-b"].into_iter();
        Self {
            compatible: String::new(),
            record: label("everboot-record"),
            staging: label("everboot-data"),
            recovery: label("recovery"),
            slots: slots
                .filter_map(|name| Some(SlotConfig::new(SlotName::new(name).ok()?, label(name))))
                .collect(),
            tries: 3,
            handoffs: 10,
            apply_starts: 5,
            apply_starts_in_all: 50,
            assess: Assess::Always,
            lock: Lock::No,
            insecure: false,
            shell: ShellAccess::Open,
            timeout: 30,
            watchdog: Watchdog::Apply,
            faults: Vec::new(),
        }
    }
}

impl Config {
    /// Reads the text of the file. The first thing that is wrong is the error, with its line.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let config = Self::read(text);
        match config.faults.first() {
            Some(fault) => Err(fault.clone()),
            None => Ok(config),
        }
    }

    /// Reads the text of the file as far as it can be read: a line that is wrong is left out, is one of the faults, and
    /// hides no other line. Of a key that stands twice the first line counts. A mistake opens nothing: `lock`, `shell`
    /// and `insecure` close where what they say is wrong, or said twice.
    pub fn read(text: &str) -> Self {
        let mut config = Self::default();
        if text.len() > LONGEST {
            config.add_fault(None, format!("expected at most {LONGEST} bytes, found {}", text.len()));
        }
        let (mut seen, mut slots) = (Vec::new(), Vec::new());
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let done = key_and_value(line).and_then(|(key, value)| {
                let done = match key {
                    "slot" => config.set(key, value, &mut slots),
                    _ if seen.contains(&key) => Err(format!("{key} is there twice")),
                    _ => config.set(key, value, &mut slots),
                };
                // A line that is right counts after one that is wrong, unless it would open what that one closed.
                if done.is_ok() || config.close(key) {
                    seen.push(key);
                }
                done
            });
            if let Err(text) = done {
                config.add_fault(Some(at + 1), text);
            }
        }
        if config.compatible.is_empty() {
            config.add_fault(None, "there is no line `compatible = MACHINE-TYPE`".to_owned());
        }
        if slots.len() == 1 {
            config.add_fault(None, "one slot is not enough: at least 2 are needed".to_owned());
        }
        if !slots.is_empty() {
            config.slots = slots;
        }
        config
    }

    fn add_fault(&mut self, line: Option<usize>, text: String) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(ConfigError { line, text });
        }
    }

    fn set(&mut self, key: &str, value: &str, slots: &mut Vec<SlotConfig>) -> Result<(), String> {
        let count = || number(value, 1..=MAX_COUNT.into()).map(|count| count as u8);
        match key {
            "compatible" => self.compatible = compatible(value)?,
            "record" => self.record = locator(value)?,
            "staging" => self.staging = locator(value)?,
            "recovery" => self.recovery = locator(value)?,
            "slot" => slots.push(slot(value, slots)?),
            "tries" => self.tries = count()?,
            "handoffs" => self.handoffs = count()?,
            "apply-starts" => self.apply_starts = count()?,
            "apply-starts-in-all" => self.apply_starts_in_all = count()?,
            "assess" => {
                self.assess = choice(value, [("always", Assess::Always), ("upgrade", Assess::Upgrade)])?
            }
            "lock" => {
                let wrong = || format!("expected yes, strict or no, found {}", shown(value));
                self.lock = Lock::parse(value).ok_or_else(wrong)?;
            }
            "insecure" => self.insecure = choice(value, [("yes", true), ("no", false)])?,
            "shell" => self.shell = ShellAccess::parse(value)?,
            "timeout" => self.timeout = number(value, 1..=3600)?,
            _ => self.watchdog = watchdog(value)?,
        }
        Ok(())
    }
}

fn compatible(value: &str) -> Result<String, String> {
    let fits = (1..=64).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic());
    let wrong = || format!("expected a machine type of 1 to 64 characters, found {}", shown(value));
    fits.then(|| value.to_owned()).ok_or_else(wrong)
}

fn locator(value: &str) -> Result<Locator, String> {
    let wrong = || format!("expected PARTLABEL=name or PARTUUID=uuid, found {}", shown(value));
    let (kind, found) = value.split_once('=').ok_or_else(wrong)?;
    match kind {
        "PARTLABEL" if (1..=36).contains(&found.chars().count()) => Ok(Locator::PartLabel(found.to_owned())),
        "PARTUUID" => Uuid::parse(found).map(Locator::PartUuid).map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

fn slot(value: &str, others: &[SlotConfig]) -> Result<SlotConfig, String> {
    let (name, place) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
    let name = SlotName::new(name).map_err(|error| error.to_string())?;
    let place = match place.trim_start() {
        "" => Locator::PartLabel(name.as_str().to_owned()),
        given => locator(given)?,
    };
    if others.len() == MAX_SLOTS {
        return Err(format!("more than {MAX_SLOTS} slots"));
    }
    let slot = SlotConfig::new(name, place);
    if others.iter().any(|other| other.name == slot.name || other.parts == slot.parts) {
        return Err(format!("slot {} or its partition is there twice", slot.name));
    }
    Ok(slot)
}

/// A decimal number in `range`.
pub(super) fn number(value: &str, range: RangeInclusive<u32>) -> Result<u32, String> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let found = value.parse().ok().filter(|found| digits && range.contains(found));
    let wrong =
        || format!("expected a number from {} to {}, found {}", range.start(), range.end(), shown(value));
    found.ok_or_else(wrong)
}

fn watchdog(value: &str) -> Result<Watchdog, String> {
    match value {
        "off" => Ok(Watchdog::Off),
        "apply" => Ok(Watchdog::Apply),
        _ => number(value, 10..=3600).map(Watchdog::Left).map_err(|why| why + "; off and apply will do, too"),
    }
}

fn choice<T>(value: &str, known: [(&str, T); 2]) -> Result<T, String> {
    let wrong = format!("expected {} or {}, found {}", known[0].0, known[1].0, shown(value));
    known.into_iter().find(|(word, _)| *word == value).map(|(_, meaning)| meaning).ok_or(wrong)
}

#[cfg(test)]
mod tests {
    use super::super::line::NAMES;
    use super::*;

    #[track_caller]
    fn check_refused(text: &str, line: Option<usize>, words: &str) {
        let error = Config::parse(text).unwrap_err();
        assert!(error.line == line && error.text.contains(words), "{error}");
    }

    #[test]
    fn every_line_that_can_be_read_counts_beside_one_that_cannot() {
        let lines = [
            "compatible = x",
            "record = PARTLABEL=my-record",
            "staging = PARTLABEL=my-data",
            "recovery = PARTLABEL=my-rescue",
            "slot = a PARTLABEL=my-a",
            "slot = b PARTLABEL=my-b",
            "tries = 7",
            "timeout = 90",
            "watchdog = 60",
            "assess = upgrade",
            "lock = yes",
        ];
        let right = Config::parse(&lines.join("\n")).unwrap();
        for wrong in ["tires = 3", "timeout = soon", "?", "slot = C", "compatible = y", "shell"] {
            for at in 1..=lines.len() {
                let mut text: Vec<_> = lines.to_vec();
                text.insert(at, wrong);
                let mut read = Config::read(&text.join("\n"));
                let found: Vec<_> = read.faults.drain(..).map(|fault| fault.line).collect();
                assert_eq!(found, [Some(at + 1)], "{wrong}");
                assert_eq!(read, right, "{wrong} at {at}");
            }
        }
    }

    #[test]
    fn slots_that_can_be_read_are_not_replaced_by_the_default_ones() {
        let names = |text: &str| -> Vec<_> {
            Config::read(text).slots.iter().map(|slot| slot.name.to_string()).collect()
        };
        assert_eq!(names("slot = a\nslot = B\nslot = c"), ["a", "c"]);
        assert_eq!(names("slot = a\nslot = B"), ["a"]);
        assert_eq!(names("slot = A\nslot = B"), ["slot-a", "slot-b"]);
    }

    #[test]
    fn only_so_many_mistakes_are_kept() {
        assert_eq!(Config::read(&"?\n".repeat(100)).faults.len(), MOST_FAULTS);
    }

    #[test]
    fn a_file_that_names_only_the_machine_type_has_the_defaults() {
        let config = Config::parse("# mine\n\n  compatible=box-1  \n").unwrap();
        assert_eq!(config, Config { compatible: "box-1".into(), ..Config::default() });
        assert_eq!(config.slots.len(), 2);
    }

    #[test]
    fn every_key_is_read() {
        let uuid = "0fc63daf-8483-4772-8e79-3d69d8477de4";
        let text = format!(
            "compatible = x\nrecord = PARTUUID={uuid}\nstaging = PARTLABEL=my data\nslot = a\n\
             slot = b  PARTUUID={uuid}\nslot = c PARTLABEL=See\ntries = 1\nhandoffs = 100\napply-starts = 7\n\
             apply-starts-in-all = 9\nrecovery = PARTLABEL=rescue\nassess = upgrade\nlock = yes\nshell = none\ninsecure = yes\ntimeout = 3600\n\
             watchdog = 10\r\n"
        );
        assert!(NAMES.iter().all(|key| text.contains(&format!("{key} = "))), "{text}");
        let config = Config::parse(&text).unwrap();
        let uuid = Locator::PartUuid(Uuid::parse(uuid).unwrap());
        assert_eq!((&config.record, &config.slots[1].parts[0].1), (&uuid, &uuid));
        assert_eq!(config.staging, Locator::PartLabel("my data".into()));
        assert_eq!(config.recovery, Locator::PartLabel("rescue".into()));
        assert_eq!(config.shell, ShellAccess::Closed);
        assert_eq!(config.slots[0].parts[0].1, Locator::PartLabel("a".into()));
        assert_eq!(config.slots[2].parts[0].1, Locator::PartLabel("See".into()));
        assert_eq!((config.tries, config.handoffs), (1, 100));
        assert_eq!((config.apply_starts, config.apply_starts_in_all), (7, 9));
        assert_eq!((config.assess, config.lock, config.timeout), (Assess::Upgrade, Lock::Yes, 3600));
        assert_eq!((config.watchdog, config.insecure), (Watchdog::Left(10), true));
    }

    #[test]
    fn the_watchdog_is_a_word_or_a_number_of_seconds() {
        let read = |value| Config::parse(&format!("compatible = x\nwatchdog = {value}")).unwrap().watchdog;
        assert_eq!(
            [read("off"), read("apply"), read("3600")],
            [Watchdog::Off, Watchdog::Apply, Watchdog::Left(3600)]
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let rows = [
            ("tires = 3", "expected one of compatible, record"),
            ("tries", "expected `key = value`"),
            ("tries = 0", "expected a number from 1 to 100, found \"0\""),
            ("tries = +3", "from 1 to 100"),
            ("handoffs = 101", "from 1 to 100"),
            ("apply-starts =", "from 1 to 100"),
            ("timeout = 4294967297", "from 1 to 3600"),
            ("assess = never", "expected always or upgrade"),
            ("lock = true", "expected yes, strict or no"),
            ("insecure = 1", "expected yes or no"),
            ("shell = yes", "expected open, none"),
            ("watchdog = on", "from 10 to 3600, found \"on\"; off and apply"),
            ("watchdog = 9", "from 10 to 3600"),
            ("compatible = y", "compatible is there twice"),
            ("record = /dev/sda1", "expected PARTLABEL="),
            ("record = PARTUUID=123", "expected PARTLABEL="),
            ("staging = PARTLABEL=", "expected PARTLABEL="),
            ("slot = Slot", "expected a slot name"),
            ("slot = a LABEL=a", "expected PARTLABEL="),
        ];
        for (line, words) in rows {
            check_refused(&format!("compatible = x\n# \n{line}\n"), Some(3), words);
        }
        check_refused("compatible = x\nslot = a\nslot = a", Some(3), "there twice");
        check_refused("compatible = x\nslot = a\nslot = b PARTLABEL=a", Some(3), "there twice");
        check_refused("compatible = a b", Some(1), "machine type");
    }

    #[test]
    fn limits_are_kept() {
        check_refused("", None, "compatible");
        check_refused(&"#".repeat(LONGEST + 1), None, "at most 65536 bytes");
        check_refused("compatible = x\nslot = a", None, "at least 2 are needed");
        let nine: String = ('a'..='i').map(|name| format!("slot = {name}\n")).collect();
        check_refused(&format!("compatible = x\n{nine}"), Some(10), "more than 8 slots");
    }
}
