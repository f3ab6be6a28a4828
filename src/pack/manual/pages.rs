//! everboot(8) and everboot.conf(5).

use super::page::{Page, synopsis};
use everboot_core::config::{KEYS, Key, PARAMETERS};
use everboot_core::verbs::{Exit, Flag, GLOBAL, VERBS, Verb};
use roff::{bold, roman};

/// What is where: path and meaning.
const FILES: [(&str, &str); 8] = [
    (
        "/etc/everboot/everboot.conf",
        "The configuration, see everboot.conf(5). Early boot reads the initramfs' own copy.",
    ),
    (
        "/etc/everboot/keys/*.pub",
        "The minisign keys that are trusted. Early boot reads the initramfs' own copies.",
    ),
    ("/usr/lib/everboot/everboot-init", "The program that the makers of an initramfs take."),
    ("/run/everboot/boot.json", "What early boot did and why, for programs."),
    ("/run/everboot/why", "The same for people; `everboot why` prints it."),
    (
        "/run/everboot/root",
        "PARTUUID of the slot that was booted. It is there when everboot booted the system.",
    ),
    ("/run/everboot/lock", "Held by the everboot that changes something."),
    ("everboot/staged.everboot", "The staged bundle, on the file system of the staging partition."),
];

pub(super) fn everboot(date: &str) -> String {
    let mut page = Page::new("everboot", "8", date, "bring a machine up, upgrade it, roll it back");
    page.ragged();
    page.section("SYNOPSIS");
    page.plain(synopsis("everboot [OPTION]... VERB [ARGUMENT]..."));
    page.section("DESCRIPTION");
    page.paragraph(
        "In the initramfs `everboot-init`, to which the name `everboot` is a link there, reads a small boot record, finishes what a power cut interrupted, writes an \
         image that was staged earlier, counts the attempt, and boots the chosen slot. A new system that does \
         not prove itself is rolled back by the machine alone.",
    );
    page.paragraph(
        "In the running system `everboot` stages, prepares, activates, confirms, rolls back and explains. \
         An upgrade is `everboot install` FILE, a reboot, and `everboot confirm` by the new system.",
    );
    page.section("VERBS");
    VERBS.iter().for_each(|verb| page.verb(verb));
    page.section("OPTIONS");
    page.paragraph("Every verb takes these, before it or after it.");
    page.flags(GLOBAL);
    page.term(vec![bold("-h"), roman(", "), bold("--help")], "Prints help, for VERB if given.");
    page.term(vec![bold("-V"), roman(", "), bold("--version")], "Prints the version.");
    page.section("EXIT STATUS");
    for exit in Exit::ALL {
        page.term(vec![bold((exit as u8).to_string())], &sentence(exit.meaning()));
    }
    page.section("KERNEL COMMAND LINE");
    page.keys(&PARAMETERS, "=");
    page.section("FILES");
    for (path, meaning) in FILES {
        page.term(vec![bold(path)], meaning);
    }
    page.section("SEE ALSO");
    page.paragraph(
        "`everboot.conf`(5), `everboot-init`(8), `everboot-fetch`(8), `everboot-pack`(1), `everboot-install`(7), \
         `everboot-images`(7), `everboot-trust`(7), `everboot-recovery`(7), `everboot-testing`(7)",
    );
    page.render()
}

pub(super) fn configuration(date: &str) -> String {
    let mut page = Page::new("everboot.conf", "5", date, "configuration of everboot");
    page.section("SYNOPSIS");
    page.paragraph("`/etc/everboot/everboot.conf`");
    page.section("DESCRIPTION");
    page.paragraph(
        "One `key = value` a line. Empty lines, and lines that begin with #, say nothing. At most 64 KiB.",
    );
    page.paragraph(
        "Early boot reads the copy in the initramfs, so the initramfs is made anew after a change. There, a file \
         that cannot be used is reported and ignored: the defaults apply, and no update is applied.",
    );
    page.section("KEYS");
    page.keys(&KEYS, " = ");
    page.section("EXAMPLE");
    page.verbatim("compatible = box-x86_64\nslot = slot-a\nslot = slot-b\ntries = 3");
    page.section("SEE ALSO");
    page.paragraph("`everboot`(8), `everboot-install`(7), `everboot-trust`(7)");
    page.render()
}

/// A configuration to begin with: every key with its default, commented out.
pub(super) fn example() -> String {
    let mut out = String::from("# /etc/everboot/everboot.conf, see everboot.conf(5).\n");
    for key in &KEYS {
        out.push_str(&format!("\n# {}\n", key.meaning));
        match key.default {
            "" => out.push_str(&format!("{} = my-machine\n", key.name)),
            default => {
                out.extend(default.split(" and ").map(|value| format!("#{} = {value}\n", key.name)));
            }
        }
    }
    out
}

impl Page {
    fn verb(&mut self, verb: &Verb) {
        let usage = [&[verb.name], verb.arguments].concat().join(" ");
        self.term(synopsis(&usage), &sentence(verb.summary));
        if !verb.about.is_empty() {
            self.more(vec![roman(verb.about)]);
        }
        if let Some(alias) = verb.alias {
            self.more(vec![roman("Also: "), bold(alias), roman(".")]);
        }
        if !verb.flags.is_empty() {
            self.inside(|page| page.flags(verb.flags));
        }
        let codes = verb.exits.iter().map(|exit| (*exit as u8).to_string()).collect::<Vec<_>>();
        if !codes.is_empty() {
            self.more(vec![roman(format!("Exit codes besides 0, 1 and 2: {}.", codes.join(", ")))]);
        }
    }

    fn flags(&mut self, flags: &[Flag]) {
        for flag in flags {
            let usage = flag.value.map_or(String::new(), |value| format!(" {value}"));
            self.term(synopsis(&format!("--{}{usage}", flag.name)), flag.help);
        }
    }

    fn keys(&mut self, keys: &[Key], between: &str) {
        for key in keys {
            self.term(vec![bold(key.name), roman(between), roman(key.value)], key.meaning);
            if !key.default.is_empty() {
                self.more(vec![roman("Default: "), bold(key.default), roman(".")]);
            }
        }
    }
}

/// A phrase of the help as a sentence.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}
