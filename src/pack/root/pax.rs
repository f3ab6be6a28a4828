//! The records of a tar member's extended header, as POSIX has them in pax.
//!
//! A record says its own length, so that its value may hold any byte: extended attributes do, line ends too.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;

pub(crate) type Records = BTreeMap<String, Vec<u8>>;

/// Takes a header's text apart: `LENGTH KEY=VALUE\n`, the length counting all of it.
pub(crate) fn parse(mut text: &[u8]) -> Result<Records> {
    let mut records = Records::new();
    while !text.is_empty() {
        let (key, value, rest) = record(text).context("expected records LENGTH KEY=VALUE in a pax header")?;
        records.insert(key, value.to_vec());
        text = rest;
    }
    Ok(records)
}

/// The first record, and what follows it.
fn record(text: &[u8]) -> Option<(String, &[u8], &[u8])> {
    let space = text.iter().position(|byte| *byte == b' ')?;
    let len: usize = std::str::from_utf8(&text[..space]).ok()?.parse().ok()?;
    let (body, end) = text.get(space + 1..len)?.split_last_chunk::<1>()?;
    let equals = body.iter().position(|byte| *byte == b'=')?;
    let key = std::str::from_utf8(&body[..equals]).ok()?;
    (*end == *b"\n" && !key.is_empty()).then(|| (key.to_owned(), &body[equals + 1..], &text[len..]))
}

/// The value of a key; an empty one means that there is none.
pub(crate) fn value<'a>(records: &'a Records, key: &str) -> Option<&'a [u8]> {
    records.get(key).map(Vec::as_slice).filter(|value| !value.is_empty())
}

/// A number that is not negative; what is behind a decimal point does not count.
pub(crate) fn number(records: &Records, key: &str) -> Result<Option<u64>> {
    let Some(value) = value(records, key) else { return Ok(None) };
    let whole = value.split(|byte| *byte == b'.').next().unwrap_or_default();
    if whole.starts_with(b"-") {
        ensure!(key == "mtime", "{key}: expected a number that is not negative");
        return Ok(Some(0));
    }
    let number = std::str::from_utf8(whole).ok().and_then(|text| text.parse().ok());
    number.map(Some).with_context(|| format!("{key}: expected a number in a pax header"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_have_line_ends_and_zeroes() {
        let records = parse(b"30 SCHILY.xattr.user.a=1\n2\0=3\n9 uid=17\n").unwrap();
        assert_eq!(records["SCHILY.xattr.user.a"], b"1\n2\0=3");
        assert_eq!(number(&records, "uid").unwrap(), Some(17));
    }

    #[test]
    fn times_are_whole_seconds_and_none_is_before_1970() {
        let records = parse(b"23 mtime=1700000000.99\n").unwrap();
        assert_eq!(number(&records, "mtime").unwrap(), Some(1_700_000_000));
        assert_eq!(number(&parse(b"12 mtime=-5\n").unwrap(), "mtime").unwrap(), Some(0));
    }

    #[test]
    fn a_record_with_another_length_is_refused() {
        for text in
            ["8 uid=17\n", "11 uid=17\n", "99999999999999999999 uid=1\n", "9 uid=17x", "4 =\n", "x", "3 a"]
        {
            assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
