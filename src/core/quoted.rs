//! Text from elsewhere between quotation marks, in a message for a person.

use core::fmt::{Display, Formatter, Result, Write};

/// The text with its control characters, quotation marks and backslashes escaped, so that it does nothing to a terminal
/// and its end can be seen. What the standard library's own `{:?}` does beyond that are 4 kB of Unicode tables.
#[derive(Clone, Copy)]
pub struct Quoted<'a>(pub &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            if c.is_control() || c == '"' || c == '\\' {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn text_is_shown_as_it_is_but_for_what_a_terminal_would_obey() {
        assert_eq!(Quoted("slot-ä b").to_string(), "\"slot-ä b\"");
        assert_eq!(Quoted("a\"b\\c\n\u{1b}[2J\u{9b}").to_string(), r#""a\"b\\c\n\u{1b}[2J\u{9b}""#);
    }
}
