use super::*;
use alloy_trie::{Nibbles, proof::verify_proof, root::state_root_unhashed, root::storage_root_unhashed};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What the state is meant to hold, kept the plain way.
type Model = BTreeMap<Address, (Account, BTreeMap<U256, U256>)>;

fn root_by_alloy(model: &Model) -> B256 {
    state_root_unhashed(model.iter().map(|(address, (account, slots))| {
        let storage_root = storage_root_unhashed(slots.iter().map(|(slot, value)| ((*slot).into(), *value)));
        let Account {
            nonce,
            balance,
            code_hash,
        } = *account;
        (
            *address,
            TrieAccount {
                nonce,
                balance,
                storage_root,
                code_hash,
            },
        )
    }))
}

fn apply_to_model(model: &mut Model, diff: &Diff) {
    for (address, change) in &diff.accounts {
        let Some(account) = change.account else {
            model.remove(address);
            continue;
        };
        let (held, slots) = model.entry(*address).or_insert_with(|| (account, BTreeMap::new()));
        *held = account;
        if change.wiped {
            slots.clear();
        }
        for (slot, value) in &change.slots {
            if value.is_zero() {
                slots.remove(slot)
            } else {
                slots.insert(*slot, *value)
            };
        }
    }
}

fn change() -> impl Strategy<Value = AccountDiff> {
    let account = (0..3u64, 0..1000u64).prop_map(|(nonce, balance)| Account {
        nonce,
        ..Account::with_balance(U256::from(balance + 1))
    });
    let slots = prop::collection::btree_map(0..24u64, 0..4u64, 0..8);
    (prop::option::weighted(0.8, account), prop::bool::weighted(0.1), slots).prop_map(|(account, wiped, slots)| {
        let slots = slots
            .into_iter()
            .map(|(slot, value)| (U256::from(slot), U256::from(value)));
        AccountDiff {
            account,
            wiped,
            slots: slots.filter(|_| account.is_some()).collect(),
        }
    })
}

fn diffs() -> impl Strategy<Value = Vec<Diff>> {
    let address = (0..12u8).prop_map(Address::with_last_byte);
    let accounts = prop::collection::btree_map(address, change(), 0..8);
    prop::collection::vec(
        accounts.prop_map(|accounts| Diff {
            accounts,
            ..Diff::default()
        }),
        1..8,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(7), ..ProptestConfig::default() })]

    /// However blocks change it, the state has alloy's root, and earlier states keep theirs.
    #[test]
    fn roots_equal_those_of_alloy_block_after_block(blocks in diffs()) {
        let (mut state, mut model) = (State::empty(), Model::new());
        let mut history = Vec::new();
        for diff in &blocks {
            state.apply(diff);
            apply_to_model(&mut model, diff);
            prop_assert_eq!(state.root(), root_by_alloy(&model));
            history.push((state.clone(), model.clone()));
        }
        for (state, model) in history {
            prop_assert_eq!(state.root(), root_by_alloy(&model));
        }
    }

    /// A store may write several blocks as one change.
    #[test]
    fn appended_diffs_do_what_they_did_one_by_one(blocks in diffs()) {
        let (mut one_by_one, mut at_once) = (State::empty(), State::empty());
        let mut all = Diff::default();
        for diff in blocks {
            one_by_one.apply(&diff);
            all.append(diff);
        }
        at_once.apply(&all);
        prop_assert_eq!(at_once.root(), one_by_one.root());
    }

    /// Proofs of accounts and slots, there or not, convince alloy's verifier.
    #[test]
    fn proofs_convince_a_light_client(blocks in diffs()) {
        let mut state = State::empty();
        for diff in &blocks {
            state.apply(diff);
        }
        for address in (0..14).map(Address::with_last_byte) {
            let slots: Vec<_> = (0..26).map(U256::from).collect();
            let proof = state.proof(&address, &slots);
            let leaf = proof.account.map(|Account { nonce, balance, code_hash }| {
                alloy_rlp::encode(TrieAccount { nonce, balance, storage_root: proof.storage_root, code_hash })
            });
            let key = Nibbles::unpack(keccak256(address));
            prop_assert!(verify_proof(state.root(), key, leaf, &proof.proof).is_ok());
            for slot in &proof.storage {
                prop_assert_eq!(slot.value, state.storage(&address, slot.slot));
                let value = (!slot.value.is_zero()).then(|| alloy_rlp::encode(slot.value));
                let key = Nibbles::unpack(slot_key(slot.slot));
                prop_assert!(verify_proof(proof.storage_root, key, value, &slot.proof).is_ok());
            }
        }
    }
}
