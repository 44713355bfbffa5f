//! One channel's money as its provider counts it: pure arithmetic, no disk.

use super::TillError;
use crate::voucher::CheckedVoucher;
use alloy_primitives::aliases::U40;
use bytes::BufMut;
use commonware_codec::{Buf, Error, FixedSize, Read, ReadExt, Write};
use contracts::typed_data::ChannelConfig;
use crypto::ecdsa::Signature;
use primitives::{Address, B256};

/// What the chain says of a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Funds {
    /// Deposited and not given back.
    pub balance: u128,
    /// Claimed by the receiver so far, in all.
    pub claimed: u128,
    /// What the payer has asked to withdraw; it may leave when the channel's delay has passed.
    pub withdrawing: u128,
}

impl Funds {
    /// What vouchers may promise in all: the balance without what is on its way out.
    pub fn promisable(&self) -> u128 {
        self.balance.saturating_sub(self.withdrawing)
    }
}

/// A channel in the till. Always `charged + reserved <= ceiling`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The channel.
    pub config: ChannelConfig,
    /// The highest voucher's ceiling.
    pub ceiling: u128,
    /// The highest voucher's signature.
    pub signature: Signature,
    /// Charged so far, in all, counting what was claimed before the till knew the channel.
    pub charged: u128,
    /// Charges made.
    pub sequence: u64,
    /// Held for requests being computed. Not stored: after a restart no request is being computed.
    pub reserved: u128,
}

/// One charge, as made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The channel charged.
    pub channel_id: B256,
    /// Its place among the channel's charges, from 1.
    pub sequence: u64,
    /// The amount.
    pub price: u128,
    /// The channel's charges in all, this one included.
    pub charged: u128,
}

impl Account {
    /// An account for a channel first seen with this voucher: whatever the chain paid out before counts as charged.
    pub(super) fn open(voucher: &CheckedVoucher, funds: Funds) -> Self {
        let voucher = voucher.voucher();
        Self {
            config: voucher.config.clone(),
            ceiling: voucher.ceiling,
            signature: voucher.signature,
            charged: funds.claimed,
            sequence: 0,
            reserved: 0,
        }
    }

    /// Takes a voucher: a higher ceiling replaces the one known, a lower one changes nothing.
    pub(super) fn raise(&mut self, voucher: &CheckedVoucher) {
        let voucher = voucher.voucher();
        if voucher.ceiling > self.ceiling {
            self.ceiling = voucher.ceiling;
            self.signature = voucher.signature;
        }
    }

    /// What may still be sold: up to the ceiling, to `limit`, and to what the channel holds.
    pub fn spendable(&self, limit: u128, funds: Funds) -> u128 {
        self.ceiling
            .min(limit)
            .min(funds.promisable())
            .saturating_sub(self.charged)
            .saturating_sub(self.reserved)
    }

    pub(super) fn reserve(&mut self, price: u128, limit: u128, funds: Funds) -> Result<(), TillError> {
        let spendable = self.spendable(limit, funds);
        if price > spendable {
            return Err(TillError::TooLittle { price, spendable });
        }
        self.reserved += price;
        Ok(())
    }

    pub(super) fn release(&mut self, price: u128) {
        self.reserved = self
            .reserved
            .checked_sub(price)
            .expect("only what was reserved is released");
    }

    /// Turns a reservation of `reserved` into a charge of `price`, which is no more.
    pub(super) fn charge(&mut self, channel_id: B256, reserved: u128, price: u128) -> Charge {
        assert!(price <= reserved, "a charge of {price} was reserved as {reserved}");
        self.release(reserved);
        self.charged += price;
        self.sequence += 1;
        Charge {
            channel_id,
            sequence: self.sequence,
            price,
            charged: self.charged,
        }
    }
}

impl Write for Account {
    fn write(&self, buf: &mut impl BufMut) {
        let config = &self.config;
        for party in [
            config.payer,
            config.payerAuthorizer,
            config.receiver,
            config.receiverAuthorizer,
            config.token,
        ] {
            party.0.0.write(buf);
        }
        config.withdrawDelay.to::<u64>().write(buf);
        config.salt.0.write(buf);
        self.ceiling.write(buf);
        self.signature.write(buf);
        self.charged.write(buf);
        self.sequence.write(buf);
    }
}

impl Read for Account {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        fn address(buf: &mut impl Buf) -> Result<Address, Error> {
            Ok(Address::from(<[u8; 20]>::read(buf)?))
        }
        let config = ChannelConfig {
            payer: address(buf)?,
            payerAuthorizer: address(buf)?,
            receiver: address(buf)?,
            receiverAuthorizer: address(buf)?,
            token: address(buf)?,
            withdrawDelay: U40::try_from(u64::read(buf)?)
                .map_err(|_| Error::Invalid("Account", "delay above 40 bits"))?,
            salt: B256::from(<[u8; 32]>::read(buf)?),
        };
        let (ceiling, signature) = (u128::read(buf)?, <[u8; 65]>::read(buf)?);
        let (charged, sequence) = (u128::read(buf)?, u64::read(buf)?);
        if charged > ceiling {
            return Err(Error::Invalid("Account", "charged above the ceiling"));
        }
        Ok(Self {
            config,
            ceiling,
            signature,
            charged,
            sequence,
            reserved: 0,
        })
    }
}

impl FixedSize for Account {
    const SIZE: usize = 5 * 20 + 8 + 32 + 16 + 65 + 16 + 8;
}
