//! The screen of the recovery shell: what happened, what the machine does next and when, what a person can do.
//! 80 columns and 24 lines of ASCII are enough for it.

use crate::runtime::text::{plain, titled};

/// How much of what happened is shown, the latest; the rest is in the log.
const MOST: usize = 4;
const BAR: &str = "===============================================================================\n";

/// What there is to say.
#[derive(Debug, Default)]
pub struct Opening {
    /// In one line.
    pub title: String,
    /// What happened, oldest first.
    pub happened: Vec<String>,
    /// The slots, a line each.
    pub slots: Vec<String>,
    /// What the machine does next.
    pub next: String,
}

impl Opening {
    /// The screen, up to the countdown or the prompt.
    pub fn text(&self, hint: &str) -> String {
        let mut out = BAR.to_owned();
        section(&mut out, "everboot", &self.title);
        let mut title = "happened";
        let (earlier, latest) = self.happened.split_at(self.happened.len().saturating_sub(MOST));
        if !earlier.is_empty() {
            section(&mut out, title, "... and more before that: see `log`");
            title = "";
        }
        for text in latest {
            section(&mut out, title, text);
            title = "";
        }
        title = "slots";
        for slot in &self.slots {
            section(&mut out, title, slot);
            title = "";
        }
        if !self.next.is_empty() {
            section(&mut out, "then", &self.next);
        }
        section(&mut out, "you", hint);
        out + BAR
    }
}

fn section(out: &mut String, title: &str, text: &str) {
    titled(out, title, &plain(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening(happened: usize) -> Opening {
        let long = "slot-b: its root could not be mounted: mount /dev/vda3 as ext4: Structure needs cleaning";
        Opening {
            title: "RECOVERY: nothing can be booted".into(),
            happened: vec![long.to_owned(); happened],
            slots: vec!["slot-a: good, version 1.0".into(), "slot-b: bad, version \u{1b}[2Jé".into()],
            next: "look at all disks again, and try the slot that was last good".into(),
        }
    }

    #[test]
    fn the_screen_says_what_happened_what_comes_and_what_can_be_done() {
        let text = opening(1).text("press a key for a prompt");
        let wanted = "\
everboot   RECOVERY: nothing can be booted
happened   slot-b: its root could not be mounted: mount /dev/vda3 as ext4:
           Structure needs cleaning
slots      slot-a: good, version 1.0
           slot-b: bad, version ?[2J?
then       look at all disks again, and try the slot that was last good
you        press a key for a prompt
";
        assert_eq!(text, format!("{BAR}{wanted}{BAR}"));
    }

    #[test]
    fn it_fits_80_columns_and_24_lines_however_much_happened() {
        let text = opening(50).text("press a key for a prompt");
        assert!(text.lines().all(|line| line.len() < 80) && text.lines().count() <= 20, "{text}");
        assert!(text.contains("happened   ... and more before that: see `log`"), "{text}");
    }
}
