//! A file as a medium that is only read.

use anyhow::{Context, Result};
use everboot_storage::medium::{Error, Medium, Op};
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::Path;

pub(crate) struct Source {
    file: File,
    len: u64,
}

impl Source {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let named = || format!("open {}", path.display());
        let file = File::open(path).with_context(named)?;
        let len = file.metadata().with_context(named)?.len();
        Ok(Self { file, len })
    }
}

impl Medium for Source {
    fn len(&self) -> u64 {
        self.len
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
        self.file.read_exact_at(buf, offset).map_err(|error| Error::at(Op::Read, offset, error))
    }
    fn write_at(&self, offset: u64, _: &[u8]) -> Result<(), Error> {
        Err(Error::at(Op::Write, offset, ErrorKind::ReadOnlyFilesystem.into()))
    }
    fn write_zeroes(&self, offset: u64, _: u64) -> Result<(), Error> {
        self.write_at(offset, &[])
    }
    fn sync(&self) -> Result<(), Error> {
        Ok(())
    }
}
