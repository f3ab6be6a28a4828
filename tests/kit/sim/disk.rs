//! A medium with a volatile write cache.

use super::pages::Pages;
use super::power::{Answer, Event, MediumId, Power};
use crate::epoch::{Loss, Open, SectorDamage};
use everboot_storage::medium::{Error, Medium, Op};
use std::io;
use std::sync::{Arc, Mutex};

/// The bytes of a block that the medium does not give until it is written again.
pub const UNREADABLE: [u8; 4096] = [0xde; 4096];

/// What of the writes since the last barrier survives a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survives {
    /// All of it.
    All,
    /// None of it.
    None,
    /// All, and the last write only by its first half.
    TornLast,
    /// The last write and none before it.
    OnlyLast,
    /// All but the first write.
    AllButFirst,
}

/// All kinds.
pub const SURVIVORS: &[Survives] =
    &[Survives::All, Survives::None, Survives::TornLast, Survives::OnlyLast, Survives::AllButFirst];

impl Survives {
    /// What it makes of these writes.
    pub fn of(self, open: &[Open]) -> Loss {
        let last = open.len().saturating_sub(1);
        let kept = open.iter().enumerate().flat_map(|(number, write)| {
            let count = write.differs.len();
            let sectors = match self {
                Self::All => count,
                Self::None => 0,
                Self::TornLast if number == last => count / 2,
                Self::TornLast => count,
                Self::OnlyLast => {
                    if number == last {
                        count
                    } else {
                        0
                    }
                }
                Self::AllButFirst => {
                    if number == 0 {
                        0
                    } else {
                        count
                    }
                }
            };
            (0..count).map(move |sector| sector < sectors)
        });
        Loss { kept: kept.collect(), damage: SectorDamage::None }
    }
}

#[derive(Debug, Clone)]
struct Inner {
    live: Pages,
    durable: Pages,
    epoch: Vec<(usize, Arc<[u8]>)>,
    grows: bool,
    fails_writes: bool,
    lies: bool,
    sector: u32,
    rewritten: Vec<u64>,
}

/// A medium in memory. Clones share its content.
#[derive(Debug, Clone)]
pub struct SimDisk {
    inner: Arc<Mutex<Inner>>,
    power: Power,
    id: MediumId,
    is_of_flow: bool,
}

impl SimDisk {
    /// A disk of `len` zero bytes with power of its own.
    pub fn new(len: u64) -> Self {
        Self::of(Pages::zeroed(len as usize), &Power::default(), 0)
    }

    /// A disk with durable content.
    pub fn with_power(content: Vec<u8>, power: &Power) -> Self {
        Self::of(Pages::of(&content), power, 0)
    }

    /// Medium number `id` of a machine, with durable content.
    pub fn of(content: Pages, power: &Power, id: MediumId) -> Self {
        let inner = Inner {
            live: content.clone(),
            durable: content,
            epoch: vec![],
            grows: false,
            fails_writes: false,
            lies: false,
            sector: 512,
            rewritten: vec![],
        };
        Self { inner: Arc::new(Mutex::new(inner)), power: power.clone(), id, is_of_flow: false }
    }

    /// A file that grows as it is written.
    pub fn growing(power: &Power, id: MediumId) -> Self {
        let disk = Self::of(Pages::zeroed(0), power, id);
        disk.inner.lock().unwrap().grows = true;
        disk
    }

    /// A handle of a flow: its changes are counted apart from those that a test makes to the disk.
    #[must_use]
    pub fn of_flow(mut self) -> Self {
        self.is_of_flow = true;
        self
    }

    pub fn id(&self) -> MediumId {
        self.id
    }

    pub fn power(&self) -> &Power {
        &self.power
    }

    /// Makes every write fail with EIO.
    pub fn fail_writes(&self, fails: bool) {
        self.inner.lock().unwrap().fails_writes = fails;
    }

    /// Makes the medium take writes and forget them.
    pub fn lie(&self, lies: bool) {
        self.inner.lock().unwrap().lies = lies;
    }

    /// Makes it a medium with sectors of so many bytes, as far as anybody asks.
    pub fn set_sector_size(&self, bytes: u32) {
        self.inner.lock().unwrap().sector = bytes;
    }

