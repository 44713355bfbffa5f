//! Derives `src/kzg/setup.bin` from the ceremony's setup, in c-kzg's text format; about 20 seconds.
//!
//! `cargo run --release -p crypto --example kzg_setup <trusted_setup.txt> <setup.bin>`
//!
//! The text is: 4096, 65, then 4,096 points of G1 in Lagrange form, 65 of G2 in monomial form and 4,096 of G1 in monomial form,
//! compressed, in hexadecimal.

use blst::{blst_fr, blst_p1_affine, blst_p2_affine, blst_scalar};

const SLOTS: usize = 4096;
const LEAVES: usize = 128;

fn main() {
    let mut paths = std::env::args().skip(1);
    let (source, target) = paths
        .next()
        .zip(paths.next())
        .expect("usage: kzg_setup <trusted_setup.txt> <setup.bin>");
    let text = std::fs::read_to_string(source).expect("read the setup");
    let mut words = text.split_ascii_whitespace();
    assert_eq!(
        (words.next(), words.next()),
        (Some("4096"), Some("65")),
        "counts of points"
    );
    let points: Vec<blst_p1_affine> = words.by_ref().take(SLOTS).map(g1).collect();
    assert_eq!(points.len(), SLOTS);
    let reverse = |slot: usize| slot.reverse_bits() >> (usize::BITS - 12);
    let lagrange: Vec<blst_p1_affine> = (0..SLOTS).map(|slot| points[reverse(slot)]).collect();
    let tau = g2(words.nth(1).expect("the second point of G2"));

    // (order - 1) / 4096, big endian: 7 to this power has order 4096.
    let exponent =
        primitives::U256::from_str_radix("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000000", 16)
            .expect("hexadecimal")
            >> 12;
    let root = power(from_u64(7), exponent);
    let powers: Vec<blst_fr> = std::iter::successors(Some(from_u64(1)), |&last| Some(mul(last, root)))
        .take(SLOTS)
        .collect();
    let at = |slot: usize| powers[reverse(slot)];

    let mut bytes: Vec<u8> = lagrange[..LEAVES].iter().flat_map(serialize_g1).collect();
    for leaf in 0..LEAVES {
        let scalars: Vec<u8> = (LEAVES..SLOTS)
            .flat_map(|slot| to_scalar(inverse(sub(at(slot), at(leaf)))).b)
            .collect();
        let sum = blst::MultiPoint::mult(&lagrange[LEAVES..], &scalars, 255);
        let mut affine = blst_p1_affine::default();
        // SAFETY: blst reads one point and writes another.
        unsafe { blst::blst_p1_to_affine(&mut affine, &sum) };
        bytes.extend(serialize_g1(&affine));
    }
    let mut last = [0; 192];
    // SAFETY: blst writes exactly 192 bytes.
    unsafe { blst::blst_p2_affine_serialize(last.as_mut_ptr(), &tau) };
    bytes.extend(last);
    std::fs::write(target, bytes).expect("write the points");
}

fn g1(hexadecimal: &str) -> blst_p1_affine {
    let bytes: [u8; 48] = primitives::hex::decode_to_array(hexadecimal).expect("48 bytes in hexadecimal");
    let mut point = blst_p1_affine::default();
    // SAFETY: blst reads exactly 48 bytes and writes one point.
    unsafe {
        assert_eq!(
            blst::blst_p1_uncompress(&mut point, bytes.as_ptr()),
            blst::BLST_ERROR::BLST_SUCCESS
        );
        assert!(blst::blst_p1_affine_in_g1(&point));
    }
    point
}

fn g2(hexadecimal: &str) -> blst_p2_affine {
    let bytes: [u8; 96] = primitives::hex::decode_to_array(hexadecimal).expect("96 bytes in hexadecimal");
    let mut point = blst_p2_affine::default();
    // SAFETY: blst reads exactly 96 bytes and writes one point.
    unsafe {
        assert_eq!(
            blst::blst_p2_uncompress(&mut point, bytes.as_ptr()),
            blst::BLST_ERROR::BLST_SUCCESS
        );
        assert!(blst::blst_p2_affine_in_g2(&point));
    }
    point
}

fn serialize_g1(point: &blst_p1_affine) -> [u8; 96] {
    let mut bytes = [0; 96];
    // SAFETY: blst writes exactly 96 bytes.
    unsafe { blst::blst_p1_affine_serialize(bytes.as_mut_ptr(), point) };
    bytes
}

fn from_u64(value: u64) -> blst_fr {
    let mut fr = blst_fr::default();
    // SAFETY: blst reads four words and writes one element.
    unsafe { blst::blst_fr_from_uint64(&mut fr, [value, 0, 0, 0].as_ptr()) };
    fr
}

fn mul(a: blst_fr, b: blst_fr) -> blst_fr {
    let mut fr = blst_fr::default();
    // SAFETY: blst reads two elements and writes a third.
    unsafe { blst::blst_fr_mul(&mut fr, &a, &b) };
    fr
}

fn sub(a: blst_fr, b: blst_fr) -> blst_fr {
    let mut fr = blst_fr::default();
    // SAFETY: blst reads two elements and writes a third.
    unsafe { blst::blst_fr_sub(&mut fr, &a, &b) };
    fr
}

fn inverse(a: blst_fr) -> blst_fr {
    let mut fr = blst_fr::default();
    // SAFETY: blst reads one element and writes another.
    unsafe { blst::blst_fr_eucl_inverse(&mut fr, &a) };
    fr
}

fn power(base: blst_fr, exponent: primitives::U256) -> blst_fr {
    (0..256).rev().fold(from_u64(1), |result, bit| {
        let square = mul(result, result);
        if exponent.bit(bit) { mul(square, base) } else { square }
    })
}

fn to_scalar(a: blst_fr) -> blst_scalar {
    let mut scalar = blst_scalar::default();
    // SAFETY: blst reads one element and writes one scalar.
    unsafe { blst::blst_scalar_from_fr(&mut scalar, &a) };
    scalar
}
