use super::{
    field::Field,
    keys::{Outcome, outcomes},
    order::{self, HALF_ORDER, Words},
    *,
};
use crate::ecdsa::{Secret, recover_all};
use primitives::{U256, keccak256};
use proptest::prelude::*;

const PRIME: U256 = U256::from_limbs([0xffff_fffe_ffff_fc2f, u64::MAX, u64::MAX, u64::MAX]);
/// The eigenvalue of the curve's endomorphism.
const LAMBDA: Words = [
    0xdf02_967c_1b23_bd72,
    0x122e_22ea_2081_6678,
    0xa526_1c02_8812_645a,
    0x5363_ad4c_c05c_30e0,
];

fn order() -> U256 {
    U256::from_limbs(ORDER)
}

/// Numbers below 2^256 with many runs of equal bits, where carries go furthest, and any others.
fn number() -> impl Strategy<Value = U256> {
    let word = prop_oneof![Just(0), Just(u64::MAX), Just(1), Just(1 << 63), any::<u64>()];
    prop_oneof![
        prop::array::uniform4(word).prop_map(U256::from_limbs),
        (0..8u64).prop_map(|more| PRIME - U256::from(4) + U256::from(more)),
        (0..8u64).prop_map(|more| order() - U256::from(4) + U256::from(more)),
    ]
}

