use super::*;
use proptest::prelude::*;

/// Bytes that a seed fixes.
fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new()
        .update(&seed.to_le_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

/// The coefficients of a seed for each set of instructions that this processor has.
fn each(seed: &Digest, row_bytes: usize) -> Vec<Coefficients> {
    let derive = |instructions| Coefficients::derive_with_instructions(seed, row_bytes, instructions).ok();
    Instructions::ALL.into_iter().filter_map(derive).collect()
}

/// What makes the check of a row sound: every row of a codeword, data and parity, combines to the codeword of combinations.
#[test]
fn every_row_combines_to_what_the_code_says() {
    for (k, n) in [(32, 64), (64, 192), (1024, 4096)] {
        let code = Code::new(k, n).unwrap();
        let data = bytes(1, k as usize * 256);
        let coefficients = Coefficients::derive(&Digest::of(b"seed"), 256);
        let mut expected = coefficients.combine_rows(&data, 256);
        let extended = extend(&code, &expected);
        expected.extend(coefficients.combine_rows(&code.encode(&data, 256), 256));
        assert!(extended == expected, "{k} {n}");
    }
}

/// Enough rows for tables to be made, of a length that is no whole number of strips.
#[test]
fn many_rows_combine_as_each_of_them_does() {
    let row_bytes = 640;
    let rows = bytes(4, 300 * row_bytes);
    for coefficients in each(&Digest::of(b"many"), row_bytes) {
        let alone = rows.chunks(row_bytes).map(|row| coefficients.combine(row));
        assert!(coefficients.combine_rows(&rows, row_bytes).into_iter().eq(alone));
    }
}

#[test]
fn a_row_changed_in_any_bit_combines_to_something_else() {
    let coefficients = Coefficients::derive(&Digest::of(b"seed"), 128);
    let row = bytes(2, 128);
    let combined = coefficients.combine(&row);
    for bit in 0..1024 {
        let mut changed = row.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(coefficients.combine(&changed), combined);
    }
}

/// The format's definition, symbol by symbol, against what other implementations must find.
#[test]
fn a_combination_is_the_sum_that_the_format_states() {
    let seed = Digest::of(b"seed");
    let row = bytes(3, 128);
    let mut coefficients = vec![0; 8 * 128];
    blake3::Hasher::new_derive_key("aloft/da/rlc/v1")
        .update(seed.as_bytes())
        .finalize_xof()
        .fill(&mut coefficients);
    let symbol = |chunk: &[u8], index: usize| u16::from_le_bytes([chunk[index], chunk[32 + index]]);
    let mut expected = Vec::new();
    for lane in 0..8 {
        let mut sum = 0;
        for chunk in 0..2 {
            for index in 0..32 {
                let factor = symbol(&coefficients[(8 * chunk + lane) * 64..], index);
                sum ^= crate::galois::multiply(symbol(&row[chunk * 64..], index), factor);
            }
        }
        expected.extend(u16::to_le_bytes(sum));
    }
    for coefficients in each(&seed, 128) {
        assert_eq!(coefficients.combine(&row).to_vec(), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, rng_seed: proptest::test_runner::RngSeed::Fixed(3), ..Default::default() })]

    #[test]
    fn wide_registers_give_the_portable_result(seed: u64, count in 0..20usize, length in 1..20usize) {
        let row_bytes = length * ROW_ALIGNMENT;
        let rows = bytes(seed, count * row_bytes);
        let name = Digest::of(&seed.to_le_bytes());
        let expected = Coefficients::derive_with_instructions(&name, row_bytes, Instructions::Portable).unwrap();
        let expected = expected.combine_rows(&rows, row_bytes);
        for coefficients in each(&name, row_bytes) {
            prop_assert_eq!(&coefficients.combine_rows(&rows, row_bytes), &expected);
            prop_assert!(rows.chunks(row_bytes).map(|row| coefficients.combine(row)).eq(expected.iter().copied()));
        }
    }

    #[test]
    fn combinations_are_linear(a: u64, b: u64) {
        let coefficients = Coefficients::derive(&Digest::of(b"seed"), 256);
        let sum = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(a, b)| a ^ b).collect::<Vec<u8>>();
        let (a, b) = (bytes(a, 256), bytes(b, 256));
        let combined = coefficients.combine(&sum(&a, &b)).to_vec();
        prop_assert_eq!(sum(&coefficients.combine(&a), &coefficients.combine(&b)), combined);
    }
}
