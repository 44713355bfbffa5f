//! The HTTP payment headers of x402 version 2, for its scheme `batch-settlement`, as public clients speak them.
//!
//! `PAYMENT-REQUIRED` (server: what it costs), `PAYMENT-SIGNATURE` (client: a voucher, with or without a deposit) and
//! `PAYMENT-RESPONSE` (server: what was charged) are each the base64 of a JSON object. Amounts are decimal text.

use crate::{till::Funds, voucher::Voucher};
use alloy_primitives::aliases::U40;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use contracts::typed_data::ChannelConfig;
use crypto::ecdsa::{SIGNATURE_BYTES, Signature};
use primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Serialize};

/// Name of the header that says what a request costs.
pub const PAYMENT_REQUIRED: &str = "payment-required";
/// Name of the header that pays.
pub const PAYMENT_SIGNATURE: &str = "payment-signature";
/// Name of the header that says what was charged.
pub const PAYMENT_RESPONSE: &str = "payment-response";
/// The scheme spoken.
pub const SCHEME: &str = "batch-settlement";
/// The version spoken.
pub const VERSION: u32 = 2;
/// Bytes of a payment header, at most: a deposit payload of the public client has about 2,300.
pub const MAX_HEADER_BYTES: usize = 8 << 10;
/// Bytes of any amount or time in a payload, at most: 2²⁵⁶ has 78 digits.
const MAX_NUMBER_BYTES: usize = 80;
/// Deposit advertised, in requests: what x402's own server advertises.
const MIN_DEPOSIT_REQUESTS: u128 = 10;

/// What a client gets told when its payment does not do, in x402's words; clients act on some of them.
pub mod reason {
    /// The client's idea of what was charged is behind: it recovers from the state sent along and tries again.
    pub const CUMULATIVE_MISMATCH: &str = "invalid_batch_settlement_evm_cumulative_amount_mismatch";
    /// The voucher promises more than the channel holds.
    pub const EXCEEDS_BALANCE: &str = "invalid_batch_settlement_evm_cumulative_exceeds_balance";
    /// The signature is not the payer's.
    pub const VOUCHER_SIGNATURE: &str = "invalid_batch_settlement_evm_voucher_signature";
    /// The id is not the configuration's hash.
    pub const CHANNEL_ID_MISMATCH: &str = "invalid_batch_settlement_evm_channel_id_mismatch";
    /// The channel pays someone else.
    pub const RECEIVER_MISMATCH: &str = "invalid_batch_settlement_evm_receiver_mismatch";
    /// The channel is claimed by someone else.
    pub const RECEIVER_AUTHORIZER_MISMATCH: &str = "invalid_batch_settlement_evm_receiver_authorizer_mismatch";
    /// The channel's withdrawals are too quick.
    pub const WITHDRAW_DELAY_MISMATCH: &str = "invalid_batch_settlement_evm_withdraw_delay_mismatch";
    /// The channel holds another token.
    pub const TOKEN_MISMATCH: &str = "invalid_batch_settlement_evm_token_mismatch";
    /// The deposit would revert.
    pub const DEPOSIT_SIMULATION_FAILED: &str = "invalid_batch_settlement_evm_deposit_simulation_failed";
    /// The deposit was sent and did not come through.
    pub const DEPOSIT_TRANSACTION_FAILED: &str = "invalid_batch_settlement_evm_deposit_transaction_failed";
    /// The request is being computed.
    pub const CHANNEL_BUSY: &str = "invalid_batch_settlement_evm_channel_busy";
    /// The chain was not reached.
    pub const RPC_READ_FAILED: &str = "invalid_batch_settlement_evm_rpc_read_failed";
    /// The payload is not one this server takes.
    pub const PAYLOAD_TYPE: &str = "invalid_batch_settlement_evm_payload_type";
    /// Another chain.
    pub const NETWORK_MISMATCH: &str = "invalid_batch_settlement_evm_network_mismatch";
    /// Another scheme.
    pub const SCHEME: &str = "invalid_batch_settlement_evm_scheme";
}

