//! A payload where its encoder codes it.

use super::memory::Memory;
use crypto::stream::{SEGMENT_BYTES, TAG_BYTES};

/// A payload in an encoder's memory, which whoever has the content writes into: coding then copies nothing, and reads large pages.
///
/// [`super::Encoder::payload`] makes one. What is not written is unspecified: bytes of a former blob of the same encoder, or zeros.
pub struct Payload {
    /// Data rows: the content, with room for its tags if it is to be sealed, and padding.
    pub(super) memory: Memory,
    /// Bytes of content.
    plain_bytes: usize,
    /// Bytes once sealed; as many as of content if public.
    length: usize,
}

impl Payload {
    pub(super) fn new(memory: Memory, plain_bytes: usize, length: usize) -> Self {
        debug_assert!(length >= plain_bytes && memory.as_ref().len() >= length);
        Self {
            memory,
            plain_bytes,
            length,
        }
    }

    /// Bytes of content.
    pub fn len(&self) -> usize {
        self.plain_bytes
    }

    /// Never true: an empty payload is no blob.
    pub fn is_empty(&self) -> bool {
        self.plain_bytes == 0
    }

    /// Whether there is room for the tags of encryption.
    pub(super) fn is_sealed(&self) -> bool {
        self.length > self.plain_bytes
    }

    /// The bytes that are coded: the content, with the room for its tags.
    pub(super) fn coded(&mut self) -> &mut [u8] {
        &mut self.memory.as_mut()[..self.length]
    }

    /// Where the content goes, in order: all of it in one piece, or in segments if it is to be sealed.
    pub fn pieces(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let (piece, gap) = match self.is_sealed() {
            true => (SEGMENT_BYTES, TAG_BYTES),
            false => (self.length, 0),
        };
        self.coded().chunks_mut(piece + gap).map(move |piece| {
            let content = piece.len() - gap;
            &mut piece[..content]
        })
    }

    /// Copies the content in.
    ///
    /// # Panics
    ///
    /// When `content` is not [`Self::len`] bytes.
    pub fn fill(&mut self, mut content: &[u8]) {
        assert_eq!(content.len(), self.plain_bytes, "bytes of content");
        for piece in self.pieces() {
            let (now, later) = content.split_at(piece.len());
            piece.copy_from_slice(now);
            content = later;
        }
    }
}
