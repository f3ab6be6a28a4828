//! Splits a line into words as a shell does: white space separates, quotes and backslashes keep it
//! together. Nothing is expanded.

/// The words of a line. The error says what is missing.
pub(crate) fn split(line: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c.is_whitespace() {
            words.extend(word.take());
            continue;
        }
        let word = word.get_or_insert_default();
        match c {
            '\'' | '"' => quoted(&mut chars, c, word)?,
            '\\' => word.push(chars.next().ok_or("expected a character after the backslash, found none")?),
            c => word.push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// What stands before the closing quote; a backslash means something between double ones only.
fn quoted(chars: &mut std::str::Chars<'_>, quote: char, word: &mut String) -> Result<(), &'static str> {
    const OPEN: &str = "expected a closing quote, found the end of the line";
    loop {
        match chars.next().ok_or(OPEN)? {
            c if c == quote => return Ok(()),
            '\\' if quote == '"' => word.push(chars.next().ok_or(OPEN)?),
            c => word.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_as_a_shell_does_it() {
        let rows: [(&str, &[&str]); 8] = [
            ("", &[]),
            ("  \t ", &[]),
            ("status", &["status"]),
            (" boot  slot-b\t--once ", &["boot", "slot-b", "--once"]),
            ("stage '/mnt/my stick/a \"b\"'", &["stage", "/mnt/my stick/a \"b\""]),
            ("stage \"a\\\"b c\"d", &["stage", "a\"b cd"]),
            ("stage a\\ b ''", &["stage", "a b", ""]),
            ("stage 'a\\b' é", &["stage", "a\\b", "é"]),
        ];
        for (line, words) in rows {
            assert_eq!(split(line).unwrap(), words, "{line:?}");
        }
    }

    #[test]
    fn what_is_not_closed_is_said() {
        for line in ["'", "a \"b", "\"a\\", "a'b'\""] {
            assert!(split(line).unwrap_err().contains("closing quote"), "{line:?}");
        }
        assert!(split("a\\").unwrap_err().contains("backslash"));
    }
}
