//! The instruction sets against each other and against the definitions.

use super::function::{exp, gelu, gelu_slope, sigmoid, tanh};
use super::gemm::DEPTH_BLOCK;
use super::*;

/// Kernels of every instruction set this CPU has.
fn all() -> Vec<Kernels> {
    Isa::ALL.into_iter().filter_map(|isa| Kernels::new(isa).ok()).collect()
}

/// Numbers of very different sizes, the same on every run.
fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed;
    let draw = || {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        let magnitude = ((state >> 59) as i32 - 16) as f32;
        ((state >> 30) as u32 as f32 / u32::MAX as f32 - 0.5) * (magnitude * 0.5).exp2()
    };
    std::iter::repeat_with(draw).take(count).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values
        .iter()
        .map(|value| if value.is_nan() { u32::MAX } else { value.to_bits() })
        .collect()
}

/// The definition of a product: blocks of depth, each a chain of fused multiply-adds from zero, added in order.
fn definition(a: Matrix<'_>, b: Matrix<'_>, c: Option<&[f32]>) -> Vec<f32> {
    let mut result = Vec::new();
    for i in 0..a.rows {
        for j in 0..b.columns {
            let mut total = c.map(|c| c[i * b.columns + j]);
            for first in (0..a.columns).step_by(DEPTH_BLOCK) {
                let end = a.columns.min(first + DEPTH_BLOCK);
                let block = (first..end).fold(0.0, |sum, p| a.at(i, p).mul_add(b.at(p, j), sum));
                total = Some(total.map_or(block, |total| total + block));
            }
            result.push(total.unwrap_or(0.0));
        }
    }
    result
}

#[test]
fn every_product_has_the_bits_of_its_definition_on_every_instruction_set() {
    let shapes = [
        (1, 1, 1),
        (1, 33, 5),
        (12, 32, 256),
        (13, 31, 257),
        (7, 70, 600),
        (100, 48, 40),
        (3, 16, 0),
        (25, 520, 3),
    ];
    for (m, n, k) in shapes {
        let (a, b, c) = (numbers(1, m * k), numbers(2, k * n), numbers(3, m * n));
        for (a, b) in [
            (Matrix::new(&a, m, k), Matrix::new(&b, k, n)),
            (Matrix::new(&a, k, m).transposed(), Matrix::new(&b, k, n)),
            (Matrix::new(&a, m, k), Matrix::new(&b, n, k).transposed()),
            (Matrix::new(&a, k, m).transposed(), Matrix::new(&b, n, k).transposed()),
        ] {
            let (plain, added) = (bits(&definition(a, b, None)), bits(&definition(a, b, Some(&c))));
            for kernels in all() {
                let mut result = vec![f32::NAN; m * n];
                kernels.multiply(a, b, MatrixMut::new(&mut result, m, n));
                assert_eq!(bits(&result), plain, "{m} × {n} × {k} on {:?}", kernels.isa());
                let mut result = c.clone();
                kernels.multiply_add(a, b, MatrixMut::new(&mut result, m, n));
                assert_eq!(bits(&result), added, "added {m} × {n} × {k} on {:?}", kernels.isa());
            }
        }
    }
}

