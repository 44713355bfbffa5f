//! Encryption of content: AES-256-GCM in segments of 64 KiB, chained by their nonces.
//!
//! Each segment is sealed on its own, so a reader may decrypt any of them alone; its number and whether it is the last are in
//! its nonce, so segments cannot be reordered, repeated, dropped or cut off. This is STREAM (Hoang, Reyhanitabar, Rogaway,
//! Vizár 2015), with the nonce of the `aead` crates' `StreamBE32`:
//!
//! `nonce (12) = prefix (7) | segment number (4, big endian) | 1 in the last segment, 0 before (1)`
//!
//! A key encrypts one content only. AES-GCM does not bind a ciphertext to one key, so whoever shares a key publishes
//! [`commitment`] beside the ciphertext, and readers check it before they decrypt.

#[cfg(test)]
mod tests;

use primitives::Digest;
use rand_core::CryptoRng;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use std::{fmt, ops::Range};
use zeroize::Zeroizing;

/// Bytes of content in a segment: large enough that a tag costs 0.02 %, small enough to read a little of a large content.
pub const SEGMENT_BYTES: usize = 65_536;
/// Bytes of the tag that ends each segment.
pub const TAG_BYTES: usize = 16;
/// Bytes of the nonce's prefix.
pub const NONCE_PREFIX_BYTES: usize = 7;
/// Most bytes of content under one key and prefix: the segment number has 32 bits.
pub const PLAIN_BYTES_MAX: u64 = (SEGMENT_BYTES as u64) << 32;

/// Why a ciphertext was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// No content seals to this many bytes.
    #[error("{bytes} bytes are not a sealed stream")]
    Length {
        /// Length of the ciphertext.
        bytes: u64,
    },
    /// The segment was not sealed with this key, prefix and associated data, at this place.
    #[error("segment {segment} does not authenticate")]
    Unauthentic {
        /// Number of the segment, from 0.
        segment: u32,
    },
}

/// The secret of one content: 32 bytes, wiped from memory when dropped and never printed.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; 32]>);

impl Key {
    /// Draws a key from `rng`.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut bytes[..]);
        Self(bytes)
    }

    /// The key of these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The 32 secret bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn cipher(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &self.0[..]).expect("AES-256 takes 32 bytes"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stream::Key(..)")
    }
}

/// Length of what `plain_len` bytes seal to: a tag for every segment begun, and at least one.
///
/// # Panics
///
/// When `plain_len` exceeds [`PLAIN_BYTES_MAX`].
pub fn sealed_len(plain_len: u64) -> u64 {
    assert!(
        plain_len <= PLAIN_BYTES_MAX,
        "{plain_len} bytes need more segments than their number can count"
    );
    plain_len + plain_len.div_ceil(SEGMENT_BYTES as u64).max(1) * TAG_BYTES as u64
}

/// Length of the content that seals to `sealed_len` bytes, or `None` when no content does.
pub fn plain_len(sealed_bytes: u64) -> Option<u64> {
    let segments = sealed_bytes.div_ceil((SEGMENT_BYTES + TAG_BYTES) as u64);
    let plain = sealed_bytes.checked_sub(segments.checked_mul(TAG_BYTES as u64)?)?;
    (plain <= PLAIN_BYTES_MAX && sealed_len(plain) == sealed_bytes).then_some(plain)
}

/// Encrypts `plain` under `key`, binding `aad` to every segment.
///
/// `nonce_prefix` need not be secret; a key used once may take any, zeros included.
///
/// # Panics
///
/// When `plain` exceeds [`PLAIN_BYTES_MAX`].
pub fn seal(key: &Key, nonce_prefix: [u8; NONCE_PREFIX_BYTES], aad: &[u8], plain: &[u8]) -> Vec<u8> {
    let sealed_bytes = usize::try_from(sealed_len(plain.len() as u64)).expect("a ciphertext fits in memory");
    let mut sealed = vec![0; sealed_bytes];
    for (sealed, plain) in sealed
        .chunks_mut(SEGMENT_BYTES + TAG_BYTES)
        .zip(plain.chunks(SEGMENT_BYTES))
    {
        sealed[..plain.len()].copy_from_slice(plain);
    }
    seal_in_place(key, nonce_prefix, aad, &mut sealed);
    sealed
}

