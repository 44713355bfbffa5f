//! The fixed points, and sums over them.

use super::LEAVES_MAX;
use crate::scalar::Scalar;
use blst::{BLST_ERROR, blst_fp6, blst_fp12, blst_p1, blst_p1_affine, blst_p2_affine};
use std::sync::LazyLock;

/// The points that `examples/kzg_setup.rs` derived from the ceremony's setup.
static SETUP_BYTES: &[u8; 2 * LEAVES_MAX * G1_BYTES + G2_BYTES] = include_bytes!("setup.bin");

/// Bytes of an uncompressed point of G1.
const G1_BYTES: usize = 96;
/// Bytes of an uncompressed point of G2.
const G2_BYTES: usize = 192;
/// Bits of a scalar that one addition takes: a table of 1.5 MiB, which each bit more would double.
const WINDOW_BITS: usize = 8;
/// Multiples in the table of each point: the positive halves of all windows' digits.
const POINT_WINDOWS: usize = 1 << (WINDOW_BITS - 1);
/// Lines that blst precomputes for a point of G2: one for every step of the Miller loop.
const LINES: usize = 68;
/// `(order - 1) / 128`: 7 to this power has order 128.
const ROOT_EXPONENT: [u8; 32] = [
    0x00, 0xe7, 0xdb, 0x4e, 0xa6, 0x53, 0x3a, 0xfa, 0x90, 0x66, 0x73, 0xb0, 0x10, 0x13, 0x43, 0xb0, 0x0a, 0xa7, 0x7b,
    0x48, 0x05, 0xff, 0xfc, 0xb7, 0xfd, 0xff, 0xff, 0xff, 0xfe, 0x00, 0x00, 0x00,
];
/// Generator of the field's multiplicative group, as EIP-4844 fixes it.
const FIELD_GENERATOR: u64 = 7;

/// The setup, read once a process.
pub(super) struct Setup {
    /// `[L_i]1`, then what the zero slots add to an opening at each place.
    pub(super) points: Vec<blst_p1_affine>,
    /// Multiples of the 128 `[L_i]1`, as blst's windowed sums read them.
    windows: Vec<blst_p1_affine>,
    /// Powers 0..128 of the 128th root of unity: the first 128 slots in bit-reversed order are all of its powers.
    powers: Vec<Scalar>,
    /// `1 / (power t - 1)` at `t`; zero at 0.
    inverse_differences: Vec<Scalar>,
    generator_lines: Vec<blst_fp6>,
    tau_lines: Vec<blst_fp6>,
}

