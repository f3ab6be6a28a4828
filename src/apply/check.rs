//! Proving a bundle whole.

use super::Error;
use super::feed::{self, Feed};
use super::worker::{Job, Outcome, Worker};
use crate::bundle::{Bundle, Sources};
use crate::crew::{self, Plan, Threads};
use crate::medium::Medium;

/// Reads all of a bundle, with these threads: every block of the image is unpacked, for a delta with what `sources`
/// hold, and compared with its digest, and so every tree block with its parent. `watch` is told after each frame how
/// many blocks are proven, and how many there are.
pub fn check<S: Medium, T: Medium>(
    bundle: &mut Bundle<S>,
    sources: &mut Sources<T>,
    threads: Threads,
    watch: &mut dyn FnMut(u64, u64),
) -> Result<(), Error> {
    let blocks = bundle.manifest().payload.blocks();
    let feed::Opened { feed, carrier, hasher, threads } = feed::open(bundle, sources, None, threads)?;
    let mut check = Check { feed, next: 0, proven: 0, blocks, error: None, watch };
    crew::work(&mut check, threads, &|| {
        let mut worker = Worker::new(carrier, None, hasher);
        Box::new(move |job| worker.work(job))
    });
    check.error.map_or(Ok(()), Err)
}

struct Check<'a, S, T> {
    feed: Feed<'a, S, T>,
    next: u64,
    proven: u64,
    blocks: u64,
    error: Option<Error>,
    watch: &'a mut dyn FnMut(u64, u64),
}

impl<S: Medium, T: Medium> Plan for Check<'_, S, T> {
    type Job = Job;
    type Outcome = Result<Outcome, Error>;

    fn next(&mut self) -> Option<Job> {
        if self.error.is_some() || self.next == self.feed.count() {
            return None;
        }
        self.next += 1;
        match self.feed.piece(self.next - 1) {
            Ok((span, origin)) => Some(Job::Check(span, origin)),
            Err(error) => {
                self.error = Some(error);
                None
            }
        }
    }

    fn done(&mut self, outcome: Self::Outcome) {
        match outcome {
            Ok(Outcome::Checked(blocks)) => {
                self.proven += blocks;
                (self.watch)(self.proven, self.blocks);
            }
            Ok(_) => {}
            Err(error) => self.error = Some(self.error.take().unwrap_or(error)),
        }
    }
}
