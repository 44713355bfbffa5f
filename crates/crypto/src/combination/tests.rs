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

/// The format's definition, symbol by symbol and without Karatsuba's rule, against what other implementations must find. Rows end within a block.
#[test]
fn a_combination_is_the_sum_that_the_format_states() {
    /// The product of the units of two coordinates, in coordinates.
    fn product_of_units(a: usize, b: usize) -> [u16; 8] {
        // An element times `u_i`, where `u_i² = u_i + ν · (u_j for every j < i)`.
        fn times(element: [u16; 8], i: usize) -> [u16; 8] {
            let mut product = [0; 8];
            let mut squared = [0; 8];
            for (coordinate, symbol) in element.into_iter().enumerate() {
                match coordinate >> i & 1 {
                    0 => product[coordinate | 1 << i] ^= symbol,
                    _ => {
                        product[coordinate] ^= symbol;
                        squared[coordinate & !(1 << i)] ^= crate::galois::multiply(symbol, 0x8000);
                    }
                }
            }
            if squared != [0; 8] {
                squared = (0..i).fold(squared, times);
            }
            std::array::from_fn(|coordinate| product[coordinate] ^ squared[coordinate])
        }
        let unit = std::array::from_fn(|coordinate| u16::from(coordinate == a));
        (0..3).filter(|i| b >> i & 1 == 1).fold(unit, times)
    }
    let seed = Digest::of(b"seed");
    let row_bytes = 1024 + 3 * 128;
    let row = bytes(3, row_bytes);
    let mut derived = vec![0; 1024 + 2 * 16];
    blake3::Hasher::new_derive_key("aloft/da/rlc/v2")
        .update(seed.as_bytes())
        .finalize_xof()
        .fill(&mut derived);
    let (of_elements, of_blocks) = derived.split_at(1024);
    let padded: Vec<u8> = row.iter().copied().chain([0; 640]).collect();
    let symbol = |bytes: &[u8], block: usize, coordinate: usize, index: usize| {
        let chunk = &bytes[1024 * block + 64 * (2 * coordinate + index / 32)..][..64];
        u16::from_le_bytes([chunk[index % 32], chunk[32 + index % 32]])
    };
    let multiply = |a: [u16; 8], b: [u16; 8]| {
        let mut sum = [0u16; 8];
        for (i, j) in (0..8).flat_map(|i| (0..8).map(move |j| (i, j))) {
            let product = crate::galois::multiply(a[i], b[j]);
            for (sum, unit) in sum.iter_mut().zip(product_of_units(i, j)) {
                *sum ^= crate::galois::multiply(product, unit);
            }
        }
        sum
    };
    let element = |bytes: &[u8], block: usize, index: usize| {
        std::array::from_fn(|coordinate| symbol(bytes, block, coordinate, index))
    };
    let mut expected = [0u16; 8];
    for (block, index) in (0..2).flat_map(|block| (0..64).map(move |index| (block, index))) {
        let of_block = std::array::from_fn(|coordinate| {
            let at = 16 * block + 2 * coordinate;
            u16::from_le_bytes([of_blocks[at], of_blocks[at + 1]])
        });
        let factor = multiply(of_block, element(of_elements, 0, index));
        let product = multiply(element(&padded, block, index), factor);
        for (expected, product) in expected.iter_mut().zip(product) {
            *expected ^= product;
        }
    }
    let expected: Vec<u8> = expected.into_iter().flat_map(u16::to_le_bytes).collect();
    for coefficients in each(&seed, row_bytes) {
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
