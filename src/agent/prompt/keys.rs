//! Bytes of a terminal into keys: control characters, UTF-8, and the escape sequences of a VT100 and its kin.
//!
//! What is not understood is left out, and nothing waits for a byte that may never come: a sequence that
//! breaks off ends with the next control character.

/// A key, by what it does in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// A character that is typed.
    Char(char),
    Enter,
    Tab,
    Backspace,
    Delete,
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
    /// Ctrl-K: deletes up to the end.
    CutRight,
    /// Ctrl-U: deletes up to the beginning.
    CutLeft,
    /// Ctrl-W: deletes the word before the cursor.
    CutWord,
    /// Ctrl-C: gives the line up.
    Cancel,
    /// Ctrl-D: deletes, and ends the input on an empty line.
    EndOrDelete,
    /// Ctrl-L: clears the screen.
    Clear,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Plain,
    /// The beginning of a character of several bytes.
    Partial(Vec<u8>),
    Escape,
    /// After `ESC [` or `ESC O`, with the number that was read.
    Sequence(u8),
}

/// Reads keys from bytes.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    state: State,
    /// The latest byte was a carriage return: a line feed that follows is of the same key.
    returned: bool,
}

impl Decoder {
    /// The key that this byte completes.
    pub(crate) fn feed(&mut self, byte: u8) -> Option<Key> {
        let returned = std::mem::replace(&mut self.returned, byte == b'\r');
        if byte < b' ' || byte == 0x7f {
            self.state = if byte == 0x1b { State::Escape } else { State::Plain };
            return if returned && byte == b'\n' { None } else { control(byte) };
        }
        match std::mem::take(&mut self.state) {
            State::Escape => {
                if byte == b'[' || byte == b'O' {
                    self.state = State::Sequence(0);
                }
                None
            }
            State::Sequence(number) => match byte {
                b'0'..=b'9' => {
                    self.state = State::Sequence(number.wrapping_mul(10).wrapping_add(byte - b'0'));
                    None
                }
                0x40..=0x7e => sequence(number, byte),
                _ => {
                    self.state = State::Sequence(number);
                    None
                }
            },
            State::Plain if byte.is_ascii() => Some(Key::Char(char::from(byte))),
            State::Plain => self.character(Vec::new(), byte),
            State::Partial(bytes) => self.character(bytes, byte),
        }
    }

    fn character(&mut self, mut bytes: Vec<u8>, byte: u8) -> Option<Key> {
        // A byte that begins a character ends one that was left unfinished.
        if byte & 0xc0 != 0x80 {
            bytes.clear();
        }
        bytes.push(byte);
        match str::from_utf8(&bytes) {
            Ok(text) => text.chars().next().filter(|c| !c.is_control()).map(Key::Char),
            Err(error) => {
                if error.error_len().is_none() {
                    self.state = State::Partial(bytes);
                }
                None
            }
        }
    }
}

fn control(byte: u8) -> Option<Key> {
    Some(match byte {
        0x01 => Key::Home,
        0x02 => Key::Left,
        0x03 => Key::Cancel,
        0x04 => Key::EndOrDelete,
        0x05 => Key::End,
        0x06 => Key::Right,
        0x08 | 0x7f => Key::Backspace,
        b'\t' => Key::Tab,
        b'\r' | b'\n' => Key::Enter,
        0x0b => Key::CutRight,
        0x0c => Key::Clear,
        0x0e => Key::Down,
        0x10 => Key::Up,
        0x15 => Key::CutLeft,
        0x17 => Key::CutWord,
        _ => return None,
    })
}

fn sequence(number: u8, last: u8) -> Option<Key> {
    Some(match (last, number) {
        (b'A', _) => Key::Up,
        (b'B', _) => Key::Down,
        (b'C', _) => Key::Right,
        (b'D', _) => Key::Left,
        (b'H', _) | (b'~', 1 | 7) => Key::Home,
        (b'F', _) | (b'~', 4 | 8) => Key::End,
        (b'~', 3) => Key::Delete,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], keys: &[Key]) {
        let mut decoder = Decoder::default();
        let found: Vec<_> = bytes.iter().filter_map(|byte| decoder.feed(*byte)).collect();
        assert_eq!(found, keys, "{bytes:?}");
    }

    #[test]
    fn bytes_are_read_as_keys() {
        use Key::*;
        check(b"a\x7f\x08\t", &[Char('a'), Backspace, Backspace, Tab]);
        check(
            b"\x01\x05\x0b\x15\x17\x03\x04\x0c",
            &[Home, End, CutRight, CutLeft, CutWord, Cancel, EndOrDelete, Clear],
        );
        check(b"\x1b[A\x1b[B\x1bOC\x1b[D", &[Up, Down, Right, Left]);
        check(b"\x1b[H\x1b[F\x1b[1~\x1b[4~\x1bOH\x1b[7~\x1b[3~", &[Home, End, Home, End, Home, Home, Delete]);
        check("é€😀".as_bytes(), &[Char('é'), Char('€'), Char('😀')]);
    }

    #[test]
    fn a_return_with_a_line_feed_is_one_key() {
        check(b"\r\n\n\r\r", &[Key::Enter; 4]);
    }

    #[test]
    fn what_is_not_understood_is_left_out() {
        check(b"\x1b[1;5Qa\x1b[200~b\x1bxc\x00", &[Key::Char('a'), Key::Char('b'), Key::Char('c')]);
        check(b"\xff\xfe\xe2\x82a\x80\xc3\xc3\xa9", &[Key::Char('a'), Key::Char('é')]);
        check(b"\x1b[1\ra", &[Key::Enter, Key::Char('a')]);
        check(b"\x1b\x1b[A", &[Key::Up]);
        check("\u{85}".as_bytes(), &[]);
        check(b"\x1b[99999999999~a", &[Key::Char('a')]);
    }
}
