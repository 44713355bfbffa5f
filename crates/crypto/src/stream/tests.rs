use super::*;
use proptest::prelude::*;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

const PREFIX: [u8; NONCE_PREFIX_BYTES] = *b"prefix!";
const SEALED_SEGMENT: usize = SEGMENT_BYTES + TAG_BYTES;

fn plain(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i / 251) as u8).collect()
}

#[test]
fn what_is_sealed_opens_at_every_length_near_a_segment_boundary() {
    let key = Key::from_bytes([7; 32]);
    for len in [
        0,
        1,
        SEGMENT_BYTES - 1,
        SEGMENT_BYTES,
        SEGMENT_BYTES + 1,
        2 * SEGMENT_BYTES,
        3 * SEGMENT_BYTES + 5,
    ] {
        let sealed = seal(&key, PREFIX, b"aad", &plain(len));
        assert_eq!(sealed.len() as u64, sealed_len(len as u64));
        assert_eq!(plain_len(sealed.len() as u64), Some(len as u64));
        assert_eq!(open(&key, &PREFIX, b"aad", &sealed).unwrap(), plain(len));
    }
}

/// The layout is fixed: whoever knows AES-256-GCM can open a stream segment by segment.
#[test]
fn a_segment_is_aes_256_gcm_under_the_nonce_that_the_format_states() {
    let sealed = seal(&Key::from_bytes([7; 32]), PREFIX, b"aad", &plain(SEGMENT_BYTES + 10));
    let nonces = [*b"prefix!\0\0\0\0\0", *b"prefix!\0\0\0\x01\x01"];
    for (segment, nonce) in sealed.chunks(SEALED_SEGMENT).zip(nonces) {
        let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).unwrap());
        let mut segment = segment.to_vec();
        cipher
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(b"aad"), &mut segment)
            .unwrap();
    }
}

#[test]
fn a_segment_opens_alone_and_only_at_its_place() {
    let key = Key::from_bytes([7; 32]);
    let sealed = seal(&key, PREFIX, b"", &plain(2 * SEGMENT_BYTES + 10));
    let segments: Vec<&[u8]> = sealed.chunks(SEALED_SEGMENT).collect();
    assert_eq!(
        open_segment(&key, &PREFIX, b"", 1, false, segments[1]).unwrap(),
        plain(2 * SEGMENT_BYTES)[SEGMENT_BYTES..]
    );
    for (number, last) in [(0, false), (2, false), (1, true)] {
        let error = StreamError::Unauthentic { segment: number };
        assert_eq!(
            open_segment(&key, &PREFIX, b"", number, last, segments[1]).unwrap_err(),
            error
        );
    }
    assert_eq!(
        open_segment(&key, &PREFIX, b"", 0, false, &[0; 15]).unwrap_err(),
        StreamError::Length { bytes: 15 }
    );
}

/// The piece of `sealed` that a reader fetches for bytes `range` of `plain_bytes`, opened.
fn part(sealed: &[u8], plain_bytes: u64, range: &Range<u64>) -> Result<Vec<u8>, StreamError> {
    let covered = sealed_range(range, plain_bytes);
    let piece = &sealed[covered.start as usize..covered.end as usize];
    open_range(&Key::from_bytes([7; 32]), &PREFIX, b"", plain_bytes, range, piece)
}

#[test]
fn any_part_opens_from_the_segments_that_cover_it() {
    let length = 3 * SEGMENT_BYTES as u64 + 10;
    let content = plain(length as usize);
    let sealed = seal(&Key::from_bytes([7; 32]), PREFIX, b"", &content);
    let edges = [
        0,
        1,
        65_535,
        65_536,
        65_537,
        131_072,
        196_608,
        196_609,
        length - 1,
        length,
    ];
    for start in edges {
        for end in edges.into_iter().filter(|&end| end >= start) {
            let opened = part(&sealed, length, &(start..end)).unwrap();
            assert_eq!(opened, content[start as usize..end as usize], "{start}..{end}");
            let covered = sealed_range(&(start..end), length);
            assert!(covered.end - covered.start <= end.saturating_sub(start) + 2 * SEALED_SEGMENT as u64 + 64);
        }
    }
    // Beyond the end there is nothing, however far.
    assert_eq!(
        part(&sealed, length, &(length - 3..u64::MAX)).unwrap(),
        content[content.len() - 3..]
    );
    assert_eq!(part(&sealed, length, &(length..u64::MAX)).unwrap(), []);
}

