//! A directory whose names are durable only after a sync of the directory.

use super::disk::{SimDisk, Survives};
use super::pages::Pages;
use super::power::{DIRECTORY, Event, FIRST_FILE, MediumId, Power};
use everboot_storage::medium::{Error, Medium, Op, Staging};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

type Names = BTreeMap<String, SimDisk>;

/// A staging area in memory. Clones share its content.
#[derive(Debug, Clone)]
pub struct SimStaging {
    live: Rc<RefCell<Names>>,
    durable: Rc<RefCell<Names>>,
    free_space: Rc<Cell<u64>>,
    files: Rc<Cell<usize>>,
    power: Power,
    is_of_flow: bool,
}

impl SimStaging {
    /// A staging area that durably holds these files.
    pub fn of(files: &BTreeMap<String, Pages>, power: &Power) -> Self {
        let number = |(at, (name, content)): (usize, (&String, &Pages))| {
            (name.clone(), SimDisk::of(content.clone(), power, FIRST_FILE + at))
        };
        let names: Names = files.iter().enumerate().map(number).collect();
        Self {
            live: Rc::new(RefCell::new(names.clone())),
            durable: Rc::new(RefCell::new(names)),
            free_space: Rc::new(Cell::new(u64::MAX)),
            files: Rc::new(Cell::new(FIRST_FILE + files.len())),
            power: power.clone(),
            is_of_flow: false,
        }
    }

    /// A handle of a flow: its changes are counted apart from those that a test makes to the directory.
    #[must_use]
    pub fn of_flow(mut self) -> Self {
        self.is_of_flow = true;
        self
    }

    fn happened(&self, event: Event) {
        if self.is_of_flow || !self.power.tells_flows_apart() {
            self.power.happened(event);
        }
    }

    fn handle(&self, file: SimDisk) -> SimDisk {
        if self.is_of_flow { file.of_flow() } else { file }
    }

    /// What a reader sees.
    pub fn content(&self) -> BTreeMap<String, Pages> {
        self.live.borrow().iter().map(|(name, file)| (name.clone(), file.live())).collect()
    }

    /// The files that a reader sees, and their numbers.
    pub fn numbers(&self) -> Vec<(String, MediumId)> {
        self.live.borrow().iter().map(|(name, file)| (name.clone(), file.id())).collect()
    }

    /// What was durable at the last barrier of the directory, on media of its own.
    pub fn fork(&self, power: &Power) -> Self {
        let durable = self.durable.borrow();
        let files = durable.iter().map(|(name, file)| (name.clone(), file.live())).collect();
        let other = Self::of(&files, power);
        other.set_free_space(self.free_space.get());
        other
    }

    /// Sets the room that is left.
    pub fn set_free_space(&self, bytes: u64) {
        self.free_space.set(bytes);
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
        self.power.check(Op::Open, DIRECTORY)?;
        let file = self.live.borrow().get(name).cloned().ok_or_else(|| missing(Op::Open, name))?;
        Ok(self.handle(file))
    }

    fn create(&self, name: &str) -> Result<SimDisk, Error> {
        self.power.spend(Op::Open, DIRECTORY)?;
        let id = self.files.replace(self.files.get() + 1);
        let file = SimDisk::growing(&self.power, id);
        self.live.borrow_mut().insert(name.to_owned(), file.clone());
        self.happened(Event::Link(name.to_owned(), id));
        Ok(self.handle(file))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Error> {
        self.power.spend(Op::Name, DIRECTORY)?;
        let file = self.live.borrow_mut().remove(from).ok_or_else(|| missing(Op::Name, from))?;
        self.happened(Event::Rename(from.to_owned(), to.to_owned(), file.id()));
        self.live.borrow_mut().insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        self.power.spend(Op::Name, DIRECTORY)?;
        if self.live.borrow_mut().remove(name).is_some() {
            self.happened(Event::Unlink(name.to_owned()));
        }
        Ok(())
    }

    fn sync_dir(&self) -> Result<(), Error> {
        self.power.spend(Op::Sync, DIRECTORY)?;
        if !self.power.ignores_sync() {
            *self.durable.borrow_mut() = self.live.borrow().clone();
            self.happened(Event::SyncDirectory);
        }
        Ok(())
    }

    fn exists(&self, name: &str) -> Result<bool, Error> {
        self.power.check(Op::Name, DIRECTORY)?;
        Ok(self.live.borrow().contains_key(name))
    }

    fn available(&self) -> Result<u64, Error> {
        self.power.check(Op::Name, DIRECTORY)?;
        let taken: u64 = self.live.borrow().values().map(SimDisk::len).sum();
        Ok(self.free_space.get().saturating_sub(taken))
    }
}