    /// What a reader sees.
    pub fn content(&self) -> Vec<u8> {
        self.live().to_vec()
    }

    /// The same, in pages.
    pub fn live(&self) -> Pages {
        self.inner.lock().unwrap().live.clone()
    }

    /// Blocks that were written although they held these very bytes, since the last time this was asked.
    pub fn take_rewritten(&self) -> Vec<u64> {
        std::mem::take(&mut self.inner.lock().unwrap().rewritten)
    }

    /// Power comes back: of what no barrier had covered, so much is there.
    pub fn crash(&self, survives: Survives) {
        self.power.restore();
        let mut inner = self.inner.lock().unwrap();
        let inner = &mut *inner;
        let epoch = std::mem::take(&mut inner.epoch);
        let last = epoch.len().saturating_sub(1);
        for (number, (at, data)) in epoch.iter().enumerate() {
            let kept = match survives {
                Survives::All => data.len(),
                Survives::None => 0,
                Survives::TornLast if number == last => data.len() / 2,
                Survives::TornLast => data.len(),
                Survives::OnlyLast => {
                    if number == last {
                        data.len()
                    } else {
                        0
                    }
                }
                Survives::AllButFirst => {
                    if number == 0 {
                        0
                    } else {
                        data.len()
                    }
                }
            };
            inner.durable.write(*at, &data[..kept]);
        }
        inner.live = inner.durable.clone();
    }

    fn happened(&self, event: Event) {
        if self.is_of_flow || !self.power.tells_flows_apart() {
            self.power.happened(event);
        }
    }

    /// Counts the blocks of a write that hold its very bytes already.
    fn note_rewritten(inner: &mut Inner, offset: u64, data: &[u8]) {
        let mut there = [0; 4096];
        for (at, block) in (offset..).step_by(4096).zip(data.chunks(4096)) {
            let there = &mut there[..block.len()];
            if inner.live.read(at as usize, there) && there == block {
                inner.rewritten.push(at / 4096);
            }
        }
    }
}

impl Medium for SimDisk {
    fn len(&self) -> u64 {
        self.inner.lock().unwrap().live.len() as u64
    }

    fn sector_size(&self) -> u32 {
        self.inner.lock().unwrap().sector
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
        self.power.check(Op::Read, self.id)?;
        let is_there = self.inner.lock().unwrap().live.read(offset as usize, buf);
        if buf.chunks(UNREADABLE.len()).any(|block| block == UNREADABLE) {
            return Err(Error::at(Op::Read, offset, io::Error::from_raw_os_error(5)));
        }
        if is_there { Ok(()) } else { Err(Error::past_end(Op::Read, offset)) }
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        let answer = self.power.spend(Op::Write, self.id)?;
        let mut inner = self.inner.lock().unwrap();
        if inner.fails_writes {
            return Err(Error::at(Op::Write, offset, io::Error::from_raw_os_error(5)));
        }
        if !inner.grows && offset as usize + data.len() > inner.live.len() {
            self.power.stray();
            return Err(Error::past_end(Op::Write, offset));
        }
        Self::note_rewritten(&mut inner, offset, data);
        if !inner.lies && answer == Answer::Do {
            let (medium, at, data) = (self.id, offset as usize, Arc::<[u8]>::from(data));
            inner.live.write(at, &data);
            inner.epoch.push((at, data.clone()));
            self.happened(Event::Write { medium, at, data });
        }
        Ok(())
    }

    fn write_zeroes(&self, offset: u64, len: u64) -> Result<(), Error> {
        self.write_at(offset, &vec![0; len as usize])
    }

    /// What a failed barrier should have covered is lost at the next cut, whatever later barriers say.
    fn sync(&self) -> Result<(), Error> {
        let answer = self.power.spend(Op::Sync, self.id);
        let mut inner = self.inner.lock().unwrap();
        let inner = &mut *inner;
        if let Err(error) = answer {
            if !self.power.is_cut() {
                inner.epoch.clear();
                self.happened(Event::SyncFailed(self.id));
            }
            return Err(error);
        }
        if self.power.ignores_sync() {
            return Ok(());
        }
        for (at, data) in inner.epoch.drain(..) {
            inner.durable.write(at, &data);
        }
        self.happened(Event::Sync(self.id));
        Ok(())
    }
}
