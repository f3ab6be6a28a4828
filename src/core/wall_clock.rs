//! A reading of the wall clock, for people who read the history. Nothing is decided by it.
//!
//! A machine without a battery starts in 1970, so a clock counts as set when it is not older than the build of this
//! program. Known limit: systemd moves such a clock to the date of its own build; where systemd is newer than this
//! program, that date counts as set.

use core::fmt;

/// 2026-01-01 00:00:00 UTC. No everboot is older.
const FIRST: u64 = 1_767_225_600;
/// No earlier than the program was built: `SOURCE_DATE_EPOCH` of the build, where it has one and is not older still.
const BUILT: u64 = built(option_env!("SOURCE_DATE_EPOCH"));

const DAY: u64 = 86_400;

/// Seconds since 1970-01-01 00:00:00 UTC, as the clock shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WallClock {
    /// It counts as set.
    Set(u64),
    /// It is older than the build. The seconds still tell how far apart two readings of one boot are.
    NotSet(u64),
}

impl WallClock {
    /// The reading of a clock that shows these seconds. It counts as set when it is not older than the build.
    pub fn showing(seconds: u64) -> Self {
        if seconds < BUILT { Self::NotSet(seconds) } else { Self::Set(seconds) }
    }

    /// Whether it counts as set: it is not older than the build.
    pub fn is_set(self) -> bool {
        matches!(self, Self::Set(_))
    }

    /// What it shows.
    pub fn seconds(self) -> u64 {
        match self {
            Self::Set(seconds) | Self::NotSet(seconds) => seconds,
        }
    }
}

impl fmt::Display for WallClock {
    /// UTC, as ISO 8601 has it but for the space between date and time.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Set(seconds) = *self else { return f.write_str("clock not set") };
        let (year, month, day) = date(seconds / DAY);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
    }
}

/// Year, month and day of the Gregorian calendar, so many days after 1970-01-01. The year is counted from March, so
/// that the leap day is its last; 400 years have 146,097 days, and 719,468 days go by from 0000-03-01 to 1970-01-01.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

const fn built(given: Option<&str>) -> u64 {
    let Some(text) = given else { return FIRST };
    match u64::from_str_radix(text, 10) {
        Ok(seconds) if seconds > FIRST => seconds,
        _ => FIRST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_clock_before_the_build_is_not_set() {
        assert_eq!(WallClock::showing(0), WallClock::NotSet(0));
        assert_eq!(WallClock::showing(BUILT - 1), WallClock::NotSet(BUILT - 1));
        assert_eq!(WallClock::showing(BUILT), WallClock::Set(BUILT));
        assert_eq!(WallClock::showing(60).to_string(), "clock not set");
    }

    #[test]
    fn the_build_is_never_older_than_the_first_everboot() {
        assert_eq!(built(None), FIRST);
        assert_eq!(built(Some("1796039000")), 1_796_039_000);
        for useless in ["0", "1", "", "-1", "tomorrow", "99999999999999999999"] {
            assert_eq!(built(Some(useless)), FIRST, "{useless:?}");
        }
    }

    /// The expected texts are of `date --utc --date @SECONDS '+%F %T'`.
    #[test]
    fn a_time_is_shown_as_the_calendar_has_it() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (951_868_800, "2000-03-01 00:00:00"),
            (1_796_040_191, "2026-11-30 12:03:11"),
            (4_107_542_399, "2100-02-28 23:59:59"),
            (4_107_542_400, "2100-03-01 00:00:00"),
            (253_402_300_799, "9999-12-31 23:59:59"),
        ] {
            assert_eq!(WallClock::Set(seconds).to_string(), text);
        }
        // More years than a calendar needs, and no overflow.
        assert!(WallClock::Set(u64::MAX).to_string().ends_with(":15"));
    }
}
