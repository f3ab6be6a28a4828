//! The line editor: the line that is typed, its history, and the output that shows it. Keys in, text out.
//!
//! One row of the terminal is enough: a line that is longer is shown from where the cursor can be seen.

use super::keys::Key;

/// Lines that the history keeps.
const HISTORY: usize = 50;
/// Longest line in characters.
const LONGEST: usize = 1000;

/// What a key led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The line goes on.
    Typing,
    /// The line is complete.
    Line(String),
    /// The rest of the word is asked for.
    Complete,
    /// There will be no more.
    End,
}

/// A line editor.
#[derive(Debug)]
pub(crate) struct Editor {
    prompt: &'static str,
    /// Characters of the line that fit beside the prompt.
    width: usize,
    line: Vec<char>,
    /// The cursor, from 0 to the length of the line.
    at: usize,
    history: Vec<Vec<char>>,
    /// The entry of the history that is shown; its length is the new line.
    entry: usize,
    /// The new line while an older one is shown.
    draft: Vec<char>,
}

impl Editor {
    /// An empty line on a terminal of so many columns.
    pub(crate) fn new(prompt: &'static str, columns: usize) -> Self {
        // The last column stays empty: a terminal may wrap when it is written.
        let width = columns.saturating_sub(prompt.len() + 1).max(8);
        let (line, history, draft) = (Vec::new(), Vec::new(), Vec::new());
        Self { prompt, width, line, at: 0, history, entry: 0, draft }
    }

    /// What is left of the cursor.
    pub(crate) fn head(&self) -> String {
        self.line[..self.at].iter().collect()
    }

    /// Takes a key, and adds to `out` what the terminal is to be sent.
    pub(crate) fn press(&mut self, key: Key, out: &mut String) -> Outcome {
        match key {
            Key::Char(c) => self.insert(c, out),
            Key::Enter => return Outcome::Line(self.finish(out)),
            Key::Tab => return Outcome::Complete,
            Key::EndOrDelete if self.line.is_empty() => {
                out.push('\n');
                return Outcome::End;
            }
            Key::Cancel => {
                out.push_str("^C\n");
                self.set(Vec::new(), out);
                self.entry = self.history.len();
            }
            Key::Clear => {
                out.push_str("\x1b[H\x1b[2J");
                self.show(out);
            }
            Key::Up => self.recall(self.entry.checked_sub(1), out),
            Key::Down => self.recall(Some(self.entry + 1), out),
            Key::Left => self.go(self.at.saturating_sub(1), out),
            Key::Right => self.go(self.at + 1, out),
            Key::Home => self.go(0, out),
            Key::End => self.go(self.line.len(), out),
            Key::Backspace => self.cut(self.at.saturating_sub(1), self.at, out),
            Key::Delete | Key::EndOrDelete => self.cut(self.at, self.at + 1, out),
            Key::CutRight => self.cut(self.at, self.line.len(), out),
            Key::CutLeft => self.cut(0, self.at, out),
            Key::CutWord => self.cut(self.word(), self.at, out),
        }
        Outcome::Typing
    }

    /// Types a character at the cursor.
    pub(crate) fn insert(&mut self, c: char, out: &mut String) {
        if self.line.len() == LONGEST {
            return;
        }
        self.line.insert(self.at, c);
        self.at += 1;
        if self.at == self.line.len() && self.at <= self.width {
            out.push(c);
        } else {
            self.show(out);
        }
    }

    /// Shows prompt, line and cursor in the row where the cursor is.
    pub(crate) fn show(&self, out: &mut String) {
        let first = self.at.saturating_sub(self.width);
        let end = self.line.len().min(first + self.width);
        out.push('\r');
        out.push_str(self.prompt);
        out.extend(&self.line[first..end]);
        out.push_str("\x1b[K");
        out.extend(std::iter::repeat_n('\x08', end - self.at));
    }

    /// Ends the line, and begins the next.
    fn finish(&mut self, out: &mut String) -> String {
        if self.line.len() > self.width {
            // What is left on the screen begins where the line begins.
            self.go(0, out);
        }
        out.push('\n');
        let line = std::mem::take(&mut self.line);
        let text = line.iter().collect();
        if !line.is_empty() && self.history.last() != Some(&line) {
            self.history.push(line);
        }
        let excess = self.history.len().saturating_sub(HISTORY);
        self.history.drain(..excess);
        (self.at, self.entry) = (0, self.history.len());
        text
    }

    fn set(&mut self, line: Vec<char>, out: &mut String) {
        self.at = line.len();
        self.line = line;
        self.show(out);
    }

    fn recall(&mut self, entry: Option<usize>, out: &mut String) {
        let Some(entry) = entry.filter(|entry| *entry <= self.history.len()) else { return };
        if self.entry == self.history.len() {
            self.draft = self.line.clone();
        }
        self.entry = entry;
        let line = self.history.get(entry).cloned().unwrap_or_else(|| std::mem::take(&mut self.draft));
        self.set(line, out);
    }

    fn go(&mut self, at: usize, out: &mut String) {
        self.at = at.min(self.line.len());
        self.show(out);
    }

    fn cut(&mut self, from: usize, to: usize, out: &mut String) {
        self.line.drain(from..to.min(self.line.len()));
        self.at = from;
        self.show(out);
    }

