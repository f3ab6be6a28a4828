//! A source of bytes: HTTP, a registry, or a file.

use super::problem::{Problem, Result};
use anyhow::anyhow;
use everboot_core::slot::RootHash;
use everboot_core::verbs::Exit;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

/// Something that can be fetched.
pub(crate) trait Remote: Send {
    /// What a part of it is a part of.
    fn source(&self) -> String;
    /// What it is known to be.
    fn known(&self) -> Known;
    /// Asks for it; or for the rest of it, which need not be there: then the part is of something else. Or for so many
    /// bytes of that.
    fn ask(&mut self, rest: Option<&Rest>, len: Option<usize>) -> Result<Option<Reply<'_>>>;

    /// Asks for so many bytes of it; nothing where only the whole is to be had.
    fn piece(&mut self, rest: &Rest, len: usize) -> Result<Option<Piece>> {
        match self.ask(Some(rest), Some(len))? {
            Some(reply) if !reply.is_whole => Piece::read(reply, len),
            _ => Ok(None),
        }
    }
}

/// Some of it.
pub(crate) struct Piece {
    /// As many bytes as were asked for, or all to the end.
    pub(crate) bytes: Vec<u8>,
    /// How long the whole is.
    pub(crate) total: u64,
    /// How the server tells this content from another.
    pub(crate) validator: Option<String>,
}

impl Piece {
    /// Reads it to its end.
    pub(crate) fn read(mut reply: Reply<'_>, len: usize) -> Result<Option<Self>> {
        let Some(total) = reply.total else { return Ok(None) };
        let wanted = total.saturating_sub(reply.from).min(len as u64) as usize;
        let mut bytes = Vec::with_capacity(wanted);
        while let Some(more) = (reply.body)()? {
            bytes.extend_from_slice(&more);
            if bytes.len() > wanted {
                return Ok(None);
            }
        }
        if bytes.len() < wanted {
            let text = format!("the connection broke off: expected {wanted} bytes, found {}", bytes.len());
            return Err(Problem::passing(anyhow!(text)));
        }
        Ok(Some(Self { bytes, total, validator: reply.validator }))
    }
}

/// What is known of something before it is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// SHA-256 of its bytes.
    pub(crate) sum: Option<RootHash>,
    /// SHA-256 of its manifest.
    pub(crate) manifest: Option<RootHash>,
    /// Their number.
    pub(crate) len: Option<u64>,
}

/// The rest of something of which a part is there.
#[derive(Debug)]
pub(crate) struct Rest {
    /// Where it begins.
    pub(crate) from: u64,
    /// What the server said of the part.
    pub(crate) validator: Option<String>,
}

/// The next bytes; none at the end.
pub(crate) type Body<'a> = Box<dyn FnMut() -> Result<Option<Vec<u8>>> + 'a>;

/// What comes.
pub(crate) struct Reply<'a> {
    /// The place of its first byte: 0 where the whole comes, asked for or not.
    pub(crate) from: u64,
    /// Whether the whole comes.
    pub(crate) is_whole: bool,
    /// How long the whole is, where that is said.
    pub(crate) total: Option<u64>,
    /// How the server tells this content from another.
    pub(crate) validator: Option<String>,
    pub(crate) body: Body<'a>,
}

/// `file:PATH`
pub(crate) struct Local(pub(crate) PathBuf);

impl Remote for Local {
    fn source(&self) -> String {
        format!("file:{}", self.0.display())
    }

    fn known(&self) -> Known {
        Known::default()
    }

    /// It is at hand: nobody is in need of pieces.
    fn ask(&mut self, _: Option<&Rest>, len: Option<usize>) -> Result<Option<Reply<'_>>> {
        if len.is_some() {
            return Ok(None);
        }
        let failed = |error: std::io::Error| {
            Problem::lasting(Exit::Failed, error).context(format!("read {}", self.0.display()))
        };
        let mut file = File::open(&self.0).map_err(failed)?;
        let data = file.metadata().map_err(failed)?;
        if !data.is_file() {
            let text = format!("{}: expected a file, found something else", self.0.display());
            return Err(Problem::lasting(Exit::Failed, anyhow!(text)));
        }
        let mut chunk = vec![0; 1 << 20];
        let body = move || {
            let count = file.read(&mut chunk).map_err(failed)?;
            Ok((count > 0).then(|| chunk[..count].to_vec()))
        };
        Ok(Some(Reply {
            from: 0,
            is_whole: true,
            total: Some(data.len()),
            validator: None,
            body: Box::new(body),
        }))
    }
}
