//! A line of the configuration, before its value is looked at.

use super::keys::{KEYS, names};
use crate::quoted::Quoted;
use alloc::format;
use alloc::string::{String, ToString};

pub(super) const NAMES: [&str; KEYS.len()] = names(&KEYS);

/// The key, which is one that is known, and the value. The error never shows the value, which may be secret.
pub(super) fn key_and_value(line: &str) -> Result<(&'static str, &str), String> {
    let Some((key, value)) = line.split_once('=') else {
        return Err(format!("expected `key = value`, found {}", shown(line)));
    };
    let key = key.trim_end();
    let known = NAMES.into_iter().find(|known| *known == key);
    let known = known.ok_or_else(|| format!("expected one of {}; found {}", NAMES.join(", "), shown(key)))?;
    Ok((known, value.trim_start()))
}

/// The beginning of a text that came from outside, in quotes.
pub(super) fn shown(text: &str) -> String {
    Quoted(&text.chars().take(40).collect::<String>()).to_string()
}
