//! A page of the manual from Markdown.
//!
//! `pulldown-cmark` reads it, [`Page`] writes the roff. A page begins with `# NAME(SECTION)` and a paragraph that is
//! its summary. Sections, paragraphs, lists, code and tables of two columns have a form in a manual; everything else
//! is an error, so that no page loses anything on its way.

use super::page::Page;
use anyhow::{Context, Result, bail, ensure};
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use roff::{Inline, bold, italic, roman};

/// Turns a page into roff. `date` is the one that its footer shows.
pub(super) fn page(text: &str, date: &str) -> Result<String> {
    ensure!(text.is_ascii(), "expected ASCII, which every terminal shows");
    let mut lines = text.splitn(3, "\n\n");
    let (title, summary, rest) = (lines.next(), lines.next(), lines.next());
    let title = title.and_then(|line| line.strip_prefix("# ")?.strip_suffix(')')?.split_once('('));
    let (name, section) = title.context("expected a first line `# NAME(SECTION)`")?;
    let summary = summary.context("expected a summary behind the title")?.replace('\n', " ");
    let mut page = Page::new(name, section, date, &summary);
    page.ragged();
    let mut writer = Writer::new(page);
    for event in Parser::new_ext(rest.unwrap_or_default(), Options::ENABLE_TABLES) {
        writer.event(event)?;
    }
    Ok(breakable(&writer.page.render()))
}

/// Lets a line end inside of names that are longer than half of it, such as those of tests.
fn breakable(roff: &str) -> String {
    let words = roff.split_inclusive([' ', '\n']).map(|word| match word.len() {
        0..40 => word.to_owned(),
        _ => word.replace("::", "::\\:").replace('_', "_\\:"),
    });
    words.collect()
}

/// What is being written.
struct Writer {
    page: Page,
    /// The paragraph, heading or cell that is being read.
    text: Vec<Inline>,
    /// The lines of a code block that is being read.
    code: Option<String>,
    /// How the text is set: bold and italic may surround each other, the innermost wins.
    fonts: Vec<fn(&str) -> Inline>,
    /// Where the links lead that are open; only those into the web are shown.
    links: Vec<String>,
    /// The lists that are open: the number of the next item, or none where items have bullets.
    lists: Vec<Option<u64>>,
    /// The mark of an item that has just begun.
    mark: Option<String>,
    /// The first cells of the row that is being read.
    cells: Vec<Vec<Inline>>,
}

impl Writer {
    fn new(page: Page) -> Self {
        let (text, cells) = (Vec::new(), Vec::new());
        Self { page, text, code: None, fonts: vec![], links: vec![], lists: vec![], mark: None, cells }
    }

    fn event(&mut self, event: Event<'_>) -> Result<()> {
        match event {
            Event::Start(tag) => self.start(tag)?,
            Event::End(end) => self.end(end)?,
            Event::Text(text) => match &mut self.code {
                Some(code) => code.push_str(&text),
                None => self.text.push(self.fonts.last().map_or_else(|| roman(&*text), |font| font(&text))),
            },
            Event::Code(text) => self.text.push(bold(&*text)),
            Event::SoftBreak => self.text.push(roman(" ")),
            other => bail!("{other:?} has no form in a manual"),
        }
        Ok(())
    }

    fn start(&mut self, tag: Tag<'_>) -> Result<()> {
        match tag {
            Tag::Paragraph | Tag::Heading { .. } | Tag::TableHead | Tag::TableRow | Tag::TableCell => {}
            Tag::Table(_) => self.flush(),
            Tag::Strong => self.fonts.push(|text| bold(text)),
            Tag::Emphasis => self.fonts.push(|text| italic(text)),
            Tag::Link { dest_url, .. } => {
                self.links.push(dest_url.into_string());
                self.fonts.push(|text| bold(text));
            }
            Tag::CodeBlock(_) => {
                self.flush();
                self.code = Some(String::new());
            }
            Tag::List(first) => {
                self.flush();
                if !self.lists.is_empty() {
                    self.page.indent();
                }
                self.lists.push(first);
            }
            Tag::Item => {
                let number = self.lists.last_mut().and_then(Option::as_mut);
                self.mark = Some(number.map_or_else(|| "*".to_owned(), |number| format!("{number}.")));
                if let Some(Some(number)) = self.lists.last_mut() {
                    *number += 1;
                }
            }
            other => bail!("{other:?} has no form in a manual"),
        }
        Ok(())
    }

    fn end(&mut self, end: TagEnd) -> Result<()> {
        match end {
            TagEnd::Heading(HeadingLevel::H2) => {
                let title = plain(&std::mem::take(&mut self.text));
                self.page.section(&title.to_uppercase());
            }
            TagEnd::Heading(HeadingLevel::H3) => {
                let title = plain(&std::mem::take(&mut self.text));
                self.page.subsection(&title);
            }
            TagEnd::Heading(level) => bail!("{level}: expected ## or ###"),
            TagEnd::Strong | TagEnd::Emphasis => drop(self.fonts.pop()),
            TagEnd::Link => {
                self.fonts.pop();
                if let Some(to) = self.links.pop().filter(|to| to.contains("://")) {
                    self.text.push(roman(format!(" <{to}>")));
                }
            }
            TagEnd::CodeBlock => {
                let code = self.code.take().unwrap_or_default();
                let mark = self.mark();
                self.page.code(mark.as_deref(), &code);
            }
            TagEnd::List(_) => {
                self.lists.pop();
                if !self.lists.is_empty() {
                    self.page.outdent();
                }
            }
            TagEnd::TableCell => self.cells.push(std::mem::take(&mut self.text)),
            // What stands over the columns of a table has no place in a list of terms.
            TagEnd::TableHead => self.cells.clear(),
            TagEnd::TableRow => {
                let cells = std::mem::take(&mut self.cells);
                let Ok([term, meaning]) = <[_; 2]>::try_from(cells) else { bail!("expected two columns") };
                self.page.described(term, meaning);
            }
            _ => self.flush(),
        }
        Ok(())
    }

    /// Ends a paragraph.
    fn flush(&mut self) {
        let text = std::mem::take(&mut self.text);
        if !text.is_empty() {
            match self.mark() {
                Some(mark) => self.page.item(&mark, text),
                None => self.page.plain(text),
            }
        }
    }

    /// The mark of the item that a paragraph or a code block is in: empty for the second and later ones, absent outside
    /// of lists.
    fn mark(&mut self) -> Option<String> {
        (!self.lists.is_empty()).then(|| self.mark.take().unwrap_or_default())
    }
}

/// Text without its fonts.
fn plain(text: &[Inline]) -> String {
    let words = text.iter().map(|part| match part {
        Inline::Roman(text) | Inline::Italic(text) | Inline::Bold(text) => text.as_str(),
        Inline::LineBreak => " ",
    });
    words.collect()
}
