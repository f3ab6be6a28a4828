//! The one table of the configuration file's keys, and that of the kernel parameters: the parsers know these
//! names and no others, and the manual is made from the rest.
//!
//! Both are constants, of which the agent holds the names alone: what only the manual needs costs it nothing.

/// A key, or a parameter.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it may be set to.
    pub value: &'static str,
    /// What it is when nobody says; empty when there is no such thing.
    pub default: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

const fn key(name: &'static str, value: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key { name, value, default, meaning }
}

const PLACE: &str = "PARTLABEL=name or PARTUUID=uuid";
const COUNT: &str = "1 to 100";
const SECONDS: &str = "1 to 3600 (seconds)";

/// The keys of `everboot.conf`. Each may stand once, `slot` once for each slot.
pub const KEYS: [Key; 15] = [
    key(
        "compatible",
        "1 to 64 printable characters without a space",
        "",
        "The machine type. A bundle must name the same one. This key must be given.",
    ),
    key("record", PLACE, "PARTLABEL=everboot-record", "The partition of the boot record."),
    key(
        "staging",
        PLACE,
        "PARTLABEL=everboot-data",
        "The partition whose file system holds the staged bundle, in its folder everboot.",
    ),
    key(
        "recovery",
        PLACE,
        "PARTLABEL=recovery",
        "The partition of the recovery slot: a system that is booted when nothing else can be. It need not be there.",
    ),
    key(
        "slot",
        "name, name PARTLABEL=name, or name PARTUUID=uuid",
        "slot-a and slot-b",
        "A slot and its partition, which is found by the PARTLABEL that is the slot's name unless another place is \
         given. Stands once for each slot, in order; 2 to 8 slots when any is named. A name has 1 to 36 of \
         a-z 0-9 . _ - and begins with a letter or digit.",
    ),
    key("tries", COUNT, "3", "Attempts of a trial whose bundle names no number."),
    key("handoffs", COUNT, "10", "The hard number of hand-offs to a trial, which nothing gives back."),
    key(
        "apply-starts",
        COUNT,
        "5",
        "Starts of an apply in early boot without a newly proven block before it is given up.",
    ),
    key(
        "apply-starts-in-all",
        COUNT,
        "50",
        "The hard number of starts of an apply in early boot, which nothing gives back: a medium may lose again what \
         each start has proven.",
    ),
    key(
        "assess",
        "always or upgrade",
        "always",
        "When a boot is written to the record: at every boot, or only while a trial or an apply is due. \
         With upgrade a good slot boots without a write.",
    ),
    key(
        "lock",
        "yes, strict or no",
        "no",
        "Whether what the kernel command line asks for is ignored, so that nobody at a boot menu chooses a slot, and \
         whether a slot boots only when a key that the initramfs trusts has signed its image. When nothing else is left, \
         and recovery has waited, yes boots another slot of the disk all the same; strict never does.",
    ),
    key(
        "insecure",
        "yes or no",
        "no",
        "Whether images that no trusted key has signed may be brought with --insecure, and booted. Early boot goes by \
         the configuration in the initramfs.",
    ),
    key(
        "shell",
        "open, none, or a password hash $5$...",
        "open",
        "Who may use the recovery shell: everybody at the console, nobody, or who knows the password. With \
         lock = yes open means none. openssl passwd -5 makes the hash.",
    ),
    key("timeout", SECONDS, "30", "How long early boot waits for the partitions before it goes on without."),
    key(
        "watchdog",
        "off, apply, or 10 to 3600 (seconds)",
        "apply",
        "Whether the machine's watchdog (/dev/watchdog0) guards early boot. With apply it restarts a machine whose \
         apply stands still for two minutes, and is stopped before anything else is done. With a number it is \
         also started for the system that boots, which must take it over within so many seconds, as with \
         RuntimeWatchdogSec= of systemd, or the machine restarts: every time, whatever slot it boots, the recovery \
         slot apart.",
    ),
];

/// What the kernel command line may ask for.
pub const PARAMETERS: [Key; 4] = [
    key(
        "everboot.slot",
        "the name of a slot",
        "",
        "Boots this slot, this once, if it may be booted at all. A trial's attempt is counted.",
    ),
    key(
        "everboot.recovery",
        "nothing, or shell",
        "",
        "Boots the recovery slot; the shell is offered where there is none, or when it is asked for.",
    ),
    key(
        "everboot.break",
        "observe, decide, apply or handoff",
        "",
        "Opens a shell before that step of the boot, which then goes on. Several are separated by commas.",
    ),
    key("everboot.timeout", SECONDS, "", "Outweighs timeout of the configuration."),
];

/// The names alone.
pub(super) const fn names<const N: usize>(keys: &[Key; N]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut at = 0;
    while at < N {
        names[at] = keys[at].name;
        at += 1;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::super::{Config, KernelCommandLine};
    use super::*;

    #[test]
    fn a_documented_default_is_the_one_that_is_used() {
        let silent = Config::parse("compatible = x").unwrap();
        for key in KEYS.iter().filter(|key| !key.default.is_empty() && key.name != "slot") {
            let said = Config::parse(&format!("compatible = x\n{} = {}", key.name, key.default)).unwrap();
            assert_eq!(said, silent, "{}", key.name);
        }
        let slots: String = KEYS
            .iter()
            .find(|key| key.name == "slot")
            .map(|key| key.default)
            .unwrap()
            .split(" and ")
            .map(|name| format!("slot = {name}\n"))
            .collect();
        assert_eq!(Config::parse(&format!("compatible = x\n{slots}")).unwrap(), silent);
    }

    #[test]
    fn documented_bounds_are_those_of_the_refusal() {
        for key in &KEYS {
            let error = Config::parse(&format!("{} = %% %%", key.name)).unwrap_err().text;
            let is_number = |word: &&str| word.bytes().all(|byte| byte.is_ascii_digit());
            for bound in key.value.split(' ').filter(is_number) {
                assert!(error.contains(bound), "{}: {bound} is not in {error}", key.name);
            }
        }
    }

    #[test]
    fn every_parameter_is_known_and_no_other() {
        for parameter in &PARAMETERS {
            let value = match parameter.name {
                "everboot.slot" => "slot-a",
                "everboot.recovery" => "shell",
                "everboot.break" => "apply",
                _ => "7",
            };
            let (_, warnings) = KernelCommandLine::parse(&format!("{}={value}", parameter.name));
            assert_eq!(warnings, [""; 0], "{}", parameter.name);
        }
        let (_, warnings) = KernelCommandLine::parse("everboot.slots=a");
        assert!(PARAMETERS.iter().all(|known| warnings[0].contains(known.name)), "{warnings:?}");
    }
}
