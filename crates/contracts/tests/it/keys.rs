//! Accounts and operators with fixed keys.

use blst::min_pk;
use contracts::{addresses, typed_data};
use primitives::{Address, B256, Bytes, U256, keccak256};
use secp256k1::{Message, SecretKey, ecdsa::RecoverableSignature};

const SIGNATURE_DST: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
const POSSESSION_DST: &[u8] = b"BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";

/// What the tests' operators put at stake in genesis: less than three times what one failure costs.
pub const STAKE_WEI: u128 = contracts::SLASH_WEI / 2 * 5;

/// An Ethereum account.
pub struct Wallet {
    key: SecretKey,
    pub address: Address,
}

impl Wallet {
    pub fn new(seed: u8) -> Self {
        Self::from_bytes([seed; 32])
    }

    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let key = SecretKey::from_secret_bytes(bytes).expect("a small number is a key");
        let public = key.public_key().serialize_uncompressed();
        Self {
            key,
            address: Address::from_slice(&keccak256(&public[1..])[12..]),
        }
    }

    /// `r | s | v`, 65 bytes.
    pub fn sign(&self, digest: B256) -> Bytes {
        let (r, s, v) = self.sign_split(digest);
        [r.as_slice(), s.as_slice(), &[v]].concat().into()
    }

    pub fn sign_split(&self, digest: B256) -> (B256, B256, u8) {
        let (id, compact) =
            RecoverableSignature::sign_ecdsa_recoverable(Message::from_digest(digest.0), &self.key).serialize_compact();
        (
            B256::from_slice(&compact[..32]),
            B256::from_slice(&compact[32..]),
            27 + id.to_u8(),
        )
    }

    /// `collectorData` that authorizes a deposit of `amount` USDX into a channel, valid for ever.
    pub fn authorize_deposit(&self, chain_id: u64, channel_id: B256, amount: u128, salt: u64) -> Bytes {
        let salt = U256::from(salt);
        let authorization = typed_data::ReceiveWithAuthorization {
            from: self.address,
            to: addresses::ERC3009_COLLECTOR,
            value: U256::from(amount),
            validAfter: U256::ZERO,
            validBefore: U256::MAX,
            nonce: typed_data::deposit_nonce(channel_id, salt),
        };
        let signature = self.sign(typed_data::receive_with_authorization_digest(chain_id, &authorization));
        typed_data::collector_data(U256::ZERO, U256::MAX, salt, signature)
    }
}

/// A DA operator.
pub struct Operator {
    pub account: Address,
    pub stream_key: B256,
    pub secret: min_pk::SecretKey,
}

impl Operator {
    pub fn new(seed: u8) -> Self {
        Self {
            account: Address::repeat_byte(seed),
            stream_key: B256::repeat_byte(seed),
            secret: min_pk::SecretKey::key_gen(&[seed; 32], &[]).expect("32 bytes suffice"),
        }
    }

    pub fn key(&self) -> Bytes {
        key_to_eip2537(&self.secret.sk_to_pk())
    }

    pub fn possession(&self) -> Bytes {
        self.possession_for(self.account)
    }

    /// The proof that this operator's key belongs to `owner`.
    pub fn possession_for(&self, owner: Address) -> Bytes {
        prove_possession(&self.secret, owner)
    }

    /// The secret of the key that votes for its `seat`-th seat.
    pub fn vote_secret(&self, seat: u8) -> min_pk::SecretKey {
        let mut seed = [0x56; 32];
        seed[..20].copy_from_slice(self.account.as_slice());
        seed[31] = seat;
        min_pk::SecretKey::key_gen(&seed, &[]).expect("32 bytes suffice")
    }

    /// Adds that key.
    pub fn vote_key(&self, seat: u8) -> contracts::abi::ValidatorRegistry::addKeyCall {
        let secret = self.vote_secret(seat);
        contracts::abi::ValidatorRegistry::addKeyCall {
            voteKey: key_to_eip2537(&secret.sk_to_pk()),
            possession: prove_possession(&secret, self.account),
        }
    }