/// As [`seal`], of content that lies where it will be sealed: every [`SEGMENT_BYTES`] of it are followed by [`TAG_BYTES`], of any value.
///
/// # Panics
///
/// When no content seals to as many bytes as `content` has.
pub fn seal_in_place(key: &Key, nonce_prefix: [u8; NONCE_PREFIX_BYTES], aad: &[u8], content: &mut [u8]) {
    assert!(
        plain_len(content.len() as u64).is_some(),
        "{} bytes are no content with room for its tags",
        content.len()
    );
    let cipher = key.cipher();
    let segments = content.len().div_ceil(SEGMENT_BYTES + TAG_BYTES);
    for (segment, sealed) in content.chunks_mut(SEGMENT_BYTES + TAG_BYTES).enumerate() {
        let (content, tag) = sealed.split_at_mut(sealed.len() - TAG_BYTES);
        let nonce = nonce(nonce_prefix, segment as u32, segment + 1 == segments);
        let sealed_tag = cipher
            .seal_in_place_separate_tag(nonce, Aad::from(aad), content)
            .expect("a segment is within AES-GCM's limit");
        tag.copy_from_slice(sealed_tag.as_ref());
    }
}

/// Decrypts what [`seal`] returned for the same key, prefix and associated data.
///
/// # Errors
///
/// [`StreamError::Length`] when no content seals to this many bytes; [`StreamError::Unauthentic`] naming the first segment
/// that was changed, moved, or sealed otherwise. Nothing is returned unless every segment authenticates.
pub fn open(
    key: &Key,
    nonce_prefix: &[u8; NONCE_PREFIX_BYTES],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Vec<u8>, StreamError> {
    let bytes = sealed.len() as u64;
    let plain_bytes = plain_len(bytes).ok_or(StreamError::Length { bytes })?;
    let cipher = key.cipher();
    let mut plain = Vec::with_capacity(usize::try_from(plain_bytes).map_err(|_| StreamError::Length { bytes })?);
    let segments = sealed.len().div_ceil(SEGMENT_BYTES + TAG_BYTES);
    for (segment, sealed) in sealed.chunks(SEGMENT_BYTES + TAG_BYTES).enumerate() {
        let last = segment + 1 == segments;
        open_into(&cipher, nonce_prefix, aad, segment as u32, last, sealed, &mut plain)?;
    }
    Ok(plain)
}

/// Decrypts one segment: number `segment` of a stream whose last segment it is when `last`.
///
/// # Errors
///
/// As [`open`].
pub fn open_segment(
    key: &Key,
    nonce_prefix: &[u8; NONCE_PREFIX_BYTES],
    aad: &[u8],
    segment: u32,
    last: bool,
    sealed: &[u8],
) -> Result<Vec<u8>, StreamError> {
    if !(TAG_BYTES..=SEGMENT_BYTES + TAG_BYTES).contains(&sealed.len()) {
        return Err(StreamError::Length {
            bytes: sealed.len() as u64,
        });
    }
    let mut plain = Vec::with_capacity(sealed.len() - TAG_BYTES);
    open_into(&key.cipher(), nonce_prefix, aad, segment, last, sealed, &mut plain)?;
    Ok(plain)
}

/// Which bytes of the ciphertext hold the segments that cover bytes `plain` of the content.
///
/// What is beyond the content's end is left out, and an empty range covers nothing.
pub fn sealed_range(plain: &Range<u64>, plain_bytes: u64) -> Range<u64> {
    let end = plain.end.min(plain_bytes);
    if plain.start >= end {
        return 0..0;
    }
    let (content, sealed) = (SEGMENT_BYTES as u64, (SEGMENT_BYTES + TAG_BYTES) as u64);
    plain.start / content * sealed..(end.div_ceil(content) * sealed).min(sealed_len(plain_bytes))
}

/// Decrypts bytes `plain` of a content of `plain_bytes` from `sealed`, its ciphertext's [`sealed_range`] of them.
///
/// Whether a segment is the last follows from `plain_bytes`, and its nonce says it too: a content that was cut off, or whose
/// length was told wrongly, does not open at its end. What is bound to the associated data holds for every segment.
///
/// # Errors
///
/// [`StreamError::Length`] when `sealed` is not as long as that range; [`StreamError::Unauthentic`] naming the first segment
/// that does not authenticate, counted from the content's beginning.
///
/// # Panics
///
/// When `plain_bytes` exceeds [`PLAIN_BYTES_MAX`].
pub fn open_range(
    key: &Key,
    nonce_prefix: &[u8; NONCE_PREFIX_BYTES],
    aad: &[u8],
    plain_bytes: u64,
    plain: &Range<u64>,
    sealed: &[u8],
) -> Result<Vec<u8>, StreamError> {
    let covered = sealed_range(plain, plain_bytes);
    let bytes = sealed.len() as u64;
    if bytes != covered.end - covered.start {
        return Err(StreamError::Length { bytes });
    }
    if sealed.is_empty() {
        return Ok(Vec::new());
    }
    let cipher = key.cipher();
    let first = plain.start / SEGMENT_BYTES as u64;
    let last = (plain_bytes - 1) / SEGMENT_BYTES as u64;
    let mut opened = Vec::with_capacity(sealed.len());
    for (segment, sealed) in (first..).zip(sealed.chunks(SEGMENT_BYTES + TAG_BYTES)) {
        let number = u32::try_from(segment).expect("within PLAIN_BYTES_MAX");
        open_into(&cipher, nonce_prefix, aad, number, segment == last, sealed, &mut opened)?;
    }
    // Whole segments were opened: what was not asked for goes.
    opened.truncate((plain.end.min(plain_bytes) - first * SEGMENT_BYTES as u64) as usize);
    opened.drain(..(plain.start - first * SEGMENT_BYTES as u64) as usize);
    Ok(opened)
}

/// What binds a ciphertext to one key: `BLAKE3 derive-key("aloft/stream/key-commitment/v1", key (32) | context)`.
///
/// It tells nothing of the key. `context` names the content, so that equal keys are not seen to be equal.
pub fn commitment(key: &Key, context: &[u8]) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("aloft/stream/key-commitment/v1");
    hasher.update(&key.0[..]).update(context);
    hasher.finalize().into()
}

/// Decrypts `sealed`, of at least a tag's length, onto the end of `plain`.
fn open_into(
    cipher: &LessSafeKey,
    nonce_prefix: &[u8; NONCE_PREFIX_BYTES],
    aad: &[u8],
    segment: u32,
    last: bool,
    sealed: &[u8],
    plain: &mut Vec<u8>,
) -> Result<(), StreamError> {
    let unauthentic = StreamError::Unauthentic { segment };
    let (content, tag) = sealed.split_last_chunk::<TAG_BYTES>().ok_or(unauthentic)?;
    let start = plain.len();
    plain.extend_from_slice(content);
    cipher
        .open_in_place_separate_tag(
            nonce(*nonce_prefix, segment, last),
            Aad::from(aad),
            (*tag).into(),
            &mut plain[start..],
            0..,
        )
        .map(drop)
        .map_err(|_| unauthentic)
}

fn nonce(prefix: [u8; NONCE_PREFIX_BYTES], segment: u32, last: bool) -> Nonce {
    let mut nonce = [0; 12];
    nonce[..7].copy_from_slice(&prefix);
    nonce[7..11].copy_from_slice(&segment.to_be_bytes());
    nonce[11] = u8::from(last);
    Nonce::assume_unique_for_key(nonce)
}
