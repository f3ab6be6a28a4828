//! Power, faults and time for all media of a machine.

use everboot_storage::medium::{Error, Op};
use std::io;
use std::sync::{Arc, Mutex};

/// A medium of a machine by its number: its partitions come first.
pub type MediumId = usize;
/// The directory of the staging area.
pub const DIRECTORY: MediumId = 99;
/// Files of the staging area have numbers from here on.
pub const FIRST_FILE: MediumId = 100;

/// Something that happened to what outlives a power cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Bytes went into the cache of a medium.
    Write {
        /// The medium.
        medium: MediumId,
        /// Byte offset.
        at: usize,
        /// The bytes.
        data: Arc<[u8]>,
    },
    /// A barrier on one medium: what is in its cache is durable.
    Sync(MediumId),
    /// A barrier failed: what was in the cache never becomes durable.
    SyncFailed(MediumId),
    /// A name for a file.
    Link(String, MediumId),
    /// A name less.
    Unlink(String),
    /// A file has another name.
    Rename(String, String, MediumId),
    /// The directory's names are durable.
    SyncDirectory,
}

/// How a device fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiskFault {
    /// One operation fails.
    Once,
    /// This kind of operation fails on the medium from now on.
    ForEver,
    /// A read ends early.
    ShortRead,
    /// The medium does not answer any more.
    Gone,
    /// A write is acknowledged, and is not done.
    Forgotten,
}

/// All kinds.
pub const DISK_FAULTS: &[DiskFault] =
    &[DiskFault::Once, DiskFault::ForEver, DiskFault::ShortRead, DiskFault::Gone, DiskFault::Forgotten];

impl DiskFault {
    /// Whether an operation can fail so.
    pub fn concerns(self, op: Op) -> bool {
        match self {
            Self::Once | Self::ForEver | Self::Gone => true,
            Self::ShortRead => op == Op::Read,
            Self::Forgotten => op == Op::Write,
        }
    }
}

/// Power for all media of a machine: a number of operations, and then nothing.
#[derive(Debug, Clone, Default)]
pub struct Power(Arc<Mutex<Supply>>);

#[derive(Debug, Default)]
struct Supply {
    used: u64,
    limit: Option<u64>,
    budget: Option<u64>,
    fault: Option<(usize, DiskFault)>,
    failing: Option<(DiskFault, Op, MediumId)>,
    calls: Vec<(Op, MediumId)>,
    events: Vec<Event>,
    strays: u64,
    swap_writes: bool,
    drop_syncs: bool,
    flows_apart: bool,
}

/// What a medium is to do with an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It.
    Do,
    /// Nothing, and say that it was done.
    Pretend,
}

impl Power {
    /// Cuts the power after so many more operations.
    pub fn cut_after(&self, operations: u64) {
        let mut supply = self.0.lock().unwrap();
        supply.limit = Some(supply.used + operations);
    }

    /// Gives power for ever.
    pub fn restore(&self) {
        self.0.lock().unwrap().limit = None;
    }

    /// Whether it is cut.
    pub fn is_cut(&self) -> bool {
        let supply = self.0.lock().unwrap();
        supply.limit.is_some_and(|limit| supply.used >= limit)
    }

    /// Changing operations so far.
    pub fn used(&self) -> u64 {
        self.0.lock().unwrap().used
    }

    /// More operations than this are an endless loop: a panic.
    pub fn set_budget(&self, operations: u64) {
        self.0.lock().unwrap().budget = Some(operations);
    }

    /// Lets operation number `call` fail, reads and opens counted.
    pub fn fail(&self, call: usize, how: DiskFault) {
        self.0.lock().unwrap().fault = Some((call, how));
    }

    /// Media on which the last write before a barrier passes it.
    pub fn swap_writes(&self) {
        self.0.lock().unwrap().swap_writes = true;
    }

    /// Media that ignore every third barrier.
    pub fn drop_syncs(&self) {
        self.0.lock().unwrap().drop_syncs = true;
    }

    /// Whether a medium is to ignore the barrier that was counted last.
    pub fn ignores_sync(&self) -> bool {
        let supply = self.0.lock().unwrap();
        let syncs = || supply.calls.iter().filter(|(op, _)| *op == Op::Sync).count();
        supply.drop_syncs && syncs() % 3 == 0
    }

    /// Every operation so far, reads and opens too.
    pub fn calls(&self) -> Vec<(Op, MediumId)> {
        self.0.lock().unwrap().calls.clone()
    }

    /// Every change since the last time this was asked.
    pub fn take_events(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().unwrap().events)
    }

    /// Writes past the end of a medium.
    pub fn strays(&self) -> u64 {
        self.0.lock().unwrap().strays
    }

    pub fn stray(&self) {
        self.0.lock().unwrap().strays += 1;
    }

    /// From now on only what flows do is written down as events.
    pub fn tell_flows_apart(&self) {
        self.0.lock().unwrap().flows_apart = true;
    }

    pub fn tells_flows_apart(&self) -> bool {
        self.0.lock().unwrap().flows_apart
    }

    pub fn happened(&self, event: Event) {
        let mut supply = self.0.lock().unwrap();
        if let (true, Event::Sync(medium), Some(Event::Write { medium: last, .. })) =
            (supply.swap_writes, &event, supply.events.last())
            && medium == last
        {
            let at = supply.events.len() - 1;
            supply.events.insert(at, event);
            return;
        }
        supply.events.push(event);
    }

    /// Counts a changing operation. Reads are free while there is power: a cut between two reads is a cut
    /// before the next change.
    pub fn spend(&self, op: Op, medium: MediumId) -> Result<Answer, Error> {
        let answer = self.check(op, medium)?;
        self.0.lock().unwrap().used += 1;
        Ok(answer)
    }

    /// Fails when the power is cut, or when the medium is to fail here.
    pub fn check(&self, op: Op, medium: MediumId) -> Result<Answer, Error> {
        let mut supply = self.0.lock().unwrap();
        let supply = &mut *supply;
        if supply.limit.is_some_and(|limit| supply.used >= limit) {
            return Err(Error::at(op, 0, io::Error::other("power is cut")));
        }
        let call = supply.calls.len();
        supply.calls.push((op, medium));
        assert!(supply.budget.is_none_or(|most| (call as u64) < most), "more than {call} operations");
        if let Some((_, how)) = supply.fault.filter(|(at, how)| *at == call && how.concerns(op)) {
            supply.failing = Some((how, op, medium));
        }
        let Some((how, failing, on)) = supply.failing else { return Ok(Answer::Do) };
        let number = match how {
            DiskFault::Gone if on == medium => 19,
            DiskFault::ForEver if (failing, on) == (op, medium) => 5,
            DiskFault::Once | DiskFault::ShortRead => {
                supply.failing = None;
                5
            }
            DiskFault::Forgotten => {
                supply.failing = None;
                return Ok(Answer::Pretend);
            }
            _ => return Ok(Answer::Do),
        };
        if how == DiskFault::ShortRead {
            return Err(Error::past_end(op, 0));
        }
        Err(Error::at(op, 0, io::Error::from_raw_os_error(number)))
    }
}
