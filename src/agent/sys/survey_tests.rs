//! Trees of files that look like `/sys/class/block` and `/dev`.

use super::*;
use crate::sys::temp_dir::TempDir;

/// The labels of the partitions of each disk; the kernel knows those of `known` by number, start and size.
struct Machine {
    temp_dir: TempDir,
    roots: Roots,
}

impl Machine {
    fn new(name: &str) -> Self {
        let temp_dir = TempDir::new(name);
        let roots = Roots::under(temp_dir.path());
        Self { temp_dir, roots }
    }

    fn sys(&self, name: &str, text: &str) {
        self.temp_dir.file(&format!("sys/class/block/{name}"), text.as_bytes());
    }

    /// A disk with a table that the kernel has read.
    fn add_disk(&self, name: &str, labels: &[&str]) {
        let disk = self.temp_dir.file(&format!("dev/{name}"), &vec![0; 8 << 20]);
        let mut table = gpt::GptConfig::new().writable(true).create(&disk).unwrap();
        for label in labels {
            table.add_partition(label, 1 << 20, gpt::partition_types::LINUX_FS, 0, None).unwrap();
        }
        gpt::mbr::ProtectiveMBR::new().overwrite_lba0(&mut table.write().unwrap()).unwrap();
        self.sys(&format!("{name}/size"), "16384\n");
        self.sys(&format!("{name}/queue/logical_block_size"), "512\n");
        for (number, label) in (1..).zip(labels) {
            let (start, part) = (34 + (number - 1) * 2048, format!("{name}p{number}"));
            self.temp_dir.file(&format!("dev/{part}"), b"");
            for (value, text) in [
                ("partition", number.to_string()),
                ("start", start.to_string()),
                ("size", "2048".to_owned()),
                ("dev", format!("259:{number}")),
                ("uevent", format!("DEVTYPE=partition\nPARTN={number}\nPARTNAME={label}")),
            ] {
                self.sys(&format!("{name}/{part}/{value}"), &(text + "\n"));
            }
            self.sys(&format!("{part}/partition"), "1\n");
        }
    }

    fn look(&self, wanted: Option<&Wanted>) -> Vec<Found> {
        disks(&self.roots, wanted, wanted.is_none(), 500).unwrap()
    }

    fn wanted(&self) -> Vec<Found> {
        self.look(Some(&Wanted::of(&Config::default())))
    }
}

const OURS: [&str; 4] = ["everboot-record", "slot-a", "slot-b", "everboot-data"];

fn labels(found: &Found) -> Vec<&str> {
    found.disk.parts.iter().map(|part| part.label.as_str()).collect()
}

#[test]
fn partitions_are_those_that_have_a_node() {
    let machine = Machine::new("survey");
    machine.add_disk("nvme0n1", &["a", "b"]);
    std::fs::remove_dir_all(machine.roots.sys.join("class/block/nvme0n1/nvme0n1p2")).unwrap();
    machine.temp_dir.file("dev/loop0", b"not a disk");
    for name in ["loop0", "ram0", "sda"] {
        machine.sys(&format!("{name}/size"), "8\n");
    }
    let found = machine.look(None);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].disk.name.as_str(), labels(&found[0])), ("nvme0n1", vec!["a"]));
    let path = machine.roots.dev.join("nvme0n1p1");
    assert_eq!(found[0].nodes, [Node { path, number: "259:1".into() }]);
    assert_eq!((found[0].missing[0].1.number, found[0].disk.faults.len()), (2, 0));
    assert_eq!(survey(&found).disks.len(), 1);
}

#[test]
fn a_partition_that_the_kernel_has_elsewhere_is_not_used() {
    for (value, text) in [("start", "35"), ("size", "2047"), ("start", ""), ("partition", "7")] {
        let machine = Machine::new("elsewhere");
        machine.add_disk("vda", &["a", "b"]);
        machine.sys(&format!("vda/vdap2/{value}"), text);
        let found = machine.look(None);
        assert_eq!((labels(&found[0]), found[0].missing.len()), (vec!["a"], 0), "{value} {text}");
        let complaints = found[0].disk.complaints();
        assert!(complaints.len() == 1 && complaints[0].contains("partition 2 (b)"), "{complaints:?}");
        assert!(complaints[0].contains("`partx -u /dev/vda`, or reboot"), "{complaints:?}");
    }
}

#[test]
fn a_disk_without_our_partitions_is_left_alone_when_nothing_is_missing() {
    let machine = Machine::new("ours-first");
    machine.add_disk("sda", &["other"]);
    machine.add_disk("sdb", &OURS);
    let names = |found: &[Found]| found.iter().map(|found| found.disk.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&machine.wanted()), ["sdb"]);
    assert_eq!(names(&machine.look(None)), ["sda", "sdb"]);
    // The staging area may be on another disk.
    machine.add_disk("sdb", &OURS[..3]);
    std::fs::remove_dir_all(machine.roots.sys.join("class/block/sdb/sdbp4")).unwrap();
    assert_eq!(names(&machine.wanted()), ["sda", "sdb"]);
}

#[test]
fn a_disk_that_does_not_answer_is_named_and_the_others_are_read() {
    let machine = Machine::new("stuck");
    machine.add_disk("sdb", &OURS[..3]);
    machine.sys("sda/size", "8\n");
    nix::unistd::mkfifo(&machine.roots.dev.join("sda"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let found = machine.wanted();
    assert_eq!((found[0].disk.name.as_str(), labels(&found[1])), ("sda", OURS[..3].to_vec()));
    assert!(found[0].disk.complaints()[0].contains("does not answer"));
    drop(std::fs::File::options().write(true).open(machine.roots.dev.join("sda")).unwrap());
}

#[test]
fn a_removable_disk_is_known_by_its_driver_or_its_place() {
    let machine = Machine::new("removable");
    machine.add_disk("sda", &["a"]);
    assert!(!machine.look(None)[0].disk.removable);
    machine.sys("sda/removable", "1\n");
    assert!(machine.look(None)[0].disk.removable);
    machine.sys("sda/removable", "0\n");
    let place = machine.roots.sys.join("devices/usb2/2-1/block");
    std::fs::create_dir_all(&place).unwrap();
    std::fs::rename(machine.roots.sys.join("class/block/sda"), place.join("sda")).unwrap();
    std::os::unix::fs::symlink(place.join("sda"), machine.roots.sys.join("class/block/sda")).unwrap();
    assert!(machine.look(None)[0].disk.removable);
}

#[test]
fn members_of_an_array_and_paths_are_no_disks_of_their_own() {
    let machine = Machine::new("holders");
    for disk in ["md0", "sda", "sdb", "sdc", "sdd", "sde"] {
        machine.add_disk(disk, &["a"]);
    }
    for (member, array) in [("sda", "md0"), ("sdb", "md0"), ("sdc", "dm-0"), ("sdd", "dm-0"), ("sde", "dm-1")]
    {
        machine.sys(&format!("{member}/holders/{array}/size"), "8\n");
    }
    machine.sys("dm-0/dm/uuid", "mpath-360\n");
    machine.sys("dm-1/dm/uuid", "CRYPT-VERITY-1\n");
    let found = machine.look(None);
    let names: Vec<_> = found.iter().map(|found| found.disk.name.as_str()).collect();
    assert_eq!(names, ["md0", "sdc", "sde"]);
    let array = |machine: &Machine| array_of(&machine.roots, &found[2].nodes[0]);
    assert_eq!(array(&machine), None);
    machine.sys("sdep1/holders/md1/size", "8\n");
    assert_eq!(array(&machine).as_deref(), Some("md1"));
}
