//! Completion of a word: verbs, their options, and names of slots, by the table of verbs.

use crate::command::arguments::flags;
use everboot_core::config::SlotConfig;
use everboot_core::verbs::{Programs, VERBS, Verb};

/// What names there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names<'a> {
    /// The slots as the configuration has them.
    pub(crate) slots: &'a [SlotConfig],
    /// The program whose verbs and options are offered.
    pub(crate) programs: Programs,
}

/// What may stand where the cursor is.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Bytes of the word that are there already.
    pub(crate) begun: usize,
    /// Whole words.
    pub(crate) found: Vec<String>,
}

impl Options {
    /// For a line up to the cursor.
    pub(crate) fn at(head: &str, names: Names<'_>) -> Self {
        let (before, begun) = head.rsplit_once(' ').unwrap_or(("", head));
        let words: Vec<&str> = before.split(' ').filter(|word| !word.is_empty()).collect();
        let mut options = Self { begun: begun.len(), found: Vec::new() };
        match verb(&words) {
            Some(verb) if begun.starts_with('-') => {
                for flag in flags(Some(verb), names.programs) {
                    options.add(begun, &["--", flag.name].concat());
                }
            }
            Some(verb) if verb.takes_verb() => options.add_verbs(begun, &words[1..], names.programs),
            Some(verb) if verb.arguments.first().is_some_and(|argument| argument.contains("SLOT")) => {
                for SlotConfig { name, .. } in names.slots {
                    options.add(begun, name.as_str());
                }
            }
            Some(_) => {}
            None => options.add_verbs(begun, &words, names.programs),
        }
        options
    }

    fn add(&mut self, begun: &str, word: &str) {
        if word.starts_with(begun) && self.found.last().is_none_or(|last| last != word) {
            self.found.push(word.to_owned());
        }
    }

    /// The next words of verbs that begin with these words.
    fn add_verbs(&mut self, begun: &str, words: &[&str], programs: Programs) {
        for verb in VERBS.iter().filter(|verb| verb.is_in(programs)) {
            let mut rest = verb.name.split(' ');
            if words.iter().all(|word| rest.next() == Some(word))
                && let Some(word) = rest.next()
            {
                self.add(begun, word);
            }
        }
    }
}

/// How much all of them have in common.
pub(crate) fn common(options: &[String]) -> &str {
    let Some((first, others)) = options.split_first() else { return "" };
    let equal = |other: &String| first.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let len = others.iter().map(equal).min().unwrap_or(first.len());
    first.get(..len).unwrap_or("")
}

fn verb(words: &[&str]) -> Option<&'static Verb> {
    let two = || Verb::find(&words.get(..2)?.join(" "));
    Verb::find(words.first()?).or_else(two)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: &str, wanted: &[&str], begins: &str) {
        let slots = everboot_core::config::Config::default().slots;
        let found = Options::at(head, Names { slots: &slots, programs: Programs::Both }).found;
        assert_eq!(found, wanted, "{head:?}");
        assert_eq!(common(&found), begins, "{head:?}");
    }

    #[test]
    fn a_word_is_completed_by_what_may_stand_there() {
        check("expl", &["explain"], "explain");
        check("re", &["reject", "repair", "record", "reboot"], "re");
        check("record ", &["show", "init", "repair"], "");
        check("record re", &["repair"], "repair");
        check("help ver", &["verify"], "verify");
        check("help record s", &["show"], "show");
        check("verify ", &["slot-a", "slot-b"], "slot-");
        check("boot slot-b", &["slot-b"], "slot-b");
        check("verify --no", &["--no-progress"], "--no-progress");
        check("record init --g", &["--good"], "--good");
        check("stage fi", &[], "");
        check("confi", &["config"], "config");
        check("status --j", &[], "");
        check("nonsense ", &[], "");
        check("-", &[], "");
    }
}