impl Setup {
    pub(super) fn get() -> &'static Self {
        static SETUP: LazyLock<Setup> = LazyLock::new(Setup::read);
        &SETUP
    }

    fn read() -> Self {
        let (g1, tau) = SETUP_BYTES.split_at(2 * LEAVES_MAX * G1_BYTES);
        let points: Vec<_> = g1.as_chunks::<G1_BYTES>().0.iter().map(read_g1).collect();
        let windows = windows(&points[..LEAVES_MAX]);
        let tau = read_g2(tau.try_into().expect("the file ends with a point of G2"));
        let root = Scalar::from_u64(FIELD_GENERATOR).power(&ROOT_EXPONENT);
        let powers: Vec<Scalar> = std::iter::successors(Some(Scalar::from_u64(1)), |&power| Some(power * root))
            .take(LEAVES_MAX)
            .collect();
        let inverse_differences = powers
            .iter()
            .map(|&power| (power - Scalar::from_u64(1)).inverse())
            .collect();
        // SAFETY: blst returns a pointer to its static generator.
        let generator = unsafe { &*blst::blst_p2_affine_generator() };
        Self {
            points,
            windows,
            powers,
            inverse_differences,
            generator_lines: lines(generator),
            tau_lines: lines(&tau),
        }
    }

    /// The point at which slot `slot` is the polynomial's value.
    pub(super) fn point(&self, slot: usize) -> Scalar {
        self.powers[exponent(slot)]
    }

    /// The 128th root of unity to the power `exponent`, below 128.
    pub(super) fn power(&self, exponent: usize) -> Scalar {
        self.powers[exponent]
    }

    /// `1 / point(slot)`.
    pub(super) fn inverse_point(&self, slot: usize) -> Scalar {
        self.powers[(LEAVES_MAX - exponent(slot)) % LEAVES_MAX]
    }

    /// `1 / (point(slot) - point(index))`, the slots being different.
    pub(super) fn inverse_difference(&self, slot: usize, index: usize) -> Scalar {
        let turn = (LEAVES_MAX + exponent(slot) - exponent(index)) % LEAVES_MAX;
        self.inverse_differences[turn] * self.inverse_point(index)
    }

    /// `Σ values[i] [L_i]1`, over at most 128 values.
    pub(super) fn sum_of_lagrange(&self, values: &[Scalar]) -> blst_p1 {
        assert!(values.len() <= LEAVES_MAX, "a point for every value");
        let mut sum = blst_p1::default();
        if values.is_empty() {
            return sum;
        }
        let scalars: Vec<_> = values.iter().map(|value| value.to_scalar()).collect();
        let scalars: Vec<*const u8> = scalars.iter().map(|scalar| scalar.b.as_ptr()).collect();
        // SAFETY: the scratch has the size that blst asks for, in whole 8-byte words; the table holds the windows of as many
        // points as there are scalars, or more, point by point; each scalar is 32 bytes.
        unsafe {
            let words = blst::blst_p1s_mult_wbits_scratch_sizeof(values.len()).div_ceil(8);
            let mut scratch = vec![0u64; words];
            blst::blst_p1s_mult_wbits(
                &mut sum,
                self.windows.as_ptr(),
                WINDOW_BITS,
                values.len(),
                scalars.as_ptr(),
                Scalar::BITS,
                scratch.as_mut_ptr(),
            );
        }
        sum
    }

    /// `factor [L_slot]1`, from the table: a quarter of what [`multiply`] takes.
    pub(super) fn lagrange_times(&self, slot: usize, factor: Scalar) -> blst_p1 {
        let windows = &self.windows[slot * POINT_WINDOWS..][..POINT_WINDOWS];
        let mut product = blst_p1::default();
        let scalar = factor.to_scalar();
        // SAFETY: `windows` is the part of the table that is of one point; the one scalar is 32 bytes; the scratch has the size that blst
        // asks for, in whole 8-byte words.
        unsafe {
            let words = blst::blst_p1s_mult_wbits_scratch_sizeof(1).div_ceil(8);
            let mut scratch = vec![0u64; words];
            blst::blst_p1s_mult_wbits(
                &mut product,
                windows.as_ptr(),
                WINDOW_BITS,
                1,
                [scalar.b.as_ptr()].as_ptr(),
                Scalar::BITS,
                scratch.as_mut_ptr(),
            );
        }
        product
    }

    /// What the zero slots add to the opening at `index`: `factor` times a fixed point.
    pub(super) fn share_of_zero_slots(&self, index: usize, factor: Scalar) -> blst_p1 {
        multiply(&from_affine(&self.points[LEAVES_MAX + index]), factor)
    }

    /// Whether every embedded point of G1 is in its group. That of G2 is checked where it is read, for its lines.
    #[cfg(test)]
    pub(super) fn points_are_in_group(&self) -> bool {
        // SAFETY: blst reads one point.
        self.points
            .iter()
            .all(|point| unsafe { blst::blst_p1_affine_in_g1(point) })
    }

    /// Whether `e(left, [1]2) = e(right, [τ]2)`.
    pub(super) fn pairings_agree(&self, left: &blst_p1, right: &blst_p1) -> bool {
        let left = miller_loop(&self.generator_lines, left);
        let right = miller_loop(&self.tau_lines, right);
        blst_fp12::finalverify(&left, &right)
    }
}

/// Which power of the root slot `slot` is: its seven bits reversed.
fn exponent(slot: usize) -> usize {
    const BITS: u32 = LEAVES_MAX.trailing_zeros();
    slot.reverse_bits() >> (usize::BITS - BITS)
}

pub(super) fn add(a: &blst_p1, b: &blst_p1) -> blst_p1 {
    let mut sum = blst_p1::default();
    // SAFETY: blst reads two points and writes a third; `add_or_double` takes equal points too.
    unsafe { blst::blst_p1_add_or_double(&mut sum, a, b) };
    sum
}

/// Whether two points are the same.
pub(super) fn equal(a: &blst_p1, b: &blst_p1) -> bool {
    // SAFETY: blst reads two points.
    unsafe { blst::blst_p1_is_equal(a, b) }
}

