//! A file and a vector are written alike and must read alike, however the access lies.

use super::*;
use crate::sys::temp_dir::TempDir;

const LEN: usize = 600_000 / 4096 * 4096;

/// A generator of no importance (xorshift), so that a failure repeats.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}

fn check_against_a_vector(medium: &FileMedium, model: &mut [u8]) {
    let mut dice = Dice(88_172_645_463_325_252);
    let mut memory = vec![0; model.len() + 64];
    for round in 0..400 {
        let grid = [1, 512, 4096][dice.roll(3)];
        let offset = dice.roll(model.len()) / grid * grid;
        let len = dice.roll((model.len() - offset).min(300_000) + 1) / grid * grid;
        let skew = dice.roll(3);
        match dice.roll(4) {
            0 => {
                medium.write_zeroes(offset as u64, len as u64).unwrap();
                model[offset..offset + len].fill(0);
            }
            1 | 2 => {
                memory[skew..skew + len].fill(round as u8);
                medium.write_at(offset as u64, &memory[skew..skew + len]).unwrap();
                model[offset..offset + len].fill(round as u8);
            }
            _ => medium.sync().unwrap(),
        }
        let got = &mut memory[skew..skew + len];
        medium.read_at(offset as u64, got).unwrap();
        assert!(got == &model[offset..offset + len], "round {round}: {len} bytes at {offset}");
    }
    memory.truncate(model.len());
    medium.read_at(0, &mut memory).unwrap();
    assert!(memory == model);
}

#[test]
fn a_file_reads_as_it_was_written_however_the_access_lies() {
    let temp_dir = TempDir::new("medium");
    let path = temp_dir.file("disk", &vec![7; LEN]);
    let medium = FileMedium::open(&path, Access::Exclusive).unwrap();
    check_against_a_vector(&medium, &mut vec![7; LEN]);
}

#[test]
fn a_range_never_touches_what_is_beside_it() {
    for (start, len) in [(8192, LEN / 4096 * 4096), (512, LEN - 512), (4096, 100_000), (3, 5000)] {
        let temp_dir = TempDir::new("range");
        let path = temp_dir.file("disk", &vec![9; start + len + 5000]);
        let medium = FileMedium::open_range(&path, Access::Shared, start as u64, len as u64).unwrap();
        check_against_a_vector(&medium, &mut vec![9; len]);
        let all = std::fs::read(&path).unwrap();
        assert!(all[..start].iter().chain(&all[start + len..]).all(|byte| *byte == 9), "range at {start}");
    }
}

#[test]
fn the_end_is_the_end_unless_the_file_grows() {
    let temp_dir = TempDir::new("end");
    let path = temp_dir.file("disk", &[1; 8192]);
    let medium = FileMedium::open(&path, Access::Shared).unwrap();
    assert!(medium.write_at(8000, &[2; 200]).is_err());
    assert!(medium.read_at(u64::MAX, &mut [0; 2]).is_err());
    assert!(medium.write_zeroes(8192, 1).is_err());
    assert!(FileMedium::open_range(&path, Access::Read, 4096, 4097).is_err());

    let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let growing = FileMedium::growing(file).unwrap();
    growing.write_at(8000, &[2; 1000]).unwrap();
    growing.sync().unwrap();
    assert_eq!(growing.len(), 9000);
    let mut tail = [0; 1000];
    growing.read_at(8000, &mut tail).unwrap();
    assert_eq!(tail, [2; 1000]);
}

#[test]
fn a_card_is_recognised_by_its_number_or_its_name() {
    let [card, extended, disk] = [179 << 8, 259 << 8, 8 << 8];
    for (path, rdev, is_card) in [
        ("/dev/mmcblk0", card, true),
        ("/dev/mmcblk0p9", extended, true),
        ("/dev/disk/by-partlabel/slot-a", card, true),
        ("/dev/nvme0n1p1", extended, false),
        ("/dev/sda", disk, false),
        ("/", disk, false),
    ] {
        assert_eq!(is_mmc(Path::new(path), rdev), is_card, "{path}");
    }
}

#[test]
fn where_zeroes_are_sent_they_are_there() {
    let temp_dir = TempDir::new("sends-zeroes");
    let path = temp_dir.file("disk", &vec![7; LEN]);
    let mut medium = FileMedium::open(&path, Access::Exclusive).unwrap();
    medium.sends_zeroes = true;
    check_against_a_vector(&medium, &mut vec![7; LEN]);
}
