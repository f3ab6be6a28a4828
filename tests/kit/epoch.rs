//! What a crash may make of the writes that no barrier covered: the enumerator.
//!
//! Pure: from a list of writes to a list of losses. It serves simulated media and the block log of a real
//! device alike. Sectors are counted through all writes of the list, in their order.
//!
//! Up to [`EXHAUSTIVE`] sectors that differ from what was there: every subset of them; and each sector full
//! of garbage, zero, or torn, the others new. Above that the named families, and seeded samples.

use super::seed::Seed;
use std::fmt;

/// Bytes of a sector.
pub const SECTOR: usize = 512;
/// Up to so many differing sectors all subsets are made.
pub const EXHAUSTIVE: usize = 10;
/// Bytes after which a sector is torn.
pub const TEARS: [usize; 4] = [1, 8, SECTOR / 2, SECTOR - 1];
/// KiB of a flash page around a write.
pub const PAGES: [usize; 3] = [4, 16, 64];

/// A write that no barrier covered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// For each of its sectors, whether it differs from what was there before.
    pub differs: Vec<bool>,
    /// A change of a directory: there or not, and nothing between.
    pub is_name: bool,
}

/// What became of one sector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SectorDamage {
    /// No sector is other than old or new.
    None,
    /// Bytes that nobody wrote.
    Garbage(usize),
    /// Zeroes.
    Zero(usize),
    /// So many bytes are new, and the rest is old.
    Torn(usize, usize),
    /// The whole flash page of so many KiB around the write with this number is garbage.
    Page(usize, usize),
}

/// One way in which an epoch may end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Whether each sector is new.
    pub kept: Vec<bool>,
    /// What is neither old nor new.
    pub damage: SectorDamage,
}

/// All that were enumerated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Losses {
    /// They.
    pub all: Vec<Loss>,
    /// How many of them are seeded samples.
    pub sampled: usize,
    /// Whether every subset is among them.
    pub is_exhaustive: bool,
}

/// Enumerates, with so many samples where subsets are too many.
pub fn losses(writes: &[Open], samples: usize, seed: &mut Seed) -> Losses {
    let differs: Vec<bool> = writes.iter().flat_map(|write| write.differs.iter().copied()).collect();
    let changing: Vec<usize> = (0..differs.len()).filter(|at| differs[*at]).collect();
    let mut found = Losses { is_exhaustive: changing.len() <= EXHAUSTIVE, ..Losses::default() };
    if found.is_exhaustive {
        for mask in 0..1_u32 << changing.len() {
            let mut kept = vec![true; differs.len()];
            changing.iter().enumerate().for_each(|(bit, at)| kept[*at] = mask >> bit & 1 == 1);
            found.all.push(Loss { kept, damage: SectorDamage::None });
        }
    } else {
        families(writes, differs.len(), &mut found.all);
        for _ in 0..samples {
            let kept = differs.iter().map(|_| seed.next() & 1 == 1).collect();
            found.all.push(Loss { kept, damage: SectorDamage::None });
        }
        found.sampled = samples;
    }
    damaged_sectors(writes, differs.len(), found.is_exhaustive, &mut found.all);
    found
}

/// How many there must be: counted without making them.
pub fn expected(writes: &[Open], samples: usize) -> usize {
    let of = |write: &Open| write.differs.len();
    let sectors: usize = writes.iter().map(of).sum();
    let data: usize = writes.iter().filter(|write| !write.is_name).map(of).sum();
    let changing = writes.iter().flat_map(|write| &write.differs).filter(|differs| **differs).count();
    match changing {
        0..=EXHAUSTIVE => (1 << changing) + (2 + TEARS.len()) * data,
        _ => 1 + sectors + 2 * writes.len() + sectors + samples + data,
    }
}

/// Prefixes of writes, single writes lost, single writes kept, each write torn at each sector, single sectors
/// lost.
fn families(writes: &[Open], count: usize, all: &mut Vec<Loss>) {
    let mut add = |kept: &dyn Fn(usize) -> bool| {
        all.push(Loss { kept: (0..count).map(kept).collect(), damage: SectorDamage::None });
    };
    let mut from = 0;
    add(&|_| true);
    for write in writes {
        let range = from..from + write.differs.len();
        for end in range.clone() {
            add(&|at| at < end);
        }
        add(&|at| !range.contains(&at));
        add(&|at| range.contains(&at));
        from = range.end;
    }
    for sector in 0..count {
        add(&|at| at != sector);
    }
}

fn damaged_sectors(writes: &[Open], count: usize, with_all: bool, all: &mut Vec<Loss>) {
    let mut from = 0;
    for write in writes {
        for sector in from..from + write.differs.len() {
            if write.is_name {
                continue;
            }
            let mut odds = vec![SectorDamage::Garbage(sector)];
            if with_all {
                odds.push(SectorDamage::Zero(sector));
                odds.extend(TEARS.map(|bytes| SectorDamage::Torn(sector, bytes)));
            }
            all.extend(odds.into_iter().map(|damage| Loss { kept: vec![true; count], damage }));
        }
        from += write.differs.len();
    }
}

/// The profile of a device that destroys the flash page around a write that it was doing.
pub fn page_losses(writes: &[Open]) -> Vec<Loss> {
    let count = writes.iter().map(|write| write.differs.len()).sum();
    let data = writes.iter().enumerate().filter(|(_, write)| !write.is_name);
    let pages = data.flat_map(|(number, _)| PAGES.map(|kib| SectorDamage::Page(number, kib)));
    pages.map(|damage| Loss { kept: vec![true; count], damage }).collect()
}

