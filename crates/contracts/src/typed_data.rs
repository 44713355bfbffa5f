//! What people and operators sign: EIP-712 digests of payments, the message of an availability certificate, leaves of weights.
//!
//! Each equals what its contract computes on chain; a test asks the contracts.

use crate::addresses;
use alloy_primitives::FixedBytes;
use alloy_sol_types::{Eip712Domain, SolStruct, SolValue, sol};
use primitives::{Address, B256, Bytes, U256, keccak256};
use std::ops::Range;

pub use crate::abi::DAEntrance::BlobHeader;
pub use crate::abi::X402BatchSettlement::{ChannelConfig, VoucherClaim};

/// EIP-712 name and version of the payment channels, as x402's clients have them built in.
const CHANNELS_DOMAIN: (&str, &str) = ("x402 Batch Settlement", "1");
/// EIP-712 name and version of the test token.
const USDX_DOMAIN: (&str, &str) = ("USDX", "1");
/// Names the purpose of a certificate's signature, so that it can mean nothing else.
const CERTIFICATE_TAG: &str = "aloft/da/certificate/v3";
/// EIP-712 name and version of promises to pay for blobs.
const PERMITS_DOMAIN: (&str, &str) = ("Aloft DA", "1");

sol! {
    /// What a payer authorizer signs: EIP-712's view of a voucher.
    #[derive(Debug, PartialEq, Eq)]
    struct Voucher { bytes32 channelId; uint128 maxClaimableAmount; }
    /// What a receiver authorizer signs to give money back.
    #[derive(Debug, PartialEq, Eq)]
    struct Refund { bytes32 channelId; uint256 nonce; uint128 amount; }
    /// One claim of a batch.
    #[derive(Debug, PartialEq, Eq)]
    struct ClaimEntry { bytes32 channelId; uint128 maxClaimableAmount; uint128 totalClaimed; }
    /// What a receiver authorizer signs so that anybody may claim.
    #[derive(Debug, PartialEq, Eq)]
    struct ClaimBatch { ClaimEntry[] claims; }
    /// ERC-3009: a transfer that only the payee may carry out.
    #[derive(Debug, PartialEq, Eq)]
    struct ReceiveWithAuthorization {
        address from; address to; uint256 value; uint256 validAfter; uint256 validBefore; bytes32 nonce;
    }
    /// ERC-3009: a transfer that anybody may carry out.
    #[derive(Debug, PartialEq, Eq)]
    struct TransferWithAuthorization {
        address from; address to; uint256 value; uint256 validAfter; uint256 validBefore; bytes32 nonce;
    }
    /// What a payer signs to promise a blob's fee.
    #[derive(Debug, PartialEq, Eq)]
    struct Permit { bytes32 root; uint32 quorum; uint64 epoch; uint32 rowCount; uint32 rowBytes; uint64 expiryBlock; bytes32 purchase; uint64 deadline; }
}

/// An EIP-712 domain with name, version, chain and contract.
fn domain((name, version): (&'static str, &'static str), chain_id: u64, contract: Address) -> Eip712Domain {
    Eip712Domain::new(
        Some(name.into()),
        Some(version.into()),
        Some(U256::from(chain_id)),
        Some(contract),
        None,
    )
}

/// EIP-712 domain of the payment channels on chain `chain_id`.
pub fn channels_domain(chain_id: u64) -> Eip712Domain {
    domain(CHANNELS_DOMAIN, chain_id, addresses::PAYMENT_CHANNELS)
}

/// EIP-712 domain of the test token on chain `chain_id`.
pub fn usdx_domain(chain_id: u64) -> Eip712Domain {
    domain(USDX_DOMAIN, chain_id, addresses::USDX)
}

/// Id of a payment channel: the EIP-712 hash of its configuration.
pub fn channel_id(chain_id: u64, config: &ChannelConfig) -> B256 {
    config.eip712_signing_hash(&channels_domain(chain_id))
}

/// What a payer signs to let the receiver claim up to `max_claimable_amount` of a channel in all.
pub fn voucher_digest(chain_id: u64, channel_id: B256, max_claimable_amount: u128) -> B256 {
    Voucher {
        channelId: channel_id,
        maxClaimableAmount: max_claimable_amount,
    }
    .eip712_signing_hash(&channels_domain(chain_id))
}

/// What a receiver authorizer signs to give `amount` back; `nonce` is the channel's `refundNonce`.
pub fn refund_digest(chain_id: u64, channel_id: B256, nonce: U256, amount: u128) -> B256 {
    Refund {
        channelId: channel_id,
        nonce,
        amount,
    }
    .eip712_signing_hash(&channels_domain(chain_id))
}

