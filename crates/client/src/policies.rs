//! Policies of release: to whom, when and for how much the committee releases what was encrypted to them.
//!
//! A policy belongs to the account that writes it, under a short name of that account's; everybody else knows it by its id. What it
//! means for a reader is [`da::release`]'s.

use alloy_sol_types::{SolEvent, SolValue};
use contracts::{CallError, EventFilter, Mined, Provider, ProviderError, abi::ReaderBook, addresses::READER_BOOK};
use crypto::envelope::RecipientPublic;
use primitives::{Address, B256, U256, keccak256};
use serde::Serialize;
use std::{collections::BTreeMap, fmt, str::FromStr};

/// Blocks whose events are asked for at a time: nodes bound their answers.
const EVENT_SPAN_BLOCKS: u64 = 100_000;

/// Longest name of a policy, bytes: the word that the contract knows it by.
pub const NAME_BYTES_MAX: usize = 32;

/// Why a policy was not read or changed.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// A call failed.
    #[error("ask the chain")]
    Call(#[from] Box<CallError>),
    /// A transaction failed, or events could not be read.
    #[error("use the chain")]
    Chain(#[from] ProviderError),
    /// Nobody sells access under the policy.
    #[error("access under policy {policy} is not sold")]
    NotForSale {
        /// Its id.
        policy: B256,
    },
}

/// An account's name for a policy of its own: 1 to 32 bytes, none of them zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyName(B256);

/// Text that names no policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a policy's name has 1 to {NAME_BYTES_MAX} bytes, none of them zero")]
pub struct NameError;

impl PolicyName {
    /// The word that the contract knows it by: its bytes, then zeros.
    pub fn salt(&self) -> B256 {
        self.0
    }

    /// Id of the policy that `owner` keeps under this name.
    pub fn policy_of(&self, owner: Address) -> B256 {
        keccak256((owner, self.0).abi_encode())
    }
}

impl FromStr for PolicyName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let bytes = text.as_bytes();
        if bytes.is_empty() || bytes.len() > NAME_BYTES_MAX || bytes.contains(&0) {
            return Err(NameError);
        }
        Ok(Self(B256::right_padding_from(bytes)))
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(NAME_BYTES_MAX);
        f.write_str(&String::from_utf8_lossy(&self.0[..length]))
    }
}

/// What a policy asks of everybody who reads under it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PolicyTerms {
    /// First block in which anybody may read.
    pub from_block: u64,
    /// Last block in which anybody may; 0 for no end.
    pub until_block: u64,
    /// Whether every key may, without being let in.
    pub is_open: bool,
    /// Blocks that one payment lets a key read for; 0 when access is not sold.
    pub sale_blocks: u64,
    /// Price of them, wei.
    pub price_wei: u128,
}

/// A policy, as the chain has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its id.
    pub id: B256,
    /// Who keeps it; none when nobody ever said what it asks.
    pub owner: Option<Address>,
    /// What it asks of everybody.
    pub terms: PolicyTerms,
    /// Its epoch: what is encrypted now is encrypted to this one.
    pub epoch: u64,
    /// Keys that were let in, and the last block of each; taken out again: 0.
    pub readers: BTreeMap<B256, u64>,
}

/// Access that was paid for.
#[derive(Clone, Copy, Debug)]
pub struct Bought {
    /// Last block of it.
    pub until_block: u64,
    /// What was paid, wei.
    pub price_wei: u128,
    /// The transaction.
    pub mined: Mined,
}

/// Sets what the sender's policy asks of everybody, in place of what it asked before.
///
/// # Errors
///
/// [`PolicyError::Chain`].
pub async fn set_terms(provider: &impl Provider, name: &PolicyName, terms: &PolicyTerms) -> Result<Mined, PolicyError> {
    let call = ReaderBook::setTermsCall {
        salt: name.salt(),
        fromBlock: terms.from_block,
        untilBlock: terms.until_block,
        isOpen: terms.is_open,
        saleBlocks: terms.sale_blocks,
        price: terms.price_wei,
    };
    Ok(contracts::write(provider, READER_BOOK, &call, U256::ZERO).await?)
}

/// Lets keys read under the sender's policy until a block, included.
///
/// # Errors
///
/// [`PolicyError::Chain`].
pub async fn allow(
    provider: &impl Provider,
    name: &PolicyName,
    readers: &[RecipientPublic],
    until_block: u64,
) -> Result<Mined, PolicyError> {
    let call = ReaderBook::setAccessCall {
        salt: name.salt(),
        keys: readers.iter().map(|reader| B256::new(reader.to_bytes())).collect(),
        untilBlock: until_block,
    };
    Ok(contracts::write(provider, READER_BOOK, &call, U256::ZERO).await?)
}

