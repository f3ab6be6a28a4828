//! What only the running machine shows. Pure: `sys` looks.

use super::Findings;

/// What was seen of the machine that runs.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// Version of this everboot.
    pub version: String,
    /// Its kernel command line.
    pub command_line: String,
    /// Version of the everboot that booted this system; absent when none did.
    pub booted_by: Option<String>,
    /// What was wrong with the record before this boot wrote it anew.
    pub record_faults: Vec<String>,
    /// Whether there is a watchdog device.
    pub has_watchdog: bool,
    /// The initramfs of the running kernel, and whether it is older than this everboot; absent when there is none
    /// where one is looked for.
    pub initramfs: Option<(String, bool)>,
}

impl Host {
    /// What to say of it.
    pub fn check(&self, found: &mut Findings) {
        let has = |wanted: &dyn Fn(&str) -> bool| self.command_line.split_ascii_whitespace().any(wanted);
        match &self.booted_by {
            None => found.fault("boot", "boot", &"it did not come through everboot; boot with root=everboot"),
            Some(version) if *version != self.version => {
                let own = &self.version;
                let text = format_args!(
                    "it has everboot {version}, and the system has {own}; make it anew, and reboot"
                );
                found.fault("agent", "initramfs", &text);
            }
            Some(_) => {}
        }
        for fault in &self.record_faults {
            let text = format_args!(
                "this boot found: {fault}. A power cut may leave that; without one the disk loses what is written to it"
            );
            found.note("record-healed", "record", &text);
        }
        // A negative number reboots at once.
        if !has(&|word| word.strip_prefix("panic=").is_some_and(|value| !value.is_empty() && value != "0")) {
            let text = "without panic= a crash of the kernel does not restart the machine; add panic=10";
            found.fault("panic", "kernel command line", &text);
        }
        if !has(&|word| word == "gpt") {
            let text = "without gpt the kernel never uses the backup partition table";
            found.note("gpt", "kernel command line", &text);
        }
        if !self.has_watchdog {
            let text = "a system that hangs stays so until its power is cut";
            found.note("watchdog", "no watchdog device", &text);
        }
        match &self.initramfs {
            None => found.note("initramfs", "initramfs", &"it was not found, so its age is not known"),
            Some((path, true)) => {
                let text = "older than this everboot; if everboot was updated since, make it anew";
                found.note("initramfs", path, &text);
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Host {
        Host {
            version: "2".into(),
            command_line: "quiet panic=10 gpt".into(),
            booted_by: Some("2".into()),
            record_faults: vec![],
            has_watchdog: true,
            initramfs: Some(("/boot/initrd.img-6".into(), false)),
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Host), expected: &[(&str, bool)]) {
        let mut host = sound();
        change(&mut host);
        let mut found = Findings::default();
        host.check(&mut found);
        let found: Vec<_> = found.0.iter().map(|found| (found.name, found.fault)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_sound_machine_has_nothing_to_say() {
        check(|_| {}, &[]);
        check(|host| host.command_line = "panic=-1 gpt".into(), &[]);
    }

    #[test]
    fn each_flaw_of_the_machine_is_named() {
        check(|host| host.booted_by = None, &[("boot", true)]);
        check(|host| host.booted_by = Some("1".into()), &[("agent", true)]);
        check(|host| host.record_faults = vec!["x".into()], &[("record-healed", false)]);
        check(|host| host.command_line = "gpt".into(), &[("panic", true)]);
        check(|host| host.command_line = "gpt panic=0".into(), &[("panic", true)]);
        check(|host| host.command_line = "gptx panic=5".into(), &[("gpt", false)]);
        check(|host| host.has_watchdog = false, &[("watchdog", false)]);
        check(|host| host.initramfs = None, &[("initramfs", false)]);
        check(|host| host.initramfs.as_mut().unwrap().1 = true, &[("initramfs", false)]);
    }
}
