//! The order of versions: the UAPI group's Version Format Specification, version 1
//! (<https://uapi-group.org/specifications/specs/version_format_specification/>), which is also what
//! `systemd-analyze compare-versions` implements.
//!
//! Where page and systemd differ we do as systemd and rpm: a caret is higher than the end and lower than all
//! else, so `1.0 < 1.0^1 < 1.0.1`; the page's rule would put `1.0^1` above `1.0.1`.

use core::cmp::Ordering;

/// The longest version, in characters.
const VERSION_MAX: usize = 64;

/// Whether `text` is a version that a manifest may have: 1 to 64 characters that the specification allows.
pub fn is_version(text: &str) -> bool {
    let allowed = |byte: u8| is_significant(byte) || matches!(byte, b'_' | b'+');
    (1..=VERSION_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

/// Compares two versions. Any text has a place in the order; what is no digit, letter or one of `-.~^` only
/// separates.
pub fn compare_versions(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    loop {
        skip(&mut one, |byte| !is_significant(byte));
        skip(&mut other, |byte| !is_significant(byte));
        // A tilde is lower than anything, the end included; so it is asked first.
        if let Some(order) = mark(&mut one, &mut other, b'~') {
            return order;
        }
        if one.is_empty() || other.is_empty() {
            return one.len().cmp(&other.len());
        }
        for character in *b"-^." {
            if let Some(order) = mark(&mut one, &mut other, character) {
                return order;
            }
        }
        let is_number = |text: &[u8]| text.first().is_some_and(u8::is_ascii_digit);
        let order = if is_number(one) || is_number(other) {
            numbers(&mut one, &mut other)
        } else {
            take(&mut one, |byte| byte.is_ascii_alphabetic())
                .cmp(take(&mut other, |byte| byte.is_ascii_alphabetic()))
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn is_significant(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'~' | b'^')
}

/// Removes `character` from the front of both; where only one has it, that one is lower.
fn mark(one: &mut &[u8], other: &mut &[u8], character: u8) -> Option<Ordering> {
    match (one.first() == Some(&character), other.first() == Some(&character)) {
        (true, true) => {
            (*one, *other) = (&one[1..], &other[1..]);
            None
        }
        (true, false) => Some(Ordering::Less),
        (false, true) => Some(Ordering::Greater),
        (false, false) => None,
    }
}

/// Compares the numbers at the front of both, of any length; none counts as 0.
fn numbers(one: &mut &[u8], other: &mut &[u8]) -> Ordering {
    skip(one, |byte| byte == b'0');
    skip(other, |byte| byte == b'0');
    let (one, other) = (take(one, |byte| byte.is_ascii_digit()), take(other, |byte| byte.is_ascii_digit()));
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

fn skip(text: &mut &[u8], what: impl Fn(u8) -> bool) {
    take(text, what);
}

fn take<'a>(text: &mut &'a [u8], what: impl Fn(u8) -> bool) -> &'a [u8] {
    let end = text.iter().position(|byte| !what(*byte)).unwrap_or(text.len());
    let (front, rest) = text.split_at(end);
    *text = rest;
    front
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cmp::Ordering::{Equal, Greater, Less};

    fn check(one: &str, expected: Ordering, other: &str) {
        assert_eq!(compare_versions(one, other), expected, "{one:?} to {other:?}");
        assert_eq!(compare_versions(other, one), expected.reverse(), "{other:?} to {one:?}");
    }

    // The specification's page says `0 < ~` too; its own rules and systemd say the opposite.
    #[test]
    fn the_specification_s_examples() {
        let rows = [
            ("11", Equal, "11"),
            ("systemd-123", Equal, "systemd-123"),
            ("bar-123", Less, "foo-123"),
            ("123a", Greater, "123"),
            ("123.a", Greater, "123"),
            ("123.a", Less, "123.b"),
            ("123a", Greater, "123.a"),
            ("11α", Equal, "11β"),
            ("A", Less, "a"),
            ("", Less, "0"),
            ("0.", Greater, "0"),
            ("0.0", Greater, "0"),
            ("0", Greater, "~"),
            ("", Greater, "~"),
            ("1_", Equal, "1"),
            ("_1", Equal, "1"),
            ("1_", Less, "1.2"),
            ("1_2_3", Greater, "1.3.3"),
            ("1+", Equal, "1"),
            ("+1", Equal, "1"),
            ("1+", Less, "1.2"),
            ("1+2+3", Greater, "1.3.3"),
        ];
        for (one, expected, other) in rows {
            check(one, expected, other);
        }
    }

    #[test]
    fn systemd_s_own_row_in_which_each_is_lower_than_all_that_follow() {
        let rows = [
            "~1",
            "",
            "ab",
            "abb",
            "abc",
            "0001",
            "002",
            "12",
            "122",
            "122.9",
            "123~rc1",
            "123",
            "123-a",
            "123-a.1",
            "123-a1",
            "123-a1.1",
            "123-3",
            "123-3.1",
            "123^patch1",
            "123^1",
            "123.a-1",
            "123.1-1",
            "123a-1",
            "124",
            "18446744073709551616",
        ];
        for (at, one) in rows.iter().enumerate() {
            check(one, Equal, one);
            for other in &rows[at + 1..] {
                check(one, Less, other);
            }
        }
    }

    #[test]
    fn a_manifest_s_version_has_1_to_64_allowed_characters() {
        for good in ["1", "1.2~rc1-3^git_4+5", &"9".repeat(64)] {
            assert!(is_version(good), "{good}");
        }
        for bad in ["", "1 2", "1/2", "1:2", "α", "1\n", &"9".repeat(65)] {
            assert!(!is_version(bad), "{bad}");
        }
    }
}
