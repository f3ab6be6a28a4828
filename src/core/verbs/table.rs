//! The table itself. What most verbs have in common stands once: a verb that looks, one that changes the record, one
//! that brings an image.

use super::verb::flag;
use super::{Action, Availability, Exit, Flag, Needs, Programs, Verb};

/// Options that every verb takes, before it or after it.
pub const GLOBAL: &[Flag] = &[
    flag(
        "config",
        Some("DIR"),
        "the folder with everboot.conf and keys/*.pub; /etc/everboot, with --disk FILE.config",
    ),
    flag("disk", Some("FILE"), "work on a disk image in a file instead of this machine; needs no root"),
    flag("staging", Some("DIR"), "use this directory as the staging area; with --disk FILE.staging"),
    flag(
        "kernel",
        Some("RELEASE"),
        "the image must have modules for this kernel; the running one, none with --disk",
    ),
    flag("no-progress", None, "do not show progress"),
];

const FORCE_STAGE: Flag =
    flag("force", None, "also an image that failed here before, or is installed already");
const INSECURE: Flag =
    flag("insecure", None, "also if no trusted key signed it; everboot.conf must have insecure = yes");
const JSON: Flag = Flag { programs: Programs::System, ..flag("json", None, "one line of JSON") };

/// A verb that looks.
const LOOKS: Verb = Verb {
    action: Action::Help,
    name: "",
    alias: None,
    arguments: &[],
    flags: &[],
    summary: "",
    about: "Changes nothing.",
    needs: Needs {
        machine: true,
        configuration: false,
        lock: false,
        patience: false,
        running_system: false,
        place: Availability::Anywhere,
    },
    programs: Programs::Both,
    fetches: false,
    exits: &[],
};
/// A verb that changes the record.
const CHANGES: Verb = Verb {
    about: "",
    needs: Needs { lock: true, ..LOOKS.needs },
    exits: &[Exit::Refused, Exit::Locked, Exit::Record],
    ..LOOKS
};
/// A verb that opens what it needs by itself, or needs nothing.
const OUTSIDE: Needs = Needs { machine: false, ..LOOKS.needs };
/// One whose outcome depends on the configuration.
const CONFIGURED: Needs = Needs { configuration: true, ..CHANGES.needs };
/// A verb of the shell.
const OF_SHELL: Verb =
    Verb { about: "", needs: Needs { machine: false, place: Availability::Shell, ..LOOKS.needs }, ..LOOKS };
/// A verb that brings an image onto the machine.
const BRINGS: Verb = Verb {
    needs: CONFIGURED,
    exits: &[Exit::Refused, Exit::Unfit, Exit::Untrusted, Exit::Locked, Exit::Record, Exit::NoSpace],
    ..CHANGES
};

