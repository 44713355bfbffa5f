//! The field of secp256k1, eight elements at a time in the lanes of 512-bit registers.
//!
//! An element is five limbs of 52 bits, the width that AVX-512 IFMA multiplies: `vpmadd52luq` and `vpmadd52huq` add the low and
//! the high 52 bits of a product of two limbs to a 64-bit sum. They read only 52 bits of each factor, so an element is carried
//! before it is multiplied; sums that wait for a carry are a [`Loose`] or a [`Product`]. The prime is `p = 2^256 - 2^32 - 977`,
//! so what passes bit 256 comes back multiplied by `2^32 + 977`.

use std::arch::x86_64::*;

/// Bits of a limb.
const LIMB_BITS: u32 = 52;
/// Bits of the last limb of a number below 2^256.
const TOP_BITS: u32 = 256 - 4 * LIMB_BITS;
const LIMB_MASK: i64 = (1 << LIMB_BITS) - 1;
const TOP_MASK: i64 = (1 << TOP_BITS) - 1;
/// 2^256 modulo `p`.
const PAST_256: i64 = (1 << 32) + 977;
/// 2^260 modulo `p`: what the limbs above the fifth are worth.
const PAST_260: i64 = PAST_256 << (5 * LIMB_BITS - 256);
/// The limbs of `p`.
const PRIME: [i64; 5] = [LIMB_MASK - (PAST_256 - 1), LIMB_MASK, LIMB_MASK, LIMB_MASK, TOP_MASK];

/// Eight field elements. Limbs 0 to 3 are below 2^52 and the last is below 2^48 + 2^12: any value below 2^256, and the few above
/// it that a carry may leave.
#[derive(Clone, Copy)]
pub(super) struct Field([__m512i; 5]);

/// Sums of elements, not carried: each limb is below 2^60.
#[derive(Clone, Copy)]
pub(super) struct Loose([__m512i; 5]);

/// Sums of products, not carried: each limb is below 2^60, the whole below 2^518.
#[derive(Clone, Copy)]
pub(super) struct Product([__m512i; 10]);

