//! A medium with a volatile write cache.

use everboot::medium::{Error, Medium, Op};
use std::cell::RefCell;
use std::io;
use std::rc::Rc;

/// Power for all media of a machine: a number of operations, and then nothing.
#[derive(Debug, Clone, Default)]
pub struct Power(Rc<RefCell<Supply>>);

#[derive(Debug, Default)]
struct Supply {
    used: u64,
    limit: Option<u64>,
}

impl Power {
    /// Cuts the power after so many more operations.
    pub fn cut_after(&self, operations: u64) {
        let mut supply = self.0.borrow_mut();
        supply.limit = Some(supply.used + operations);
    }

    /// Gives power for ever.
    pub fn restore(&self) {
        self.0.borrow_mut().limit = None;
    }

    /// Operations so far.
    pub fn used(&self) -> u64 {
        self.0.borrow().used
    }

    /// Counts a changing operation. Reads are free while there is power: a cut between two reads is a cut
    /// before the next change.
    pub fn spend(&self, op: Op) -> Result<(), Error> {
        self.check(op)?;
        self.0.borrow_mut().used += 1;
        Ok(())
    }

    /// Fails when the power is cut.
    pub fn check(&self, op: Op) -> Result<(), Error> {
        let supply = self.0.borrow();
        match supply.limit {
            Some(limit) if supply.used >= limit => Err(Error::at(op, 0, io::Error::other("power is cut"))),
            _ => Ok(()),
        }
    }
}

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

#[derive(Debug, Clone, Default)]
struct Inner {
    live: Vec<u8>,
    durable: Vec<u8>,
    epoch: Vec<(usize, Vec<u8>)>,
    grows: bool,
    fails_writes: bool,
    lies: bool,
    rewritten: Vec<u64>,
}

/// A medium in memory. Clones share its content.
#[derive(Debug, Clone)]
pub struct SimDisk {
    inner: Rc<RefCell<Inner>>,
    power: Power,
}

impl SimDisk {
    /// A disk of `len` zero bytes with power of its own.
    pub fn new(len: u64) -> Self {
        Self::with_power(vec![0; len as usize], &Power::default())
    }

    /// A disk with durable content.
    pub fn with_power(content: Vec<u8>, power: &Power) -> Self {
        let inner = Inner { live: content.clone(), durable: content, ..Inner::default() };
        Self { inner: Rc::new(RefCell::new(inner)), power: power.clone() }
    }

    /// A file that grows as it is written.
    pub fn growing(power: &Power) -> Self {
        let disk = Self::with_power(Vec::new(), power);
        disk.inner.borrow_mut().grows = true;
        disk
    }

    pub fn power(&self) -> &Power {
        &self.power
    }

    /// Makes every write fail with EIO.
    pub fn fail_writes(&self, fails: bool) {
        self.inner.borrow_mut().fails_writes = fails;
    }

    /// Makes the medium take writes and forget them.
    pub fn lie(&self, lies: bool) {
        self.inner.borrow_mut().lies = lies;
    }

    /// What a reader sees.
    pub fn content(&self) -> Vec<u8> {
        self.inner.borrow().live.clone()
    }

    /// Blocks that were written although they held these very bytes, since the last time this was asked.
    pub fn take_rewritten(&self) -> Vec<u64> {
        std::mem::take(&mut self.inner.borrow_mut().rewritten)
    }

    /// Power comes back: of what no barrier had covered, so much is there.
    pub fn crash(&self, survives: Survives) {
        self.power.restore();
        let mut inner = self.inner.borrow_mut();
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
            put(&mut inner.durable, *at, &data[..kept]);
        }
        inner.live = inner.durable.clone();
    }
}

fn put(bytes: &mut Vec<u8>, at: usize, data: &[u8]) {
    if !data.is_empty() && bytes.len() < at + data.len() {
        bytes.resize(at + data.len(), 0);
    }
    bytes[at..][..data.len()].copy_from_slice(data);
}

impl Medium for SimDisk {
    fn len(&self) -> u64 {
        self.inner.borrow().live.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
        self.power.check(Op::Read)?;
        let inner = self.inner.borrow();
        let bytes = inner.live.get(offset as usize..offset as usize + buf.len());
        buf.copy_from_slice(bytes.ok_or_else(|| Error::past_end(Op::Read, offset))?);
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.power.spend(Op::Write)?;
        let mut inner = self.inner.borrow_mut();
        if inner.fails_writes {
            return Err(Error::at(Op::Write, offset, io::Error::from_raw_os_error(5)));
        }
        if !inner.grows && offset as usize + data.len() > inner.live.len() {
            return Err(Error::past_end(Op::Write, offset));
        }
        for (at, block) in (offset..).step_by(4096).zip(data.chunks(4096)) {
            if inner.live.get(at as usize..at as usize + block.len()) == Some(block) {
                inner.rewritten.push(at / 4096);
            }
        }
        if !inner.lies {
            put(&mut inner.live, offset as usize, data);
            inner.epoch.push((offset as usize, data.to_vec()));
        }
        Ok(())
    }

    fn write_zeroes(&self, offset: u64, len: u64) -> Result<(), Error> {
        self.write_at(offset, &vec![0; len as usize])
    }

    fn sync(&self) -> Result<(), Error> {
        self.power.spend(Op::Sync)?;
        let mut inner = self.inner.borrow_mut();
        let inner = &mut *inner;
        for (at, data) in inner.epoch.drain(..) {
            put(&mut inner.durable, at, &data);
        }
        Ok(())
    }
}
