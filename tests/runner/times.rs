//! How long steps and tests took.
//!
//! libtest on a stable toolchain prints no times. It takes its tests in the order of their names, as many at once as it
//! has threads, and prints a line when one ends: with the times at which the lines arrived, the n-th test began when
//! so many less than n had ended that a thread was free.

use std::cmp::Reverse;
use std::fmt::Write;
use std::time::Duration;

/// How many of the slowest tests are printed.
const SLOWEST: usize = 10;

/// Times of a whole run.
#[derive(Default)]
pub(crate) struct Times {
    steps: Vec<(String, Duration)>,
    tests: Vec<(String, Duration)>,
}

impl Times {
    /// Notes how long a step took.
    pub(crate) fn step(&mut self, name: &str, time: Duration) {
        self.steps.push((name.to_owned(), time));
    }

    /// Notes how long tests took.
    pub(crate) fn tests(&mut self, tests: Vec<(String, Duration)>) {
        self.tests.extend(tests);
    }

    /// A table of the steps in the order of their ends, with the time of all, in which some went on side by side; and
    /// one of the slowest tests, the slowest first.
    pub(crate) fn tables(&mut self, all: Duration) -> String {
        self.tests.sort_by_key(|(_, time)| Reverse(*time));
        self.steps.push(("all steps, some side by side".to_owned(), all));
        let mut text = "== seconds of each step\n".to_owned();
        rows(&mut text, &self.steps);
        if !self.tests.is_empty() {
            text += "== seconds of the slowest tests, which share the processors with others\n";
            rows(&mut text, &self.tests[..self.tests.len().min(SLOWEST)]);
        }
        text
    }
}

fn rows(text: &mut String, rows: &[(String, Duration)]) {
    for (name, time) in rows {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{:>8.1}  {name}", time.as_secs_f64());
    }
}

/// Reads the output of test programs, one after the other.
pub(crate) struct Reader {
    threads: usize,
    /// When the first test program began.
    began: Option<Duration>,
    program: Option<Program>,
    tests: Vec<(String, Duration)>,
}

struct Program {
    start: Duration,
    /// In the order in which they ended, each with when.
    ended: Vec<(String, Duration)>,
}

impl Reader {
    /// For programs that run so many tests at once.
    pub(crate) fn new(threads: usize) -> Self {
        Self { threads: threads.max(1), began: None, program: None, tests: Vec::new() }
    }

    /// Takes a line that arrived at this time.
    pub(crate) fn take(&mut self, line: &str, at: Duration) {
        if line.starts_with("running ") && (line.ends_with(" tests") || line.ends_with(" test")) {
            self.began.get_or_insert(at);
            // Of a program that died it is not known which tests it had.
            self.program = Some(Program { start: at, ended: Vec::new() });
        } else if line.starts_with("test result: ") {
            if let Some(program) = self.program.take() {
                self.tests.extend(program.times(self.threads));
            }
        } else if let Some((name, _)) = line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... "))
            && let Some(program) = &mut self.program
        {
            program.ended.push((name.to_owned(), at));
        }
    }

    /// When the first test began, if any did, and how long each took.
    pub(crate) fn finish(self) -> (Option<Duration>, Vec<(String, Duration)>) {
        (self.began, self.tests)
    }
}

impl Program {
    fn times(self, threads: usize) -> Vec<(String, Duration)> {
        let mut order = self.ended.clone();
        order.sort();
        let start = |at: usize| at.checked_sub(threads).map_or(self.start, |before| self.ended[before].1);
        let timed = order.into_iter().enumerate();
        timed.map(|(at, (name, end))| (name, end.saturating_sub(start(at)))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Reader, Times};
    use std::time::Duration;

    fn read(threads: usize, lines: &[(u64, &str)]) -> (Option<u64>, Vec<(String, u64)>) {
        let mut reader = Reader::new(threads);
        for (at, line) in lines {
            reader.take(line, Duration::from_secs(*at));
        }
        let (began, tests) = reader.finish();
        let tests = tests.into_iter().map(|(name, time)| (name, time.as_secs())).collect();
        (began.map(|began| began.as_secs()), tests)
    }

    #[test]
    fn a_test_begins_when_a_thread_is_free() {
        let lines = [
            (10, "running 4 tests"),
            (13, "test b ... ok"),
            (14, "test a ... ok"),
            (15, "test d ... FAILED"),
            (16, "test c has been running for over 60 seconds"),
            (80, "test c ... ok"),
            (80, "test result: FAILED. 3 passed; 1 failed"),
        ];
        let expected = [("a", 4), ("b", 3), ("c", 67), ("d", 1)].map(|(name, time)| (name.to_owned(), time));
        assert_eq!(read(2, &lines), (Some(10), expected.to_vec()));
    }

    #[test]
    fn each_program_has_a_beginning_of_its_own() {
        let lines = [
            (1, "running 1 test"),
            (2, "test x ... ok"),
            (2, "test result: ok. 1 passed"),
            (5, "running 1 test"),
            (9, "test src/lib.rs - x (line 3) - should panic ... ok"),
            (9, "test result: ok. 1 passed"),
        ];
        let (began, tests) = read(8, &lines);
        assert_eq!(began, Some(1));
        assert_eq!(tests, [("x".into(), 1), ("src/lib.rs - x (line 3) - should panic".into(), 4)]);
    }

    #[test]
    fn a_program_that_dies_has_no_time() {
        assert_eq!(read(2, &[(1, "running 2 tests"), (2, "test a ... ok")]), (Some(1), vec![]));
        assert_eq!(read(2, &[(1, "   Compiling everboot-core")]), (None, vec![]));
    }

    #[test]
    fn the_tables_have_every_step_and_the_slowest_tests_first() {
        let mut times = Times::default();
        times.step("tests", Duration::from_secs(20));
        times.step("  compiling them", Duration::from_secs(5));
        times.tests((0..30).map(|n| (format!("t{n}"), Duration::from_secs(n))).collect());
        let text = times.tables(Duration::from_secs(22));
        assert!(text.contains("    22.0  all steps, some side by side\n"), "{text}");
        assert!(text.contains("    29.0  t29\n    28.0  t28\n") && !text.contains("t19"), "{text}");
    }
}
