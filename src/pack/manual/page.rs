//! What all pages have in common: a title, sections, and terms with their descriptions.

use roff::{Inline, Roff, bold, italic, roman};

/// Of which program the pages speak.
pub(super) const SOURCE: &str = concat!("everboot ", env!("CARGO_PKG_VERSION"));

/// A page of the manual.
pub(super) struct Page {
    roff: Roff,
    /// Whether a section has just begun: its first paragraph needs no mark.
    at_start: bool,
}

impl Page {
    /// Begins it; `summary` completes "NAME -".
    pub(super) fn new(name: &str, section: &str, date: &str, summary: &str) -> Self {
        let mut page = Self { roff: Roff::new(), at_start: false };
        let manual = match section {
            "5" => "File Formats",
            "7" => "Miscellaneous Information",
            _ => "System Administration",
        };
        page.roff.control("TH", [&*name.to_uppercase(), section, date, SOURCE, manual]);
        page.section("NAME");
        page.plain(vec![roman(format!("{name} - {summary}"))]);
        page
    }

    /// Ends lines where the words end, and breaks no word: names of tests are longer than half a line,
    /// and a hyphen inside the name of a page hides it.
    pub(super) fn ragged(&mut self) {
        self.roff.control("ad", ["l"]).control("nh", []);
    }

    pub(super) fn section(&mut self, title: &str) {
        self.roff.control("SH", [title]);
        self.at_start = true;
    }

    pub(super) fn subsection(&mut self, title: &str) {
        self.roff.control("SS", [title]);
        self.at_start = true;
    }

    /// A paragraph, in which `words` between backticks are bold.
    pub(super) fn paragraph(&mut self, text: &str) {
        self.plain(marked(text));
    }

    /// A paragraph as it is.
    pub(super) fn plain(&mut self, text: Vec<Inline>) {
        if !std::mem::take(&mut self.at_start) {
            self.roff.control("PP", []);
        }
        self.roff.text(text);
    }

    /// A term, and what it means.
    pub(super) fn term(&mut self, term: Vec<Inline>, text: &str) {
        self.roff.control("TP", []);
        self.roff.text(term);
        self.roff.text(marked(text));
    }

    /// A term, and what it means, both set already.
    pub(super) fn described(&mut self, term: Vec<Inline>, text: Vec<Inline>) {
        self.roff.control("TP", []);
        self.roff.text(term);
        self.roff.text(text);
        self.at_start = false;
    }

    /// An item of a list; with an empty mark a further paragraph of it.
    pub(super) fn item(&mut self, mark: &str, text: Vec<Inline>) {
        self.roff.control("IP", [mark, "4"]);
        self.roff.text(text);
        self.at_start = false;
    }

    /// What follows belongs to the item before it.
    pub(super) fn indent(&mut self) {
        self.roff.control("RS", ["4"]);
    }

    /// The opposite of [`indent`](Self::indent).
    pub(super) fn outdent(&mut self) {
        self.roff.control("RE", []);
    }

    /// Lines that stay as they are, indented; with a mark in an item of a list.
    pub(super) fn code(&mut self, mark: Option<&str>, lines: &str) {
        match mark {
            Some(mark) => drop(self.roff.control("IP", [mark, "4"])),
            None if std::mem::take(&mut self.at_start) => {}
            None => drop(self.roff.control("PP", [])),
        }
        self.roff.control("nf", []);
        for line in lines.lines() {
            self.roff.text([roman(if line.is_empty() { String::new() } else { format!("    {line}") })]);
        }
        self.roff.control("fi", []);
        self.at_start = false;
    }

    /// A further paragraph of a term's description.
    pub(super) fn more(&mut self, text: Vec<Inline>) {
        self.roff.control("IP", []);
        self.roff.text(text);
    }

    /// What `inner` adds, at least something, belongs to the term before it.
    pub(super) fn inside(&mut self, inner: impl FnOnce(&mut Self)) {
        self.roff.control("RS", []);
        inner(self);
        self.roff.control("RE", []);
    }

    /// Lines that stay as they are.
    pub(super) fn verbatim(&mut self, lines: &str) {
        self.roff.control("in", ["+4n"]).control("nf", []);
        for line in lines.lines() {
            self.roff.text([roman(line)]);
        }
        self.roff.control("fi", []).control("in", []);
    }

    pub(super) fn render(&self) -> String {
        self.roff.render()
    }
}

/// Text with its backticks turned into bold.
fn marked(text: &str) -> Vec<Inline> {
    let font = |(at, part)| if at % 2 == 1 { bold(part) } else { roman(part) };
    text.split('`').map(String::from).enumerate().map(font).filter(|part| *part != roman("")).collect()
}

/// A synopsis: words in capitals are what the reader fills in.
pub(super) fn synopsis(text: &str) -> Vec<Inline> {
    let mut parts = Vec::new();
    for word in text.split(' ') {
        let name = word.trim_matches(['[', ']', '.']);
        let fill_in = name.len() > 1 && name.bytes().all(|byte| byte.is_ascii_uppercase());
        let (before, after) = word.split_once(name).unwrap_or_default();
        let font = if fill_in { italic(name) } else { bold(name) };
        parts.extend([roman(before), font, roman(after), roman(" ")]);
    }
    parts.pop();
    parts.into_iter().filter(|part| *part != roman("")).collect()
}
