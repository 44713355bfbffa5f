use super::*;
use proptest::prelude::*;
use reed_solomon_simd::{
    engine::DefaultEngine,
    rate::{LowRateEncoder, RateEncoder},
};

/// Every number of data rows, and every number of cosets.
const CODES: [(u32, u32); 10] = [
    (32, 64),
    (32, 96),
    (32, 128),
    (64, 192),
    (128, 512),
    (256, 768),
    (512, 1024),
    (1024, 2048),
    (1024, 3072),
    (1024, 4096),
];

/// Bytes that a seed fixes.
fn bytes(seed: &str, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new_derive_key("aloft crypto tests")
        .update(seed.as_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

/// The code with each set of instructions that this processor has.
fn codes(data_rows: u32, total_rows: u32) -> Vec<(Instructions, Code)> {
    Instructions::ALL
        .into_iter()
        .filter_map(
            |instructions| match Code::with_instructions(data_rows, total_rows, instructions) {
                Err(CodeError::Unsupported(_)) => None,
                code => Some((instructions, code.unwrap())),
            },
        )
        .collect()
}

#[test]
fn parity_is_that_of_reed_solomon_simd() {
    for (k, n) in CODES {
        for row_bytes in [128, 384] {
            let data = bytes("parity", k as usize * row_bytes);
            let mut oracle =
                LowRateEncoder::new(k as usize, (n - k) as usize, row_bytes, DefaultEngine::new(), None).unwrap();
            data.chunks(row_bytes)
                .for_each(|row| oracle.add_original_shard(row).unwrap());
            let expected: Vec<u8> = oracle.encode().unwrap().recovery_iter().flatten().copied().collect();
            for (instructions, code) in codes(k, n) {
                assert!(
                    code.encode(&data, row_bytes) == expected,
                    "{instructions:?} {k} {n} {row_bytes}"
                );
            }
        }
    }
}

/// Rows chosen to lie in one coset, in two, in the last rows, spread evenly, and with one data row lost.
#[test]
fn any_rows_as_many_as_the_data_decode_it() {
    for (k, n) in CODES {
        let row_bytes = if k == 1024 { 128 } else { 640 };
        let data = bytes("decode", k as usize * row_bytes);
        let parity = Code::new(k, n).unwrap().encode(&data, row_bytes);
        let rows: Vec<&[u8]> = data.chunks(row_bytes).chain(parity.chunks(row_bytes)).collect();
        let choices: [Vec<u32>; 6] = [
            (0..k).collect(),
            (k..2 * k).collect(),
            (n - k..n).collect(),
            (k / 2..k / 2 + k).collect(),
            (0..k).map(|row| row * (n / k) + n / k - 1).collect(),
            (1..=k).rev().collect(),
        ];
        for choice in choices {
            let given: Vec<(u32, &[u8])> = choice.iter().map(|&row| (row, rows[row as usize])).collect();
            for (instructions, code) in codes(k, n) {
                assert!(
                    code.decode(&given, row_bytes).unwrap() == data,
                    "{instructions:?} {k} {n} {:?}",
                    choice[0]
                );
            }
        }
    }
}

/// Strips, chunks and rows end in different places: rows of less than a strip, of a chunk and a half, of three chunks.
#[test]
fn rows_are_hashed_as_they_are_coded() {
    for (k, n) in [(32, 64), (64, 192), (128, 512), (1024, 3072)] {
        for row_bytes in [128, 1024, 1536, 3072].into_iter().take(if k == 1024 { 2 } else { 4 }) {
            let data = bytes("hashed", k as usize * row_bytes);
            for (instructions, code) in codes(k, n) {
                let mut parity = vec![0; (n - k) as usize * row_bytes];
                let digests = code.encode_with_digests(&data, row_bytes, &mut parity);
                assert!(
                    parity == code.encode(&data, row_bytes),
                    "{instructions:?} {k} {n} {row_bytes}"
                );
                let rows = data.chunks(row_bytes).chain(parity.chunks(row_bytes));
                let expected: Vec<Digest> = rows.map(Digest::of).collect();
                assert!(digests == expected, "{instructions:?} {k} {n} {row_bytes}");
            }
        }
    }
}

/// Outputs of some megabytes are written past the caches.
#[test]
fn large_rows_are_hashed_as_they_are_coded() {
    let (k, n, row_bytes) = (256, 768, 9 * 1024 + 128);
    let data = bytes("large", k as usize * row_bytes);
    let expected = Code::new(k, n).unwrap().encode(&data, row_bytes);
    for (instructions, code) in codes(k, n)
        .into_iter()
        .filter(|(name, _)| *name != Instructions::Portable)
    {
        let mut memory = vec![0; expected.len() + 64];
        let start = memory.as_ptr().addr().next_multiple_of(64) - memory.as_ptr().addr();
        let parity = &mut memory[start..][..expected.len()];
        let digests = code.encode_with_digests(&data, row_bytes, parity);
        assert!(parity == expected, "{instructions:?}");
        let rows = data.chunks(row_bytes).chain(parity.chunks(row_bytes));
        assert!(digests.into_iter().eq(rows.map(Digest::of)), "{instructions:?}");
    }
}

#[test]
fn a_coset_coded_alone_is_that_of_every_code_with_it() {
    for data_rows in [32, 1024] {
        let data = bytes("a coset", data_rows as usize * 256);
        for (instructions, widest) in codes(data_rows, 4 * data_rows) {
            let parity = widest.encode(&data, 256);
            for (coset, rows) in (1..4).zip(parity.chunks_exact(data.len())) {
                let mut alone = vec![0xff; data.len()];
                widest.encode_coset_into(&data, 256, coset, &mut alone);
                assert!(alone == rows, "coset {coset} of {data_rows} rows, {instructions:?}");
            }
            let narrow = Code::with_instructions(data_rows, 2 * data_rows, instructions).unwrap();
            assert!(
                narrow.encode(&data, 256)[..] == parity[..data.len()],
                "{instructions:?}"
            );
        }
    }
}

#[test]
fn one_row_too_few_decodes_nothing() {
    let code = Code::new(32, 96).unwrap();
    let data = bytes("few", 32 * 128);
    let mut given: Vec<(u32, &[u8])> = data
        .chunks(128)
        .take(31)
        .enumerate()
        .map(|(i, row)| (i as u32, row))
        .collect();
    given.push(given[3]);
    assert_eq!(
        code.decode(&given, 128),
        Err(CodeError::TooFewRows {
            rows: 31,
            data_rows: 32
        })
    );
}

#[test]
fn malformed_rows_are_refused_by_name() {
    let code = Code::new(32, 96).unwrap();
    let row = [0; 128];
    assert_eq!(
        code.decode(&[(96, &row)], 128),
        Err(CodeError::RowIndex {
            row: 96,
            total_rows: 96
        })
    );
    assert_eq!(
        code.decode(&[(5, &row[1..])], 128),
        Err(CodeError::RowLength {
            row: 5,
            bytes: 127,
            expected: 128
        })
    );
    assert_eq!(
        code.decode(&[(5, &row[..64])], 64),
        Err(CodeError::RowBytes { row_bytes: 64 })
    );
    assert_eq!(code.decode(&[], 0), Err(CodeError::RowBytes { row_bytes: 0 }));
}

#[test]
fn no_code_has_other_numbers_of_rows() {
    for (k, n) in [
        (0, 0),
        (16, 32),
        (33, 66),
        (48, 96),
        (2048, 4096),
        (64, 64),
        (64, 320),
        (64, 100),
        (64, u32::MAX),
    ] {
        assert_eq!(
            Code::new(k, n).unwrap_err(),
            CodeError::Parameters {
                data_rows: k,
                total_rows: n
            }
        );
    }
}

/// The locator's transform against its definition.
#[test]
fn decoding_factors_are_products_over_the_missing_rows() {
    let present: Vec<Option<()>> = bytes("locator", 128)
        .iter()
        .map(|byte| (byte % 2 == 0).then_some(()))
        .collect();
    for (position, factor) in decoding_factors(&present).into_iter().enumerate() {
        let missing = (0..128).filter(|&row| row != position && present[row].is_none());
        let product = missing.fold(1, |product, row| galois::multiply(product, (row ^ position) as u16));
        match present[position] {
            Some(()) => assert_eq!(factor, product),
            None => assert_eq!(galois::multiply(factor, product), 1),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, rng_seed: proptest::test_runner::RngSeed::Fixed(7), ..Default::default() })]

    #[test]
    fn rows_lost_at_random_are_found_again(
        layers in 5..=8u32,
        factor in 2..=4u32,
        chunks in 1..6usize,
        order in Just((0..1024u32).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let (k, n, row_bytes) = (1 << layers, factor << layers, chunks * ROW_ALIGNMENT);
        let data = bytes("random", k as usize * row_bytes);
        for (instructions, code) in codes(k, n) {
            let parity = code.encode(&data, row_bytes);
            let rows: Vec<&[u8]> = data.chunks(row_bytes).chain(parity.chunks(row_bytes)).collect();
            let kept = order.iter().filter(|row| **row < n).take(k as usize);
            let given: Vec<(u32, &[u8])> = kept.map(|&row| (row, rows[row as usize])).collect();
            prop_assert!(code.decode(&given, row_bytes).unwrap() == data, "{:?}", instructions);
        }
    }

    /// A decoder fed by strangers answers or refuses; it never panics.
    #[test]
    fn rows_that_are_no_blobs_never_panic(
        rows in prop::collection::vec((0..100u32, 0..300usize), 0..120),
        row_bytes in prop::sample::select(vec![0, 1, 64, 128, 256, usize::MAX]),
    ) {
        let content = bytes("hostile", 300);
        let given: Vec<(u32, &[u8])> = rows.iter().map(|&(row, len)| {
            (row, &content[..if len % 3 == 0 { len } else { row_bytes.min(300) }])
        }).collect();
        let _ = Code::new(32, 96).unwrap().decode(&given, row_bytes);
    }
}
