//! Signers' keys, eight at a time in the lanes of 512-bit registers (AVX-512 IFMA).
//!
//! A key is `u1 * G + u2 * R`. `R` is the point whose abscissa is the signature's `r`; `u2` is split in two halves by the curve's
//! endomorphism, and each half is written in odd digits of four bits, so that all lanes do the same: 128 doublings and 65
//! additions from a table of eight multiples of `R`. `u1 * G` is 32 more additions, one for each byte, from a table that is made
//! once. With the square root that finds `R`, that is about 2,400 products of eight elements at 50 to 65 cycles, nearly half of
//! them squares: some 17,000 cycles a key.
//!
//! The additions' formulas do not hold for equal and opposite points. Nobody meets those by chance; who makes them on purpose
//! gets [`Outcome::Unknown`] here, and the answer from the ordinary code. Variable time, as are its tables: for public data only.

use super::{
    comb::{COMB, COMB_BITS, COMB_MULTIPLES, affine, bytes, points},
    field::Field,
    lanes::{LANES, is_available, load, store},
    order::{self, Half, Words},
    point::{Affine, Jacobian},
};
use std::{arch::x86_64::*, array};

/// Bits of a digit of the halves of `u2`.
const WINDOW_BITS: u32 = 4;
/// Multiples of `R` in its table: 1, 3 and so on, to 15.
const MULTIPLES: usize = 1 << (WINDOW_BITS - 1);
/// Digits of a half, which has 129 bits.
const WINDOWS: u32 = 33;
const _: () = assert!(
    WINDOWS * WINDOW_BITS > 129 && 64 % WINDOW_BITS == 0,
    "a digit is within one word"
);

/// A cube root of one: `(BETA * x, y)` is `LAMBDA * (x, y)`, see [`super::order::split`].
const BETA: Words = [
    0xc139_6c28_7195_01ee,
    0x9cf0_4975_12f5_8995,
    0x6e64_479e_ac34_34e9,
    0x7ae9_6a2b_657c_0710,
];

/// What to recover a key from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    /// The abscissa of `R`, below the order.
    pub(super) r: Words,
    /// Whether the ordinate of `R` is odd.
    pub(super) odd: bool,
    /// How many times `G`: below the order.
    pub(super) u1: Words,
    /// How many times `R`: halves that are odd.
    pub(super) u2: [Half; 2],
}

/// What is known of a task's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The key's coordinates, `x` then `y`, big endian.
    Key([u8; 64]),
    /// No point has this abscissa.
    OffCurve,
    /// The key is at infinity, or a step on the way to it added equal or opposite points.
    Unknown,
}

/// The outcome of each task, in order. Lanes that the last tasks leave over are worked out and dropped.
///
/// # Panics
///
/// Where [`is_available`] is false.
pub(super) fn outcomes(tasks: &[Task]) -> Vec<Outcome> {
    assert!(is_available(), "AVX-512 IFMA");
    // SAFETY: the instructions exist, as was just checked.
    unsafe { outcomes_with_ifma(tasks) }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn outcomes_with_ifma(tasks: &[Task]) -> Vec<Outcome> {
    let groups = tasks.len().div_ceil(LANES);
    let (mut sums, mut on_curve) = (Vec::with_capacity(groups), Vec::with_capacity(groups));
    for tasks in tasks.chunks(LANES) {
        let tasks = array::from_fn(|lane| tasks.get(lane).unwrap_or(&tasks[0]));
        let (sum, mask) = sum(&tasks);
        sums.push(sum);
        on_curve.push(mask);
    }
    let mut outcomes = Vec::with_capacity(groups * LANES);
    for ((entries, finite), on_curve) in affine(&sums).iter().zip(on_curve) {
        for (lane, entry) in entries.iter().enumerate() {
            outcomes.push(match (on_curve >> lane & 1, finite >> lane & 1) {
                (0, _) => Outcome::OffCurve,
                (_, 0) => Outcome::Unknown,
                _ => Outcome::Key(bytes(entry)),
            });
        }
    }
    outcomes.truncate(tasks.len());
    outcomes
}

/// `u1 * G + u2 * R` of eight tasks, and the lanes whose `R` is on the curve; the others' sums mean nothing.
#[target_feature(enable = "avx512f,avx512ifma")]
fn sum(tasks: &[&Task; LANES]) -> (Jacobian, __mmask8) {
    let abscissa = Field::from_words(load(&lanes(tasks, |task| task.r)));
    let (point, on_curve) = Affine::with_x(abscissa, mask(tasks, |task| task.odd));
    let table = Table::of(point);

    let halves = [0, 1].map(|half| Digits {
        words: load(&lanes(tasks, |task| {
            odd_digits(task.u2[half].words, WINDOWS * WINDOW_BITS)
        })),
        negative: mask(tasks, |task| task.u2[half].negative),
    });
    let (index, negative) = halves[0].window::<WINDOW_BITS>(WINDOWS - 1);
    let mut sum = table.get(index, false).signed(negative);
    let (index, negative) = halves[1].window::<WINDOW_BITS>(WINDOWS - 1);
    sum = sum.add(table.get(index, true), negative).0;
    for window in (0..WINDOWS - 1).rev() {
        for _ in 0..WINDOW_BITS {
            sum = sum.double();
        }
        for (digits, turned) in halves.iter().zip([false, true]) {
            let (index, negative) = digits.window::<WINDOW_BITS>(window);
            sum = sum.add(table.get(index, turned), negative).0;
        }
    }
    sum.z = sum.z.mul(table.scale);

    // The order is odd, so of `u1` and the order less `u1` one is odd: the order itself for zero.
    let odd_u1 = |task: &Task| {
        if is_odd(&task.u1) {
            task.u1
        } else {
            order::negative(&task.u1)
        }
    };
    let digits = Digits {
        words: load(&lanes(tasks, |task| odd_digits(odd_u1(task), 256))),
        negative: mask(tasks, |task| !is_odd(&task.u1)),
    };
    for (window, entries) in (0..).zip(COMB.iter()) {
        let (index, negative) = digits.window::<COMB_BITS>(window);
        let index = store(index);
        let multiple = points(array::from_fn(|lane| &entries[index[lane] as usize % COMB_MULTIPLES]));
        sum = sum.add(multiple, negative).0;
    }
    (sum, on_curve)
}

/// The odd multiples of eight points, all over one power of one `z` (the effective affine form of libsecp256k1): they are points
/// of another curve `y^2 = x^3 + b`, on which the formulas are the same, as they do without `b`.
struct Table {
    /// Ordinates of 1, 3, and so on times the point.
    y: [Field; MULTIPLES],
    /// Abscissas, then those of `LAMBDA` times the same.
    x: [[Field; MULTIPLES]; 2],
    /// What a sum's `z` is to be multiplied by, to be one of the points' own curve.
    scale: Field,
}

impl Table {
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn of(point: Affine) -> Self {
        // On the curve where the double has `z = 1`, the point's coordinates are larger by powers of the double's `z`.
        let double = point.double();
        let step = Affine {
            x: double.x,
            y: double.y,
        };
        let mut multiple = point.scaled(double.z).signed(0);
        let mut multiples = [multiple; MULTIPLES];
        let mut growths = [multiple.z; MULTIPLES];
        for i in 1..MULTIPLES {
            (multiple, growths[i]) = multiple.add(step, 0);
            multiples[i] = multiple;
        }
        let beta = Field::from_words(load(&BETA.map(|word| [word; LANES])));
        let mut table = Self {
            y: multiples.map(|multiple| multiple.y),
            x: [multiples.map(|multiple| multiple.x); 2],
            scale: multiple.z.mul(double.z),
        };
        let mut growth = Field::small(1);
        for i in (0..MULTIPLES).rev() {
            let Affine { x, y } = Affine {
                x: table.x[0][i],
                y: table.y[i],
            }
            .scaled(growth);
            table.x[0][i] = x;
            table.x[1][i] = x.mul(beta);
            table.y[i] = y;
            growth = growth.mul(growths[i]);
        }
        table
    }

    /// Multiple `index` of each point, times `LAMBDA` if `turned`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn get(&self, index: __m512i, turned: bool) -> Affine {
        let xs = &self.x[usize::from(turned)];
        let (mut x, mut y) = (xs[0], self.y[0]);
        for (i, (other_x, other_y)) in (0..).zip(xs.iter().zip(&self.y)).skip(1) {
            let here = _mm512_cmpeq_epi64_mask(index, _mm512_set1_epi64(i));
            x = x.or(here, *other_x);
            y = y.or(here, *other_y);
        }
        Affine { x, y }
    }
}