/// The verbs, in the order in which they are listed.
pub static VERBS: &[Verb] = &[
    Verb {
        action: Action::Status,
        name: "status",
        flags: &[JSON],
        summary: "show slots, record, update, and the next boot",
        about: "Changes nothing. Flags of a slot: D default, B booted, C confirmed in this boot.",
        ..LOOKS
    },
    Verb {
        action: Action::Slots,
        name: "slots",
        summary: "show the slots: state, image, disk, version",
        about: "Changes nothing. The table of status alone.",
        ..LOOKS
    },
    Verb {
        action: Action::Explain,
        name: "explain",
        flags: &[flag("slot", Some("NAME"), "as if the kernel command line had everboot.slot=NAME"), JSON],
        summary: "say what the next boot would do, and why",
        about: "Changes nothing. Shows what the decision reads, what it rests on, and what it would write \
                before it acts.",
        ..LOOKS
    },
    Verb {
        action: Action::Why,
        name: "why",
        summary: "say why this boot went where it went",
        about: "Changes nothing. From /run/everboot/why, and from the latest boot that was \
                out of the ordinary, which the history beside the record keeps: it may be an earlier one.",
        ..LOOKS
    },
    Verb {
        action: Action::Log,
        name: "log",
        flags: &[JSON],
        summary: "show what happened, newest last",
        about: "Changes nothing. All that the history beside the record keeps, then what everboot said in the \
                kernel's log since this machine started. Times are in UTC; clock not set stands where the clock \
                showed a time before everboot was built, as that of a machine without a battery does at its \
                start. A kind with a number was written by a newer everboot.",
        ..LOOKS
    },
    Verb {
        action: Action::Stage,
        name: "stage",
        arguments: &["FILE"],
        flags: &[FORCE_STAGE, INSECURE],
        summary: "check a bundle and bring it onto the machine",
        about: "Checks signature, machine type, version, modules, size and every block, then copies \
                the bundle to the staging area. A refusal changes nothing. Nothing is due yet: \
                see activate. For FILE see also everboot-fetch.",
        fetches: true,
        ..BRINGS
    },
    Verb {
        action: Action::Prepare,
        name: "prepare",
        summary: "write the staged image to a free slot, and prove it",
        about: "Without it the next early boot does the same, except for a delta of an open slot. May be \
                interrupted: doing it again goes on, and writes no proven block twice.",
        ..BRINGS
    },
    Verb {
        action: Action::Apply,
        name: "apply",
        summary: "write what is staged now, and make its trial due",
        about: "What the next early boot would do with an image that is due: prepare and activate in one. May be \
                interrupted and repeated.",
        ..BRINGS
    },
    Verb {
        action: Action::Activate,
        name: "activate",
        alias: Some("commit"),
        summary: "make what is staged or prepared due at the next boot",
        about: "A prepared slot gets its trial; a staged bundle is applied in the next early boot. A delta of an \
                open slot has to be prepared first.",
        needs: CONFIGURED,
        ..CHANGES
    },
    Verb {
        action: Action::Install,
        name: "install",
        arguments: &["FILE"],
        flags: &[FORCE_STAGE, INSECURE],
        summary: "stage, prepare and activate in one",
        about: "May be interrupted and repeated at any point; succeeds when the image is installed \
                already.",
        fetches: true,
        ..BRINGS
    },
    Verb {
        action: Action::Cancel,
        name: "cancel",
        summary: "withdraw an update that was not booted yet",
        about: "The staged bundle is removed. A slot that was prepared stays as it is, unbootable \
                until it is activated.",
        ..CHANGES
    },
    Verb {
        action: Action::Confirm,
        name: "confirm",
        alias: Some("mark-good"),
        summary: "say that the running system is good",
        about: "Its slot becomes the default. Without it a trial rolls back by itself once its \
                tries are used up. While another everboot is at work it waits, up to 10 minutes. Where the kernel \
                lets nobody write to a slot that is mounted, the slot's confirmed mark is written at the next boot.",
        needs: Needs { running_system: true, patience: true, ..CHANGES.needs },
        programs: Programs::System,
        ..CHANGES
    },
    Verb {
        action: Action::Reject,
        name: "reject",
        alias: Some("mark-bad"),
        arguments: &["[SLOT]"],
        summary: "make a slot, or the running one, unbootable",
        about: "From the next boot on. Its image is remembered as bad and not tried again unless forced. The only good \
                slot cannot be rejected.",
        needs: Needs { running_system: true, ..CHANGES.needs },
        ..CHANGES
    },
    Verb {
        action: Action::Rollback,
        name: "rollback",
        arguments: &["[SLOT]"],
        summary: "return to a good slot, the previous one, at the next boot",
        flags: &[flag("force", None, "also a version below the floor")],
        about: "From a trial to the default slot; from the default slot to the good one that was \
                confirmed before it, which a second rollback undoes; or to the good slot that is named. \
                It stays so until the next confirmed update or rollback.",
        ..CHANGES
    },
    Verb {
        action: Action::BootOnce,
        name: "boot-once",
        arguments: &["[SLOT]"],
        flags: &[flag("force", None, "also a bad slot, whose image was proven once, or one below the floor")],
        summary: "boot a slot at the next boot, and only then",
        about: "Whatever else is due, and without changing the default. Without SLOT the request is \
                withdrawn. A trial's attempt is counted.",
        ..CHANGES
    },
    Verb {
        action: Action::Verify,
        name: "verify",
        arguments: &["SLOT"],
        summary: "compare every block of a slot with its signed tree",
        exits: &[Exit::Refused, Exit::Differs],
        ..LOOKS
    },
    Verb {
        action: Action::Repair,
        name: "repair",
        arguments: &["SLOT"],
        flags: &[flag("from", Some("FILE|SLOT"), "take the blocks from this bundle or slot")],
        summary: "write the blocks of a slot that differ",
        about: "Without --from the blocks come from the staged bundle, if it holds that image, and from any slot. May be interrupted and \
                repeated. The record does not change.",
        exits: &[Exit::Refused, Exit::Unfit, Exit::Untrusted, Exit::Locked, Exit::Differs],
        ..CHANGES
    },
    Verb {
        action: Action::Doctor,
        name: "doctor",
        flags: &[JSON],
        summary: "check the installation, and say what to do",
        about: "Changes nothing. One line for each finding: a fault needs attention, a note does not. With --disk \
                the machine itself is left out.",
        exits: &[Exit::Unsound],
        ..LOOKS
    },
    Verb {
        action: Action::RecordShow,
        name: "record show",
        summary: "show the boot record: both copies, all fields",
        exits: &[Exit::Record],
        ..LOOKS
    },
    Verb {
        action: Action::RecordInit,
        name: "record init",
        flags: &[
            flag("good", Some("SLOT"), "this slot was filled by other means, and is good"),
            flag("version", Some("V"), "the version that is in it"),
            flag("force", None, "also over a record that can be read"),
        ],
        summary: "make a record from what the slots say",
        about: "The factory step; refused where there is a record.",
        needs: CONFIGURED,
        ..CHANGES
    },
    Verb {
        action: Action::RecordRepair,
        name: "record repair",
        flags: &[flag("force", None, "also over what a newer everboot wrote, or where no copy can be read")],
        summary: "make both copies of the record whole again",
        about: "From the copy that can be read; from the slots when there is none.",
        needs: CONFIGURED,
        ..CHANGES
    },
    Verb {
        action: Action::RecordUpgrade,
        name: "record upgrade",
        flags: &[flag("force", None, "also where another everboot on this machine could not read it")],
        summary: "raise the record to the newest format version",
        about: "Nothing else raises it. An older everboot, in the image of a slot or in the initramfs, boots by a \
                record that it cannot read, and changes nothing in it: no update, no confirmation. So this names \
                those that could not, and is refused where a good slot or the initramfs has one.",
        needs: CONFIGURED,
        programs: Programs::System,
        ..CHANGES
    },
    Verb {
        action: Action::Formats,
        name: "formats",
        summary: "show which versions of each format this everboot reads and writes",
        about: "Changes nothing. The lines of /usr/lib/everboot/formats.",
        needs: OUTSIDE,
        programs: Programs::System,
        ..LOOKS
    },
    Verb {
        action: Action::ConfigCheck,
        name: "config check",
        summary: "say whether everboot.conf has a mistake",
        about: "Changes nothing. Ends with 1 and names the lines that are wrong. What makes an initramfs runs it, and \
                makes none of a configuration that has one: early boot would go on without these lines.",
        needs: OUTSIDE,
        ..LOOKS
    },
    Verb {
        action: Action::Disks,
        name: "disks",
        summary: "show disks and partitions, and what each is used for",
        ..LOOKS
    },
    Verb {
        action: Action::Mount,
        name: "mount",
        arguments: &["SLOT|PARTITION", "[DIR]"],
        summary: "mount a slot, or another partition, at /mnt/NAME or at DIR",
        about: "PARTITION is a PARTLABEL, or a device such as sdb1. Read-only without replaying a journal, so that \
                nothing on it changes; the staging area alone is mounted writable. What the recovery shell mounted is \
                unmounted when it is left.",
        exits: &[Exit::Refused],
        ..LOOKS
    },
    Verb {
        action: Action::Unmount,
        name: "umount",
        arguments: &["SLOT|PARTITION|DIR"],
        summary: "unmount what mount mounted",
        about: "A stick may be pulled out after it.",
        needs: OUTSIDE,
        ..LOOKS
    },
    Verb {
        action: Action::Boot,
        name: "boot",
        arguments: &["[SLOT]"],
        flags: &[
            flag("sysroot", Some("DIR"), "mount the root there; for the initramfs of a distribution"),
            flag("slot", Some("NAME"), "with --disk: as everboot.slot=NAME on the kernel command line"),
            flag("once", None, "in the shell: this time only"),
        ],
        summary: "early boot, up to the hand-off; in the recovery shell: boot this slot",
        about: "With --sysroot DIR, in an initramfs: observes, decides, persists, applies, mounts the root \
                at DIR, and leaves the hand-off to the caller. With --disk FILE the same on a disk \
                image, where nothing is mounted, and target and reason are printed. In the shell of an early boot: \
                leaves it, and boots SLOT; with --once the default stays what it is.",
        exits: &[Exit::Locked],
        needs: Needs { machine: false, ..CHANGES.needs },
        ..CHANGES
    },
    Verb {
        action: Action::Shell,
        name: "shell",
        flags: &[flag(
            "emergency",
            None,
            "say what happened, count down, and restart the machine if nobody types",
        )],
        summary: "a prompt for all these verbs",
        about: "Tab completes, the arrows go through the history. In an early boot, and with --emergency, it goes on by \
                itself when nobody has typed for 10 minutes, or has given a verb for an hour, and says so a minute \
                before; never while a verb or sh runs. With --emergency that means a restart, and so does `exit`. \
                The key `shell` in everboot.conf says who may use it there.",
        needs: OUTSIDE,
        ..LOOKS
    },
    Verb {
        action: Action::Sh,
        name: "sh",
        summary: "run /bin/sh, where there is one; leaving it returns to the prompt",
        ..OF_SHELL
    },
    Verb {
        action: Action::Leave,
        name: "exit",
        alias: Some("continue"),
        summary: "leave the shell; an early boot goes on",
        ..OF_SHELL
    },
    Verb {
        action: Action::Reboot,
        name: "reboot",
        summary: "restart the machine",
        about: "In the shell of an early boot, or with --emergency; refused in that of a running system.",
        exits: &[Exit::Refused],
        ..OF_SHELL
    },
    Verb {
        action: Action::PowerOff,
        name: "poweroff",
        summary: "switch the machine off",
        about: "In the shell of an early boot, or with --emergency; refused in that of a running system.",
        exits: &[Exit::Refused],
        ..OF_SHELL
    },
    Verb {
        action: Action::Help,
        name: "help",
        arguments: &["[VERB]"],
        summary: "say what everboot does, or what one verb does",
        about: "",
        needs: OUTSIDE,
        ..LOOKS
    },
];

impl Verb {
    /// The verb of that name or alias.
    pub fn find(name: &str) -> Option<&'static Self> {
        VERBS.iter().find(|verb| verb.name == name || verb.alias == Some(name))
    }
}
