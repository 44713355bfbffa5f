//! Settlement: what the till has charged becomes money of the model's owners, on chain.
//!
//! Three steps: `claim` raises what the receiver may take of each channel, `settle` sends it to the receiver, and where the
//! receiver is a model's splitter, `sync` divides it among its legs. Each step reads the chain first and does only what is
//! left to do, so a run that was cut short is finished by the next.

use crate::till::{Account, Funds, JournalError, Till};
use contracts::{
    CallError, Provider, ProviderError,
    abi::{RevenueSplitter, X402BatchSettlement},
    addresses, read,
    typed_data::VoucherClaim,
    write,
};
use primitives::{Address, B256, U256};
use std::collections::BTreeSet;

/// Claims in one transaction, at most: about 60,000 gas each, 3 million in all.
pub const MAX_CLAIMS: usize = 50;

/// Why settlement stopped. What was done before stays done; run it again.
#[derive(Debug, thiserror::Error)]
pub enum SettlementError {
    /// The till could not be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The chain could not be read.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A transaction was not made.
    #[error("{step} on chain")]
    Send {
        /// Which: `claim`, `settle` or `sync`.
        step: &'static str,
        /// Why not.
        source: ProviderError,
    },
}

/// What a run of settlement did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// The transactions that claimed.
    pub claims: Vec<B256>,
    /// Claimed by them, in the token's smallest unit.
    pub claimed: u128,
    /// Of each receiver that had something to get: the transactions that paid it, and what they paid.
    pub receivers: Vec<Payout>,
}

/// What one receiver got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payout {
    /// The receiver: a model's splitter.
    pub receiver: Address,
    /// The token.
    pub token: Address,
    /// Sent to it by this run.
    pub settled: u128,
    /// The transaction that sent it, if there was something to send.
    pub settle: Option<B256>,
    /// The transaction that divided it, if there was something to divide.
    pub sync: Option<B256>,
}

/// What the chain says of a channel.
///
/// # Errors
///
/// [`CallError`] when the chain cannot be read.
pub async fn funds(provider: &impl Provider, channel_id: B256) -> Result<Funds, CallError> {
    let channel = X402BatchSettlement::channelsCall { channelId: channel_id };
    let channel = read(provider, addresses::PAYMENT_CHANNELS, &channel).await?;
    let withdrawal = X402BatchSettlement::pendingWithdrawalsCall { channelId: channel_id };
    let withdrawal = read(provider, addresses::PAYMENT_CHANNELS, &withdrawal).await?;
    Ok(Funds {
        balance: channel.balance,
        claimed: channel.totalClaimed,
        withdrawing: withdrawal.amount,
    })
}

/// The claim that brings the chain up to what the till has charged, if the chain is behind and the channel can pay.
///
/// A channel that holds less than was charged (its payer withdrew in time) is claimed for what it holds.
pub fn claim(account: &Account, funds: Funds) -> Option<VoucherClaim> {
    let total = account.charged.min(account.ceiling).min(funds.balance);
    (total > funds.claimed).then(|| VoucherClaim {
        voucher: X402BatchSettlement::Voucher {
            channel: account.config.clone(),
            maxClaimableAmount: account.ceiling,
        },
        signature: account.signature.into(),
        totalClaimed: total,
    })
}

/// Claims all that the till has charged, pays the receivers, and has their splitters divide it.
///
/// The provider's account must be the channels' receiver authorizer.
///
/// # Errors
///
/// [`SettlementError`] at the first step that fails.
pub async fn settle(till: &Till, provider: &impl Provider) -> Result<Settled, SettlementError> {
    let mut settled = Settled::default();
    let mut receivers = BTreeSet::new();
    let mut claims = Vec::new();
    for (channel_id, account) in till.durable_accounts()? {
        receivers.insert((account.config.receiver, account.config.token));
        let funds = funds(provider, channel_id).await?;
        if let Some(claim) = claim(&account, funds) {
            settled.claimed += claim.totalClaimed - funds.claimed;
            claims.push(claim);
        }
    }
    for batch in claims.chunks(MAX_CLAIMS) {
        let call = X402BatchSettlement::claimCall {
            voucherClaims: batch.to_vec(),
        };
        let mined = write(provider, addresses::PAYMENT_CHANNELS, &call, U256::ZERO).await;
        settled.claims.push(
            mined
                .map_err(|source| SettlementError::Send { step: "claim", source })?
                .hash,
        );
    }
    for (receiver, token) in receivers {
        let payout = pay(provider, receiver, token).await?;
        if payout.settle.is_some() || payout.sync.is_some() {
            settled.receivers.push(payout);
        }
    }
    Ok(settled)
}

/// Sends a receiver what was claimed for it, and has it divided where the receiver is a splitter.
async fn pay(provider: &impl Provider, receiver: Address, token: Address) -> Result<Payout, SettlementError> {
    let mut payout = Payout {
        receiver,
        token,
        settled: 0,
        settle: None,
        sync: None,
    };
    let totals = X402BatchSettlement::receiversCall { receiver, token };
    let totals = read(provider, addresses::PAYMENT_CHANNELS, &totals).await?;
    if totals.totalClaimed > totals.totalSettled {
        let call = X402BatchSettlement::settleCall { receiver, token };
        let mined = write(provider, addresses::PAYMENT_CHANNELS, &call, U256::ZERO).await;
        payout.settle = Some(
            mined
                .map_err(|source| SettlementError::Send { step: "settle", source })?
                .hash,
        );
        payout.settled = totals.totalClaimed - totals.totalSettled;
    }
    // A receiver that is no splitter has no `unsynced`: nothing to divide there, and no fault.
    match read(provider, receiver, &RevenueSplitter::unsyncedCall { token }).await {
        Ok(unsynced) if !unsynced.is_zero() => {
            let mined = write(provider, receiver, &RevenueSplitter::syncCall { token }, U256::ZERO).await;
            payout.sync = Some(
                mined
                    .map_err(|source| SettlementError::Send { step: "sync", source })?
                    .hash,
            );
        }
        Ok(_) | Err(CallError::Output { .. } | CallError::Provider(ProviderError::Reverted { .. })) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(payout)
}

#[cfg(test)]
mod tests;