impl Field {
    /// The same small number in every lane.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn small(value: u32) -> Self {
        let zero = _mm512_setzero_si512();
        Self([_mm512_set1_epi64(i64::from(value)), zero, zero, zero, zero])
    }

    /// The numbers below 2^256 whose 64-bit words, least significant first, are in the lanes of `words`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn from_words(words: [__m512i; 4]) -> Self {
        let [a, b, c, d] = words;
        let mask = _mm512_set1_epi64(LIMB_MASK);
        let join1 = _mm512_or_si512(_mm512_srli_epi64::<52>(a), _mm512_slli_epi64::<12>(b));
        let join2 = _mm512_or_si512(_mm512_srli_epi64::<40>(b), _mm512_slli_epi64::<24>(c));
        let join3 = _mm512_or_si512(_mm512_srli_epi64::<28>(c), _mm512_slli_epi64::<36>(d));
        Self([
            _mm512_and_si512(a, mask),
            _mm512_and_si512(join1, mask),
            _mm512_and_si512(join2, mask),
            _mm512_and_si512(join3, mask),
            _mm512_srli_epi64::<16>(d),
        ])
    }

    /// The elements' only spelling below `p`, as 64-bit words, least significant first.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn to_words(self) -> [__m512i; 4] {
        let [a, b, c, d, e] = self.canonical().0;
        [
            _mm512_or_si512(a, _mm512_slli_epi64::<52>(b)),
            _mm512_or_si512(_mm512_srli_epi64::<12>(b), _mm512_slli_epi64::<40>(c)),
            _mm512_or_si512(_mm512_srli_epi64::<24>(c), _mm512_slli_epi64::<28>(d)),
            _mm512_or_si512(_mm512_srli_epi64::<36>(d), _mm512_slli_epi64::<16>(e)),
        ]
    }

    /// The limbs as a sum to go on with.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn loose(self) -> Loose {
        Loose(self.0)
    }

    /// `-self`, not carried.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn negative(self) -> Loose {
        Loose::zero().minus::<0>(self)
    }

    /// `self * other`, not reduced.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn product(self, other: Self) -> Product {
        Product([_mm512_setzero_si512(); 10]).plus_product(self, other)
    }

    /// `self * self`, not reduced.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn squared(self) -> Product {
        let a = self.0;
        let mut sum = [_mm512_setzero_si512(); 10];
        for i in 0..5 {
            for j in i + 1..5 {
                sum[i + j] = _mm512_madd52lo_epu64(sum[i + j], a[i], a[j]);
                sum[i + j + 1] = _mm512_madd52hi_epu64(sum[i + j + 1], a[i], a[j]);
            }
        }
        for limb in &mut sum {
            *limb = _mm512_add_epi64(*limb, *limb);
        }
        for i in 0..5 {
            sum[2 * i] = _mm512_madd52lo_epu64(sum[2 * i], a[i], a[i]);
            sum[2 * i + 1] = _mm512_madd52hi_epu64(sum[2 * i + 1], a[i], a[i]);
        }
        Product(sum)
    }

    /// `self * other`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn mul(self, other: Self) -> Self {
        self.product(other).reduce()
    }

    /// `self * self`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn square(self) -> Self {
        self.squared().reduce()
    }

    /// `self^(2^times)`.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn square_times(self, times: u32) -> Self {
        let mut power = self;
        for _ in 0..times {
            power = power.square();
        }
        power
    }

    /// `self^(2^223 - 1)`, `self^(2^22 - 1)` and `self^3`: the runs of ones that the exponents below are made of.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn runs(self) -> (Self, Self, Self) {
        let x2 = self.square().mul(self);
        let x3 = x2.square().mul(self);
        let x6 = x3.square_times(3).mul(x3);
        let x9 = x6.square_times(3).mul(x3);
        let x11 = x9.square_times(2).mul(x2);
        let x22 = x11.square_times(11).mul(x11);
        let x44 = x22.square_times(22).mul(x22);
        let x88 = x44.square_times(44).mul(x44);
        let x176 = x88.square_times(88).mul(x88);
        let x220 = x176.square_times(44).mul(x44);
        (x220.square_times(3).mul(x3), x22, x2)
    }

    /// `self^((p + 1) / 4)`: a square root of the elements that have one.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn square_root(self) -> Self {
        let (x223, x22, x2) = self.runs();
        x223.square_times(23).mul(x22).square_times(6).mul(x2).square_times(2)
    }

    /// `self^(p - 2)`: the inverse of the elements that are not zero.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn inverse(self) -> Self {
        let (x223, x22, x2) = self.runs();
        let head = x223.square_times(23).mul(x22).square_times(5).mul(self);
        head.square_times(3).mul(x2).square_times(2).mul(self)
    }

    /// Lanes that are zero modulo `p`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn is_zero(self) -> __mmask8 {
        let [a, b, c, d, e] = self.canonical().0;
        let any = _mm512_or_si512(_mm512_or_si512(a, b), _mm512_or_si512(_mm512_or_si512(c, d), e));
        _mm512_testn_epi64_mask(any, any)
    }

    /// Lanes whose spelling below `p` is odd.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn is_odd(self) -> __mmask8 {
        _mm512_test_epi64_mask(self.canonical().0[0], _mm512_set1_epi64(1))
    }

    /// `other` in the lanes of `mask`, `self` in the rest.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn or(self, mask: __mmask8, other: Self) -> Self {
        let mut limbs = self.0;
        for (limb, other) in limbs.iter_mut().zip(other.0) {
            *limb = _mm512_mask_mov_epi64(*limb, mask, other);
        }
        Self(limbs)
    }

    /// The spelling below `p`.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn canonical(self) -> Self {
        let value = self.loose().carry();
        // Below 2^256 now: where the carry above took something off, 2^220 at most was left. Adding 2^32 + 977 passes bit 256
        // exactly when the value is `p` or more, and what is left below that bit is then the value less `p`.
        let [a, b, c, d, e] = value.0;
        let less = Loose([_mm512_add_epi64(a, _mm512_set1_epi64(PAST_256)), b, c, d, e]).ripple();
        let past = _mm512_cmpgt_epu64_mask(less[4], _mm512_set1_epi64(TOP_MASK));
        let mut less = Self(less);
        less.0[4] = _mm512_and_si512(less.0[4], _mm512_set1_epi64(TOP_MASK));
        value.or(past, less)
    }
}

