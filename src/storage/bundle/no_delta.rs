//! What stands for a delta in a program that was built without them: a bundle that is one is refused, so no value of
//! these types is ever made. They have what the rest calls.

use super::Error;
use super::archive::Member;
use crate::medium::{Aligned, Medium};
use everboot_core::manifest::PartImage;
use everboot_core::slot::{Digest, RootHash};
use everboot_core::tree::{Emit, Hasher};
use std::convert::Infallible;
use std::marker::PhantomData;
use std::ops::Range;

/// A delta.
#[derive(Debug)]
pub struct Delta(Infallible);

impl Delta {
    /// Refuses it, before anything else of it is looked at.
    pub(super) fn read(_: &impl Medium, _: Member, _: &PartImage) -> Result<Self, Error> {
        Err(Error::Unsupported {
            what: "a delta, by a program that was built without them; use the whole bundle",
        })
    }

    /// The images that it needs.
    pub fn sources(&self) -> &[(RootHash, u64)] {
        match self.0 {}
    }

    /// How many groups there are.
    pub fn count(&self) -> u64 {
        match self.0 {}
    }
}

/// Some blocks of the image.
#[derive(Debug)]
pub struct Group {
    /// Which blocks.
    pub blocks: Range<u64>,
    never: Infallible,
}

/// The other images that a delta needs: none.
#[derive(Debug)]
pub struct Sources<M>(PhantomData<M>);

impl<M> Sources<M> {
    /// None: all that a whole image needs.
    pub fn none() -> Self {
        Self(PhantomData)
    }

    /// Nobody asks for one more.
    pub fn push(&mut self, _: M, _: &PartImage) -> Result<(), Error> {
        Ok(())
    }
}

/// The trees of the other images.
#[derive(Debug)]
pub struct Trees<'a, M>(Infallible, PhantomData<&'a M>);

impl<M> Trees<'_, M> {
    /// The digests of the blocks that a group copies.
    pub fn copied(&mut self, _: &Group) -> Result<Vec<Digest>, Error> {
        match self.0 {}
    }

    /// Those of the blocks that its new blocks are packed against.
    pub fn prefix(&mut self, _: &Group) -> Result<Vec<Digest>, Error> {
        match self.0 {}
    }
}

/// A delta for several threads.
#[derive(Debug)]
pub struct SharedDelta<'a, S, T>(Infallible, PhantomData<(&'a S, &'a T)>);

impl<S, T> Clone for SharedDelta<'_, S, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S, T> Copy for SharedDelta<'_, S, T> {}

impl<'a, S, T> SharedDelta<'a, S, T> {
    /// With the trees of the other images.
    pub fn new(
        (_, delta): (&'a S, &'a Delta),
        _: &'a mut Sources<T>,
        _: &PartImage,
        _: &mut dyn FnMut(),
    ) -> Result<(Self, Trees<'a, T>), Error> {
        match delta.0 {}
    }

    /// How many groups there are.
    pub fn count(&self) -> u64 {
        match self.0 {}
    }

    /// A hasher with the salt of the image.
    pub fn hasher(&self) -> &'a Hasher {
        match self.0 {}
    }

    /// A group.
    pub fn group(&self, _: u64) -> Result<Group, Error> {
        match self.0 {}
    }

    /// Makes the tree.
    pub fn build<E>(
        self,
        _: &mut Trees<'_, T>,
        _: &PartImage,
        _: &mut Emit<'_, E>,
        _: &mut dyn FnMut(),
    ) -> Result<RootHash, E> {
        match self.0 {}
    }

    /// Reads all blocks that a group copies.
    pub fn check_copied(&self, _: &Group, _: &[Digest], _: &mut Aligned) -> Result<(), Error> {
        match self.0 {}
    }
}

/// What a thread needs to unpack groups.
#[derive(Debug, Default)]
pub struct Patcher(());

impl Patcher {
    /// Unpacks the new blocks of a group.
    pub fn unpack<S, T>(
        &mut self,
        _: SharedDelta<'_, S, T>,
        group: &Group,
        _: &[Digest],
    ) -> Result<(), Error> {
        match group.never {}
    }

    /// Fills `content` with blocks of a group.
    pub fn fill<S, T>(
        &self,
        _: SharedDelta<'_, S, T>,
        group: &Group,
        _: (usize, &[Digest]),
        _: &mut [u8],
    ) -> Result<(), Error> {
        match group.never {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::medium;
    use everboot_core::slot::PartName;

    /// Whoever reads of it fails the test.
    struct Unread;

    impl Medium for Unread {
        fn len(&self) -> u64 {
            4096
        }
        fn read_at(&self, _: u64, _: &mut [u8]) -> Result<(), medium::Error> {
            panic!("it was read")
        }
        fn write_at(&self, _: u64, _: &[u8]) -> Result<(), medium::Error> {
            panic!("it was written")
        }
        fn write_zeroes(&self, _: u64, _: u64) -> Result<(), medium::Error> {
            panic!("it was written")
        }
        fn sync(&self) -> Result<(), medium::Error> {
            Ok(())
        }
    }

    #[test]
    fn a_program_without_deltas_refuses_one_unread() {
        let (name, root_hash) = (PartName::root(), RootHash([0; 32]));
        let image = PartImage {
            name,
            size: 8192,
            root_hash,
            salt: Vec::new(),
            open: false,
            frame_blocks: 1,
            fs_block: None,
        };
        let refused = Delta::read(&Unread, Member { start: 512, len: 100 }, &image).unwrap_err();
        assert!(matches!(refused, Error::Unsupported { .. }));
        assert!(refused.to_string().contains("use the whole bundle"), "{refused}");
    }
}