/// Takes keys out of the sender's policy and begins its next epoch, so that nothing that was released to them opens what is encrypted
/// from now on. What they read before they have.
///
/// # Errors
///
/// [`PolicyError::Chain`]. The keys may be out, and the epoch the same: deny them again.
pub async fn deny(
    provider: &impl Provider,
    name: &PolicyName,
    readers: &[RecipientPublic],
) -> Result<Mined, PolicyError> {
    allow(provider, name, readers, 0).await?;
    let call = ReaderBook::advanceCall { salt: name.salt() };
    Ok(contracts::write(provider, READER_BOOK, &call, U256::ZERO).await?)
}

/// Pays for a key to read under a policy, on the terms that it has now.
///
/// # Errors
///
/// [`PolicyError::NotForSale`]; [`PolicyError::Chain`] when the terms changed meanwhile, or the account has not enough.
pub async fn buy(provider: &impl Provider, policy: B256, reader: &RecipientPublic) -> Result<Bought, PolicyError> {
    let (_, terms) = terms_of(provider, policy).await?;
    if terms.sale_blocks == 0 {
        return Err(PolicyError::NotForSale { policy });
    }
    let reader = B256::new(reader.to_bytes());
    let call = ReaderBook::buyAccessCall {
        policy,
        reader,
        saleBlocks: terms.sale_blocks,
    };
    let mined = contracts::write(provider, READER_BOOK, &call, U256::from(terms.price_wei)).await?;
    let until = ReaderBook::accessUntilCall { policy, reader };
    Ok(Bought {
        until_block: contracts::read(provider, READER_BOOK, &until).await.map_err(Box::new)?,
        price_wei: terms.price_wei,
        mined,
    })
}

/// The epoch of a policy: what is encrypted now is encrypted to it.
///
/// # Errors
///
/// [`PolicyError::Call`].
pub async fn epoch_of(provider: &impl Provider, policy: B256) -> Result<u64, PolicyError> {
    let call = ReaderBook::epochOfCall { policy };
    Ok(contracts::read(provider, READER_BOOK, &call).await.map_err(Box::new)?)
}

/// All that the chain has of a policy.
///
/// # Errors
///
/// [`PolicyError`] when the chain does not answer.
pub async fn find(provider: &impl Provider, policy: B256) -> Result<Policy, PolicyError> {
    let (owner, terms) = terms_of(provider, policy).await?;
    let epoch = epoch_of(provider, policy).await?;
    let latest = provider.height().await?;
    let mut readers = BTreeMap::new();
    let mut from_block = 0;
    while from_block <= latest {
        let to_block = latest.min(from_block.saturating_add(EVENT_SPAN_BLOCKS - 1));
        let filter = EventFilter {
            addresses: vec![READER_BOOK],
            topic0: vec![ReaderBook::AccessSet::SIGNATURE_HASH],
            from_block,
            to_block: Some(to_block),
        };
        let events = provider.events(filter).await?;
        let set = events
            .iter()
            .filter_map(|event| event.decode::<ReaderBook::AccessSet>().ok());
        // In the order of the chain: the last one counts.
        readers.extend(
            set.filter(|event| event.policy == policy)
                .map(|event| (event.reader, event.untilBlock)),
        );
        from_block = to_block + 1;
    }
    Ok(Policy {
        id: policy,
        owner,
        terms,
        epoch,
        readers,
    })
}

async fn terms_of(provider: &impl Provider, policy: B256) -> Result<(Option<Address>, PolicyTerms), PolicyError> {
    let call = ReaderBook::termsOfCall { policy };
    let kept = contracts::read(provider, READER_BOOK, &call).await.map_err(Box::new)?;
    let terms = PolicyTerms {
        from_block: kept.fromBlock,
        until_block: kept.untilBlock,
        is_open: kept.isOpen,
        sale_blocks: kept.saleBlocks,
        price_wei: kept.price,
    };
    Ok(((kept.owner != Address::ZERO).then_some(kept.owner), terms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_as_it_was_given() {
        for text in ["a", "farm 7, soil", "ÄÖ", &"x".repeat(32)] {
            assert_eq!(text.parse::<PolicyName>().unwrap().to_string(), text);
        }
        for text in ["", "a\0b", &"x".repeat(33)] {
            assert_eq!(text.parse::<PolicyName>(), Err(NameError));
        }
    }

    #[test]
    fn one_name_of_two_accounts_is_two_policies() {
        let name: PolicyName = "soil".parse().unwrap();
        let [alice, bob] = [1, 2].map(|byte| name.policy_of(Address::repeat_byte(byte)));
        assert_ne!(alice, bob);
    }
}