/// Why a header is not a payment.
#[derive(Debug, thiserror::Error)]
pub enum PaymentError {
    /// More than [`MAX_HEADER_BYTES`].
    #[error("a payment header has at most {MAX_HEADER_BYTES} bytes, this one {bytes}")]
    TooLong {
        /// Its bytes.
        bytes: usize,
    },
    /// Not base64.
    #[error("a payment header is base64")]
    Base64 {
        /// Where it is not.
        source: base64::DecodeError,
    },
    /// Not the JSON it should be.
    #[error("read the payment")]
    Json {
        /// What does not fit.
        source: serde_json::Error,
    },
    /// Another version of x402.
    #[error("x402 version {got}: this server speaks {VERSION}")]
    Version {
        /// The version sent.
        got: u32,
    },
    /// A number that is not one, or too large.
    #[error("{field} is not a whole number in range: {got}")]
    Number {
        /// The field.
        field: &'static str,
        /// What was sent, cut.
        got: String,
    },
    /// A signature that has not 65 bytes.
    #[error("{field} has {bytes} bytes, an account's signature has {SIGNATURE_BYTES}")]
    Signature {
        /// The field.
        field: &'static str,
        /// Its bytes.
        bytes: usize,
    },
}

/// Addresses with mixed case, as wallets print them: some clients compare the text.
mod checksummed {
    use primitives::Address;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(address: &Address, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&address.to_checksum(None))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
        Address::deserialize(deserializer)
    }
}

/// `PAYMENT-REQUIRED`: what a request costs and how to pay it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequired {
    /// [`VERSION`].
    pub x402_version: u32,
    /// Why the request was not served: `payment required`, or a [`reason`].
    pub error: String,
    /// What is sold.
    pub resource: Resource,
    /// The ways to pay: one.
    pub accepts: Vec<Requirements>,
}

/// What is sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// Its address.
    pub url: String,
    /// What it is.
    pub description: String,
    /// The form of its answers.
    pub mime_type: String,
}

/// One way to pay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Requirements {
    /// [`SCHEME`].
    pub scheme: String,
    /// The chain, as CAIP-2 writes it: `eip155:16602`.
    pub network: String,
    /// The most this request will be charged.
    pub amount: String,
    /// The token.
    #[serde(with = "checksummed")]
    pub asset: Address,
    /// Who is paid.
    #[serde(with = "checksummed")]
    pub pay_to: Address,
    /// Seconds a deposit's authorization should live.
    pub max_timeout_seconds: u64,
    /// What the scheme adds.
    pub extra: Extra,
}

/// What the scheme adds to the requirements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Extra {
    /// Who claims.
    #[serde(with = "checksummed")]
    pub receiver_authorizer: Address,
    /// The channel's withdrawal delay, seconds.
    pub withdraw_delay: u64,
    /// EIP-712 name of the token.
    pub name: String,
    /// EIP-712 version of the token.
    pub version: String,
    /// How deposits are authorized: `eip3009`.
    pub asset_transfer_method: String,
    /// A deposit that makes sense.
    pub min_deposit: String,
    /// What this server counts on the client's channel, where that is what differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_state: Option<ChannelState>,
    /// The client's own voucher that the count rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voucher_state: Option<VoucherState>,
}

/// A channel as the server counts it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelState {
    /// The channel.
    pub channel_id: B256,
    /// Money in it.
    pub balance: String,
    /// Claimed on chain so far.
    pub total_claimed: String,
    /// When a withdrawal was asked for; 0 for never.
    pub withdraw_requested_at: u64,
    /// Refunds made.
    pub refund_nonce: String,
    /// Charged so far.
    pub charged_cumulative_amount: String,
}

/// The highest voucher the server has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VoucherState {
    /// Its ceiling.
    pub signed_max_claimable: String,
    /// Its signature.
    pub signature: Bytes,
}

impl ChannelState {
    /// The state of a channel that holds `funds` and was charged `charged` in all.
    pub fn new(channel_id: B256, funds: Funds, charged: u128) -> Self {
        Self {
            channel_id,
            balance: funds.balance.to_string(),
            total_claimed: funds.claimed.to_string(),
            withdraw_requested_at: 0,
            refund_nonce: "0".into(),
            charged_cumulative_amount: charged.to_string(),
        }
    }
}

/// What is the same for all requests to one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The channel's terms.
    pub terms: crate::voucher::Terms,
    /// EIP-712 name of the token.
    pub token_name: String,
    /// EIP-712 version of the token.
    pub token_version: String,
}

impl Offer {
    /// The chain as CAIP-2 writes it.
    pub fn network(&self) -> String {
        format!("eip155:{}", self.terms.chain_id)
    }

