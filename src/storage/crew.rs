//! Work that one thread hands out and others do.
//!
//! The thread that hands out work is also the only one that takes results, so what it knows needs no lock. With no
//! other thread it does each job itself, in the order in which it hands them out.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// What is to be done, and what became of it.
pub trait Plan {
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

/// Does all of a plan's jobs; each thread makes its own worker with `hire`. With no other threads, or when the system
/// has none, this thread does them.
pub fn work<'a, J: Send, O: Send>(
    plan: &mut dyn Plan<Job = J, Outcome = O>,
    threads: Threads,
    hire: &(dyn Fn() -> Worker<'a, J, O> + Sync),
) {
    let lies = Lies { jobs: Vec::new(), outcomes: Vec::new(), closed: false };
    let table = Table { lies: Mutex::new(lies), has_job: Condvar::new(), has_outcome: Condvar::new() };
    let serve = || {
        let closed = Closing(&table);
        table.serve(&mut hire());
        std::mem::forget(closed);
    };
    (threads.start)(threads.most, &serve, &mut |hired| {
        // Also when the plan or a worker panics: nobody waits for ever.
        let _closed = Closing(&table);
        match hired {
            0 => alone(plan, &mut hire()),
            _ => table.manage(plan, 2 * hired),
        }
    });
}

fn alone<J: Send, O: Send>(plan: &mut dyn Plan<Job = J, Outcome = O>, worker: &mut Worker<'_, J, O>) {
    while let Some(job) = plan.next() {
        let outcome = worker(job);
        plan.done(outcome);
    }
}

/// Where jobs and outcomes lie, the oldest first.
struct Table<J, O> {
    lies: Mutex<Lies<J, O>>,
    has_job: Condvar,
    has_outcome: Condvar,
}

struct Lies<J, O> {
    jobs: Vec<J>,
    outcomes: Vec<O>,
    closed: bool,
}

struct Closing<'a, J, O>(&'a Table<J, O>);

impl<J, O> Drop for Closing<'_, J, O> {
    fn drop(&mut self) {
        self.0.lies().closed = true;
        self.0.has_job.notify_all();
        self.0.has_outcome.notify_all();
    }
}

impl<J, O> Table<J, O> {
    fn lies(&self) -> MutexGuard<'_, Lies<J, O>> {
        self.lies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J: Send, O: Send> Table<J, O> {
    /// Hands out jobs, at most `most` at a time, until there are none and all have come back.
    fn manage(&self, plan: &mut dyn Plan<Job = J, Outcome = O>, most: usize) {
        let mut out = 0;
        loop {
            while out < most
                && let Some(job) = plan.next()
            {
                self.lies().jobs.push(job);
                self.has_job.notify_one();
                out += 1;
            }
            if out == 0 {
                return;
            }
            let mut lies = self.lies();
            while lies.outcomes.is_empty() {
                assert!(!lies.closed, "a worker is gone");
                lies = self.has_outcome.wait(lies).unwrap_or_else(PoisonError::into_inner);
            }
            let came = std::mem::take(&mut lies.outcomes);
            drop(lies);
            out -= came.len();
            came.into_iter().for_each(|outcome| plan.done(outcome));
        }
    }

    fn serve(&self, worker: &mut Worker<'_, J, O>) {
        let mut lies = self.lies();
        loop {
            if !lies.jobs.is_empty() {
                let job = lies.jobs.remove(0);
                drop(lies);
                let outcome = worker(job);
                lies = self.lies();
                lies.outcomes.push(outcome);
                self.has_outcome.notify_one();
            } else if lies.closed {
                return;
            } else {
                lies = self.has_job.wait(lies).unwrap_or_else(PoisonError::into_inner);
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

    impl Plan for Squares {
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
            let mut plan = Squares { next: 0, end: 100, out: 0, sum: 0 };
            let hired = AtomicUsize::new(0);
            work(&mut plan, Threads::new(threads, SCOPED), &|| {
                hired.fetch_add(1, Ordering::Relaxed);
                Box::new(|number| number * number)
            });
            assert_eq!((plan.sum, plan.out), ((0..100).map(|number| number * number).sum(), 0));
            assert_eq!(hired.load(Ordering::Relaxed), threads.max(1));
        }
    }

    #[test]
    fn a_plan_without_jobs_ends() {
        for threads in [0, 2] {
            let mut plan = Squares { next: 0, end: 0, out: 0, sum: 0 };
            work(&mut plan, Threads::new(threads, SCOPED), &|| Box::new(|number| number));
            assert_eq!(plan.sum, 0);
        }
    }

    #[test]
    fn a_worker_that_panics_keeps_nobody_waiting() {
        let ended = std::panic::catch_unwind(|| {
            let mut plan = Squares { next: 0, end: 9, out: 0, sum: 0 };
            work(&mut plan, Threads::new(2, SCOPED), &|| Box::new(|_| panic!("on purpose")));
        });
        assert!(ended.is_err());
    }
}
