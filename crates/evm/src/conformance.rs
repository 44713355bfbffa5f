//! Ethereum's own state and trie tests, where the checkout has them beside it (`../shared/vectors`).
//!
//! Each state test goes the way of a block's transaction: decoded from its bytes, its sender recovered, pushed into a [`Packer`].

use crate::{
    Account, AccountDiff, BlockContext, BlockHashes, Diff, Packer, State,
    pack::configuration,
    trie::{Leaf, Trie},
};
use alloy_consensus::{TxEnvelope, transaction::SignerRecoverable};
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use revm::primitives::hardfork::SpecId;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    io::{BufReader, Read},
    path::Path,
    str::FromStr,
};

const VECTORS: &str = "../shared/vectors/ethereum-state-tests.tar.xz";

/// Folders left out for their time: loops that run a block's gas many times over (each file takes seconds). The rest of the
/// suite covers the same instructions.
const SLOW: [&str; 5] = [
    "stQuadraticComplexityTest",
    "stTimeConsuming",
    "vmPerformance",
    "stAttackTest",
    "stStaticCall/static_Call50000",
];

/// The files of the archive whose path contains `part`, or `None` where the archive is not there.
fn vectors(part: &str) -> Option<Vec<(String, Value)>> {
    let path = Path::new("../..").join(VECTORS);
    let Ok(file) = std::fs::File::open(path) else {
        println!("skipped: {VECTORS} is not there");
        return None;
    };
    let mut archive = Vec::new();
    lzma_rs::xz_decompress(&mut BufReader::new(file), &mut archive).expect("the archive is xz");
    let mut found = Vec::new();
    for entry in tar::Archive::new(archive.as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_string_lossy().into_owned();
        if name.contains(part) && name.ends_with(".json") && !SLOW.iter().any(|slow| name.contains(slow)) {
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            found.push((name, serde_json::from_str(&text).unwrap()));
        }
    }
    Some(found)
}

fn field<T: FromStr<Err: std::fmt::Debug>>(value: &Value) -> T {
    value.as_str().expect("a string").parse().expect("well formed")
}

fn small(value: &Value) -> u64 {
    field::<U256>(value).saturating_to()
}

/// `BLOCKHASH` in state tests: the hash of the number in decimal.
struct TestHashes;

impl BlockHashes for TestHashes {
    fn block_hash(&self, number: u64) -> Option<B256> {
        Some(keccak256(number.to_string()))
    }
}

fn state_before(accounts: &Value) -> State {
    let mut diff = Diff::default();
    for (address, account) in accounts.as_object().unwrap() {
        let code: Bytes = field(&account["code"]);
        let after = Account {
            nonce: small(&account["nonce"]),
            balance: field(&account["balance"]),
            code_hash: keccak256(&code),
        };
        diff.codes.insert(after.code_hash, code);
        let slots = account["storage"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(slot, value)| (U256::from_str(slot).unwrap(), field(value)));
        let change = AccountDiff {
            account: Some(after),
            wiped: false,
            slots: slots.collect(),
        };
        diff.accounts.insert(address.parse().unwrap(), change);
    }
    let mut state = State::empty();
    state.apply(&diff);
    state
}

fn block(env: &Value) -> BlockContext {
    BlockContext {
        number: small(&env["currentNumber"]),
        timestamp: small(&env["currentTimestamp"]),
        base_fee: small(&env["currentBaseFee"]),
        gas_limit: small(&env["currentGasLimit"]),
        beneficiary: field::<Address>(&env["currentCoinbase"]),
        prev_randao: field(&env["currentRandom"]),
        parent_hash: B256::ZERO,
        beacon: Default::default(),
    }
}