#[test]
fn a_part_that_was_moved_cut_or_ends_elsewhere_does_not_open() {
    let key = Key::from_bytes([7; 32]);
    let length = 3 * SEGMENT_BYTES as u64;
    let sealed = seal(&key, PREFIX, b"", &plain(length as usize));
    let range = 70_000..80_000;
    let open = |piece: &[u8], plain_bytes| open_range(&key, &PREFIX, b"", plain_bytes, &range, piece);
    let [first, second] = [0, 1].map(|segment| &sealed[segment * SEALED_SEGMENT..][..SEALED_SEGMENT]);
    open(second, length).unwrap();
    assert_eq!(open(first, length), Err(StreamError::Unauthentic { segment: 1 }));
    assert_eq!(
        open(&second[1..], length),
        Err(StreamError::Length {
            bytes: SEALED_SEGMENT as u64 - 1
        })
    );
    // Whoever says that the content ends with this segment is found out.
    assert_eq!(
        open(second, 2 * SEGMENT_BYTES as u64),
        Err(StreamError::Unauthentic { segment: 1 })
    );
}

#[test]
fn a_stream_rearranged_does_not_open() {
    let key = Key::from_bytes([7; 32]);
    let sealed = seal(&key, PREFIX, b"", &plain(3 * SEGMENT_BYTES));
    let [a, b, c] = [0, 1, 2].map(|segment| &sealed[segment * SEALED_SEGMENT..][..SEALED_SEGMENT]);
    for arrangement in [
        &[b, a, c][..],
        &[a, c, b],
        &[a, a, b, c],
        &[a, b, b, c],
        &[a, b, c, c],
        &[a, b],
        &[a, c],
        &[b, c],
        &[c],
        &[a],
    ] {
        assert!(
            open(&key, &PREFIX, b"", &arrangement.concat()).is_err(),
            "{} segments",
            arrangement.len()
        );
    }
}

#[test]
fn a_stream_opens_under_its_own_key_prefix_and_associated_data_only() {
    let key = Key::from_bytes([7; 32]);
    let sealed = seal(&key, PREFIX, b"aad", b"content");
    assert!(open(&Key::from_bytes([8; 32]), &PREFIX, b"aad", &sealed).is_err());
    assert!(open(&key, b"another", b"aad", &sealed).is_err());
    assert!(open(&key, &PREFIX, b"", &sealed).is_err());
}

#[test]
fn a_key_commitment_depends_on_the_key_and_on_the_context() {
    let (a, b) = (
        Key::generate(&mut ChaCha20Rng::seed_from_u64(1)),
        Key::generate(&mut ChaCha20Rng::seed_from_u64(2)),
    );
    assert_eq!(commitment(&a, b"blob"), commitment(&a.clone(), b"blob"));
    assert_ne!(commitment(&a, b"blob"), commitment(&b, b"blob"));
    assert_ne!(commitment(&a, b"blob"), commitment(&a, b"other"));
}

#[test]
fn a_key_does_not_print() {
    assert_eq!(format!("{:?}", Key::from_bytes([7; 32])), "stream::Key(..)");
}

/// No length beyond what the segment number counts is taken for a stream's, nor makes the arithmetic fail.
#[test]
fn lengths_that_no_content_seals_to_are_refused() {
    for sealed in [
        0,
        1,
        15,
        SEALED_SEGMENT as u64 + 1,
        SEALED_SEGMENT as u64 + 16,
        u64::MAX,
        u64::MAX / 2,
    ] {
        assert_eq!(plain_len(sealed), None, "{sealed}");
    }
    assert_eq!(plain_len(sealed_len(PLAIN_BYTES_MAX)), Some(PLAIN_BYTES_MAX));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, rng_seed: proptest::test_runner::RngSeed::Fixed(1), ..Default::default() })]

    #[test]
    fn a_stream_changed_in_any_bit_or_cut_anywhere_does_not_open(len in 0..200_000usize, place: prop::sample::Index, bit in 0..8u8) {
        let key = Key::from_bytes([7; 32]);
        let mut sealed = seal(&key, PREFIX, b"", &plain(len));
        let place = place.index(sealed.len());
        prop_assert!(open(&key, &PREFIX, b"", &sealed[..place]).is_err());
        sealed[place] ^= 1 << bit;
        prop_assert!(open(&key, &PREFIX, b"", &sealed).is_err());
    }

    #[test]
    fn a_length_and_its_sealed_length_name_each_other(plain in 0..=PLAIN_BYTES_MAX, sealed: u64) {
        prop_assert_eq!(plain_len(sealed_len(plain)), Some(plain));
        prop_assert!(plain_len(sealed).is_none_or(|plain| sealed_len(plain) == sealed));
    }
}