pub(super) fn multiply(point: &blst_p1, factor: Scalar) -> blst_p1 {
    let mut product = blst_p1::default();
    let factor = factor.to_scalar();
    // SAFETY: blst reads a point and 255 bits of the 32-byte scalar, and writes a point.
    unsafe { blst::blst_p1_mult(&mut product, point, factor.b.as_ptr(), Scalar::BITS) };
    product
}

/// `factor · point`, `factor` having at most `bits` bits.
pub(super) fn multiply_short(point: &blst_p1, factor: u64, bits: usize) -> blst_p1 {
    assert!(bits <= u64::BITS as usize, "the factor has its bits");
    let mut product = blst_p1::default();
    // SAFETY: blst reads a point and at most 64 bits of the 8-byte factor, and writes a point.
    unsafe { blst::blst_p1_mult(&mut product, point, factor.to_le_bytes().as_ptr(), bits) };
    product
}

pub(super) fn negate(point: &blst_p1) -> blst_p1 {
    let mut negative = *point;
    // SAFETY: blst changes the one point.
    unsafe { blst::blst_p1_cneg(&mut negative, true) };
    negative
}

pub(super) fn from_affine(affine: &blst_p1_affine) -> blst_p1 {
    let mut point = blst_p1::default();
    // SAFETY: blst reads one point and writes another.
    unsafe { blst::blst_p1_from_affine(&mut point, affine) };
    point
}

pub(super) fn multiply_generator(factor: Scalar) -> blst_p1 {
    // SAFETY: blst returns a pointer to its static generator.
    multiply(unsafe { &*blst::blst_p1_generator() }, factor)
}

/// Every multiple of each point that a window of a scalar can ask for.
fn windows(points: &[blst_p1_affine]) -> Vec<blst_p1_affine> {
    let points: Vec<*const blst_p1_affine> = points.iter().map(std::ptr::from_ref).collect();
    // SAFETY: the table has the size that blst asks for, in whole points; `points` holds as many valid pointers as said.
    unsafe {
        let bytes = blst::blst_p1s_mult_wbits_precompute_sizeof(WINDOW_BITS, points.len());
        let mut table = vec![blst_p1_affine::default(); bytes.div_ceil(size_of::<blst_p1_affine>())];
        blst::blst_p1s_mult_wbits_precompute(table.as_mut_ptr(), WINDOW_BITS, points.as_ptr(), points.len());
        table
    }
}

fn lines(point: &blst_p2_affine) -> Vec<blst_fp6> {
    let mut lines = vec![blst_fp6::default(); LINES];
    // SAFETY: blst writes exactly 68 lines.
    unsafe { blst::blst_precompute_lines(lines.as_mut_ptr(), point) };
    lines
}

fn miller_loop(lines: &[blst_fp6], point: &blst_p1) -> blst_fp12 {
    let mut affine = blst_p1_affine::default();
    let mut result = blst_fp12::default();
    // SAFETY: blst reads a point and the 68 lines of another, and writes one element. The identity has no affine form; its
    // pairing is 1, which is `blst_fp12`'s default.
    unsafe {
        if !blst::blst_p1_is_inf(point) {
            blst::blst_p1_to_affine(&mut affine, point);
            blst::blst_miller_loop_lines(&mut result, lines.as_ptr(), &affine);
        }
    }
    result
}

/// Reads an embedded point. Whether it is in the group is checked by a test, once, not at every start: 15 ms for all.
fn read_g1(bytes: &[u8; G1_BYTES]) -> blst_p1_affine {
    let mut point = blst_p1_affine::default();
    // SAFETY: blst reads exactly 96 bytes of an uncompressed point and writes one point.
    let error = unsafe { blst::blst_p1_deserialize(&mut point, bytes.as_ptr()) };
    assert_eq!(error, BLST_ERROR::BLST_SUCCESS, "setup.bin holds points of the curve");
    point
}

fn read_g2(bytes: &[u8; G2_BYTES]) -> blst_p2_affine {
    let mut point = blst_p2_affine::default();
    // SAFETY: blst reads exactly 192 bytes of an uncompressed point and writes one point.
    let error = unsafe { blst::blst_p2_deserialize(&mut point, bytes.as_ptr()) };
    assert_eq!(
        error,
        BLST_ERROR::BLST_SUCCESS,
        "setup.bin ends with a point of the curve"
    );
    point
}
