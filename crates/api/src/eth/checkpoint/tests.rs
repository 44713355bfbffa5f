use crate::eth::tests::{Chain, LOGGER, address, creation, signed};
use alloy_primitives::{B256, Bytes, TxKind, keccak256};
use chain::{
    Block, Committee, FinalityProof, MemoryDisk, Store, ValidatorKeys,
    finality::Seats,
    sync::{
        Arriving, Wanted, check_header,
        page::{PAGE_ACCOUNTS_MAX, decode_accounts},
    },
};
use serde_json::{Value, json};
use std::num::NonZeroU64;

const EPOCH_BLOCKS: NonZeroU64 = NonZeroU64::new(8).unwrap();

fn bytes(value: &Value) -> Bytes {
    serde_json::from_value(value.clone()).unwrap()
}

fn list(value: &Value) -> Vec<Bytes> {
    serde_json::from_value(value.clone()).unwrap()
}

/// A chain with one checkpoint, at height 7; in block 2 is a log.
async fn chain() -> (Chain, B256) {
    let chain = Chain::new();
    chain.ledger.keep_checkpoints(EPOCH_BLOCKS);
    assert_eq!(chain.ask("aloft_getCheckpoints", json!([])).await, json!([]));
    chain.seal(&[signed(1, 0, 1, TxKind::Create, creation(&LOGGER))]);
    chain.seal(&[signed(1, 1, 1, TxKind::Call(address(1).create(0)), [])]);
    (0..6).for_each(|_| chain.seal(&[]));
    let hash = chain.ledger.by_number(7).unwrap().unwrap().hash;
    let kept = chain.ask("aloft_getCheckpoints", json!([])).await;
    assert_eq!(kept, json!([{ "number": "0x7", "hash": hash }]));
    (chain, hash)
}

/// Takes the state over JSON-RPC into a store, and ends it with a certificate that nobody checks here.
async fn take(chain: &Chain, hash: B256) -> Store {
    let header = chain.ask("debug_getRawHeader", json!([hash])).await;
    let header = check_header(hash, &bytes(&header)).unwrap();
    let store = Store::in_memory(&MemoryDisk::new()).unwrap();
    let genesis = chain.ledger.genesis().hash_slow();
    let mut arriving = Arriving::new(store.clone(), store.begin_arrival(genesis, &header).unwrap());
    loop {
        match arriving.wanted() {
            Wanted::Accounts(first) => {
                let page = chain.ask("aloft_getAccounts", json!([hash, first, "0x2"])).await;
                arriving.take_accounts(&bytes(&page)).unwrap();
            }
            Wanted::Slots(storages) => {
                let pages = chain.ask("aloft_getSlots", json!([hash, storages])).await;
                arriving.take_slots(&list(&pages)).unwrap();
            }
            Wanted::Codes(hashes) => {
                let codes = chain.ask("aloft_getCodes", json!([hash, hashes])).await;
                arriving.take_codes(list(&codes)).unwrap();
            }
            Wanted::Nothing => break,
        }
    }
    let headers = list(&chain.ask("aloft_getHeaders", json!(["0x0", "0x7"])).await);
    let ancestors = chain::sync::check_ancestors(&header, &headers).unwrap();
    let keys = ValidatorKeys::from_seed(&[1; 32]);
    let committee = Committee::new(&[keys.validator(1)]).unwrap();
    let certificate = FinalityProof {
        epoch: 0,
        view: 1,
        parent_view: 0,
        signers: Seats::none(1),
        signature: keys.votes[0].sign(b"nothing"),
        summary: Block::genesis(header, committee.first()).summary(),
    };
    let block = chain.ledger.by_number(7).unwrap().unwrap();
    store.finish_arrival(&block, &ancestors, &certificate).unwrap();
    store
}

