//! Eight Keccak states, word by word in the lanes of 512-bit registers.

use super::MESSAGES_AT_ONCE;
use primitives::B256;
use std::arch::x86_64::*;

/// Bytes that a permutation absorbs.
const RATE_BYTES: usize = 136;
const RATE_WORDS: usize = RATE_BYTES / 8;
/// Words of a state: word `x + 5 y`.
const STATE_WORDS: usize = 25;

const ROUND_CONSTANTS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];

/// By how many bits each word turns.
const ROTATIONS: [i64; STATE_WORDS] = [
    0, 1, 62, 28, 27, 36, 44, 6, 55, 20, 3, 10, 43, 25, 39, 41, 45, 15, 21, 8, 18, 2, 61, 56, 14,
];

/// Whether this machine has the instructions.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
}

/// Permutations that a message takes: its padding is at least one byte.
pub(super) fn blocks(message: &[u8]) -> usize {
    message.len() / RATE_BYTES + 1
}

/// The Keccak-256 of each of eight messages.
#[target_feature(enable = "avx512f")]
pub(super) fn hash(messages: [&[u8]; MESSAGES_AT_ONCE]) -> [B256; MESSAGES_AT_ONCE] {
    let mut digests = [B256::ZERO; MESSAGES_AT_ONCE];
    let mut state = [_mm512_setzero_si512(); STATE_WORDS];
    let longest = messages.iter().map(|message| blocks(message)).max().unwrap_or(0);
    for block in 0..longest {
        let mut words = [[0u64; MESSAGES_AT_ONCE]; RATE_WORDS];
        for (lane, message) in messages.iter().enumerate() {
            // Lanes that are done absorb zeros: what they hold is no longer read.
            if block < blocks(message) {
                write_block(&message[block * RATE_BYTES..], lane, &mut words);
            }
        }
        for (word, row) in state.iter_mut().zip(&words) {
            // SAFETY: a row is 64 bytes, and the load asks for no alignment.
            let absorbed = unsafe { _mm512_loadu_si512(row.as_ptr().cast()) };
            *word = _mm512_xor_si512(*word, absorbed);
        }
        permute(&mut state);
        if messages.iter().any(|message| blocks(message) == block + 1) {
            let mut squeezed = [[0u64; MESSAGES_AT_ONCE]; 4];
            for (row, word) in squeezed.iter_mut().zip(state) {
                // SAFETY: a row is 64 bytes, and the store asks for no alignment.
                unsafe { _mm512_storeu_si512(row.as_mut_ptr().cast(), word) };
            }
            for (lane, message) in messages.iter().enumerate() {
                if blocks(message) == block + 1 {
                    for (bytes, row) in digests[lane].chunks_exact_mut(8).zip(&squeezed) {
                        bytes.copy_from_slice(&row[lane].to_le_bytes());
                    }
                }
            }
        }
    }
    digests
}

/// Writes the block that `rest` begins with into a lane; the last one, which is not full, with its padding.
fn write_block(rest: &[u8], lane: usize, words: &mut [[u64; MESSAGES_AT_ONCE]; RATE_WORDS]) {
    let mut padded = [0; RATE_BYTES];
    let block = match rest.first_chunk::<RATE_BYTES>() {
        Some(block) => block,
        None => {
            padded[..rest.len()].copy_from_slice(rest);
            padded[rest.len()] = 0x01;
            padded[RATE_BYTES - 1] |= 0x80;
            &padded
        }
    };
    for (row, bytes) in words.iter_mut().zip(block.as_chunks::<8>().0) {
        row[lane] = u64::from_le_bytes(*bytes);
    }
}

/// Keccak-f[1600] of each lane.
#[inline]
#[target_feature(enable = "avx512f")]
fn permute(state: &mut [__m512i; STATE_WORDS]) {
    // The truth tables of `a ^ b ^ c` and `a ^ (!b & c)`.
    const XOR: i32 = 0x96;
    const CHI: i32 = 0xd2;
    let mut a = *state;
    for constant in ROUND_CONSTANTS {
        // Theta.
        let mut parity = [_mm512_setzero_si512(); 5];
        for x in 0..5 {
            let upper = _mm512_ternarylogic_epi64::<XOR>(a[x], a[x + 5], a[x + 10]);
            parity[x] = _mm512_ternarylogic_epi64::<XOR>(upper, a[x + 15], a[x + 20]);
        }
        for x in 0..5 {
            let (left, right) = (parity[(x + 4) % 5], _mm512_rol_epi64::<1>(parity[(x + 1) % 5]));
            for y in 0..5 {
                a[x + 5 * y] = _mm512_ternarylogic_epi64::<XOR>(a[x + 5 * y], left, right);
            }
        }
        // Rho and pi: word (x, y) turns and moves to (y, 2 x + 3 y).
        let mut b = [_mm512_setzero_si512(); STATE_WORDS];
        for x in 0..5 {
            for y in 0..5 {
                let from = x + 5 * y;
                let turned = _mm512_rolv_epi64(a[from], _mm512_set1_epi64(ROTATIONS[from]));
                b[y + 5 * ((2 * x + 3 * y) % 5)] = turned;
            }
        }
        // Chi.
        for y in (0..STATE_WORDS).step_by(5) {
            for x in 0..5 {
                a[y + x] = _mm512_ternarylogic_epi64::<CHI>(b[y + x], b[y + (x + 1) % 5], b[y + (x + 2) % 5]);
            }
        }
        // Iota.
        a[0] = _mm512_xor_si512(a[0], _mm512_set1_epi64(constant.cast_signed()));
    }
    *state = a;
}
