//! Proofs that a trie holds a value, and everything that must not pass for one.

use crate::{
    chain::Chain,
    proofs::{self, SlotProof, mapping_slot, prove},
};
use contracts::GenesisContract;
use primitives::{Address, B256, Bytes, U256, keccak256};
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;
use std::collections::BTreeMap;

alloy_sol_types::sol!(
    MerklePatriciaHarness,
    "../../contracts/artifacts/MerklePatriciaHarness.json"
);

const HARNESS: Address = Address::repeat_byte(0x4a);

fn chain() -> Chain {
    let mut chain = Chain::empty();
    chain.construct(&GenesisContract {
        name: "MerklePatriciaHarness",
        address: HARNESS,
        init_code: MerklePatriciaHarness::BYTECODE.clone(),
    });
    chain.block = 1;
    chain
}

fn value(chain: &mut Chain, root: B256, key: B256, proof: &[Bytes]) -> Result<Bytes, String> {
    let call = MerklePatriciaHarness::valueCall {
        root,
        key,
        proof: proof.to_vec(),
    };
    chain.send(Address::ZERO, HARNESS, &call).map(|sent| sent.result)
}

/// Tries of a few to some hundred leaves, some of whose keys share long beginnings.
fn tries() -> Vec<BTreeMap<B256, Vec<u8>>> {
    let mut random = ChaCha20Rng::seed_from_u64(1);
    [1usize, 2, 3, 17, 300]
        .into_iter()
        .map(|count| {
            let mut leaves = BTreeMap::new();
            let mut last = B256::ZERO;
            for index in 0..count {
                let mut key = B256::from(random.random::<[u8; 32]>());
                if index % 3 == 1 {
                    let shared = random.random_range(1..5);
                    key[..shared].copy_from_slice(&last[..shared]);
                }
                last = key;
                let mut value = vec![0; random.random_range(1..100)];
                random.fill_bytes(&mut value);
                leaves.insert(key, value);
            }
            leaves
        })
        .collect()
}

#[test]
fn what_a_trie_holds_is_proved_and_what_it_does_not_hold_is_not() {
    let mut chain = chain();
    let mut random = ChaCha20Rng::seed_from_u64(2);
    for leaves in tries() {
        for (key, expected) in leaves.iter().take(20) {
            let (root, proof) = prove(&leaves, *key);
            assert_eq!(
                value(&mut chain, root, *key, &proof).unwrap(),
                Bytes::from(expected.clone())
            );
            // Another key, another root, fewer nodes, more nodes, nodes in another order.
            let mut other = *key;
            other[random.random_range(0..32)] ^= 1 << random.random_range(0..8);
            assert!(value(&mut chain, root, other, &proof).is_err());
            assert!(value(&mut chain, keccak256(root), *key, &proof).is_err());
            assert!(value(&mut chain, root, *key, &proof[..proof.len() - 1]).is_err());
            assert!(value(&mut chain, root, *key, &proof[1..]).is_err());
            let longer = [proof.clone(), vec![proof[0].clone()]].concat();
            assert!(value(&mut chain, root, *key, &longer).is_err());
        }
    }
}

/// Whichever byte is another, no value comes out: each node is bound by its hash.
#[test]
fn a_proof_with_any_byte_changed_is_refused() {
    let mut chain = chain();
    let leaves = tries().pop().unwrap();
    let (key, _) = leaves.iter().nth(100).unwrap();
    let (root, proof) = prove(&leaves, *key);
    for (index, node) in proof.iter().enumerate() {
        for at in 0..node.len() {
            let mut bytes = node.to_vec();
            bytes[at] ^= 1 << (at % 8);
            let mut changed = proof.clone();
            changed[index] = bytes.into();
            assert!(
                value(&mut chain, root, *key, &changed).is_err(),
                "node {index}, byte {at}"
            );
        }
    }
}

/// Nodes whose hash is right and whose inside is anything: who can choose the root gets a value only out of a node that is well formed, and no
/// input makes the library do anything but return or revert.
#[test]
fn random_nodes_under_their_own_hash_are_no_proofs() {
    let mut chain = chain();
    let mut random = ChaCha20Rng::seed_from_u64(3);
    let leaves = tries().pop().unwrap();
    let (key, _) = leaves.iter().nth(7).unwrap();
    let (_, genuine) = prove(&leaves, *key);
    let leaf = genuine.last().unwrap();
    for round in 0..2_000 {
        let node: Bytes = if round % 2 == 0 {
            let mut bytes = vec![0; random.random_range(0..80)];
            random.fill_bytes(&mut bytes);
            bytes.into()
        } else {
            let mut bytes = leaf.to_vec();
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(0..bytes.len());
                bytes[at] = random.random();
            }
            bytes.into()
        };
        // A leaf at the top would have to hold all of the key.
        assert!(value(&mut chain, keccak256(&node), *key, &[node]).is_err());
    }
}

/// A path that says it is longer than a key, one of no nibble at all, and padding that is not zero.
#[test]
fn malformed_paths_are_refused() {
    let mut chain = chain();
    let key = B256::repeat_byte(0xab);
    let node = |path: Vec<u8>| -> Bytes {
        let list = vec![Bytes::from(path), Bytes::from(vec![5; 40])];
        alloy_rlp::encode(list).into()
    };
    let whole = [vec![0x20], key.to_vec()].concat();
    let good = node(whole.clone());
    assert_eq!(
        value(&mut chain, keccak256(&good), key, &[good]).unwrap(),
        Bytes::from(vec![5; 40])
    );
    let odd = |first: u8| [vec![first], key.to_vec()].concat();
    for path in [
        odd(0x21),
        odd(0x3a),
        odd(0x60),
        odd(0x00),
        [whole.clone(), vec![0]].concat(),
        whole[..32].to_vec(),
        vec![0x00],
        vec![0x20],
        vec![],
    ] {
        let bad = node(path.clone());
        assert!(value(&mut chain, keccak256(&bad), key, &[bad]).is_err(), "{path:?}");
    }
}

#[test]
fn an_account_and_a_slot_are_proved_together() {
    let mut chain = chain();
    let owner = Address::repeat_byte(9);
    chain.fund(owner, U256::from(5));
    for slot in 0..40u64 {
        chain.set_storage(owner, slot, U256::from(slot) << slot);
    }
    for slot in [1u64, 7, 39] {
        let name = B256::from(U256::from(slot));
        let SlotProof {
            root,
            account,
            slot: nodes,
        } = proofs::slot(&chain, owner, name);
        let call = |owner, account, nodes| MerklePatriciaHarness::slotCall {
            root,
            owner,
            slot_: name,
            account,
            storage_: nodes,
        };
        let genuine = call(owner, account.clone(), nodes.clone());
        assert_eq!(chain.view(HARNESS, &genuine), U256::from(slot) << slot);
        // The same nodes for another account or slot.
        let other = call(HARNESS, account.clone(), nodes.clone());
        assert!(chain.send(Address::ZERO, HARNESS, &other).is_err());
        let mut swapped = call(owner, nodes, account);
        assert!(chain.send(Address::ZERO, HARNESS, &swapped).is_err());
        swapped.slot_ = mapping_slot(name);
        assert!(chain.send(Address::ZERO, HARNESS, &swapped).is_err());
    }
}