impl Loose {
    /// Zero.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn zero() -> Self {
        Self([_mm512_setzero_si512(); 5])
    }

    /// `self + 2^SHIFT * other`, with `SHIFT` at most 3.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn plus<const SHIFT: u32>(self, other: Field) -> Self {
        let mut limbs = self.0;
        for (limb, other) in limbs.iter_mut().zip(other.0) {
            *limb = _mm512_add_epi64(*limb, _mm512_slli_epi64::<SHIFT>(other));
        }
        Self(limbs)
    }

    /// `self - 2^SHIFT * other`, with `SHIFT` at most 3. A multiple of `p` whose limbs are larger than any of `other`'s keeps
    /// every limb from falling below zero.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn minus<const SHIFT: u32>(self, other: Field) -> Self {
        let mut limbs = self.0;
        for i in 0..5 {
            let above = _mm512_set1_epi64(PRIME[i] << 2 << SHIFT);
            let less = _mm512_sub_epi64(above, _mm512_slli_epi64::<SHIFT>(other.0[i]));
            limbs[i] = _mm512_add_epi64(limbs[i], less);
        }
        Self(limbs)
    }

    /// `other` in the lanes of `mask`, `self` in the rest.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn or(self, mask: __mmask8, other: Self) -> Self {
        Self(Field(self.0).or(mask, Field(other.0)).0)
    }

    /// The sum as elements that may be multiplied.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn carry(self) -> Field {
        let mut sum = self.0;
        // At most 2^12, so that its product with `2^32 + 977` fits the low half of one multiplication.
        let past = _mm512_srli_epi64::<TOP_BITS>(sum[4]);
        sum[4] = _mm512_and_si512(sum[4], _mm512_set1_epi64(TOP_MASK));
        sum[0] = _mm512_madd52lo_epu64(sum[0], past, _mm512_set1_epi64(PAST_256));
        Field(Self(sum).ripple())
    }

    /// What passes bit 52 of each limb, carried to the next; the last keeps all it gets.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn ripple(self) -> [__m512i; 5] {
        let mut sum = self.0;
        for i in 0..4 {
            sum[i + 1] = _mm512_add_epi64(sum[i + 1], _mm512_srli_epi64::<LIMB_BITS>(sum[i]));
            sum[i] = _mm512_and_si512(sum[i], _mm512_set1_epi64(LIMB_MASK));
        }
        sum
    }
}

impl Product {
    /// `self + a * b`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn plus_product(self, a: Field, b: Field) -> Self {
        let mut sum = self.0;
        for i in 0..5 {
            for j in 0..5 {
                sum[i + j] = _mm512_madd52lo_epu64(sum[i + j], a.0[i], b.0[j]);
                sum[i + j + 1] = _mm512_madd52hi_epu64(sum[i + j + 1], a.0[i], b.0[j]);
            }
        }
        Self(sum)
    }

    /// `self + other`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn plus(self, other: Loose) -> Self {
        let mut sum = self.0;
        for (limb, other) in sum.iter_mut().zip(other.0) {
            *limb = _mm512_add_epi64(*limb, other);
        }
        Self(sum)
    }

    /// `2 * self`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn doubled(self) -> Self {
        let mut sum = self.0;
        for limb in &mut sum {
            *limb = _mm512_add_epi64(*limb, *limb);
        }
        Self(sum)
    }

    /// `3 * self`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn tripled(self) -> Self {
        let mut sum = self.0;
        for limb in &mut sum {
            *limb = _mm512_add_epi64(*limb, _mm512_slli_epi64::<1>(*limb));
        }
        Self(sum)
    }

    /// The sum modulo `p`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn reduce(self) -> Field {
        let [a, b, c, d, e, high @ ..] = self.0;
        let mut low = [a, b, c, d, e];
        // The upper five limbs are worth 2^260 each their own; below 2^258 together, so that the last stays within 52 bits.
        let high = Loose(high).ripple();
        let past_260 = _mm512_set1_epi64(PAST_260);
        for i in 0..5 {
            low[i] = _mm512_madd52lo_epu64(low[i], high[i], past_260);
        }
        for i in 0..4 {
            low[i + 1] = _mm512_madd52hi_epu64(low[i + 1], high[i], past_260);
        }
        // What is left above: limb 5 again, below 2^36, and the bits of limb 4 from 256 on, below 2^13.
        let again = _mm512_madd52hi_epu64(_mm512_setzero_si512(), high[4], past_260);
        let past = _mm512_add_epi64(
            _mm512_slli_epi64::<{ LIMB_BITS - TOP_BITS }>(again),
            _mm512_srli_epi64::<TOP_BITS>(low[4]),
        );
        let past_256 = _mm512_set1_epi64(PAST_256);
        low[4] = _mm512_and_si512(low[4], _mm512_set1_epi64(TOP_MASK));
        low[0] = _mm512_madd52lo_epu64(low[0], past, past_256);
        low[1] = _mm512_madd52hi_epu64(low[1], past, past_256);
        Field(Loose(low).ripple())
    }
}
