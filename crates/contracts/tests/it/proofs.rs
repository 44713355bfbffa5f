//! Merkle Patricia proofs of a test chain's state, and certificates of its headers.

use crate::{chain::Chain, keys};
use alloy_rlp::Encodable as _;
use alloy_trie::{HashBuilder, Nibbles, TrieAccount, proof::ProofRetainer};
use blst::min_pk::SecretKey;
use contracts::abi::ChainClient::Finality;
use primitives::{Address, B256, Bytes, U256, keccak256};
use revm::precompile::{Crypto as _, DefaultCrypto};
use std::collections::BTreeMap;

/// A trie's root, and the nodes from it to `key`.
pub fn prove(leaves: &BTreeMap<B256, Vec<u8>>, key: B256) -> (B256, Vec<Bytes>) {
    let target = Nibbles::unpack(key);
    let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(vec![target]));
    for (key, value) in leaves {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    let root = builder.root();
    let nodes = builder.take_proof_nodes().into_nodes_sorted();
    (root, nodes.into_iter().map(|(_, node)| node).collect())
}

fn storage(slots: impl Iterator<Item = (U256, U256)>) -> BTreeMap<B256, Vec<u8>> {
    let stored = slots.filter(|(_, value)| !value.is_zero());
    stored
        .map(|(slot, value)| (keccak256(slot.to_be_bytes::<32>()), alloy_rlp::encode(value)))
        .collect()
}

/// A slot proved against the root of a state.
#[derive(Clone)]
pub struct SlotProof {
    pub root: B256,
    pub account: Vec<Bytes>,
    pub slot: Vec<Bytes>,
}

/// Proves a slot of `owner` in the state that `chain` has now.
pub fn slot(chain: &Chain, owner: Address, slot: B256) -> SlotProof {
    let mut accounts = BTreeMap::new();
    let mut proof = Vec::new();
    for (address, account) in chain.accounts() {
        if account.info.is_empty() {
            continue;
        }
        let leaves = storage(account.storage.iter().map(|(slot, value)| (*slot, *value)));
        let (storage_root, nodes) = prove(&leaves, keccak256(slot));
        if *address == owner {
            proof = nodes;
        }
        let written = TrieAccount {
            nonce: account.info.nonce,
            balance: account.info.balance,
            storage_root,
            code_hash: account.info.code_hash,
        };
        accounts.insert(keccak256(address), alloy_rlp::encode(written));
    }
    let (root, account) = prove(&accounts, keccak256(owner));
    SlotProof {
        root,
        account,
        slot: proof,
    }
}

/// The slot of `key` in a mapping at slot 0.
pub fn mapping_slot(key: B256) -> B256 {
    keccak256([key.as_slice(), &[0; 32]].concat())
}

/// A Prague header with those fields that contracts look at.
pub fn header(number: u64, state_root: B256, time: u64) -> Vec<u8> {
    let mut fields = Vec::new();
    B256::repeat_byte(0x11).encode(&mut fields);
    B256::repeat_byte(0x22).encode(&mut fields);
    Address::repeat_byte(0x33).encode(&mut fields);
    state_root.encode(&mut fields);
    B256::repeat_byte(0x44).encode(&mut fields);
    B256::repeat_byte(0x55).encode(&mut fields);
    [0u8; 256].as_slice().encode(&mut fields);
    0u64.encode(&mut fields);
    number.encode(&mut fields);
    36_000_000u64.encode(&mut fields);
    21_000u64.encode(&mut fields);
    time.encode(&mut fields);
    [1u8, 2, 3].as_slice().encode(&mut fields);
    B256::repeat_byte(0x66).encode(&mut fields);
    [0u8; 8].as_slice().encode(&mut fields);
    7u64.encode(&mut fields);
    let mut out = Vec::new();
    let list = alloy_rlp::Header {
        list: true,
        payload_length: fields.len(),
    };
    list.encode(&mut out);
    out.extend(fields);
    out
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// A network whose validators sign.
#[derive(Clone)]
pub struct Signers {
    pub chain: u64,
    pub network: B256,
    /// Vote keys of the committee in the order of its digest.
    pub secrets: Vec<SecretKey>,
}

impl Signers {
    /// As many as are a quorum.
    pub fn quorum(&self) -> usize {
        self.secrets.len() - (self.secrets.len() - 1) / 3
    }

    /// Their keys, 128 bytes each.
    pub fn keys(&self) -> Bytes {
        let keys = self
            .secrets
            .iter()
            .map(|secret| keys::key_to_eip2537(&secret.sk_to_pk()));
        Bytes::from(keys.flatten().collect::<Vec<u8>>())
    }

    /// The certificate, by the seats given, that a header is final.
    pub fn finalize(&self, epoch: u64, header: Vec<u8>, signers: impl IntoIterator<Item = usize>) -> Finality {
        let (view, parent_view, context, rest) = (300, 299, vec![7; 70], B256::repeat_byte(8));
        let digest = digest(&context, &header, rest);
        let namespace = [
            b"aloft-chain",
            &self.chain.to_be_bytes()[..],
            self.network.as_slice(),
            b"_FINALIZE",
        ]
        .concat();
        let proposal = [varint(epoch), varint(view), varint(parent_view), digest.to_vec()].concat();
        let message = [varint(namespace.len() as u64), namespace, proposal].concat();
        let mut bitmap = vec![0; self.secrets.len().div_ceil(8)];
        let mut signed = Vec::new();
        for seat in signers {
            bitmap[seat / 8] |= 1 << (seat % 8);
            signed.push(&self.secrets[seat]);
        }
        Finality {
            epoch,
            view_: view,
            parentView: parent_view,
            context: context.into(),
            header: header.into(),
            rest,
            keys: self.keys(),
            signers: bitmap.into(),
            signature: keys::sum_of_signatures(signed, &message),
        }
    }
}

/// `SHA-256(context ‖ SHA-256(header) ‖ rest)`.
fn digest(context: &[u8], header: &[u8], rest: B256) -> B256 {
    let header = DefaultCrypto.sha256(header);
    DefaultCrypto
        .sha256(&[context, header.as_slice(), rest.as_slice()].concat())
        .into()
}