/// What a receiver authorizer signs so that anybody may send `claims`.
pub fn claim_batch_digest(chain_id: u64, claims: &[VoucherClaim]) -> B256 {
    let claims = claims
        .iter()
        .map(|claim| ClaimEntry {
            channelId: channel_id(chain_id, &claim.voucher.channel),
            maxClaimableAmount: claim.voucher.maxClaimableAmount,
            totalClaimed: claim.totalClaimed,
        })
        .collect();
    ClaimBatch { claims }.eip712_signing_hash(&channels_domain(chain_id))
}

/// What an owner of USDX signs to let the payee collect (ERC-3009 `ReceiveWithAuthorization`).
pub fn receive_with_authorization_digest(chain_id: u64, authorization: &ReceiveWithAuthorization) -> B256 {
    authorization.eip712_signing_hash(&usdx_domain(chain_id))
}

/// What an owner of USDX signs to let anybody carry out a transfer (ERC-3009 `TransferWithAuthorization`).
pub fn transfer_with_authorization_digest(chain_id: u64, authorization: &TransferWithAuthorization) -> B256 {
    authorization.eip712_signing_hash(&usdx_domain(chain_id))
}

/// ERC-3009 nonce that binds a deposit's authorization to its channel.
pub fn deposit_nonce(channel_id: B256, salt: U256) -> B256 {
    keccak256((channel_id, salt).abi_encode_params())
}

/// `collectorData` of a deposit through [`addresses::ERC3009_COLLECTOR`]. The times are seconds since 1970; `signature` is the payer's,
/// of a [`ReceiveWithAuthorization`] to the collector whose nonce is [`deposit_nonce`].
pub fn collector_data(valid_after: U256, valid_before: U256, salt: U256, signature: Bytes) -> Bytes {
    (valid_after, valid_before, salt, signature).abi_encode_params().into()
}

/// What DA operators sign for blobs of one quorum and epoch, with BLS over these 32 bytes. `entrance` is the contract that will verify it.
pub fn certificate_message(chain_id: u64, entrance: Address, headers: &[BlobHeader]) -> B256 {
    keccak256((CERTIFICATE_TAG, U256::from(chain_id), entrance, headers.to_vec()).abi_encode_params())
}

/// What a payer signs to promise the fee of the blob of `header`, if it is certified by block `deadline` and no other blob was under `purchase`, unless
/// that is 0. `entrance` is the contract that will charge it.
pub fn permit_digest(chain_id: u64, entrance: Address, header: &BlobHeader, purchase: B256, deadline: u64) -> B256 {
    let permit = Permit {
        root: header.root,
        quorum: header.quorum,
        epoch: header.epoch,
        rowCount: header.rowCount,
        rowBytes: header.rowBytes,
        expiryBlock: header.expiryBlock,
        purchase,
        deadline,
    };
    permit.eip712_signing_hash(&domain(PERMITS_DOMAIN, chain_id, entrance))
}

/// A 48-byte KZG commitment as the two words of a [`BlobHeader`].
pub fn commitment_words(commitment: &[u8; 48]) -> (B256, FixedBytes<16>) {
    (
        B256::from_slice(&commitment[..32]),
        FixedBytes::from_slice(&commitment[32..]),
    )
}

/// The bitmap of `signers` among `operators`, as `DAEntrance` reads it: member `i` of the committee is bit `i % 8` of byte `i / 8`.
///
/// # Panics
///
/// When a signer is not below `operators`.
pub fn signers_bitmap(signers: impl IntoIterator<Item = u32>, operators: u32) -> Bytes {
    let mut bitmap = vec![0u8; operators.div_ceil(8) as usize];
    for signer in signers {
        assert!(signer < operators, "signer {signer} of {operators}");
        bitmap[(signer / 8) as usize] |= 1 << (signer % 8);
    }
    bitmap.into()
}

/// The positions of a permutation of `total_rows` rows that who has the seats `own` of `seats` holds: `⌊a·R/S⌋ .. ⌊b·R/S⌋`.
///
/// # Panics
///
/// When `own` is not within `0..seats`.
pub fn seat_rows(own: Range<u32>, seats: u32, total_rows: u32) -> Range<u32> {
    assert!(own.start <= own.end && own.end <= seats, "seats {own:?} of {seats}");
    let bound = |seat: u32| (u64::from(seat) * u64::from(total_rows) / u64::from(seats)) as u32;
    bound(own.start)..bound(own.end)
}

/// Rows whose owners must sign before `row_count` rows of a code of `data_rows` are certified: two thirds; and of a whole blob, whose
/// `first_row` is 0, so many that honest operators are left with `data_rows` when the others own less than a third.
pub fn quorum_rows(data_rows: u32, first_row: u32, row_count: u32) -> u32 {
    let honest = if first_row == 0 { 3 * data_rows + row_count } else { 0 };
    honest.max(2 * row_count).div_ceil(3)
}

/// A contributor's leaf in the tree of weights, as OpenZeppelin's `StandardMerkleTree` hashes it; `weight` is of 10¹².
pub fn contribution_leaf(account: Address, weight: u64) -> B256 {
    keccak256(keccak256((account, U256::from(weight)).abi_encode_params()))
}
