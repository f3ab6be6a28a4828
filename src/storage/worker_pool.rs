//! A worker pool: one thread hands out jobs, others do them.
//!
//! The thread that hands out work is also the only one that takes results, so what it knows needs no lock. With no
//! other thread it does each job itself, in the order in which it hands them out.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Jobs that one thread hands out, and their outcomes, which it takes back.
pub trait Jobs {
    /// Something to do.
    type Job: Send;
    /// What became of it.
    type Outcome: Send;

    /// The next job; `None` when there is none before an outcome has come, or none at all.
    fn next(&mut self) -> Option<Self::Job>;

    /// Takes an outcome. They come in the order in which jobs end.
    fn done(&mut self, outcome: Self::Outcome);
}

/// Runs the first function in up to so many threads, and the second in this one, with the number of those that run;
/// returns when all have ended.
pub type Start = fn(usize, &(dyn Fn() + Sync), &mut dyn FnMut(usize));

/// The threads that work may take beside the one that hands it out.
#[derive(Debug, Clone, Copy)]
pub struct Threads {
    most: usize,
    start: Start,
}

impl Threads {
    /// No others: everything happens in order.
    pub const NONE: Self = Self { most: 0, start: |_, _, lead| lead(0) };

    /// As many as that function may start.
    pub const fn new(most: usize, start: Start) -> Self {
        Self { most, start }
    }

    /// These, and no more than so many.
    pub fn at_most(self, most: usize) -> Self {
        Self { most: self.most.min(most), start: self.start }
    }
}

/// What a thread does with a job.
pub type Worker<'a, J, O> = Box<dyn FnMut(J) -> O + 'a>;

/// Does all jobs; each thread makes its own worker with `make_worker`. With no other threads, or when the system
/// has none, this thread does them.
pub fn work<'a, J: Send, O: Send>(
    jobs: &mut dyn Jobs<Job = J, Outcome = O>,
    threads: Threads,
    make_worker: &(dyn Fn() -> Worker<'a, J, O> + Sync),
) {
    let queues = Queues { jobs: Vec::new(), outcomes: Vec::new(), closed: false };
    let table = Table { queues: Mutex::new(queues), has_job: Condvar::new(), has_outcome: Condvar::new() };
    let serve = || {
        let closed = CloseOnDrop(&table);
        table.serve(&mut make_worker());
        #[expect(clippy::mem_forget, reason = "it has nothing to free, and is for panics alone")]
        std::mem::forget(closed);
    };
    (threads.start)(threads.most, &serve, &mut |started| {
        // Also when `jobs` or a worker panics: nobody waits for ever.
        let _closed = CloseOnDrop(&table);
        match started {
            0 => alone(jobs, &mut make_worker()),
            _ => table.manage(jobs, 2 * started),
        }
    });
}

fn alone<J: Send, O: Send>(jobs: &mut dyn Jobs<Job = J, Outcome = O>, worker: &mut Worker<'_, J, O>) {
    while let Some(job) = jobs.next() {
        let outcome = worker(job);
        jobs.done(outcome);
    }
}

/// Jobs and outcomes that wait, the oldest first.
struct Table<J, O> {
    queues: Mutex<Queues<J, O>>,
    has_job: Condvar,
    has_outcome: Condvar,
}

struct Queues<J, O> {
    jobs: Vec<J>,
    outcomes: Vec<O>,
    closed: bool,
}

struct CloseOnDrop<'a, J, O>(&'a Table<J, O>);

impl<J, O> Drop for CloseOnDrop<'_, J, O> {
    fn drop(&mut self) {
        self.0.queues().closed = true;
        self.0.has_job.notify_all();
        self.0.has_outcome.notify_all();
    }
}

impl<J, O> Table<J, O> {
    fn queues(&self) -> MutexGuard<'_, Queues<J, O>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J: Send, O: Send> Table<J, O> {
    /// Hands out jobs, at most `most` at a time, until there are none and all have come back.
    fn manage(&self, jobs: &mut dyn Jobs<Job = J, Outcome = O>, most: usize) {
        let mut out = 0;
        loop {
            while out < most
                && let Some(job) = jobs.next()
            {
                self.queues().jobs.push(job);
                self.has_job.notify_one();
                out += 1;
            }
            if out == 0 {
                return;
            }
            let mut queues = self.queues();
            while queues.outcomes.is_empty() {
                assert!(!queues.closed, "a worker is gone");
                queues = self.has_outcome.wait(queues).unwrap_or_else(PoisonError::into_inner);
            }
            let came = std::mem::take(&mut queues.outcomes);
            drop(queues);
            out -= came.len();
            came.into_iter().for_each(|outcome| jobs.done(outcome));
        }
    }

    fn serve(&self, worker: &mut Worker<'_, J, O>) {
        let mut queues = self.queues();
        loop {
            if !queues.jobs.is_empty() {
                let job = queues.jobs.remove(0);
                drop(queues);
                let outcome = worker(job);
                queues = self.queues();
                queues.outcomes.push(outcome);
                self.has_outcome.notify_one();
            } else if queues.closed {
                return;
            } else {
                queues = self.has_job.wait(queues).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Threads of the standard library.
    const SCOPED: Start = |count, beside, lead| {
        std::thread::scope(|scope| {
            (0..count).for_each(|_| drop(scope.spawn(beside)));
            lead(count);
        });
    };

    /// Squares of numbers; each third number has to wait until all before it are done.
    struct Squares {
        next: u64,
        end: u64,
        out: u64,
        sum: u64,
    }

    impl Jobs for Squares {
        type Job = u64;
        type Outcome = u64;

        fn next(&mut self) -> Option<u64> {
            if self.next == self.end || self.next.is_multiple_of(3) && self.out > 0 {
                return None;
            }
            (self.next, self.out) = (self.next + 1, self.out + 1);
            Some(self.next - 1)
        }

        fn done(&mut self, outcome: u64) {
            self.out -= 1;
            self.sum += outcome;
        }
    }

    #[test]
    fn any_number_of_threads_does_every_job_once() {
        for threads in 0..5 {
            let mut jobs = Squares { next: 0, end: 100, out: 0, sum: 0 };
            let started = AtomicUsize::new(0);
            work(&mut jobs, Threads::new(threads, SCOPED), &|| {
                started.fetch_add(1, Ordering::Relaxed);
                Box::new(|number| number * number)
            });
            assert_eq!((jobs.sum, jobs.out), ((0..100).map(|number| number * number).sum(), 0));
            assert_eq!(started.load(Ordering::Relaxed), threads.max(1));
        }
    }

    #[test]
    fn a_plan_without_jobs_ends() {
        for threads in [0, 2] {
            let mut jobs = Squares { next: 0, end: 0, out: 0, sum: 0 };
            work(&mut jobs, Threads::new(threads, SCOPED), &|| Box::new(|number| number));
            assert_eq!(jobs.sum, 0);
        }
    }

    #[test]
    fn a_worker_that_panics_keeps_nobody_waiting() {
        let ended = std::panic::catch_unwind(|| {
            let mut jobs = Squares { next: 0, end: 9, out: 0, sum: 0 };
            work(&mut jobs, Threads::new(2, SCOPED), &|| Box::new(|_| panic!("on purpose")));
        });
        assert!(ended.is_err());
    }
}
