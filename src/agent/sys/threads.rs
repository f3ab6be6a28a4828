//! Threads, without the standard library's: it names them with the C library's `printf`, which is 9 kB.
#![expect(unsafe_code, reason = "system calls that Linux has no safe form of")]

use everboot_storage::worker_pool::Threads;
use nix::libc::{c_void, pthread_create, pthread_join, pthread_t};
use std::ptr;

/// Threads that wait for devices while others work.
const WAITING: usize = 2;

/// Threads that fill the processors with work of which a part is waiting for devices; none for one processor.
pub fn threads() -> Threads {
    match rustix::thread::sched_getaffinity(None).map_or(1, |processors| processors.count()) {
        0 | 1 => Threads::NONE,
        processors => Threads::new(processors as usize + WAITING, start_threads),
    }
}

/// Runs `beside` in up to so many threads, and `lead` in this one, with the number of those that run; returns when
/// all have ended. In the agent a panic ends the program, in whatever thread it is.
pub fn start_threads(count: usize, beside: &(dyn Fn() + Sync), lead: &mut dyn FnMut(usize)) {
    extern "C" fn run(beside: *mut c_void) -> *mut c_void {
        // SAFETY: it points to the reference below, which lives until this thread was joined.
        let beside = unsafe { *beside.cast::<&(dyn Fn() + Sync)>() };
        beside();
        ptr::null_mut()
    }
    let mut started = Joined(Vec::new());
    while started.0.len() < count {
        let (mut thread, argument) = (pthread_t::default(), (&raw const beside).cast_mut().cast());
        // SAFETY: `run` takes what it is given; the thread ends before `started` is gone, and `beside` lives longer.
        match unsafe { pthread_create(&raw mut thread, ptr::null(), run, argument) } {
            0 => started.0.push(thread),
            _ => break,
        }
    }
    lead(started.0.len());
}

struct Joined(Vec<pthread_t>);

impl Drop for Joined {
    fn drop(&mut self) {
        for thread in self.0.drain(..) {
            // SAFETY: it was started, and is joined here alone.
            unsafe { pthread_join(thread, ptr::null_mut()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn every_thread_runs_and_has_ended_when_the_call_returns() {
        for count in 0..5 {
            let (ran, mut led) = (AtomicUsize::new(0), None);
            start_threads(count, &|| _ = ran.fetch_add(1, Ordering::Relaxed), &mut |started| {
                led = Some(started);
            });
            assert_eq!((ran.into_inner(), led), (count, Some(count)));
        }
    }
}
