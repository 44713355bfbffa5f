//! The field of 65,536 elements that codes and combinations compute in.
//!
//! A symbol's 16 bits are coordinates over a Cantor basis `v_0 = 1, v_i² + v_i = v_{i-1}`, given by [`CANTOR_BASIS`] as
//! polynomials over GF(2) modulo `x^16 + x^5 + x^3 + x^2 + 1`: the field and basis of Leopard-RS. In this basis the polynomial
//! that vanishes on the span of `v_0..v_i` maps the symbol `p` to the symbol `p >> i`, which makes the additive Fourier
//! transform's factors shifts of a row's number.
//!
//! In bytes, 64 hold 32 symbols: symbol `i` is `byte[i] | byte[32 + i] << 8`.

use std::sync::LazyLock;

/// Bytes that hold 32 symbols, low bytes first: the least that is computed on.
pub(crate) const CHUNK_BYTES: usize = 64;
/// Symbols in a chunk.
pub(crate) const CHUNK_SYMBOLS: usize = 32;

/// Order of the multiplicative group.
const GROUP_ORDER: usize = 65_535;
/// `x^16 + x^5 + x^3 + x^2 + 1`, of which x is a generator.
pub(crate) const POLYNOMIAL: u32 = 0x1002D;
/// The basis, least coordinate first, as polynomials.
pub(crate) const CANTOR_BASIS: [u16; 16] = [
    0x0001, 0xACCA, 0x3C0E, 0x163E, 0xC582, 0xED2E, 0x914C, 0x4012, 0x6C98, 0x10D8, 0x6A72, 0xB900, 0xFDB8, 0xFB34,
    0xFF38, 0x991E,
];

/// Logarithms and powers to the base x.
struct Tables {
    log: Vec<u16>,
    /// Twice round the group, so that a sum of two logarithms needs no reduction.
    exp: Vec<u16>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let mut log_of_polynomial = vec![0u16; 65_536];
    let mut state = 1u32;
    for power in 0..GROUP_ORDER {
        log_of_polynomial[state as usize] = power as u16;
        state <<= 1;
        if state > 0xFFFF {
            state ^= POLYNOMIAL;
        }
    }
    let mut log = vec![0u16; 65_536];
    let mut exp = vec![0u16; 2 * GROUP_ORDER];
    for symbol in 1..=u16::MAX {
        let polynomial = (0..16)
            .filter(|&bit| symbol >> bit & 1 == 1)
            .fold(0, |sum, bit| sum ^ CANTOR_BASIS[bit]);
        let power = log_of_polynomial[usize::from(polynomial)];
        log[usize::from(symbol)] = power;
        exp[usize::from(power)] = symbol;
        exp[usize::from(power) + GROUP_ORDER] = symbol;
    }
    Tables { log, exp }
});

/// The logarithm of a symbol, below 65,535; 0 for zero, which has none.
pub(crate) fn log(symbol: u16) -> u16 {
    TABLES.log[usize::from(symbol)]
}

/// The symbol whose logarithm is `power`, modulo 65,535.
pub(crate) fn exp(power: u64) -> u16 {
    TABLES.exp[(power % GROUP_ORDER as u64) as usize]
}

/// The product of two symbols.
pub(crate) fn multiply(a: u16, b: u16) -> u16 {
    if a == 0 || b == 0 {
        return 0;
    }
    TABLES.exp[usize::from(log(a)) + usize::from(log(b))]
}

/// Multiplication by `factor` as a linear map: the products of `factor` with each power of two.
pub(crate) fn linear_map(factor: u16) -> [u16; 16] {
    std::array::from_fn(|bit| multiply(factor, 1 << bit))
}

/// Log of the product of `x ^ erased` over the erased positions other than `x`, for every position `x` of a domain whose size
/// is a power of two: the error locator where nothing is erased, its derivative where something is.
///
/// It is the exclusive-or convolution of the erased positions with the logarithms, hence a product of Walsh-Hadamard
/// transforms. All is exact in 64 bits: no entry exceeds `domain² × 65,535`.
pub(crate) fn log_locator(erased: &[bool]) -> Vec<u64> {
    let domain = erased.len();
    assert!(
        domain.is_power_of_two() && domain <= 65_536,
        "a domain of {domain} positions"
    );
    let mut locations: Vec<i64> = erased.iter().map(|&erased| i64::from(erased)).collect();
    let mut logarithms: Vec<i64> = (0..domain).map(|symbol| i64::from(log(symbol as u16))).collect();
    walsh_hadamard(&mut locations);
    walsh_hadamard(&mut logarithms);
    let mut product: Vec<i64> = locations.iter().zip(&logarithms).map(|(a, b)| a * b).collect();
    walsh_hadamard(&mut product);
    product
        .iter()
        .map(|&sum| (sum / domain as i64) as u64 % GROUP_ORDER as u64)
        .collect()
}

fn walsh_hadamard(values: &mut [i64]) {
    let mut distance = 1;
    while distance < values.len() {
        for block in values.chunks_exact_mut(2 * distance) {
            let (low, high) = block.split_at_mut(distance);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        distance *= 2;
    }
}

/// The inverse, in logarithms, of a symbol whose logarithm is `log`.
pub(crate) fn inverse_log(log: u64) -> u64 {
    (GROUP_ORDER as u64 - log) % GROUP_ORDER as u64
}

/// The product of a bit vector and the matrix whose columns are `map`.
#[cfg(target_arch = "x86_64")]
pub(crate) fn apply(map: &[u16; 16], bits: u16) -> u16 {
    (0..16)
        .filter(|bit| bits >> bit & 1 == 1)
        .fold(0, |sum, bit| sum ^ map[bit])
}

/// The inverse of an invertible matrix given by its columns: Gauss and Jordan's, on columns.
#[cfg(target_arch = "x86_64")]
pub(crate) fn invert(map: [u16; 16]) -> [u16; 16] {
    let mut columns: [(u16, u16); 16] = std::array::from_fn(|bit| (map[bit], 1 << bit));
    for bit in 0..16 {
        let pivot = (bit..16)
            .find(|&column| columns[column].0 >> bit & 1 == 1)
            .expect("the map is invertible");
        columns.swap(bit, pivot);
        let (value, origin) = columns[bit];
        for (column, entry) in columns.iter_mut().enumerate() {
            if column != bit && entry.0 >> bit & 1 == 1 {
                *entry = (entry.0 ^ value, entry.1 ^ origin);
            }
        }
    }
    columns.map(|(_, origin)| origin)
}

/// Whether this processor has the 512-bit instructions that [`bit_matrix`] is for.
#[cfg(target_arch = "x86_64")]
pub(crate) fn gfni_available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("gfni")
}

/// Eight rows and columns of a linear map, those of the output bits from `to` and of the input bits from `from`, as
/// `gf2p8affineqb` takes a matrix: the row of output bit 0 in the highest byte, the column of input bit 0 in the lowest bit.
#[cfg(target_arch = "x86_64")]
pub(crate) fn bit_matrix(map: &[u16; 16], to: usize, from: usize) -> u64 {
    let row = |bit: usize| {
        (0..8).fold(0u8, |row, column| {
            row | ((map[from + column] >> (to + bit) & 1) as u8) << column
        })
    };
    u64::from_be_bytes(std::array::from_fn(row))
}
