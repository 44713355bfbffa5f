//! Vouchers: a payer's promise, by one signature, that a receiver may have taken up to so much of a channel in all.
//!
//! A channel is money deposited once on chain for one receiver; its id is the EIP-712 hash of its configuration, so nothing
//! about it can change. Each voucher replaces the one before it by a higher ceiling: a request costs a signature, not a
//! transaction. Formats and addresses are x402's `batch-settlement`; see docs/spec/serving.md.

use contracts::typed_data::{self, ChannelConfig};
use crypto::ecdsa::{Secret, Signature, SignatureError, recover};
use primitives::{Address, B256};

/// A voucher as received: nothing in it has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voucher {
    /// The channel it draws on.
    pub config: ChannelConfig,
    /// What the receiver may have taken in all, in the token's smallest unit.
    pub ceiling: u128,
    /// The payer's signature.
    pub signature: Signature,
}

/// What a provider asks of a channel before it sells on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The chain the channel is on.
    pub chain_id: u64,
    /// Who must be paid: the model's splitter.
    pub receiver: Address,
    /// Who must be able to claim: the provider.
    pub receiver_authorizer: Address,
    /// The token it must hold.
    pub token: Address,
    /// Seconds that a withdrawal must wait, at least: the provider claims within them.
    pub withdraw_delay_s: u64,
}

/// A voucher whose channel meets the terms and whose signature is the payer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedVoucher {
    channel_id: B256,
    voucher: Voucher,
}

/// Why a voucher is worth nothing to this provider.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VoucherError {
    /// The channel pays someone else.
    #[error("the channel pays {got}, this service is paid through {wanted}")]
    Receiver {
        /// The channel's receiver.
        got: Address,
        /// Ours.
        wanted: Address,
    },
    /// The channel is claimed by someone else.
    #[error("the channel is claimed by {got}, this service claims with {wanted}")]
    ReceiverAuthorizer {
        /// The channel's authorizer.
        got: Address,
        /// Ours.
        wanted: Address,
    },
    /// The channel holds another token.
    #[error("the channel holds token {got}, this service is paid in {wanted}")]
    Token {
        /// The channel's token.
        got: Address,
        /// Ours.
        wanted: Address,
    },
    /// Money could leave the channel before it is claimed.
    #[error("the channel's withdrawals wait {got} s, this service needs {wanted} s")]
    WithdrawDelay {
        /// The channel's delay, seconds.
        got: u64,
        /// What we need, seconds.
        wanted: u64,
    },
    /// The id sent beside the channel is not its hash.
    #[error("the channel's id is {computed}, not {claimed}")]
    ChannelId {
        /// Its hash.
        computed: B256,
        /// What was sent.
        claimed: B256,
    },
    /// The signature is not one.
    #[error("read the voucher's signature")]
    Signature {
        /// Why.
        #[from]
        source: SignatureError,
    },
    /// The signature is someone else's.
    #[error("the voucher is signed by {signer}, the channel's payer signs with {wanted}")]
    Signer {
        /// Whose signature it is.
        signer: Address,
        /// Whose it should be.
        wanted: Address,
    },
}

impl Voucher {
    /// Signs a voucher of `ceiling` for the channel, as its payer.
    pub fn sign(signer: &Secret, chain_id: u64, config: ChannelConfig, ceiling: u128) -> Self {
        let channel_id = typed_data::channel_id(chain_id, &config);
        let signature = signer.sign(&typed_data::voucher_digest(chain_id, channel_id, ceiling));
        Self {
            config,
            ceiling,
            signature,
        }
    }

    /// Checks the channel against the provider's terms and the signature against the channel's payer.
    ///
    /// Contract accounts (ERC-1271) cannot sign vouchers here: checking them would take a call to the chain a request.
    ///
    /// # Errors
    ///
    /// The first [`VoucherError`] found.
    pub fn check(self, terms: &Terms) -> Result<CheckedVoucher, VoucherError> {
        let config = &self.config;
        if config.receiver != terms.receiver {
            return Err(VoucherError::Receiver {
                got: config.receiver,
                wanted: terms.receiver,
            });
        }
        if config.receiverAuthorizer != terms.receiver_authorizer {
            let (got, wanted) = (config.receiverAuthorizer, terms.receiver_authorizer);
            return Err(VoucherError::ReceiverAuthorizer { got, wanted });
        }
        if config.token != terms.token {
            return Err(VoucherError::Token {
                got: config.token,
                wanted: terms.token,
            });
        }
        let delay_s = config.withdrawDelay.to::<u64>();
        if delay_s < terms.withdraw_delay_s {
            return Err(VoucherError::WithdrawDelay {
                got: delay_s,
                wanted: terms.withdraw_delay_s,
            });
        }
        let channel_id = typed_data::channel_id(terms.chain_id, config);
        let signer = recover(
            &typed_data::voucher_digest(terms.chain_id, channel_id, self.ceiling),
            &self.signature,
        )?;
        let wanted = authorizer(config);
        if signer != wanted {
            return Err(VoucherError::Signer { signer, wanted });
        }
        Ok(CheckedVoucher {
            channel_id,
            voucher: self,
        })
    }
}