    /// Where the word before the cursor begins.
    fn word(&self) -> usize {
        let is_space = |at: &usize| self.line[*at - 1] == ' ';
        let end = (1..=self.at).rev().find(|at| !is_space(at)).unwrap_or(0);
        (1..=end).rev().find(is_space).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::Decoder;
    use super::*;

    /// A terminal of one row that knows what the editor sends; `|` is its cursor.
    fn row(text: &str, columns: usize) -> String {
        let (mut cells, mut at) = (vec![' '; columns], 0);
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix("\x1b[K") {
                cells[at..].fill(' ');
                rest = after;
                continue;
            }
            match c {
                '\r' => at = 0,
                '\x08' => at -= 1,
                '\n' => (cells, at) = (vec![' '; columns], 0),
                c => {
                    cells[at] = c;
                    at += 1;
                    assert!(at < columns, "the last column was written");
                }
            }
            rest = &rest[c.len_utf8()..];
        }
        let (left, right) = cells.split_at(at);
        format!("{}|{}", left.iter().collect::<String>(), right.iter().collect::<String>()).trim_end().into()
    }

    struct Typist {
        editor: Editor,
        decoder: Decoder,
        sent: String,
    }

    impl Typist {
        fn new(columns: usize) -> Self {
            let (editor, mut sent) = (Editor::new("> ", columns), String::new());
            editor.show(&mut sent);
            Self { editor, decoder: Decoder::default(), sent }
        }

        /// Types, and returns the outcome of the last key.
        fn types(&mut self, text: &str) -> Outcome {
            let mut outcome = Outcome::Typing;
            for byte in text.bytes() {
                if let Some(key) = self.decoder.feed(byte) {
                    outcome = self.editor.press(key, &mut self.sent);
                }
                if matches!(outcome, Outcome::Line(_)) {
                    self.editor.show(&mut self.sent);
                }
            }
            outcome
        }
    }

    #[track_caller]
    fn check(keys: &str, picture: &str) {
        let mut typist = Typist::new(20);
        typist.types(keys);
        assert_eq!(row(&typist.sent, 20), picture, "{keys:?}");
    }

    const LEFT: &str = "\x1b[D";
    const UP: &str = "\x1b[A";
    const DOWN: &str = "\x1b[B";

    #[test]
    fn keys_make_a_line() {
        check("status", "> status|");
        check("status\x7f\x7f", "> stat|");
        check("ab\x1b[D\x1b[Dx", "> x|ab");
        check("abc\x01\x1b[3~x\x05y", "> xbcy|");
        check("ab\x08\x08\x08\x08", "> |");
        check("one two \x17x", "> one x|");
        check("one two\x1b[D\x17", "> one |o");
        check("one two\x1b[D\x0b", "> one tw|");
        check("one two\x1b[D\x15", "> |o");
        check("abc\x03x", "> x|");
        check("abc\x01\x04", "> |bc");
        check("pässw\x08\x08x", "> päsx|");
        check("\x1b[C\x1b[C\x1b[3~\x0b\x15\x17\x1b[D", "> |");
    }

    #[test]
    fn a_long_line_is_shown_where_its_cursor_is() {
        check("abcdefghijklmnopq", "> abcdefghijklmnopq|");
        check("abcdefghijklmnopqrstu", "> efghijklmnopqrstu|");
        check("abcdefghijklmnopqrstu\x1b[D", "> defghijklmnopqrst|");
        check("abcdefghijklmnopqrstu\x01", "> |abcdefghijklmnopq");
        check("abcdefghijklmnopqrstu\x01XY", "> XY|abcdefghijklmno");
        let mut typist = Typist::new(20);
        let line = "0123456789".repeat(5);
        assert_eq!(typist.types(&format!("{line}\r")), Outcome::Line(line));
    }

    #[test]
    fn the_history_is_gone_through_and_the_new_line_kept() {
        let history = "one\rtwo\rtwo\r\r";
        check(&format!("{history}{UP}"), "> two|");
        check(&format!("{history}new{UP}{UP}"), "> one|");
        check(&format!("{history}new{UP}{UP}{UP}{UP}"), "> one|");
        check(&format!("{history}new{UP}{UP}{DOWN}"), "> two|");
        check(&format!("{history}new{UP}{UP}{DOWN}{DOWN}{DOWN}!"), "> new!|");
        check(&format!("{history}{UP}{LEFT}x\r{UP}"), "> twxo|");
        check(&format!("{UP}{DOWN}x"), "> x|");
    }

    #[test]
    fn a_line_ends_and_so_does_the_input() {
        let mut typist = Typist::new(20);
        assert_eq!(typist.types("boot slot-b\r"), Outcome::Line("boot slot-b".into()));
        assert_eq!(typist.types("\r"), Outcome::Line(String::new()));
        assert_eq!(typist.types("sta\t"), Outcome::Complete);
        assert_eq!(typist.editor.head(), "sta");
        assert_eq!(typist.types("\x15\x04"), Outcome::End);
    }

    #[test]
    fn nothing_that_is_typed_breaks_it() {
        let mut typist = Typist::new(3);
        let mut seed = 7_u32;
        for _ in 0..200_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if let Some(key) = typist.decoder.feed((seed >> 24) as u8) {
                typist.editor.press(key, &mut typist.sent);
            }
            assert!(typist.editor.line.len() <= LONGEST && typist.editor.history.len() <= HISTORY);
            typist.sent.clear();
        }
    }
}
