//! Receipts: a provider's signature under what it computed, for whom, and for how much.
//!
//! A receipt names the request and the answer only by salted hashes, so anyone may keep it; the salt goes to the payer alone.
//! With the salt, the request and the answer, anyone can check every line of it: see [`verify`](crate::receipt::verify).

mod codec;
#[cfg(test)]
mod tests;
mod verdict;

pub use verdict::{Check, Evidence, Finding, Reexecute, Verdict, verify};

use crate::inference::EngineId;
use alloy_sol_types::{Eip712Domain, SolStruct};
use crypto::ecdsa::{Secret, Signature, SignatureError, recover};
use primitives::{Address, B256, BlobRoot, Digest, U256};
use serde::{Deserialize, Serialize};

/// The version of receipts that this code writes.
pub const RECEIPT_VERSION: u8 = 1;
/// Bytes of a text in a receipt, at most.
pub const MAX_TEXT_BYTES: usize = 256;
/// What hashes of requests are derived for, so that they can mean nothing else.
const REQUEST_CONTEXT: &str = "aloft/compute/request/v1";
/// What hashes of answers are derived for.
const RESPONSE_CONTEXT: &str = "aloft/compute/response/v1";

/// How an answer may be checked by others, hence what a lie costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum VerifyClass {
    /// Signed only: who said it cannot be denied, whether it is true is not checked.
    Signed = 0,
    /// Signed, and computed by an engine whose every bit anyone can recompute from the model's published weights.
    Reexecutable = 1,
}

/// What was computed, for whom, for how much. Its EIP-712 hash is its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Version of this format.
    pub version: u8,
    /// The chain it was paid on.
    pub chain_id: u64,
    /// Name of the service: the model's, as in the URL.
    pub service: String,
    /// The blob the model's weights are published as.
    pub model_root: BlobRoot,
    /// The program that computed: `name`, `version`, and the arithmetic it promises.
    #[serde(with = "engine_fields")]
    pub engine: EngineId,
    /// Salted hash of the request's canonical text.
    pub request_hash: Digest,
    /// Salted hash of the answer's canonical text.
    pub response_hash: Digest,
    /// What was charged, in the token's smallest unit.
    #[serde(with = "decimal")]
    pub price: u128,
    /// The channel it was charged to.
    pub channel_id: B256,
    /// Its place among the charges of that channel, from 1.
    pub sequence: u64,
    /// When it was computed by the provider's clock, milliseconds since 1970.
    pub timestamp_ms: u64,
    /// How the answer may be checked.
    pub verify_class: VerifyClass,
}

/// A receipt and its provider's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedReceipt {
    /// What is signed.
    pub receipt: Receipt,
    /// The provider's signature of [`Receipt::id`].
    #[serde(with = "signature_hex")]
    pub signature: Signature,
}

mod typed {
    alloy_sol_types::sol! {
        /// The receipt as EIP-712 hashes it.
        struct Receipt {
            uint8 version;
            string service;
            bytes32 modelRoot;
            string engineName;
            string engineVersion;
            string numerics;
            bytes32 requestHash;
            bytes32 responseHash;
            uint128 price;
            bytes32 channelId;
            uint64 sequence;
            uint64 timestampMs;
            uint8 verifyClass;
        }
    }
}

impl Receipt {
    /// Its id: the EIP-712 hash under the domain `Aloft Receipt`, version 1, of its chain.
    pub fn id(&self) -> B256 {
        let domain = Eip712Domain::new(
            Some("Aloft Receipt".into()),
            Some("1".into()),
            Some(U256::from(self.chain_id)),
            None,
            None,
        );
        typed::Receipt {
            version: self.version,
            service: self.service.clone(),
            modelRoot: self.model_root.0,
            engineName: self.engine.name.clone(),
            engineVersion: self.engine.version.clone(),
            numerics: self.engine.numerics.clone(),
            requestHash: self.request_hash.0,
            responseHash: self.response_hash.0,
            price: self.price,
            channelId: self.channel_id,
            sequence: self.sequence,
            timestampMs: self.timestamp_ms,
            verifyClass: self.verify_class as u8,
        }
        .eip712_signing_hash(&domain)
    }

    /// Signs it.
    pub fn sign(self, signer: &Secret) -> SignedReceipt {
        let signature = signer.sign(&self.id());
        SignedReceipt {
            receipt: self,
            signature,
        }
    }
}

impl SignedReceipt {
    /// Whose signature it carries.
    ///
    /// # Errors
    ///
    /// [`SignatureError`] when it carries none.
    pub fn signer(&self) -> Result<Address, SignatureError> {
        recover(&self.receipt.id(), &self.signature)
    }
}

/// Hash of a request's canonical text under the salt: BLAKE3 derived for this purpose, of `salt (32) | text`.
pub fn request_hash(salt: &[u8; 32], request: &[u8]) -> Digest {
    salted(REQUEST_CONTEXT, salt, request)
}

/// Hash of an answer's canonical text under the salt. Salted like the request's: an answer often has few possible values.
pub fn response_hash(salt: &[u8; 32], response: &[u8]) -> Digest {
    salted(RESPONSE_CONTEXT, salt, response)
}

fn salted(context: &str, salt: &[u8; 32], text: &[u8]) -> Digest {
    blake3::Hasher::new_derive_key(context)
        .update(salt)
        .update(text)
        .finalize()
        .into()
}

/// Amounts as decimal text, because JSON's numbers stop at 2⁵³ in many readers.
mod decimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(value: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A signature as `0x` and 130 hexadecimal digits.
mod signature_hex {
    use crypto::ecdsa::{SIGNATURE_BYTES, Signature};
    use primitives::hex;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(value: &Signature, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode_prefixed(value))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Signature, D::Error> {
        let mut signature = [0; SIGNATURE_BYTES];
        hex::decode_to_slice(String::deserialize(deserializer)?, &mut signature).map_err(D::Error::custom)?;
        Ok(signature)
    }
}

/// An engine as an object of three texts.
mod engine_fields {
    use crate::inference::EngineId;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Fields<'a> {
        name: std::borrow::Cow<'a, str>,
        version: std::borrow::Cow<'a, str>,
        numerics: std::borrow::Cow<'a, str>,
    }

    pub fn serialize<S: Serializer>(engine: &EngineId, serializer: S) -> Result<S::Ok, S::Error> {
        let EngineId {
            name,
            version,
            numerics,
        } = engine;
        Fields {
            name: name.into(),
            version: version.into(),
            numerics: numerics.into(),
        }
        .serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EngineId, D::Error> {
        let Fields {
            name,
            version,
            numerics,
        } = Fields::deserialize(deserializer)?;
        Ok(EngineId {
            name: name.into_owned(),
            version: version.into_owned(),
            numerics: numerics.into_owned(),
        })
    }
}