    /// The requirements of a request of that price.
    pub fn requirements(&self, price: u128) -> Requirements {
        Requirements {
            scheme: SCHEME.into(),
            network: self.network(),
            amount: price.to_string(),
            asset: self.terms.token,
            pay_to: self.terms.receiver,
            max_timeout_seconds: 600,
            extra: Extra {
                receiver_authorizer: self.terms.receiver_authorizer,
                withdraw_delay: self.terms.withdraw_delay_s,
                name: self.token_name.clone(),
                version: self.token_version.clone(),
                asset_transfer_method: "eip3009".into(),
                min_deposit: price.saturating_mul(MIN_DEPOSIT_REQUESTS).to_string(),
                channel_state: None,
                voucher_state: None,
            },
        }
    }
}

/// `PAYMENT-SIGNATURE`, read but not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The scheme the client chose.
    pub scheme: String,
    /// The chain it chose.
    pub network: String,
    /// The channel's id, as the client computed it.
    pub channel_id: B256,
    /// The voucher.
    pub voucher: Voucher,
    /// Money to put into the channel first.
    pub deposit: Option<Deposit>,
}

/// Money to be put into a channel under the payer's ERC-3009 authorization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deposit {
    /// How much.
    pub amount: u128,
    /// Not valid before, seconds since 1970.
    pub valid_after: U256,
    /// Not valid from, seconds since 1970.
    pub valid_before: U256,
    /// Makes the authorization's nonce.
    pub salt: U256,
    /// The payer's signature.
    pub signature: Signature,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePayload {
    x402_version: u32,
    accepted: WireAccepted,
    payload: WirePayment,
}

