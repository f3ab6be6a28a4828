//! A directory whose names are durable only after a sync of the directory.

use super::disk::{Power, SimDisk, Survives};
use everboot::medium::{Error, Op, Staging};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

type Names = BTreeMap<String, SimDisk>;

/// A staging area in memory. Clones share its content.
#[derive(Debug, Clone)]
pub struct SimStaging {
    live: Rc<RefCell<Names>>,
    durable: Rc<RefCell<Names>>,
    room: Rc<RefCell<u64>>,
    power: Power,
}

impl SimStaging {
    pub fn new(power: &Power) -> Self {
        let room = Rc::new(RefCell::new(u64::MAX));
        Self { live: Rc::default(), durable: Rc::default(), room, power: power.clone() }
    }

    /// The same content, on media of its own.
    pub fn fork(&self, power: &Power) -> Self {
        let other = Self::new(power);
        for (name, file) in self.durable.borrow().iter() {
            let copy = SimDisk::with_power(file.content(), power);
            other.live.borrow_mut().insert(name.clone(), copy.clone());
            other.durable.borrow_mut().insert(name.clone(), copy);
        }
        *other.room.borrow_mut() = *self.room.borrow();
        other
    }

    /// Sets the room that is left.
    pub fn set_room(&self, bytes: u64) {
        *self.room.borrow_mut() = bytes;
    }

    /// Names that are there.
    pub fn names(&self) -> Vec<String> {
        self.live.borrow().keys().cloned().collect()
    }

    /// Power comes back: unless all survives, names are as they were at the last sync of the directory, and
    /// the files have lost what no sync covered.
    pub fn crash(&self, survives: Survives) {
        if survives == Survives::All {
            *self.durable.borrow_mut() = self.live.borrow().clone();
        }
        for file in self.live.borrow().values().chain(self.durable.borrow().values()) {
            file.crash(survives);
        }
        *self.live.borrow_mut() = self.durable.borrow().clone();
    }
}

fn missing(op: Op, name: &str) -> Error {
    Error::named(op, name, io::ErrorKind::NotFound.into())
}

impl Staging for SimStaging {
    type File = SimDisk;

    fn open(&self, name: &str) -> Result<SimDisk, Error> {
        self.power.check(Op::Open)?;
        self.live.borrow().get(name).cloned().ok_or_else(|| missing(Op::Open, name))
    }

    fn create(&self, name: &str) -> Result<SimDisk, Error> {
        self.power.spend(Op::Open)?;
        let file = SimDisk::growing(&self.power);
        self.live.borrow_mut().insert(name.to_owned(), file.clone());
        Ok(file)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Error> {
        self.power.spend(Op::Name)?;
        let file = self.live.borrow_mut().remove(from).ok_or_else(|| missing(Op::Name, from))?;
        self.live.borrow_mut().insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        self.power.spend(Op::Name)?;
        self.live.borrow_mut().remove(name);
        Ok(())
    }

    fn sync_dir(&self) -> Result<(), Error> {
        self.power.spend(Op::Sync)?;
        *self.durable.borrow_mut() = self.live.borrow().clone();
        Ok(())
    }

    fn exists(&self, name: &str) -> Result<bool, Error> {
        self.power.check(Op::Name)?;
        Ok(self.live.borrow().contains_key(name))
    }

    fn available(&self) -> Result<u64, Error> {
        self.power.check(Op::Name)?;
        Ok(*self.room.borrow())
    }
}
