//! Elementary functions, ours: a platform's mathematics library may round differently from the next one's.
//!
//! The `f32` ones are the polynomials of Cephes (Moshier, public domain), written without branches so that they run on whole
//! vectors. The `f64` ones only fill tables, once a pass.

#![allow(
    clippy::excessive_precision,
    reason = "the coefficients keep the digits of their source"
)]

/// Where [`exp`] stops growing: `e^88` is the last power that is surely finite.
const EXP_MAX: f32 = 88.0;

/// Where [`exp`] stops shrinking: `e^-87` is the last power that is surely a normal number.
const EXP_MIN: f32 = -87.0;

/// `1.5 · 2^23`: adding it to a small number rounds that number to an integer, left in the low bits.
const ROUNDER: f32 = 12_582_912.0;

/// `ln 2`, as a number of few bits and what is missing from it.
const LN_2: (f32, f32) = (355.0 / 512.0, -2.121_944_40e-4);

/// `e^x` with `x` limited to -87..88: never zero, never infinite. NaN stays NaN.
///
/// Within 2 units in the last place.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Comparisons that let NaN through, unlike `f32::clamp`, whose zeros' signs are unspecified as well.
    let x = if x < EXP_MIN { EXP_MIN } else { x };
    let x = if x > EXP_MAX { EXP_MAX } else { x };
    let rounded = x.mul_add(std::f32::consts::LOG2_E, ROUNDER);
    let n = rounded - ROUNDER;
    let r = n.mul_add(-LN_2.1, n.mul_add(-LN_2.0, x));
    let p = 1.987_569_150_0e-4_f32
        .mul_add(r, 1.398_199_950_7e-3)
        .mul_add(r, 8.333_451_907_3e-3)
        .mul_add(r, 4.166_579_589_4e-2)
        .mul_add(r, 1.666_666_545_9e-1)
        .mul_add(r, 5.000_000_120_1e-1);
    let y = p.mul_add(r * r, r) + 1.0;
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    y * power
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Hyperbolic tangent, within 3 units in the last place.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    let z = x * x;
    let p = (-5.704_988_727_45e-3_f32)
        .mul_add(z, 2.063_908_879_54e-2)
        .mul_add(z, -5.373_971_555_31e-2)
        .mul_add(z, 1.333_144_220_36e-1)
        .mul_add(z, -3.333_328_194_22e-1);
    let near = (p * z).mul_add(x, x);
    let magnitude = x.abs();
    let far = (1.0 - 2.0 / (exp(magnitude + magnitude) + 1.0)).copysign(x);
    if magnitude < 0.625 { near } else { far }
}

/// `2 √(2/π)`, the slope of the Gaussian error linear unit's sigmoid at zero.
const GELU_LINEAR: f32 = 1.595_769_121_605_730_8;

/// `2 √(2/π) · 0.044715`.
const GELU_CUBIC: f32 = 7.135_481_627_26e-2;

/// Gaussian error linear unit in its tanh form, `x/2 (1 + tanh(√(2/π)(x + 0.044715 x³)))`, computed as the sigmoid it equals.
#[inline(always)]
pub(super) fn gelu(x: f32) -> f32 {
    x * sigmoid(x * GELU_CUBIC.mul_add(x * x, GELU_LINEAR))
}

/// The derivative of [`gelu`].
#[inline(always)]
pub(super) fn gelu_slope(x: f32) -> f32 {
    let square = x * x;
    let s = sigmoid(x * GELU_CUBIC.mul_add(square, GELU_LINEAR));
    let inner = (3.0 * GELU_CUBIC).mul_add(square, GELU_LINEAR);
    (x * (s * (1.0 - s))).mul_add(inner, s)
}

/// Natural logarithm, within 2 units in the last place for positive normal numbers. NaN for what is not positive.
pub(crate) fn ln(x: f32) -> f32 {
    if x == f32::INFINITY {
        return x;
    }
    if x.is_nan() || x <= 0.0 {
        return f32::NAN;
    }
    let bits = x.to_bits();
    let half = f32::from_bits((bits & 0x007f_ffff) | 0x3f00_0000);
    let exponent = (bits >> 23) as f32 - 126.0;
    let (e, m) = if half < std::f32::consts::FRAC_1_SQRT_2 {
        (exponent - 1.0, half + half - 1.0)
    } else {
        (exponent, half - 1.0)
    };
    let z = m * m;
    let p = 7.037_683_629_2e-2_f32
        .mul_add(m, -1.151_461_031_0e-1)
        .mul_add(m, 1.167_699_874_0e-1)
        .mul_add(m, -1.242_014_084_6e-1)
        .mul_add(m, 1.424_932_278_7e-1)
        .mul_add(m, -1.666_805_766_5e-1)
        .mul_add(m, 2.000_071_476_5e-1)
        .mul_add(m, -2.499_999_399_3e-1)
        .mul_add(m, 3.333_333_117_4e-1);
    let y = z.mul_add(-0.5, e.mul_add(LN_2.1, p * m * z));
    e.mul_add(LN_2.0, m + y)
}

/// `e^x` for a table, `x` between -16 and 0: 20 terms of the series at `x/16`, then four squarings.
pub(crate) fn exp_f64(x: f64) -> f64 {
    let z = x / 16.0;
    let mut sum = 1.0;
    for n in (1..=20).rev() {
        sum = 1.0 + sum * z / f64::from(n);
    }
    for _ in 0..4 {
        sum *= sum;
    }
    sum
}

/// Sine and cosine for a table, `x` between 0 and 2^20: reduced to an eighth of a turn, then the series.
pub(crate) fn sin_cos_f64(x: f64) -> (f64, f64) {
    let quarter = (x * std::f64::consts::FRAC_2_PI + 0.5) as u64;
    // π/2 as a number of 33 bits, which times a quarter of 20 bits is exact, and what is missing from it.
    let r = x - quarter as f64 * 1.570_796_326_734_125_6 - quarter as f64 * 6.077_100_506_506_192e-11;
    let z = r * r;
    let (mut sin, mut cos) = (1.0, 1.0);
    for n in (1..=9).rev() {
        let n = f64::from(n);
        sin = 1.0 - sin * z / ((2.0 * n) * (2.0 * n + 1.0));
        cos = 1.0 - cos * z / ((2.0 * n - 1.0) * (2.0 * n));
    }
    let sin = sin * r;
    match quarter % 4 {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}
