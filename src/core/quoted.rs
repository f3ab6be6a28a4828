//! Text from elsewhere, in a message for a person.

use core::fmt::{Display, Formatter, Result, Write};

/// The text with its control characters, quotation marks and backslashes escaped, so that it does nothing to a terminal
/// and its end can be seen. What the standard library's own `{:?}` does beyond that are 4 kB of Unicode tables.
#[derive(Clone, Copy)]
pub struct Quoted<'a>(pub &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            escape(c, c.is_control() || c == '"' || c == '\\', f)?;
        }
        f.write_char('"')
    }
}

/// The text with its control characters escaped, so that it does nothing to a terminal. For text that has no quotation
/// marks around it.
#[derive(Clone, Copy)]
pub struct Escaped<'a>(pub &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.0.chars().try_for_each(|c| escape(c, c.is_control(), f))
    }
}

fn escape(c: char, is_escaped: bool, f: &mut Formatter<'_>) -> Result {
    if is_escaped { write!(f, "{}", c.escape_default()) } else { f.write_char(c) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn text_is_shown_as_it_is_but_for_what_a_terminal_would_obey() {
        assert_eq!(Quoted("slot-ä b").to_string(), "\"slot-ä b\"");
        assert_eq!(Quoted("a\"b\\c\n\u{1b}[2J\u{9b}").to_string(), r#""a\"b\\c\n\u{1b}[2J\u{9b}""#);
        assert_eq!(Escaped("a \"b\"\t\u{1b}[2J\u{9b}ä").to_string(), r#"a "b"\t\u{1b}[2J\u{9b}ä"#);
    }
}