/// The profile of a device that lied about its last barriers: of the many writes that are then open, none,
/// only the last one, or some at random are there.
pub fn lie_losses(writes: &[Open], samples: usize, seed: &mut Seed) -> Vec<Loss> {
    let count: usize = writes.iter().map(|write| write.differs.len()).sum();
    let last = writes.last().map_or(0, |write| write.differs.len());
    let mut kept = vec![vec![false; count], (0..count).map(|at| at + last >= count).collect()];
    kept.extend((0..samples).map(|_| (0..count).map(|_| seed.next() & 1 == 1).collect()));
    kept.into_iter().map(|kept| Loss { kept, damage: SectorDamage::None }).collect()
}

impl fmt::Display for Loss {
    /// `0f3.g5`: a hexadecimal mask of the kept sectors, the first in its last digit; then the damaged one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nibble = |bits: &[bool]| bits.iter().rev().fold(0, |sum, bit| sum * 2 + u8::from(*bit));
        let digits: Vec<u8> = self.kept.chunks(4).map(nibble).collect();
        for digit in digits.iter().rev() {
            write!(f, "{digit:x}")?;
        }
        match self.damage {
            SectorDamage::None => f.write_str(".-"),
            SectorDamage::Garbage(sector) => write!(f, ".g{sector}"),
            SectorDamage::Zero(sector) => write!(f, ".z{sector}"),
            SectorDamage::Torn(sector, bytes) => write!(f, ".t{sector}:{bytes}"),
            SectorDamage::Page(write, kib) => write!(f, ".p{write}:{kib}"),
        }
    }
}

impl Loss {
    /// Reads what [`Loss`] prints, for an epoch of so many sectors.
    pub fn parse(text: &str, count: usize) -> Option<Self> {
        let (mask, damage) = text.split_once('.')?;
        let mut kept = Vec::new();
        for digit in mask.chars().rev() {
            let nibble = digit.to_digit(16)?;
            kept.extend((0..4).map(|bit| nibble >> bit & 1 == 1));
        }
        kept.resize(count, false);
        let pair = |text: &str| {
            let (one, two) = text.split_once(':')?;
            Some((one.parse().ok()?, two.parse().ok()?))
        };
        let (kind, rest) = damage.split_at_checked(1)?;
        let damage = match kind {
            "-" => SectorDamage::None,
            "g" => SectorDamage::Garbage(rest.parse().ok()?),
            "z" => SectorDamage::Zero(rest.parse().ok()?),
            "t" => pair(rest).map(|(sector, bytes)| SectorDamage::Torn(sector, bytes))?,
            "p" => pair(rest).map(|(write, kib)| SectorDamage::Page(write, kib))?,
            _ => return None,
        };
        Some(Self { kept, damage })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(sectors: usize) -> Open {
        Open { differs: vec![true; sectors], is_name: false }
    }

    fn count(writes: &[Open]) -> Losses {
        losses(writes, 32, &mut Seed::new(1))
    }

    #[test]
    fn up_to_ten_sectors_every_subset_is_there_once() {
        for sectors in 0..=EXHAUSTIVE {
            let found = count(&[write(sectors)]);
            assert!(found.is_exhaustive && found.sampled == 0);
            assert_eq!(found.all.len(), (1 << sectors) + 6 * sectors);
            let mut masks: Vec<_> = found.all[..1 << sectors].iter().map(|loss| loss.kept.clone()).collect();
            masks.sort();
            masks.dedup();
            assert_eq!(masks.len(), 1 << sectors);
        }
    }

    #[test]
    fn sectors_that_change_nothing_are_not_subsets_and_names_are_not_torn() {
        let same = Open { differs: vec![true, false, false, true], is_name: false };
        assert_eq!(count(std::slice::from_ref(&same)).all.len(), 4 + 6 * 4);
        let name = Open { differs: vec![true], is_name: true };
        assert_eq!(expected(&[same.clone(), name.clone()], 32), 8 + 6 * 4);
        assert_eq!(count(&[same, name]).all.len(), 8 + 6 * 4);
    }

    #[test]
    fn above_ten_sectors_each_family_has_its_exact_number() {
        let (writes, sectors) = ([write(8), write(16), write(4)], 28);
        let found = count(&writes);
        // All; each prefix by sectors; single writes lost, and kept; single sectors lost; samples; garbage.
        assert_eq!(found.all.len(), 1 + sectors + 2 * 3 + sectors + 32 + sectors);
        assert_eq!(found.all.len(), expected(&writes, 32));
        assert!(!found.is_exhaustive && found.sampled == 32);
    }

    #[test]
    fn a_loss_reads_back() {
        let writes = [write(3), write(9)];
        let all = [count(&writes).all, page_losses(&writes), count(&[write(2)]).all].concat();
        for loss in all {
            assert_eq!(Loss::parse(&loss.to_string(), loss.kept.len()), Some(loss.clone()), "{loss}");
        }
        assert_eq!(Loss::parse("3", 2), None);
        assert_eq!(Loss::parse("g.-", 2), None);
    }

    #[test]
    fn the_same_seed_gives_the_same_samples() {
        assert_eq!(count(&[write(99)]), count(&[write(99)]));
    }
}