#[derive(Serialize, Deserialize)]
struct WireAccepted {
    scheme: String,
    network: String,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum WirePayment {
    Voucher {
        channel_config: WireConfig,
        voucher: WireVoucher,
    },
    Deposit {
        channel_config: WireConfig,
        voucher: WireVoucher,
        deposit: WireDeposit,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireConfig {
    #[serde(with = "checksummed")]
    payer: Address,
    #[serde(with = "checksummed")]
    payer_authorizer: Address,
    #[serde(with = "checksummed")]
    receiver: Address,
    #[serde(with = "checksummed")]
    receiver_authorizer: Address,
    #[serde(with = "checksummed")]
    token: Address,
    withdraw_delay: u64,
    salt: B256,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireVoucher {
    channel_id: B256,
    max_claimable_amount: String,
    signature: Bytes,
}

#[derive(Serialize, Deserialize)]
struct WireDeposit {
    amount: String,
    authorization: WireAuthorization,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAuthorization {
    erc3009_authorization: WireErc3009,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireErc3009 {
    valid_after: String,
    valid_before: String,
    salt: B256,
    signature: Bytes,
}

impl Payment {
    /// Reads a `PAYMENT-SIGNATURE` header.
    ///
    /// # Errors
    ///
    /// [`PaymentError`], never a panic, whatever the bytes.
    pub fn from_header(header: &[u8]) -> Result<Self, PaymentError> {
        if header.len() > MAX_HEADER_BYTES {
            return Err(PaymentError::TooLong { bytes: header.len() });
        }
        let json = STANDARD
            .decode(header)
            .map_err(|source| PaymentError::Base64 { source })?;
        let wire: WirePayload = serde_json::from_slice(&json).map_err(|source| PaymentError::Json { source })?;
        if wire.x402_version != VERSION {
            return Err(PaymentError::Version { got: wire.x402_version });
        }
        let (config, voucher, deposit) = match wire.payload {
            WirePayment::Voucher {
                channel_config,
                voucher,
            } => (channel_config, voucher, None),
            WirePayment::Deposit {
                channel_config,
                voucher,
                deposit,
            } => (channel_config, voucher, Some(deposit)),
        };
        let deposit = deposit
            .map(|wire| {
                let authorization = wire.authorization.erc3009_authorization;
                Ok::<_, PaymentError>(Deposit {
                    amount: number("deposit.amount", &wire.amount)?,
                    valid_after: number("validAfter", &authorization.valid_after)?,
                    valid_before: number("validBefore", &authorization.valid_before)?,
                    salt: authorization.salt.into(),
                    signature: signature("erc3009Authorization.signature", &authorization.signature)?,
                })
            })
            .transpose()?;
        let withdraw_delay = U40::try_from(config.withdraw_delay).map_err(|_| PaymentError::Number {
            field: "withdrawDelay",
            got: config.withdraw_delay.to_string(),
        })?;
        Ok(Self {
            scheme: wire.accepted.scheme,
            network: wire.accepted.network,
            channel_id: voucher.channel_id,
            voucher: Voucher {
                config: ChannelConfig {
                    payer: config.payer,
                    payerAuthorizer: config.payer_authorizer,
                    receiver: config.receiver,
                    receiverAuthorizer: config.receiver_authorizer,
                    token: config.token,
                    withdrawDelay: withdraw_delay,
                    salt: config.salt,
                },
                ceiling: number("maxClaimableAmount", &voucher.max_claimable_amount)?,
                signature: signature("voucher.signature", &voucher.signature)?,
            },
            deposit,
        })
    }

    /// Writes a `PAYMENT-SIGNATURE` header.
    pub fn to_header(&self) -> String {
        let config = &self.voucher.config;
        let channel_config = WireConfig {
            payer: config.payer,
            payer_authorizer: config.payerAuthorizer,
            receiver: config.receiver,
            receiver_authorizer: config.receiverAuthorizer,
            token: config.token,
            withdraw_delay: config.withdrawDelay.to(),
            salt: config.salt,
        };
        let voucher = WireVoucher {
            channel_id: self.channel_id,
            max_claimable_amount: self.voucher.ceiling.to_string(),
            signature: self.voucher.signature.into(),
        };
        let payload = match &self.deposit {
            None => WirePayment::Voucher {
                channel_config,
                voucher,
            },
            Some(deposit) => WirePayment::Deposit {
                channel_config,
                voucher,
                deposit: WireDeposit {
                    amount: deposit.amount.to_string(),
                    authorization: WireAuthorization {
                        erc3009_authorization: WireErc3009 {
                            valid_after: deposit.valid_after.to_string(),
                            valid_before: deposit.valid_before.to_string(),
                            salt: deposit.salt.into(),
                            signature: deposit.signature.into(),
                        },
                    },
                },
            },
        };
        let accepted = WireAccepted {
            scheme: self.scheme.clone(),
            network: self.network.clone(),
        };
        header(&WirePayload {
            x402_version: VERSION,
            accepted,
            payload,
        })
    }
}

/// `PAYMENT-RESPONSE`: what was charged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentResponse {
    /// Whether the payment was taken.
    pub success: bool,
    /// The deposit's transaction, or empty.
    pub transaction: String,
    /// The chain.
    pub network: String,
    /// Who paid.
    #[serde(with = "checksummed")]
    pub payer: Address,
    /// What the scheme adds.
    pub extra: Charged,
}

/// What was charged, and what that comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Charged {
    /// For this request.
    pub charged_amount: String,
    /// The channel after it.
    pub channel_state: ChannelState,
}

/// The header's text of any of the three objects.
pub fn header(value: &impl Serialize) -> String {
    STANDARD.encode(serde_json::to_vec(value).expect("the headers' fields are always JSON"))
}

/// Reads a `PAYMENT-REQUIRED` or `PAYMENT-RESPONSE` header, as a client does.
///
/// # Errors
///
/// [`PaymentError`], never a panic, whatever the bytes.
pub fn from_header<T: for<'de> Deserialize<'de>>(header: &[u8]) -> Result<T, PaymentError> {
    if header.len() > MAX_HEADER_BYTES {
        return Err(PaymentError::TooLong { bytes: header.len() });
    }
    let json = STANDARD
        .decode(header)
        .map_err(|source| PaymentError::Base64 { source })?;
    serde_json::from_slice(&json).map_err(|source| PaymentError::Json { source })
}

/// Digits only: no sign, no `0x`, no underscore, whatever the number type would take.
fn number<T: std::str::FromStr>(field: &'static str, text: &str) -> Result<T, PaymentError> {
    let wrong = || PaymentError::Number {
        field,
        got: text.chars().take(MAX_NUMBER_BYTES).collect(),
    };
    if text.is_empty() || text.len() > MAX_NUMBER_BYTES || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    text.parse().map_err(|_| wrong())
}

fn signature(field: &'static str, bytes: &Bytes) -> Result<Signature, PaymentError> {
    bytes[..].try_into().map_err(|_| PaymentError::Signature {
        field,
        bytes: bytes.len(),
    })
}

#[cfg(test)]
mod tests;
