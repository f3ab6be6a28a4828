//! Text for a console of 80 columns.

/// Columns of the narrowest console that is served.
pub const WIDTH: usize = 80;

/// Lines under a title, or `none`. They are not broken: whoever reads them may be a program.
pub fn list(out: &mut String, title: &str, lines: &[String], none: &str) {
    let mut title = title;
    for line in lines.iter().map(String::as_str).chain(Some(none).filter(|_| lines.is_empty())) {
        out.push_str(&format!("{title:10} {line}\n"));
        title = "";
    }
}

/// Text behind a title, broken at words.
pub fn titled(out: &mut String, title: &str, text: &str) {
    wrap(out, &format!("{title:10}"), 11, text);
}

/// Text whose lines are broken at words and begin at `column`, the first after `line`.
pub fn wrap(out: &mut String, line: &str, column: usize, text: &str) {
    let mut line = line.to_owned();
    for word in text.split(' ') {
        if line.len() + 1 + word.len() >= WIDTH {
            out.push_str(&line);
            out.push('\n');
            line = " ".repeat(column.saturating_sub(1));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    out.push_str(&line);
    out.push('\n');
}

/// The text, cut where it is too long.
pub fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let start: String = text.chars().take(columns - 1).collect();
    format!("{start}~")
}

/// Printable ASCII: some of it comes from labels and images.
pub fn plain(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    text.chars().map(plain).collect()
}