impl CheckedVoucher {
    /// The channel's id.
    pub fn channel_id(&self) -> B256 {
        self.channel_id
    }

    /// What was checked.
    pub fn voucher(&self) -> &Voucher {
        &self.voucher
    }
}

/// Whose signature a channel's vouchers carry: its payer authorizer, or the payer where that is zero.
pub fn authorizer(config: &ChannelConfig) -> Address {
    if config.payerAuthorizer.is_zero() {
        config.payer
    } else {
        config.payerAuthorizer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::aliases::U40;

    fn signer(byte: u8) -> Secret {
        Secret::from_bytes(&[byte; 32]).unwrap()
    }

    fn terms() -> Terms {
        Terms {
            chain_id: primitives::CHAIN_ID,
            receiver: Address::repeat_byte(0x5b),
            receiver_authorizer: signer(2).address(),
            token: contracts::addresses::USDX,
            withdraw_delay_s: 3600,
        }
    }

    fn config() -> ChannelConfig {
        ChannelConfig {
            payer: signer(1).address(),
            payerAuthorizer: signer(1).address(),
            receiver: terms().receiver,
            receiverAuthorizer: terms().receiver_authorizer,
            token: terms().token,
            withdrawDelay: U40::from(3600),
            salt: B256::ZERO,
        }
    }

    #[test]
    fn a_voucher_signed_by_the_payer_passes() {
        let voucher = Voucher::sign(&signer(1), primitives::CHAIN_ID, config(), 700);
        assert_eq!(voucher.check(&terms()).unwrap().voucher().ceiling, 700);
    }

    #[test]
    fn a_channel_without_an_authorizer_is_signed_for_by_its_payer() {
        let config = ChannelConfig {
            payerAuthorizer: Address::ZERO,
            ..config()
        };
        assert!(
            Voucher::sign(&signer(1), primitives::CHAIN_ID, config, 700)
                .check(&terms())
                .is_ok()
        );
    }

    /// Each field of the channel is part of what is signed; a voucher that is good elsewhere is worth nothing here.
    #[test]
    fn a_voucher_that_this_provider_could_not_claim_is_refused() {
        let sign = |config: ChannelConfig| Voucher::sign(&signer(1), primitives::CHAIN_ID, config, 700).check(&terms());
        let other = Address::repeat_byte(9);
        assert!(matches!(
            sign(ChannelConfig {
                receiver: other,
                ..config()
            }),
            Err(VoucherError::Receiver { .. })
        ));
        assert!(matches!(
            sign(ChannelConfig {
                receiverAuthorizer: other,
                ..config()
            }),
            Err(VoucherError::ReceiverAuthorizer { .. })
        ));
        assert!(matches!(
            sign(ChannelConfig {
                token: other,
                ..config()
            }),
            Err(VoucherError::Token { .. })
        ));
        assert!(matches!(
            sign(ChannelConfig {
                withdrawDelay: U40::from(900),
                ..config()
            }),
            Err(VoucherError::WithdrawDelay { got: 900, wanted: 3600 })
        ));
    }

    #[test]
    fn a_raised_ceiling_another_chain_and_another_signer_are_refused() {
        let voucher = Voucher::sign(&signer(1), primitives::CHAIN_ID, config(), 700);
        assert!(
            Voucher {
                ceiling: 701,
                ..voucher.clone()
            }
            .check(&terms())
            .is_err()
        );
        assert!(Voucher::sign(&signer(1), 1, config(), 700).check(&terms()).is_err());
        let stranger = Voucher::sign(&signer(3), primitives::CHAIN_ID, config(), 700);
        assert!(matches!(stranger.check(&terms()), Err(VoucherError::Signer { .. })));
    }
}
