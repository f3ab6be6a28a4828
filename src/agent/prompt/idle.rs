//! How long a prompt stays open while nobody types. All times are in milliseconds.
//!
//! A key counts for ten minutes. But a line that is noisy, or that has a machine at its other end, sends keys for
//! ever: so within an hour there must be a verb among them.

const AFTER_KEY: u64 = 10 * 60_000;
const AFTER_VERB: u64 = 60 * 60_000;
const WARNING: u64 = 60_000;

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Say that the prompt will close.
    Warning,
    /// Close it.
    End,
}

/// The clock of a prompt.
#[derive(Debug)]
pub(crate) struct Idle {
    key: u64,
    verb: u64,
    warned: bool,
}

impl Idle {
    /// Begins now.
    pub(crate) fn new(now: u64) -> Self {
        Self { key: now, verb: now, warned: false }
    }

    /// A key came.
    pub(crate) fn key(&mut self, now: u64) {
        let before = self.end();
        self.key = now;
        self.warned &= self.end() == before;
    }

    /// A verb was given, and carried out by now.
    pub(crate) fn verb(&mut self, now: u64) {
        *self = Self::new(now);
    }

    /// When something will be due.
    pub(crate) fn next(&self) -> u64 {
        self.end() - if self.warned { 0 } else { WARNING }
    }

    /// What is due now; a warning once.
    pub(crate) fn due(&mut self, now: u64) -> Option<Due> {
        if now >= self.end() {
            return Some(Due::End);
        }
        let warns = now >= self.next();
        self.warned |= warns;
        warns.then_some(Due::Warning)
    }

    fn end(&self) -> u64 {
        (self.key + AFTER_KEY).min(self.verb + AFTER_VERB)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    #[test]
    fn nobody_is_warned_after_nine_minutes_and_gone_after_ten() {
        let mut idle = Idle::new(5);
        assert_eq!(idle.next(), 5 + 9 * MINUTE);
        assert_eq!(idle.due(4 + 9 * MINUTE), None);
        assert_eq!(idle.due(5 + 9 * MINUTE), Some(Due::Warning));
        assert_eq!((idle.due(6 + 9 * MINUTE), idle.next()), (None, 5 + 10 * MINUTE));
        assert_eq!(idle.due(5 + 10 * MINUTE), Some(Due::End));
    }

    #[test]
    fn a_key_gives_ten_minutes_more_and_a_new_warning() {
        let mut idle = Idle::new(0);
        assert_eq!(idle.due(9 * MINUTE), Some(Due::Warning));
        idle.key(9 * MINUTE + 1);
        assert_eq!(idle.due(18 * MINUTE), None);
        assert_eq!(idle.due(18 * MINUTE + 1), Some(Due::Warning));
    }

    #[test]
    fn keys_alone_do_not_hold_it_for_longer_than_an_hour_and_verbs_do() {
        let mut idle = Idle::new(0);
        let mut warnings = 0;
        for minute in 0..60 {
            idle.key(minute * MINUTE);
            match idle.due(minute * MINUTE) {
                Some(Due::Warning) => warnings += 1,
                due => assert_eq!(due, None, "minute {minute}"),
            }
        }
        assert_eq!((warnings, idle.due(60 * MINUTE)), (1, Some(Due::End)));
        idle.verb(60 * MINUTE);
        assert_eq!(idle.due(60 * MINUTE), None);
    }
}
