//! Values as bytes, one by one, in the wire format of postcard 1.0: what a record and an entry of its history are
//! written with.
//!
//! postcard reads and writes each value; the order of the values is in the code beside it. What serde derives of a
//! whole layout is compiled for each list, option and pair in it, and costs `everboot-init` 10 kB more.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize, Serializer};

/// Bytes that grow.
#[derive(Default)]
pub(super) struct Writer(pub Vec<u8>);

/// Bytes behind their length.
struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(self.0)
    }
}

impl Writer {
    fn value<T: Serialize>(&mut self, value: &T) {
        let bytes = core::mem::take(&mut self.0);
        // Memory grows as it has to, and these values always have a form.
        self.0 = postcard::to_extend(value, bytes).unwrap_or_default();
    }

    pub fn byte(&mut self, byte: u8) {
        self.value(&byte);
    }

    pub fn number(&mut self, number: u64) {
        self.value(&number);
    }

    /// Bytes without their length.
    pub fn array(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Bytes behind their length, or a text.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.value(&Bytes(bytes));
    }

    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.byte(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    /// The number of values, and each; `None` where one has no form.
    pub fn list<T>(
        &mut self,
        values: &[T],
        mut write: impl FnMut(&mut Self, &T) -> Option<()>,
    ) -> Option<()> {
        self.number(values.len() as u64);
        values.iter().try_for_each(|value| write(self, value))
    }
}

/// The bytes that are not read yet. What is read is `None` where they hold no such value.
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    fn value<T: Deserialize<'a>>(&mut self) -> Option<T> {
        let (value, rest) = postcard::take_from_bytes(self.0).ok()?;
        self.0 = rest;
        Some(value)
    }

    pub fn byte(&mut self) -> Option<u8> {
        self.value()
    }

    pub fn flag(&mut self) -> Option<bool> {
        self.value()
    }

    pub fn number(&mut self) -> Option<u64> {
        self.value()
    }

    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.0.split_off(..N)?.try_into().ok()
    }

    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        self.value()
    }

    pub fn text(&mut self) -> Option<&'a str> {
        str::from_utf8(self.bytes()?).ok()
    }

    pub fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.flag()? {
            true => Some(Some(read(self)?)),
            false => Some(None),
        }
    }

    /// At most `max` values. Memory is taken for those that are there.
    pub fn list<T>(&mut self, max: usize, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()?;
        if count > max as u64 {
            return None;
        }
        let mut values = Vec::new();
        for _ in 0..count {
            values.push(read(self)?);
        }
        Some(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_postcard_writes_and_reads() {
        for number in [0, 1, 127, 128, 300, 1 << 35, u64::MAX >> 1, u64::MAX] {
            let value = (number, Some("text"), [7_u8; 3], vec![1_u64, 1 << 20], None::<u8>);
            let mut to = Writer::default();
            to.number(number);
            to.option(Some("text"), |to, text| to.bytes(text.as_bytes()));
            to.array(&[7; 3]);
            let all = to.list(&[1, 1 << 20], |to, number| {
                to.number(*number);
                Some(())
            });
            assert_eq!(all, Some(()));
            to.option(None::<u8>, Writer::byte);
            assert_eq!(to.0, postcard::to_allocvec(&value).unwrap());
            let mut from = Reader(&to.0);
            assert_eq!(from.number(), Some(number));
            assert_eq!(from.option(Reader::text), Some(Some("text")));
            assert_eq!(from.array(), Some([7; 3]));
            assert_eq!(from.list(2, Reader::number), Some(vec![1, 1 << 20]));
            assert_eq!(from.option(Reader::byte), Some(None));
            assert!(from.0.is_empty());
        }
    }

    #[test]
    fn what_postcard_refuses_is_nothing() {
        let too_large = [[0xff; 9].as_slice(), &[2]].concat();
        let endless = [0x80; 11];
        for bytes in [&[][..], &[0x80], &too_large, &endless] {
            assert!(postcard::from_bytes::<u64>(bytes).is_err());
            assert_eq!(Reader(bytes).number(), None, "{bytes:?}");
        }
        for bytes in [&[2][..], &[1], &[1, 5, b'a'], &[1, 1, 0xff]] {
            assert!(postcard::from_bytes::<Option<&str>>(bytes).is_err());
            assert_eq!(Reader(bytes).option(Reader::text), None, "{bytes:?}");
        }
        assert_eq!(Reader(&[3, 1, 2, 3]).list(2, Reader::byte), None);
    }
}