/// Runs one case; the root and the hash of the logs afterwards. A transaction that is refused changes nothing.
fn run(before: &State, block: &BlockContext, bytes: &[u8]) -> Result<(B256, B256), String> {
    let transaction = TxEnvelope::decode_2718_exact(bytes).map_err(|error| error.to_string())?;
    let transaction = transaction.try_into_recovered().map_err(|error| error.to_string())?;
    let config = configuration(SpecId::CANCUN, 1);
    let mut packer = Packer::with_spec(before, block.clone(), config, &TestHashes);
    packer.push(&transaction).map_err(|error| error.to_string())?;
    let executed = packer.finish();
    Ok((
        executed.header.state_root,
        keccak256(alloy_rlp::encode(executed.receipts[0].logs().to_vec())),
    ))
}

/// Blob transactions and blob gas: this chain has none.
const BLOBS: [&str; 3] = ["stEIP4844", "eip4844_blobs", "eip7516_blobgasfee"];

/// They begin with an account that has storage but neither nonce nor code (EIP-7610). No transaction can make one since EIP-161,
/// and revm does not look for it.
const IMPOSSIBLE: [&str; 5] = [
    "create2collisionStorageParis",
    "dynamicAccountOverwriteEmpty_Paris",
    "InitCollisionParis",
    "RevertInCreateInInit_Paris",
    "RevertInCreateInInitCreate2Paris",
];

fn applies(name: &str) -> bool {
    !BLOBS.iter().chain(&IMPOSSIBLE).any(|left_out| name.contains(left_out))
}

#[test]
fn ethereum_state_tests_give_their_roots_and_logs() {
    let Some(files) = vectors("GeneralStateTests/") else {
        return;
    };
    let (mut passed, mut failures) = (0, Vec::new());
    for (name, tests) in files.iter().filter(|(name, _)| applies(name)) {
        for (test, content) in tests.as_object().unwrap() {
            let Some(cases) = content["post"]["Cancun"].as_array() else {
                continue;
            };
            let (before, block) = (state_before(&content["pre"]), block(&content["env"]));
            for (index, case) in cases.iter().enumerate() {
                let outcome = run(&before, &block, &field::<Bytes>(&case["txbytes"]));
                let expected = (field::<B256>(&case["hash"]), field::<B256>(&case["logs"]));
                let refused = !case["expectException"].is_null();
                let good = match &outcome {
                    Ok(found) => !refused && *found == expected,
                    Err(_) => refused && before.root() == expected.0,
                };
                if good {
                    passed += 1;
                } else {
                    failures.push(format!("{name} {test} {index}: {outcome:?}"));
                }
            }
        }
    }
    println!("{passed} state tests passed");
    assert!(
        failures.is_empty(),
        "{} of {passed}: {:#?}",
        failures.len(),
        &failures[..failures.len().min(20)]
    );
    assert!(passed > 10_000, "only {passed}: the archive has changed");
}

#[derive(Clone)]
struct Raw(Vec<u8>);

impl Leaf for Raw {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

fn raw(text: &str) -> Vec<u8> {
    text.strip_prefix("0x")
        .map_or_else(|| text.as_bytes().to_vec(), |digits| hex::decode(digits).unwrap())
}

#[test]
fn ethereum_trie_tests_give_their_roots() {
    let Some(files) = vectors("TrieTests/") else { return };
    let secure: Vec<_> = files
        .iter()
        .filter(|(name, _)| name.to_lowercase().contains("secure"))
        .collect();
    assert_eq!(secure.len(), 3);
    for (name, tests) in secure {
        for (test, content) in tests.as_object().unwrap() {
            let steps: Vec<(String, Value)> = match &content["in"] {
                Value::Array(steps) => steps
                    .iter()
                    .map(|s| (s[0].as_str().unwrap().into(), s[1].clone()))
                    .collect(),
                steps => steps
                    .as_object()
                    .unwrap()
                    .clone()
                    .into_iter()
                    .collect::<BTreeMap<_, _>>()
                    .into_iter()
                    .collect(),
            };
            let mut trie = Trie::default();
            for (key, value) in steps {
                let key = keccak256(raw(&key));
                match value {
                    Value::Null => trie.remove(&key),
                    value => trie.insert(key, Raw(raw(value.as_str().unwrap()))),
                }
            }
            assert_eq!(trie.root(), field::<B256>(&content["root"]), "{name} {test}");
        }
    }
}
