//! Steps that take long: prints each when it begins, and keeps how long it took.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;

static TAKEN: Mutex<Vec<(String, Duration)>> = Mutex::new(Vec::new());

/// Does a step. Prints its name on standard output when it begins, also into a pipe.
pub fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("build: {name}");
    timed(name, work)
}

/// Does a step without telling it; what fails is counted as well.
pub fn timed<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let done = work();
    note(name, start.elapsed());
    done
}

/// Notes a step that somebody else measured.
pub fn note(name: &str, time: Duration) {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner).push((name.to_owned(), time));
}

/// The steps of this process so far, in the order in which they ended.
pub fn taken() -> Vec<(String, Duration)> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