#[test]
fn a_product_of_strided_views_leaves_what_lies_between_rows_alone() {
    let (a, b) = (numbers(4, 200), numbers(5, 200));
    let (a, b) = (Matrix::strided(&a[3..], 5, 7, 20), Matrix::strided(&b[1..], 7, 9, 11));
    let expected = definition(a, b, None);
    for kernels in all() {
        let mut result = vec![-1.0; 5 * 13 - 4];
        kernels.multiply(a, b, MatrixMut::strided(&mut result, 5, 9, 13));
        for (row, expected) in result.chunks(13).zip(expected.chunks(9)) {
            assert_eq!(bits(&row[..9]), bits(expected));
            assert!(row[9..].iter().all(|&value| value == -1.0));
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let (m, n, k) = (150, 96, 700);
    let (a, b) = (numbers(6, m * k), numbers(7, k * n));
    let product = |threads| {
        let mut c = vec![0.0; m * n];
        let kernels = Kernels::detect().with_threads(threads);
        kernels.multiply(
            Matrix::new(&a, m, k),
            Matrix::new(&b, k, n),
            MatrixMut::new(&mut c, m, n),
        );
        bits(&c)
    };
    assert!([2, 3, 4].into_iter().all(|threads| product(threads) == product(1)));
}

#[test]
fn a_row_of_a_product_has_the_same_bits_alone_as_among_others() {
    let (m, n, k) = (40, 75, 300);
    let (a, b) = (numbers(8, m * k), numbers(9, k * n));
    for kernels in all() {
        let mut together = vec![0.0; m * n];
        kernels.multiply(
            Matrix::new(&a, m, k),
            Matrix::new(&b, k, n),
            MatrixMut::new(&mut together, m, n),
        );
        for (row, expected) in a.chunks(k).zip(together.chunks(n)) {
            let mut alone = vec![0.0; n];
            kernels.multiply(
                Matrix::new(row, 1, k),
                Matrix::new(&b, k, n),
                MatrixMut::new(&mut alone, 1, n),
            );
            assert_eq!(bits(&alone), bits(expected));
        }
    }
}

/// Numbers across the whole range, and those that need care.
fn whole_range() -> Vec<f32> {
    let ordinary = (0..1u32 << 13).map(|i| f32::from_bits(i << 19 | i));
    let special = [
        0.0,
        -0.0,
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MIN_POSITIVE,
        1e-45,
        f32::MAX,
        f32::MIN,
    ];
    ordinary
        .chain(special)
        .chain((-2000..2000).map(|i| i as f32 / 100.0))
        .collect()
}

#[test]
fn functions_and_sums_have_the_same_bits_on_every_instruction_set() {
    type Operation = fn(&Kernels, &[f32]) -> Vec<f32>;
    fn in_place(x: &[f32], f: impl FnOnce(&mut [f32])) -> Vec<f32> {
        let mut y = x.to_vec();
        f(&mut y);
        y
    }
    fn through(x: &[f32], f: impl FnOnce(&[f32], &mut [f32])) -> Vec<f32> {
        in_place(x, |y| f(x, y))
    }
    let operations: [(&str, Operation); 12] = [
        ("exp", |k, x| in_place(x, |y| k.exp(y))),
        ("relu", |k, x| through(x, |x, y| k.relu(x, y))),
        ("relu_backward", |k, x| through(x, |x, y| k.relu_backward(x, y))),
        ("gelu", |k, x| through(x, |x, y| k.gelu(x, y))),
        ("gelu_backward", |k, x| through(x, |x, y| k.gelu_backward(x, y))),
        ("tanh", |k, x| through(x, |x, y| k.tanh(x, y))),
        ("tanh_backward", |k, x| through(x, |x, y| k.tanh_backward(x, y))),
        ("scale", |k, x| in_place(x, |y| k.scale(y, 0.3))),
        ("sum", |k, x| x.chunks(37).map(|x| k.sum(x)).collect()),
        ("dot", |k, x| x.chunks(53).map(|x| k.dot(x, x)).collect()),
        ("causal_softmax", |k, x| {
            in_place(&x[..2500], |y| k.causal_softmax(y, 50, 50, 1, 0.2))
        }),
        ("normalise", |k, x| {
            let (gain, bias) = (vec![1.5; 50], vec![0.1; 50]);
            through(&x[..2500], |x, y| {
                k.normalise(x, &gain, &bias, y, &mut [NormStatistics::default(); 50])
            })
        }),
    ];
    let ordinary = numbers(10, 5000);
    for x in [whole_range(), ordinary] {
        for (name, operation) in operations {
            let scalar = bits(&operation(&Kernels::new(Isa::Scalar).expect("every CPU is scalar"), &x));
            for kernels in all() {
                assert_eq!(bits(&operation(&kernels, &x)), scalar, "{name} on {:?}", kernels.isa());
            }
        }
    }
}

#[test]
fn functions_are_as_accurate_as_they_say() {
    /// Distance in units in the last place of the true value, or of 1e-30 near zero.
    fn error(value: f32, truth: f64) -> f64 {
        let unit = (truth.abs().max(1e-30) as f32).to_bits();
        let unit = f64::from(f32::from_bits(unit + 1)) - f64::from(f32::from_bits(unit));
        (f64::from(value) - truth).abs() / unit
    }
    let mut worst = [0.0f64; 4];
    for i in -80_000..=80_000 {
        let x = i as f32 / 1000.0;
        let wide = f64::from(x);
        worst[0] = worst[0].max(error(exp(x), wide.exp()));
        worst[1] = worst[1].max(error(tanh(x), wide.tanh()));
        worst[2] = worst[2].max(error(sigmoid(x), 1.0 / (1.0 + (-wide).exp())));
        if x > 0.0 {
            worst[3] = worst[3].max(error(ln(x), wide.ln()));
        }
    }
    assert!(
        worst
            .iter()
            .zip([2.0, 3.0, 4.0, 2.0])
            .all(|(worst, limit)| *worst < limit),
        "{worst:?}"
    );
    for i in 0..4000 {
        let x = f64::from(i) / 7.0;
        let (sin, cos) = sin_cos_f64(x);
        assert!(
            (sin - x.sin()).abs() < 1e-13 && (cos - x.cos()).abs() < 1e-13,
            "at {x}: {sin} {cos}"
        );
        let y = -f64::from(i) / 400.0;
        assert!((exp_f64(y) / y.exp() - 1.0).abs() < 1e-14, "at {y}");
    }
}

#[test]
fn the_gaussian_unit_is_the_tanh_form_and_its_slope_is_its_derivative() {
    let truth = |x: f64| 0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)).tanh());
    for i in -800..=800 {
        let (x, wide) = (i as f32 / 100.0, f64::from(i) / 100.0);
        assert!((f64::from(gelu(x)) - truth(wide)).abs() < 1e-6, "at {x}");
        let slope = (truth(wide + 1e-5) - truth(wide - 1e-5)) / 2e-5;
        assert!((f64::from(gelu_slope(x)) - slope).abs() < 1e-5, "slope at {x}");
    }
}

#[test]
fn what_is_not_a_number_stays_so_and_infinities_are_limited() {
    for f in [exp, tanh, sigmoid, gelu, gelu_slope, ln] {
        assert!(f(f32::NAN).is_nan());
    }
    assert_eq!((tanh(f32::INFINITY), tanh(f32::NEG_INFINITY)), (1.0, -1.0));
    assert!(exp(f32::INFINITY).is_finite() && exp(f32::NEG_INFINITY) > 0.0);
    assert!(ln(0.0).is_nan() && ln(-1.0).is_nan() && ln(f32::INFINITY) == f32::INFINITY);
    let mut rectified = [0.0];
    Kernels::detect().relu(&[f32::NAN], &mut rectified);
    assert!(rectified[0].is_nan());
}