    /// A founder that also votes on blocks, with `seats` keys.
    pub fn founding_validator(&self, seats: u8) -> contracts::Founder {
        let keys = (0..seats).map(|seat| {
            let call = self.vote_key(seat);
            contracts::VoteKey {
                key: call.voteKey,
                possession: call.possession,
            }
        });
        contracts::Founder {
            stake_wei: U256::from(contracts::CONSENSUS_MIN_STAKE_WEI),
            validator: Some(contracts::FoundingValidator {
                endpoint: "127.0.0.1:7900".into(),
                vote_keys: keys.collect(),
            }),
            ..self.founder()
        }
    }

    pub fn sign(&self, message: B256) -> min_pk::Signature {
        self.secret.sign(message.as_slice(), SIGNATURE_DST, &[])
    }

    pub fn founder(&self) -> contracts::Founder {
        contracts::Founder {
            account: self.account,
            stream_key: self.stream_key,
            bls_key: self.key(),
            possession: self.possession(),
            endpoint: "127.0.0.1:9000".into(),
            stake_wei: U256::from(STAKE_WEI),
            validator: None,
        }
    }

    pub fn registration(&self) -> contracts::abi::OperatorRegistry::registerCall {
        contracts::abi::OperatorRegistry::registerCall {
            streamKey: self.stream_key,
            blsKey: self.key(),
            possession: self.possession(),
            endpoint: "127.0.0.1:9000".into(),
        }
    }
}

/// The proof that `secret`'s key belongs to `owner`.
fn prove_possession(secret: &min_pk::SecretKey, owner: Address) -> Bytes {
    let message = [&secret.sk_to_pk().compress()[..], owner.as_slice()].concat();
    signature_to_eip2537(&secret.sign(&message, POSSESSION_DST, &[]))
}

/// The signature of any bytes, as EIP-2537 encodes it.
pub fn sign(secret: &min_pk::SecretKey, message: &[u8]) -> Bytes {
    signature_to_eip2537(&secret.sign(message, SIGNATURE_DST, &[]))
}

/// Sum of the signatures of `message` by `signers`, as EIP-2537 encodes it.
pub fn aggregate<'a>(signers: impl IntoIterator<Item = &'a Operator>, message: B256) -> Bytes {
    let signatures: Vec<_> = signers.into_iter().map(|operator| operator.sign(message)).collect();
    let references: Vec<_> = signatures.iter().collect();
    let sum = min_pk::AggregateSignature::aggregate(&references, false).expect("there are signers");
    signature_to_eip2537(&sum.to_signature())
}

/// Sum of the signatures of any bytes, as EIP-2537 encodes it.
pub fn sum_of_signatures<'a>(signers: impl IntoIterator<Item = &'a min_pk::SecretKey>, message: &[u8]) -> Bytes {
    let signatures: Vec<_> = signers
        .into_iter()
        .map(|secret| secret.sign(message, SIGNATURE_DST, &[]))
        .collect();
    let references: Vec<_> = signatures.iter().collect();
    let sum = min_pk::AggregateSignature::aggregate(&references, false).expect("there are signers");
    signature_to_eip2537(&sum.to_signature())
}

/// `x | y`, each in 64 bytes.
pub fn key_to_eip2537(key: &min_pk::PublicKey) -> Bytes {
    padded(&key.serialize(), [0, 1])
}

/// `x.c0 | x.c1 | y.c0 | y.c1`, each in 64 bytes; blst puts c1 first.
pub fn signature_to_eip2537(signature: &min_pk::Signature) -> Bytes {
    padded(&signature.serialize(), [1, 0, 3, 2])
}

fn padded<const N: usize>(coordinates: &[u8], order: [usize; N]) -> Bytes {
    let mut bytes = Vec::with_capacity(64 * N);
    for index in order {
        bytes.extend([0; 16]);
        bytes.extend(&coordinates[48 * index..48 * (index + 1)]);
    }
    bytes.into()
}
