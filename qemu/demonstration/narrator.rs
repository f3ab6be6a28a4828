//! What the demo prints: chapters with times, what a user types, what was seen, and the table at the end.

use std::time::{Duration, Instant};

/// Tells, and remembers what was shown.
pub(super) struct Narrator {
    start: Instant,
    chapter: u32,
    shown: Vec<Shown>,
}

struct Shown {
    what: String,
    evidence: String,
    held: bool,
}

impl Narrator {
    pub(super) fn new() -> Narrator {
        Narrator { start: Instant::now(), chapter: 0, shown: Vec::new() }
    }

    /// Begins a chapter.
    pub(super) fn chapter(&mut self, title: &str) {
        self.chapter += 1;
        println!("\n[{:6.1} s] {}. {title}", self.seconds(), self.chapter);
    }

    /// Says what is being done.
    pub(super) fn say(&self, text: &str) {
        println!("[{:6.1} s]    {text}", self.seconds());
    }

    /// Shows what a user would type, and its answer.
    pub(super) fn typed(&self, prompt: &str, command: &str, answer: &str) {
        println!("[{:6.1} s]    {prompt} {command}", self.seconds());
        for line in answer.lines() {
            // Of a progress bar only what it ends with.
            let line = line.trim_end_matches('\r').rsplit('\r').next().unwrap_or(line);
            println!("                {line}");
        }
    }

    /// Shows what everboot said on the console, at the virtual machine's time.
    pub(super) fn console(&self, lines: &[(Duration, String)]) {
        for (time, line) in lines {
            println!("                | {:5.1} s  {line}", time.as_secs_f64());
        }
    }

    /// Notes a claim, and whether it held.
    pub(super) fn claim(&mut self, what: &str, held: bool, evidence: &str) {
        self.say(&format!("{}: {what} ({evidence})", mark(held)));
        self.shown.push(Shown { what: what.to_owned(), evidence: evidence.to_owned(), held });
    }

    /// Prints how long each step took.
    pub(super) fn times(&self, steps: &[(String, Duration)]) {
        println!("\n[{:6.1} s] Where the time went (what is built is built side by side):\n", self.seconds());
        for (name, time) in steps {
            println!("  {:6.1} s  {name}", time.as_secs_f64());
        }
    }

    /// Prints the table; whether there is something in it and all of it held.
    pub(super) fn table(&self) -> bool {
        let width = self.shown.iter().map(|shown| shown.what.chars().count()).max().unwrap_or(0);
        println!("\n[{:6.1} s] What was shown:\n", self.seconds());
        for shown in &self.shown {
            println!("  {:6} {:width$}  {}", mark(shown.held), shown.what, shown.evidence);
        }
        !self.shown.is_empty() && self.shown.iter().all(|shown| shown.held)
    }

    fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}

fn mark(held: bool) -> &'static str {
    if held { "ok" } else { "FAILED" }
}
