//! Prices: what a row costs, in three parts that everybody sees.

/// Price of one row, in the payment token's smallest unit (10⁻⁶ USDX), by what it pays for.
///
/// `compute` is the provider's to set, `royalty` the model owner's, `storage` pays whoever keeps the weights available. A
/// request pays `rows × (compute + royalty + storage)`, exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Quote {
    /// To the provider, a row.
    pub compute: u64,
    /// To the model's trainers and data contributors, a row.
    pub royalty: u64,
    /// To the operators that store the weights, a row.
    pub storage: u64,
}

/// A price that cannot be charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// All three parts are zero; a channel cannot pay nothing.
    #[error("a row must cost something")]
    Free,
    /// More than a voucher can say.
    #[error("{rows} rows cost more than a voucher can say")]
    Overflow {
        /// Rows asked for.
        rows: u64,
    },
    /// Too small a part: it would be nothing of ten thousand.
    #[error("a part of the price is below a ten-thousandth of it: {quote:?}")]
    Dust {
        /// The price.
        quote: Quote,
    },
}

/// Shares of a price in ten thousandths; they sum to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// The provider's.
    pub compute_bps: u16,
    /// The royalty's.
    pub royalty_bps: u16,
    /// The storage operators'.
    pub storage_bps: u16,
}

/// All of a payment.
pub const WHOLE_BPS: u16 = 10_000;

impl Quote {
    /// What one row costs.
    pub fn row(&self) -> u128 {
        u128::from(self.compute) + u128::from(self.royalty) + u128::from(self.storage)
    }

    /// What `rows` rows cost, exactly; zero rows cost as one.
    ///
    /// # Errors
    ///
    /// [`PriceError::Free`] when a row costs nothing.
    pub fn total(&self, rows: u64) -> Result<u128, PriceError> {
        if self.row() == 0 {
            return Err(PriceError::Free);
        }
        self.row()
            .checked_mul(u128::from(rows.max(1)))
            .ok_or(PriceError::Overflow { rows })
    }

    /// The shares a `RevenueSplitter` of this price has: `compute` and `storage` rounded down, the rest royalty.
    ///
    /// # Errors
    ///
    /// [`PriceError::Free`] when a row costs nothing; [`PriceError::Dust`] when a part that is not zero would get no share.
    pub fn shares(&self) -> Result<Shares, PriceError> {
        let row = self.row();
        if row == 0 {
            return Err(PriceError::Free);
        }
        let floor = |part: u64| {
            let bps = u128::from(part) * u128::from(WHOLE_BPS) / row;
            let bps = u16::try_from(bps).expect("a part is at most the whole");
            if part > 0 && bps == 0 {
                Err(PriceError::Dust { quote: *self })
            } else {
                Ok(bps)
            }
        };
        let (compute_bps, storage_bps) = (floor(self.compute)?, floor(self.storage)?);
        Ok(Shares {
            compute_bps,
            royalty_bps: WHOLE_BPS - compute_bps - storage_bps,
            storage_bps,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The worked example of the economy: 0.002000 USDX a prediction.
    const SOIL: Quote = Quote {
        compute: 1200,
        royalty: 700,
        storage: 100,
    };

    #[test]
    fn a_request_costs_its_rows_to_the_unit() {
        assert_eq!(SOIL.total(1), Ok(2000));
        assert_eq!(SOIL.total(1_000_000), Ok(2_000_000_000));
        assert_eq!(SOIL.total(0), Ok(2000));
        assert_eq!(
            Quote {
                compute: 0,
                royalty: 0,
                storage: 0
            }
            .total(1),
            Err(PriceError::Free)
        );
    }

    #[test]
    fn the_shares_of_the_worked_example_are_sixty_thirtyfive_five() {
        assert_eq!(
            SOIL.shares(),
            Ok(Shares {
                compute_bps: 6000,
                royalty_bps: 3500,
                storage_bps: 500
            })
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: proptest::test_runner::RngSeed::Fixed(1), ..ProptestConfig::default() })]
        #[test]
        fn shares_always_sum_to_the_whole(compute in 0u64.., royalty in 0u64.., storage in 0u64..) {
            if let Ok(shares) = (Quote { compute, royalty, storage }).shares() {
                prop_assert_eq!(shares.compute_bps + shares.royalty_bps + shares.storage_bps, WHOLE_BPS);
            }
        }
    }
}