/// `Field` arithmetic on eight pairs, as [`U256`] does it one by one.
#[target_feature(enable = "avx512f,avx512ifma")]
fn check_field(pairs: &[[U256; 2]; LANES]) {
    let [a, b] = [0, 1].map(|side| {
        let mut rows = [[0; LANES]; 4];
        for (lane, pair) in pairs.iter().enumerate() {
            for (row, word) in rows.iter_mut().zip(pair[side].as_limbs()) {
                row[lane] = *word;
            }
        }
        Field::from_words(lanes::load(&rows))
    });
    let check = |name: &str, given: Field, expected: fn(U256, U256) -> U256| {
        let words = given.to_words();
        for (lane, [a, b]) in pairs.iter().enumerate() {
            let given = words.map(|register| lanes::store(register)[lane]);
            assert_eq!(U256::from_limbs(given), expected(*a, *b), "{name} of {a} and {b}");
        }
    };
    check("identity", a, |a, _| a % PRIME);
    check("product", a.mul(b), |a, b| a.mul_mod(b, PRIME));
    check("square", a.square(), |a, _| a.mul_mod(a, PRIME));
    check("negative", a.negative().carry(), |a, _| (PRIME - a % PRIME) % PRIME);
    check("sum", a.loose().plus::<2>(b).carry(), |a, b| {
        a.add_mod(b.mul_mod(U256::from(4), PRIME), PRIME)
    });
    check("difference", a.loose().minus::<3>(b).carry(), |a, b| {
        a.add_mod((PRIME - b % PRIME).mul_mod(U256::from(8), PRIME), PRIME)
    });
    // Elements that carries left above 2^256, and the largest sums that the curve's formulas make.
    let far = a.loose().minus::<3>(b).carry().negative().carry();
    let sum = far.product(far).plus_product(b, far).tripled().reduce();
    check("sum of products", sum, |a, b| {
        let far = b.mul_mod(U256::from(8), PRIME).add_mod(PRIME - a % PRIME, PRIME);
        far.mul_mod(far.add_mod(b, PRIME), PRIME).mul_mod(U256::from(3), PRIME)
    });
    check("inverse", a.inverse(), |a, _| a.pow_mod(PRIME - U256::from(2), PRIME));
    check("square root", a.square_root(), |a, _| {
        a.pow_mod((PRIME + U256::ONE) >> 2, PRIME)
    });
    for (lane, [a, _]) in pairs.iter().enumerate() {
        let field = Field::from_words(lanes::load(&a.into_limbs().map(|word| [word; LANES])));
        assert_eq!(field.is_zero() == u8::MAX, (a % PRIME).is_zero(), "lane {lane}");
        assert_eq!(field.is_odd() == u8::MAX, (a % PRIME).bit(0), "lane {lane}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, rng_seed: proptest::test_runner::RngSeed::Fixed(7), ..ProptestConfig::default() })]

    #[test]
    fn eight_field_elements_are_what_each_would_be(pairs in prop::array::uniform8([number(), number()])) {
        if is_available() {
            // SAFETY: the instructions exist, as was just checked.
            unsafe { check_field(&pairs) };
        }
    }

    #[test]
    fn numbers_modulo_the_order_multiply_and_invert(a in number(), b in number()) {
        let (a, b) = (a % order(), b % order());
        prop_assert_eq!(U256::from_limbs(order::mul(a.as_limbs(), b.as_limbs())), a.mul_mod(b, order()));
        if !a.is_zero() {
            let [inverse] = order::inverses(&[a.into_limbs()])[..] else { panic!("one inverse") };
            prop_assert_eq!(order::mul(&inverse, a.as_limbs()), [1, 0, 0, 0]);
        }
    }

    #[test]
    fn a_number_is_split_in_two_odd_halves_of_129_bits(number in number()) {
        let number = number % order();
        let [a, b] = order::split(number.as_limbs()).map(|half| {
            assert!(half.words[0] & 1 == 1 && half.words[2] <= 1, "{half:?} of {number}");
            let [low, middle, high] = half.words;
            let words = U256::from_limbs([low, middle, high, 0]);
            if half.negative { order() - words } else { words }
        });
        prop_assert_eq!(a.add_mod(b.mul_mod(U256::from_limbs(LAMBDA), order()), order()), number);
    }
}

fn signed(count: u32) -> Vec<(B256, Signature)> {
    (0..count)
        .map(|i| {
            let digest = keccak256(i.to_le_bytes());
            let secret = Secret::from_bytes(&keccak256(digest).0).unwrap();
            (digest, secret.sign(&digest))
        })
        .collect()
}

fn one_by_one(signatures: &[(B256, Signature)]) -> Vec<Result<Address, SignatureError>> {
    signatures
        .iter()
        .map(|(digest, signature)| recover_one(digest, signature))
        .collect()
}

#[test]
fn any_count_of_signatures_is_recovered_in_order() {
    let signatures = signed(33);
    let signers = one_by_one(&signatures);
    for count in 0..=signatures.len() {
        assert_eq!(
            recover_all(&signatures[..count]),
            signers[..count],
            "{count} signatures"
        );
    }
}

#[test]
fn thousands_of_signers_are_those_found_one_by_one() {
    let signatures = signed(3000);
    let signers = recover_all(&signatures);
    assert!(signers == one_by_one(&signatures));
    assert!(signers.iter().all(Result::is_ok));
}

#[test]
fn flipped_bits_of_signatures_and_digests_change_both_answers_alike() {
    let mut signatures = signed(1500);
    for (i, (digest, signature)) in signatures.iter_mut().enumerate() {
        let bit = i * 7919 % 776;
        match bit / 8 {
            byte @ 0..65 => signature[byte] ^= 1 << (bit % 8),
            byte => digest[byte - 65] ^= 1 << (bit % 8),
        }
    }
    let signers = recover_all(&signatures);
    assert!(signers == one_by_one(&signatures));
    for error in [SignatureError::Unrecoverable, SignatureError::HighS] {
        assert!(signers.contains(&Err(error)), "{error}");
    }
}

/// A signature with these words; it need be nobody's.
fn spelled(digest: Words, r: Words, s: Words, v: u8) -> (B256, Signature) {
    let mut signature = [v; 65];
    signature[..32].copy_from_slice(&U256::from_limbs(r).to_be_bytes::<32>());
    signature[32..64].copy_from_slice(&U256::from_limbs(s).to_be_bytes::<32>());
    (B256::from(U256::from_limbs(digest).to_be_bytes::<32>()), signature)
}

#[test]
fn numbers_at_every_limit_are_judged_as_they_are_one_by_one() {
    let mut signatures = signed(50);
    let digest = order::from_bytes(&signatures[0].0.0);
    let r = order::from_bytes(signatures[0].1[..32].try_into().unwrap());
    let s = order::from_bytes(signatures[0].1[32..64].try_into().unwrap());
    let around = |number: Words| {
        [-2i64, -1, 0, 1, 2].map(|step| {
            let number = U256::from_limbs(number);
            let step_words = U256::from(step.unsigned_abs());
            if step < 0 {
                number.wrapping_sub(step_words)
            } else {
                number.wrapping_add(step_words)
            }
            .into_limbs()
        })
    };
    let limits = [[0; 4], HALF_ORDER, ORDER, PRIME.into_limbs(), [0, 0, 0, 1 << 63]].map(around);
    for limit in limits.as_flattened() {
        for v in [0, 1, 26, 27, 28, 29, 30, 255] {
            signatures.push(spelled(digest, *limit, s, v));
            signatures.push(spelled(digest, r, *limit, v));
            signatures.push(spelled(*limit, r, s, v));
            signatures.push(spelled(digest, *limit, *limit, v));
        }
    }
    let signers = recover_all(&signatures);
    assert!(signers == one_by_one(&signatures));
    for error in [
        SignatureError::Unrecoverable,
        SignatureError::HighS,
        SignatureError::RecoveryId { v: 26 },
    ] {
        assert!(signers.contains(&Err(error)), "{error}");
    }
}

/// Signatures whose `R` is a small multiple of `G`, so that the sums on the way to the key meet equal and opposite points, and
/// keys at infinity: each alone among honest ones, and eight of them together.
#[test]
fn sums_that_meet_equal_or_opposite_points_are_right() {
    let small = |value: i64| {
        let magnitude = [value.unsigned_abs(), 0, 0, 0];
        if value < 0 {
            order::negative(&magnitude)
        } else {
            magnitude
        }
    };
    let mut signatures = Vec::new();
    for nonce in [1u8, 3, 16] {
        let mut secret = [0; 32];
        secret[31] = nonce;
        let key = secp256k1::SecretKey::from_secret_bytes(secret)
            .unwrap()
            .public_key()
            .serialize();
        let r = order::from_bytes(key[1..].try_into().unwrap());
        for u1 in (-9..10).chain(240..272) {
            for u2 in (-9..10).filter(|u2| *u2 != 0).chain([127, 255]) {
                let digest = order::mul(&small(-u1), &r);
                let s = order::mul(&small(u2), &r);
                // Where `s` is in the upper half, the twin of the signature is looked at: the same sum with `R` and `u2` negated.
                let twin = !order::at_most(&s, &HALF_ORDER);
                let s = if twin { order::negative(&s) } else { s };
                signatures.push(spelled(digest, r, s, 27 + ((key[0] & 1) ^ u8::from(twin))));
                signatures.push(spelled(digest, r, s, 28 - ((key[0] & 1) ^ u8::from(twin))));
            }
        }
    }
    let signers = one_by_one(&signatures);
    assert!(
        signers.contains(&Err(SignatureError::Unrecoverable)),
        "a key at infinity"
    );
    assert!(recover_all(&signatures) == signers);

    let honest = signed(7);
    let honest_signers = one_by_one(&honest);
    for (signature, signer) in signatures.iter().zip(&signers).step_by(3) {
        let mut mixed = honest.clone();
        mixed.insert(3, *signature);
        let mut expected = honest_signers.clone();
        expected.insert(3, *signer);
        assert_eq!(recover_all(&mixed), expected);
    }
    if is_available() {
        let candidates: Vec<_> = signatures
            .iter()
            .enumerate()
            .map(|(index, (_, signature))| vet(index, signature))
            .collect();
        let candidates: Vec<_> = candidates.into_iter().map(Result::unwrap).collect();
        let outcomes = outcomes(&tasks(&signatures, &candidates));
        let unknown = outcomes.iter().filter(|outcome| **outcome == Outcome::Unknown).count();
        assert!(
            (60..signatures.len()).contains(&unknown),
            "{unknown} sums took a step that is not valid"
        );
    }
}
