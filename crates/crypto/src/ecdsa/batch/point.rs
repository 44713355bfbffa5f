//! Points of secp256k1, eight at a time: `y^2 = x^3 + 7`.
//!
//! A Jacobian point `(X, Y, Z)` stands for `(X / Z^2, Y / Z^3)`, and `Z = 0` is what these formulas leave when they do not apply.
//! [`Jacobian::add`] multiplies `Z` by the difference of the two abscissas, so a sum of equal or opposite points ends with
//! `Z = 0`, and every operation on such a lane keeps it zero: one look at the last `Z` tells whether all of a lane's steps were
//! valid. Nothing else can fail: no point of the curve has `y = 0`, since its order is an odd prime.

use super::field::{Field, Loose};
use std::arch::x86_64::*;

/// Eight points by their coordinates; never the point at infinity.
#[derive(Clone, Copy)]
pub(super) struct Affine {
    pub(super) x: Field,
    pub(super) y: Field,
}

/// Eight points by coordinates over powers of `z`.
#[derive(Clone, Copy)]
pub(super) struct Jacobian {
    pub(super) x: Field,
    pub(super) y: Field,
    pub(super) z: Field,
}

impl Affine {
    /// The points with this abscissa and an odd ordinate in the lanes of `odd`, and the lanes where the curve has one.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn with_x(x: Field, odd: __mmask8) -> (Self, __mmask8) {
        let square = x.square().product(x).plus(Field::small(7).loose()).reduce();
        let root = square.square_root();
        let y = root.or(root.is_odd() ^ odd, root.negative().carry());
        let difference = root.squared().plus(square.negative()).reduce();
        (Self { x, y }, difference.is_zero())
    }

    /// The point, negated in the lanes of `negative`.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn signed(self, negative: __mmask8) -> Jacobian {
        let y = self.y.or(negative, self.y.negative().carry());
        Jacobian {
            x: self.x,
            y,
            z: Field::small(1),
        }
    }

    /// The coordinates times the square and the cube of `by`: the same points of the curve where `z` is larger by as much.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn scaled(self, by: Field) -> Self {
        let by2 = by.square();
        Self {
            x: self.x.mul(by2),
            y: self.y.mul(by2.mul(by)),
        }
    }

    /// `2 * self`.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn double(self) -> Jacobian {
        let one = Field::small(1);
        Jacobian {
            x: self.x,
            y: self.y,
            z: one,
        }
        .double()
    }
}

impl Jacobian {
    /// `2 * self`, in three products and four squares.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn double(self) -> Self {
        let Self { x, y, z } = self;
        let slope = x.squared().tripled().reduce();
        let y2 = y.square();
        let t = x.mul(y2);
        let x3 = slope.squared().plus(Loose::zero().minus::<3>(t)).reduce();
        let y4 = y2.square();
        let rise = x3.negative().plus::<2>(t).carry();
        let y3 = slope.product(rise).plus(Loose::zero().minus::<3>(y4)).reduce();
        let z3 = y.product(z).doubled().reduce();
        Self { x: x3, y: y3, z: z3 }
    }

    /// `self + other`, with `other` negated in the lanes of `negative`, and the factor by which `z` grew: zero where the two
    /// points are equal or opposite. Eight products and three squares.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn add(self, other: Affine, negative: __mmask8) -> (Self, Field) {
        let Self { x, y, z } = self;
        let z2 = z.square();
        let u = other.x.mul(z2);
        let s = other.y.mul(z.mul(z2));
        let run = u.loose().minus::<0>(x).carry();
        let rise = s.loose().or(negative, s.negative()).minus::<0>(y).carry();
        let run2 = run.square();
        let run3 = run.mul(run2);
        let v = x.mul(run2);
        let x3 = rise.squared().plus(run3.negative().minus::<1>(v)).reduce();
        let fall = v.loose().minus::<0>(x3).carry();
        let y3 = rise.product(fall).plus_product(run3, y.negative().carry()).reduce();
        (
            Self {
                x: x3,
                y: y3,
                z: z.mul(run),
            },
            run,
        )
    }
}
