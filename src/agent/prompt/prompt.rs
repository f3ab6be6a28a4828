//! A line from a person: edited where there is a terminal, as it comes where there is none.

use super::complete::{Names, Options, common};
use super::console::{Console, Input, say};
use super::editor::{Editor, Outcome};
use super::idle::{Due, Idle};
use crate::runtime::text::wrap;
use crate::sys::monotonic_ms;

const PROMPT: &str = "everboot> ";
const WARNING: &str = "\neverboot: nobody seems to be here: in 60 s this goes on by itself; a verb, such as \
                       `status`, keeps it\n";

/// What a prompt led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PromptOutcome {
    /// A line.
    Line(String),
    /// Somebody wants to leave.
    End,
    /// The input ended.
    Gone,
    /// Nobody was there.
    Nobody,
}

/// A prompt.
#[derive(Debug)]
pub(crate) struct Prompt {
    editor: Option<Editor>,
    /// When it closes by itself, if it does.
    pub(crate) idle: Option<Idle>,
}

impl Prompt {
    /// On this console.
    pub(crate) fn new(console: &Console, closes: bool) -> Self {
        let editor = console.columns.map(|columns| Editor::new(PROMPT, columns.into()));
        Self { editor, idle: closes.then(|| Idle::new(monotonic_ms())) }
    }

    /// The next line; Tab completes these names.
    pub(crate) fn line(&mut self, console: &mut Console, names: Names<'_>) -> PromptOutcome {
        let Some(mut editor) = self.editor.take() else { return self.plain_line(console) };
        console.raw();
        let said = self.edited_line(console, &mut editor, names);
        console.cooked();
        self.editor = Some(editor);
        said
    }

    fn edited_line(&mut self, console: &mut Console, editor: &mut Editor, names: Names<'_>) -> PromptOutcome {
        show(editor);
        loop {
            let byte = match self.hear(console) {
                Ok(Some(byte)) => byte,
                Ok(None) => {
                    show(editor);
                    continue;
                }
                Err(said) => return said,
            };
            let Some(key) = console.key(byte) else { continue };
            let mut out = String::new();
            let outcome = editor.press(key, &mut out);
            if outcome == Outcome::Complete {
                complete(editor, names, &mut out);
            }
            say(&out);
            match outcome {
                Outcome::Line(line) => return PromptOutcome::Line(line),
                Outcome::End => return PromptOutcome::End,
                Outcome::Typing | Outcome::Complete => {}
            }
        }
    }

    /// A line of a pipe, or of a terminal that edits lines itself.
    fn plain_line(&mut self, console: &mut Console) -> PromptOutcome {
        let ask = || {
            if console.terminal.is_some() {
                say(PROMPT)
            }
        };
        ask();
        let mut line = Vec::new();
        loop {
            match self.hear(console) {
                Ok(Some(b'\n')) => break,
                Ok(Some(byte)) => line.push(byte),
                Ok(None) => {}
                Err(PromptOutcome::Gone) if !line.is_empty() => break,
                Err(said) => return said,
            }
        }
        PromptOutcome::Line(String::from_utf8_lossy(&line).into_owned())
    }

    /// The next byte; nothing after a warning.
    fn hear(&mut self, console: &mut Console) -> Result<Option<u8>, PromptOutcome> {
        loop {
            let until = self.idle.as_ref().map_or(u64::MAX, Idle::next);
            let heard = console.hear(until);
            let now = monotonic_ms();
            let due = self.idle.as_mut().and_then(|idle| {
                if let Input::Byte(_) = heard {
                    idle.key(now);
                }
                idle.due(now)
            });
            match (heard, due) {
                (_, Some(Due::End)) => return Err(PromptOutcome::Nobody),
                (Input::End, _) => return Err(PromptOutcome::Gone),
                (Input::Byte(byte), due) => {
                    if due.is_some() {
                        say(WARNING);
                    }
                    return Ok(Some(byte));
                }
                (Input::Nothing, Some(Due::Warning)) => {
                    say(WARNING);
                    return Ok(None);
                }
                (Input::Nothing, None) => {}
            }
        }
    }
}

fn complete(editor: &mut Editor, names: Names<'_>, out: &mut String) {
    let Options { begun, found } = Options::at(&editor.head(), names);
    let rest = common(&found).get(begun..).unwrap_or("");
    for c in rest.chars() {
        editor.insert(c, out);
    }
    match found.len() {
        0 => {}
        1 => editor.insert(' ', out),
        _ if !rest.is_empty() => {}
        _ => {
            out.push('\n');
            wrap(out, "", 1, &found.join(" "));
            editor.show(out);
        }
    }
}

fn show(editor: &Editor) {
    let mut out = String::new();
    editor.show(&mut out);
    say(&out);
}
