//! Nothing is left to boot: what a person at the serial console sees and types, and what happens when nobody is
//! there, or nobody may.

use super::common::{OLD, configured, machine, small};
use everboot_testbed::Vm;
use everboot_testbed::machine::{LIMIT, Machine};

const SCREEN: &str = "everboot   RECOVERY: ";
const COUNTDOWN: &str = "in 10 s: look at all disks again, and try the slot that was last good";
const PROMPT: &str = "everboot> ";

/// A machine whose default slot cannot be mounted, and whose other slot was rejected.
fn stranded(story: &str) -> Machine {
    let machine = machine(story);
    machine.must(&["install", &small("2", OLD, &[]).to_string_lossy()]).unwrap();
    machine.must(&["boot"]).unwrap();
    machine.must(&["confirm"]).unwrap();
    machine.must(&["reject", "slot-a"]).unwrap();
    machine.disk.write("slot-b", 0, &[0xa5; 65536]).unwrap();
    machine
}

/// Switches it on, with this line more in its configuration.
fn start(machine: &Machine, line: &str) -> Vm {
    Vm::start(&configured(machine, "boot", line, &[])).unwrap()
}

/// The same where nobody stops the countdown.
fn start_alone(machine: &Machine, line: &str) -> Vm {
    Vm::start(&configured(machine, "boot", line, &[]).quick_clock()).unwrap()
}

fn wait(vm: &mut Vm, text: &str) {
    vm.wait_for(text, LIMIT).unwrap();
}

/// Types a line at the prompt, and waits for what it says.
fn ask(vm: &mut Vm, line: &str, answer: &str) {
    wait(vm, PROMPT);
    vm.send_line(line).unwrap();
    wait(vm, answer);
}

#[test]
fn a_person_stops_the_countdown_looks_around_and_boots_a_slot() {
    let machine = stranded("console");
    let mut vm = start(&machine, "");
    for text in [SCREEN, "slot-b: its root could not be mounted", "slot-a: bad", "press a key", COUNTDOWN] {
        wait(&mut vm, text);
    }
    vm.send_line("").unwrap();
    ask(&mut vm, "status", "slot-b  good");
    ask(&mut vm, "sl\t", "slot-a  bad");
    ask(&mut vm, "help", "usage: everboot");
    ask(&mut vm, "log", "this run");
    ask(&mut vm, "disks", "everboot-data     staging area");
    ask(&mut vm, "mount slot-a", "/dev/vda2 mounted at /mnt/slot-a");
    ask(&mut vm, "mount everboot-data", "mounted at /mnt/everboot-data");
    ask(&mut vm, "umount slot-a", "/mnt/slot-a: unmounted");
    ask(&mut vm, "sh", "there is no /bin/sh here");
    ask(&mut vm, "boot slot-c", "no slot \"slot-c\"; there are slot-a, slot-b");
    ask(&mut vm, "boot slot-a --once", "asked for at the console");
    let said = vm.wait_exit(LIMIT).unwrap();
    assert!(said.contains("UP 1") && said.contains("asked for at the console"), "{said}");
    let screen = said.split(SCREEN).nth(1).unwrap().split("\n====").next().unwrap();
    assert!(screen.lines().all(|line| line.trim_end().len() <= 80), "{screen}");
}

#[test]
fn nobody_is_there_and_the_machine_goes_on_by_itself() {
    let machine = stranded("console-nobody");
    let said = start_alone(&machine, "").wait_exit(LIMIT).unwrap();
    assert!(said.contains(SCREEN) && said.contains(COUNTDOWN), "{said}");
    assert!(said.contains("UP 1") && !said.contains(PROMPT), "{said}");
}

#[test]
fn a_password_is_asked_for_and_only_the_right_one_opens_the_shell() {
    let machine = stranded("console-password");
    let hash = "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5";
    let mut vm = start(&machine, &format!("lock = yes\nshell = {hash}"));
    wait(&mut vm, SCREEN);
    wait(&mut vm, COUNTDOWN);
    vm.send_line("").unwrap();
    wait(&mut vm, "password: ");
    vm.send_line("Hello").unwrap();
    wait(&mut vm, "wrong");
    wait(&mut vm, "password: ");
    vm.send_line("Hello world!").unwrap();
    ask(&mut vm, "boot slot-a", "");
    let said = vm.wait_exit(LIMIT).unwrap();
    assert!(said.contains("UP 1") && !said.contains("Hello"), "{said}");
}

#[test]
fn a_closed_shell_is_opened_by_no_key() {
    let machine = stranded("console-closed");
    let mut vm = start_alone(&machine, "shell = none");
    wait(&mut vm, SCREEN);
    wait(&mut vm, COUNTDOWN);
    vm.send_line("status").unwrap();
    let said = vm.wait_exit(LIMIT).unwrap();
    assert!(said.contains("UP 1") && !said.contains(PROMPT) && !said.contains("next boot"), "{said}");
}
