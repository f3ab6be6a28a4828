//! The shell as a person meets it: keys typed into a pseudo-terminal, and what the screen says.

use crate::fixture::Fixture;
use everboot_kit::program::program;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, tcgetattr};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};

/// Seconds for one answer; a busy machine is slow.
const PATIENCE: i64 = 60;

/// A shell on a terminal of its own.
struct Person {
    terminal: OwnedFd,
    /// The shell's end, kept open so that its modes can be looked at.
    line: File,
    before: Termios,
    shell: Child,
    output: String,
    /// Waits look from here on.
    seen: usize,
}

impl Person {
    fn at(fixture: &Fixture, term: &str) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let line = File::from(rustix::fs::open(&*name, flags, rustix::fs::Mode::empty()).unwrap());
        let before = tcgetattr(&line).unwrap();
        let end = || Stdio::from(line.try_clone().unwrap());
        // In a session of its own, as with a login: so `sh` has a controlling terminal.
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait"]).arg(program("everboot")).args(["--disk", "disk", "shell"]);
        command.stdin(end()).stdout(end()).stderr(end()).env("TERM", term).env("PS1", "sh> ");
        let shell = command.current_dir(fixture.path("")).spawn().unwrap();
        Self { terminal, line, before, shell, output: String::new(), seen: 0 }
    }

    fn types(&mut self, keys: &str) {
        rustix::io::write(&self.terminal, keys.as_bytes()).unwrap();
    }

    /// Waits until the screen says this, after what was waited for before.
    #[track_caller]
    fn sees(&mut self, text: &str) {
        loop {
            if let Some(at) = self.output[self.seen..].find(text) {
                self.seen += at + text.len();
                return;
            }
            let mut wanted = [PollFd::from_borrowed_fd(self.terminal.as_fd(), PollFlags::IN)];
            let limit = Timespec { tv_sec: PATIENCE, tv_nsec: 0 };
            assert!(poll(&mut wanted, Some(&limit)).unwrap() > 0, "no {text:?} in\n{}", self.output);
            let mut bytes = [0; 4096];
            let count = rustix::io::read(&self.terminal, &mut bytes).unwrap();
            self.output.push_str(&String::from_utf8_lossy(&bytes[..count]).replace("\r\n", "\n"));
        }
    }

    /// Types a line at the prompt, and waits for what it says.
    #[track_caller]
    fn asks(&mut self, line: &str, answer: &str) {
        self.sees("everboot> ");
        self.types(&format!("{line}\r"));
        self.sees(answer);
    }

    /// The exit code; the terminal is as it was before.
    fn leaves(mut self) -> i32 {
        let code = self.shell.wait().unwrap().code().unwrap();
        let after = tcgetattr(&self.line).unwrap();
        assert_eq!(after.local_modes, self.before.local_modes);
        assert_eq!(after.input_modes, self.before.input_modes);
        code
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

#[test]
fn a_person_at_a_terminal_uses_every_kind_of_verb() {
    let fixture = Fixture::running();
    let mut person = Person::at(&fixture, "vt100");
    person.sees("`help` lists all verbs");
    person.asks("status", "next boot  slot-a: default slot, nothing due");
    person.asks("everboot status", "next boot  slot-a: default slot, nothing due");
    person.asks("slots", "DBC slot-a  good");
    person.asks("verify slot-a", "all 40 blocks are right");
    person.asks("stage 2.everboot", "staged version 2.0");
    person.asks("apply", "slot-b: the next boot tries it");
    person.asks("log", "update     slot-b: proven, version 2.0");
    person.asks("disks", "everboot-data     staging area");
    person.asks("help boot", "usage: everboot [OPTION]... boot [SLOT]");
    person.asks("help 'record' show", "both copies, all fields");
    person.asks("sh", "sh> ");
    person.types("echo $((40 + 2)); exit\n");
    person.sees("\n42\n");
    person.asks("slots", "trial");
    person.asks("exit", "");
    assert_eq!(person.leaves(), 0);
    fixture.check_slots("SLOT-A good 1.0 / slot-b trial 2.0");
}

#[test]
fn keys_edit_complete_and_recall() {
    let fixture = Fixture::factory();
    let mut person = Person::at(&fixture, "vt100");
    person.asks("ver\tsl\tb\x7fa", "all 40 blocks are right");
    person.asks("verify sl\t\t\x03", "slot-a slot-b");
    person.asks("\x1b[A\x01\x1b[3~v", "all 40 blocks are right");
    person.asks("xstatux\x08s\x01\x04\x05", "next boot");
    person.asks("stage 'no such file", "expected a closing quote");
    person.asks("stage 'no such file'", "everboot: stage: bundle: open no such file");
    person.sees("everboot> ");
    person.types("\x04");
    assert_eq!(person.leaves(), 0);
}

#[test]
fn what_does_not_belong_there_is_refused_in_one_line() {
    let fixture = Fixture::factory();
    let mut person = Person::at(&fixture, "vt100");
    person.asks("nonsense", "everboot: unknown verb \"nonsense\"");
    person.asks("boot slot-a", "everboot: boot: refused: SLOT is for the shell of an early boot");
    person.asks("reboot", "everboot: reboot: refused: leave the shell");
    person.asks("poweroff", "everboot: poweroff: refused: leave the shell");
    person.asks("mount slot-a", "everboot: mount: refused: nothing can be mounted from a disk image");
    person.asks("shell", "this is the shell");
    person.asks("continue", "");
    assert_eq!(person.leaves(), 0);
    for verb in ["sh", "exit", "reboot", "poweroff"] {
        fixture.check_refused(verb, 2, "only available inside `everboot shell`");
    }
    fixture.check_refused("boot slot-a", 3, "`everboot boot-once SLOT`");
    fixture.check_refused("shell --emergency", 2, "exclude each other");
}

#[test]
fn a_dumb_terminal_gets_no_escape_sequence() {
    let fixture = Fixture::factory();
    let mut person = Person::at(&fixture, "dumb");
    person.asks("slots", "slot-a");
    person.sees("everboot> ");
    person.types("exit\r");
    assert!(!person.output.contains('\x1b'), "{:?}", person.output);
    assert_eq!(person.leaves(), 0);
}

#[test]
fn lines_of_a_pipe_are_carried_out_one_by_one() {
    let fixture = Fixture::factory();
    let mut command = Command::new(program("everboot"));
    command.args(["--disk", "disk", "shell"]).current_dir(fixture.path(""));
    let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    shell.stdin.take().unwrap().write_all(b"slots\n\nverify slot-a\nrecord show").unwrap();
    let mut said = String::new();
    shell.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(shell.wait().unwrap().success());
    for text in ["D   slot-a  good", "all 40 blocks are right", "last copy: good"] {
        assert!(said.contains(text), "no {text:?} in\n{said}");
    }
    assert!(!said.contains('\x1b') && !said.contains("everboot> "), "{said:?}");
}
