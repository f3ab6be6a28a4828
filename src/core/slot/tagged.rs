//! A tag and its body: how the record stores a choice that may grow.

/// Longest body in bytes. What needs more room is an extension of the record.
const MAX_BODY: usize = 16;

/// A tag with its body, as read from a copy of the record. An agent that does not know the tag keeps both, and writes
/// them back as they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tagged {
    tag: u8,
    len: u8,
    body: [u8; MAX_BODY],
}

impl Tagged {
    /// `None` for a body of more than 16 bytes.
    pub fn new(tag: u8, body: &[u8]) -> Option<Self> {
        let mut room = [0; MAX_BODY];
        room.get_mut(..body.len())?.copy_from_slice(body);
        Some(Self { tag, len: body.len() as u8, body: room })
    }

    /// The number that says what the body means.
    pub fn tag(&self) -> u8 {
        self.tag
    }

    /// At most 16 bytes.
    pub fn body(&self) -> &[u8] {
        &self.body[..usize::from(self.len)]
    }
}
