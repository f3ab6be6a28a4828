//! Progress of a long step, on standard error.

use crate::sys;

/// What is shown, if anything is. When it is dropped in the middle of a step, the line on a terminal is
/// ended, so that an error begins on its own.
#[derive(Debug)]
pub struct Progress {
    shown: Option<sys::Progress>,
    is_open: bool,
}

impl Progress {
    /// Shown, or not.
    pub fn new(is_shown: bool) -> Self {
        Self { shown: is_shown.then(sys::Progress::new), is_open: false }
    }

    /// So many of so many blocks.
    pub fn show(&mut self, done: u64, of: u64) {
        if let Some(shown) = &mut self.shown {
            shown.show(done, of);
            self.is_open = done < of;
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_open && sys::terminal_width().is_some() {
            let _ = sys::print(sys::Output::Message, "\n");
        }
    }
}