/// Eight odd numbers in odd digits, most of whose bits are the numbers' own, see [`odd_digits`].
struct Digits<const WORDS: usize> {
    words: [__m512i; WORDS],
    /// Lanes whose number is below zero.
    negative: __mmask8,
}

impl<const WORDS: usize> Digits<WORDS> {
    /// Digit `window` of each number: which of the odd multiples 1, 3 and so on, and the lanes where it is to be negated.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn window<const BITS: u32>(&self, window: u32) -> (__m512i, __mmask8) {
        let bit = window * BITS;
        let shift = _mm512_set1_epi64(i64::from(bit % 64));
        let digit = _mm512_srlv_epi64(self.words[(bit / 64) as usize], shift);
        let below = _mm512_testn_epi64_mask(digit, _mm512_set1_epi64(1 << (BITS - 1)));
        let ones = _mm512_set1_epi64((1 << (BITS - 1)) - 1);
        let index = _mm512_and_si512(_mm512_mask_xor_epi64(digit, below, digit, ones), ones);
        (index, below ^ self.negative)
    }
}

/// An odd number below `2^bits` in odd digits of `w` bits, where `w` divides `bits`.
///
/// Bits `w i` to `w i + w - 1` of the answer are `c` where digit `i` is `2 c + 1 - 2^w`: all digits together are the answer, twice,
/// less `2^bits - 1`, so the answer is the number's upper bits below a set one.
fn odd_digits<const WORDS: usize>(number: [u64; WORDS], bits: u32) -> [u64; WORDS] {
    let mut digits = array::from_fn(|i| number[i] >> 1 | number.get(i + 1).map_or(0, |next| next << 63));
    digits[(bits - 1) as usize / 64] |= 1 << ((bits - 1) % 64);
    digits
}

fn is_odd(number: &Words) -> bool {
    number[0] & 1 == 1
}

/// Word `i` of every task's number, a lane a task, in row `i`.
fn lanes<const WORDS: usize>(tasks: &[&Task; LANES], number: impl Fn(&Task) -> [u64; WORDS]) -> [[u64; LANES]; WORDS] {
    let mut rows = [[0; LANES]; WORDS];
    for (lane, task) in tasks.iter().enumerate() {
        for (row, word) in rows.iter_mut().zip(number(task)) {
            row[lane] = word;
        }
    }
    rows
}

/// The lanes of the tasks of which something is so.
fn mask(tasks: &[&Task; LANES], so: impl Fn(&Task) -> bool) -> __mmask8 {
    tasks
        .iter()
        .rev()
        .fold(0, |mask, task| mask << 1 | __mmask8::from(so(task)))
}
