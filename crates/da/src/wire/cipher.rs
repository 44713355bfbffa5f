//! The cipher of streams: AES-256-GCM, which costs a third of the engine's ChaCha20-Poly1305 where processors have instructions for it,
//! as those of operators do. Without them it is slower, and as safe: `ring`'s code takes the same time whatever it encrypts.

use commonware_cryptography::{Cipher, Secret};
use commonware_math::algebra::Random;
use commonware_utils::sequence::FixedBytes;
use rand_core::CryptoRng;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, Tag, UnboundKey};
use zeroize::Zeroizing;

/// Bytes of the tag of each piece.
const TAG_BYTES: usize = 16;
/// Pieces that one key encrypts: a record is two, its length and its message of at most 512 KiB. So a key encrypts at most
/// 2^24 of them, 2^39 blocks of 16 bytes: what it gives away about them then is below 2^-49 (the square of that over 2^127).
/// A stream that long, 8 TiB, ends; who used it connects again.
const PIECES_MAX: u64 = 1 << 25;

/// AES-256-GCM with an implicit nonce: `0 (4) | number of the piece (8, big endian)`. A key encrypts one way of one stream.
pub(super) struct Aes256Gcm {
    key: Secret<LessSafeKey>,
    piece: u64,
}

impl Aes256Gcm {
    /// The nonce of the next piece; none when the key has encrypted enough.
    fn next_nonce(&mut self) -> Option<Nonce> {
        if self.piece >= PIECES_MAX {
            return None;
        }
        let mut nonce = [0; NONCE_LEN];
        nonce[NONCE_LEN - 8..].copy_from_slice(&self.piece.to_be_bytes());
        self.piece += 1;
        Some(Nonce::assume_unique_for_key(nonce))
    }
}

impl Random for Aes256Gcm {
    fn random(mut rng: impl CryptoRng) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut bytes[..]);
        let key = UnboundKey::new(&AES_256_GCM, &bytes[..]).expect("AES-256 takes 32 bytes");
        Self {
            key: Secret::new(LessSafeKey::new(key)),
            piece: 0,
        }
    }
}

impl Cipher for Aes256Gcm {
    type Tag = FixedBytes<TAG_BYTES>;

    fn seal(mut self, aad: &[u8], data: &mut [u8]) -> Option<(Self, Self::Tag)> {
        let nonce = self.next_nonce()?;
        let seal = |key: &LessSafeKey| key.seal_in_place_separate_tag(nonce, Aad::from(aad), data);
        let tag = self.key.expose(seal).ok()?;
        let tag = tag.as_ref().try_into().expect("GCM's tag has 16 bytes");
        Some((self, FixedBytes::new(tag)))
    }

    fn open(mut self, aad: &[u8], data: &mut [u8], tag: &Self::Tag) -> Option<Self> {
        let nonce = self.next_nonce()?;
        let tag = Tag::try_from(tag.as_ref()).ok()?;
        let open = |key: &LessSafeKey| {
            key.open_in_place_separate_tag(nonce, Aad::from(aad), tag, data, 0..)
                .map(|_| ())
        };
        self.key.expose(open).ok()?;
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{flip_bits, seeded};

    fn pair() -> (Aes256Gcm, Aes256Gcm) {
        (Aes256Gcm::random(seeded(1)), Aes256Gcm::random(seeded(1)))
    }

    #[test]
    fn pieces_open_in_the_order_in_which_they_were_sealed_and_in_no_other() {
        let (mut sealer, mut opener) = pair();
        let mut pieces = Vec::new();
        for number in 0..3u8 {
            let mut data = vec![number; 1000];
            let (next, tag) = sealer.seal(b"", &mut data).unwrap();
            sealer = next;
            pieces.push((data, tag));
        }
        assert!(
            pair().1.open(b"", &mut pieces[1].0.clone(), &pieces[1].1).is_none(),
            "out of turn"
        );
        for (number, (data, tag)) in (0u8..).zip(&mut pieces) {
            opener = opener.open(b"", data, tag).unwrap();
            assert_eq!(data[..], [number; 1000]);
        }
        let (mut data, tag) = pieces.pop().unwrap();
        assert!(opener.open(b"", &mut data, &tag).is_none(), "a piece again");
    }

    #[test]
    fn a_piece_that_was_changed_in_any_bit_does_not_open() {
        let mut rng = seeded(2);
        for _ in 0..50 {
            let (sealer, opener) = pair();
            let mut data = vec![7; 100];
            let (_, tag) = sealer.seal(b"header", &mut data).unwrap();
            let mut sealed = [&data[..], tag.as_ref()].concat();
            flip_bits(&mut rng, &mut sealed, 1);
            let tag = FixedBytes::new(sealed[100..].try_into().unwrap());
            assert!(opener.open(b"header", &mut sealed[..100], &tag).is_none());
        }
    }

    #[test]
    fn a_key_that_encrypted_enough_encrypts_no_more() {
        let (mut sealer, _) = pair();
        sealer.piece = PIECES_MAX - 1;
        let (sealer, _) = sealer.seal(b"", &mut [1]).unwrap();
        assert!(sealer.seal(b"", &mut [1]).is_none());
    }
}