#[tokio::test]
async fn a_state_is_served_in_bounded_parts_while_it_is_kept() {
    let (chain, hash) = chain().await;
    let first = B256::ZERO;
    let all = chain
        .ask("aloft_getAccounts", json!([hash, first, "0xffffffffffffffff"]))
        .await;
    let page = decode_accounts(&bytes(&all)).unwrap();
    page.verify(chain.ledger.state_at(7).unwrap().root(), first).unwrap();
    assert!(page.rows.len() <= PAGE_ACCOUNTS_MAX && !page.more);
    let none = chain.ask("aloft_getAccounts", json!([hash, first, "0x0"])).await;
    assert_eq!(decode_accounts(&bytes(&none)).unwrap().rows.len(), 1);
    for (method, rest) in [
        ("aloft_getAccounts", vec![json!(first), json!("0x1")]),
        ("aloft_getSlots", vec![json!([])]),
        ("aloft_getCodes", vec![json!([])]),
    ] {
        let other = [vec![json!(B256::repeat_byte(1))], rest].concat();
        assert_eq!(chain.ask(method, Value::Array(other)).await, Value::Null, "{method}");
    }
    let many = vec![(keccak256(address(1)), B256::ZERO); 400];
    let pages = chain.ask("aloft_getSlots", json!([hash, many])).await;
    assert_eq!(list(&pages).len(), chain::sync::STORAGES_MAX);
    let codes = chain.ask("aloft_getCodes", json!([hash, [B256::repeat_byte(1)]])).await;
    assert_eq!(codes, json!([]));
    let headers = chain.ask("aloft_getHeaders", json!(["0x6", "0xffffffff"])).await;
    assert_eq!(list(&headers).len(), 3);
    (0..16).for_each(|_| chain.seal(&[]));
    let gone = chain.ask("aloft_getAccounts", json!([hash, first, "0x1"])).await;
    assert_eq!(gone, Value::Null);
}

/// A node that began with a state shows no block that it does not have, and never answers as if there had been nothing.
#[tokio::test]
async fn what_was_before_the_first_block_of_a_node_is_null_or_an_error() {
    let (whole, hash) = chain().await;
    let chain = Chain::on(take(&whole, hash).await);
    chain.seal(&[signed(2, 0, 1, TxKind::Call(address(1).create(0)), [])]);
    assert_eq!(
        chain.ask("eth_getBlockByNumber", json!(["0x6", true])).await,
        Value::Null
    );
    let earliest = chain.ask("eth_getBlockByNumber", json!(["earliest", true])).await;
    assert_eq!(earliest, whole.ask("eth_getBlockByNumber", json!(["0x7", true])).await);
    let fees = chain.ask("eth_feeHistory", json!(["0x400", "latest", [50.0]])).await;
    assert_eq!(fees["oldestBlock"], "0x7");
    assert_eq!(fees["gasUsedRatio"].as_array().unwrap().len(), 2);
    let logs = chain.ask("eth_getLogs", json!([{ "fromBlock": "earliest" }])).await;
    assert_eq!(logs.as_array().unwrap().len(), 2);
    for params in [
        json!([{ "fromBlock": "0x2" }]),
        json!([{ "fromBlock": "0x0", "toBlock": "0x3" }]),
    ] {
        let (code, text) = chain.refused("eth_getLogs", params).await;
        assert!(code == 4444 && text.contains("first block is 7"), "{code} {text}");
    }
    let (code, _) = chain.refused("eth_getBalance", json!([address(1), "0x3"])).await;
    assert_eq!(code, 4444);
    let (code, _) = chain.refused("eth_feeHistory", json!(["0x1", "0x3", []])).await;
    assert_eq!(code, 4444);
    let balance = json!([address(1), "latest"]);
    assert_eq!(
        chain.ask("eth_getBalance", balance.clone()).await,
        whole.ask("eth_getBalance", balance).await
    );
    let id = chain.ask("eth_newBlockFilter", json!([])).await;
    chain.seal(&[]);
    let changes = chain.ask("eth_getFilterChanges", json!([id])).await;
    assert_eq!(changes.as_array().unwrap().len(), 1);
    let oldest = chain.ask("eth_capabilities", json!([])).await["blocks"]["oldestBlock"].clone();
    assert_eq!(oldest, "0x7");
    assert!(chain.ask("eth_gasPrice", json!([])).await.is_string());
    assert_eq!(chain.ledger.latest().header.number, 9);
    assert_eq!(chain.ledger.first(), 7);
}
