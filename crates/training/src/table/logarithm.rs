//! A natural logarithm made of the operations IEEE 754 rounds exactly, so that every machine scales a table to the same bits.
//! The platform's own differs between libraries in its last bit.

/// `ln(1 + value)` for `value >= 0`, within 4 ulp of the true value.
pub(super) fn ln_1p(value: f64) -> f64 {
    debug_assert!(value >= 0.0);
    // 1 + value loses the low bits of a small value; the first-order term brings them back.
    let sum = 1.0 + value;
    let lost = value - (sum - 1.0);
    ln(sum) + lost / sum
}

/// `ln(value)` for a normal positive `value`: `value = m 2^e` with m in [sqrt(1/2), sqrt(2)), then the series of
/// `2 artanh((m - 1) / (m + 1))`, whose argument is at most 0.172.
fn ln(value: f64) -> f64 {
    const MANTISSA_BITS: u32 = 52;
    const TERMS: u32 = 11; // 0.172^(2 * 11 + 1) / 23 is below 2^-60
    let bits = value.to_bits();
    let mut exponent = (bits >> MANTISSA_BITS) as i64 - 1023;
    let mut mantissa = f64::from_bits((bits & ((1 << MANTISSA_BITS) - 1)) | (1023 << MANTISSA_BITS));
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = (0..TERMS)
        .rev()
        .fold(0.0, |sum, term| sum * square + 1.0 / f64::from(2 * term + 1));
    2.0 * s * series + exponent as f64 * std::f64::consts::LN_2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_agrees_with_the_platform_s_to_a_few_ulp() {
        for exponent in -40..60 {
            for step in 0..50 {
                let value = 2f64.powi(exponent) * (1.0 + f64::from(step) / 50.0);
                let expected = value.ln_1p();
                assert!(
                    (ln_1p(value) - expected).abs() <= 8.0 * f64::EPSILON * expected,
                    "ln(1 + {value})"
                );
            }
        }
        assert_eq!(ln_1p(0.0), 0.0);
    }
}
