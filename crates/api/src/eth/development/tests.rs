use super::*;
use alloy_primitives::{address, b256};
use chain::PoolLimits;
use std::collections::BTreeSet;

const CHAIN: u64 = 16602;
const SOMEBODY: Address = address!("00000000000000000000000000000000000000aa");

struct Client {
    bench: Bench,
    module: RpcModule<()>,
}

fn key(number: u8) -> Secret {
    Secret::from_bytes(&B256::with_last_byte(number).0).unwrap()
}

impl Client {
    fn new(sealing: Sealing) -> Self {
        let genesis = evm::Genesis {
            chain_id: CHAIN,
            timestamp: 1_700_000_000,
            gas_limit: 30_000_000,
            prev_randao: Default::default(),
            allocations: (1..=2)
                .map(|number| (key(number).address(), U256::from(10).pow(U256::from(21))))
                .collect(),
            contracts: vec![],
            calls: vec![],
        };
        let chain = Development::begin(&genesis, PoolLimits::default()).unwrap();
        let config = DevelopmentConfig {
            eth: EthConfig::alone(([127, 0, 0, 1], 0).into(), "test"),
            keys: vec![key(1), key(2)],
            sealing,
            ahead_s: 0,
        };
        let bench = Bench::new(config, chain);
        Self {
            module: bench.module(),
            bench,
        }
    }

    async fn answer(&self, method: &str, params: Value) -> Value {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let (answer, _) = self.module.raw_json_request(&request.to_string(), 1).await.unwrap();
        serde_json::from_str(answer.get()).unwrap()
    }

    async fn ask(&self, method: &str, params: Value) -> Value {
        let answer = self.answer(method, params).await;
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].clone()
    }

    async fn refused(&self, method: &str, params: Value) -> String {
        let answer = self.answer(method, params).await;
        let text = answer["error"]["message"].as_str();
        text.unwrap_or_else(|| panic!("{method}: {answer}")).into()
    }

    async fn number(&self, method: &str, params: Value) -> u64 {
        serde_json::from_value::<U64>(self.ask(method, params).await)
            .unwrap()
            .to()
    }

    async fn time(&self) -> u64 {
        let block = self.ask("eth_getBlockByNumber", json!(["latest", false])).await;
        serde_json::from_value::<U64>(block["timestamp"].clone()).unwrap().to()
    }

    async fn send(&self, from: Address, to: Address, wei: u64) -> Value {
        let request = json!({ "from": from, "to": to, "value": U64::from(wei) });
        self.ask("eth_sendTransaction", json!([request])).await
    }
}

#[tokio::test]
async fn a_snapshot_brings_back_balances_blocks_filters_and_the_clock() {
    let client = Client::new(Sealing::Instant);
    let me = key(1).address();
    client.send(me, SOMEBODY, 5).await;
    let filter = client.ask("eth_newBlockFilter", json!([])).await;
    let snapshot = client.ask("evm_snapshot", json!([])).await;
    let before = client.time().await;
    client.ask("evm_increaseTime", json!([86_400])).await;
    let gone = client.send(me, SOMEBODY, 7).await;
    assert!(client.time().await >= before + 86_400);
    assert_eq!(client.number("eth_getBalance", json!([SOMEBODY])).await, 12);
    assert_eq!(
        client
            .ask("eth_getFilterChanges", json!([filter]))
            .await
            .as_array()
            .unwrap()
            .len(),
        1
    );

    assert_eq!(client.ask("evm_revert", json!([snapshot])).await, true);
    assert_eq!(client.ask("evm_revert", json!([snapshot])).await, false);
    assert_eq!(client.number("eth_getBalance", json!([SOMEBODY])).await, 5);
    assert_eq!(client.number("eth_blockNumber", json!([])).await, 1);
    assert!(client.ask("eth_getTransactionReceipt", json!([gone])).await.is_null());
    client.ask("evm_mine", json!([])).await;
    assert!(client.time().await < before + 86_400);
    // The filter told block 2 before; this is another block 2.
    let block = client.ask("eth_getBlockByNumber", json!(["latest", false])).await;
    assert_eq!(
        client.ask("eth_getFilterChanges", json!([filter])).await,
        json!([block["hash"]])
    );
}

#[tokio::test]
async fn time_is_what_the_next_block_is_told_and_goes_on_from_there() {
    let client = Client::new(Sealing::Instant);
    client.ask("evm_setNextBlockTimestamp", json!(["0x77359400"])).await;
    // Before there is such a block, calls on the pending one see its time.
    let timestamp = json!([{ "input": "0x425f5260205ff3" }, "pending"]);
    let pending = client.ask("eth_call", timestamp).await;
    assert_eq!(pending, json!(B256::from(U256::from(2_000_000_000u64))));
    client.ask("evm_mine", json!([])).await;
    assert_eq!(client.time().await, 2_000_000_000);
    client.ask("hardhat_mine", json!(["0x3", "0x3c"])).await;
    assert_eq!(client.time().await, 2_000_000_120);
    assert_eq!(client.number("eth_blockNumber", json!([])).await, 4);
    client.ask("evm_mine", json!([2_000_001_000])).await;
    assert_eq!(client.time().await, 2_000_001_000);
    let said = client.refused("evm_setNextBlockTimestamp", json!([1])).await;
    assert!(said.contains("before the last block's"), "{said}");
    let said = client.refused("anvil_mine", json!(["0xffffffff"])).await;
    assert!(said.contains("more than 100000 blocks"), "{said}");
}

#[tokio::test]
async fn one_sends_as_anybody_once_impersonated_and_not_before() {
    let client = Client::new(Sealing::Instant);
    let request = json!([{ "from": SOMEBODY, "to": key(1).address(), "value": "0x1" }]);
    let said = client.refused("eth_sendTransaction", request.clone()).await;
    assert!(said.contains("anvil_impersonateAccount"), "{said}");
    client.ask("hardhat_impersonateAccount", json!([SOMEBODY])).await;
    client
        .ask("anvil_setBalance", json!([SOMEBODY, "0xde0b6b3a7640000"]))
        .await;
    // A contract, whose code would keep a signed transaction of its own out of any network's block.
    client.ask("anvil_setCode", json!([SOMEBODY, "0x00"])).await;
    let hash = client.ask("eth_sendTransaction", request.clone()).await;
    let receipt = client.ask("eth_getTransactionReceipt", json!([hash])).await;
    assert_eq!(
        (&receipt["from"], &receipt["status"]),
        (&json!(SOMEBODY), &json!("0x1"))
    );
    let trace = client
        .ask("debug_traceTransaction", json!([hash, { "tracer": "callTracer" }]))
        .await;
    assert_eq!(trace["from"], json!(SOMEBODY));
    client.ask("hardhat_stopImpersonatingAccount", json!([SOMEBODY])).await;
    client.refused("eth_sendTransaction", request.clone()).await;
    client.ask("anvil_autoImpersonateAccount", json!([true])).await;
    client.ask("eth_sendTransaction", request).await;
}

#[tokio::test]
async fn transactions_wait_until_a_block_is_told_to_be_made() {
    let client = Client::new(Sealing::Instant);
    client.ask("evm_setAutomine", json!([false])).await;
    let me = key(2).address();
    let (first, second) = (client.send(me, SOMEBODY, 1).await, client.send(me, SOMEBODY, 2).await);
    assert_eq!(client.number("eth_blockNumber", json!([])).await, 0);
    assert_eq!(client.ask("anvil_dropTransaction", json!([second])).await, second);
    client.ask("anvil_mine", json!([])).await;
    assert!(
        client
            .ask("eth_getTransactionReceipt", json!([first]))
            .await
            .is_object()
    );
    assert!(client.ask("eth_getTransactionByHash", json!([second])).await.is_null());
    assert_eq!(client.ask("anvil_getAutomine", json!([])).await, false);
}

#[tokio::test]
async fn blocks_come_by_themselves_as_transactions_do_and_at_intervals() {
    let client = Client::new(Sealing::Instant);
    let making = tokio::spawn(client.bench.clone().make_blocks());
    let mut blocks = client.bench.chain().ledger().subscribe();
    client.send(key(1).address(), SOMEBODY, 1).await;
    assert_eq!(blocks.recv().await.unwrap().transactions.len(), 1);
    client.bench.seal_by(Sealing::Every(Duration::ZERO)).await.unwrap();
    assert!(blocks.recv().await.unwrap().transactions.is_empty());
    assert!(blocks.recv().await.unwrap().transactions.is_empty());
    making.abort();
}

#[tokio::test]
async fn what_was_dumped_is_loaded_and_goes_on() {
    let client = Client::new(Sealing::Instant);
    client.send(key(1).address(), SOMEBODY, 3).await;
    client
        .ask("anvil_setStorageAt", json!([SOMEBODY, "0x1", B256::repeat_byte(2)]))
        .await;
    let dump: Bytes = serde_json::from_value(client.ask("anvil_dumpState", json!([])).await).unwrap();
    client.send(key(1).address(), SOMEBODY, 4).await;
    assert_eq!(client.ask("anvil_loadState", json!([dump])).await, true);
    assert_eq!(client.number("eth_getBalance", json!([SOMEBODY])).await, 3);
    let slot = client.ask("eth_getStorageAt", json!([SOMEBODY, "0x1"])).await;
    assert_eq!(slot, json!(B256::repeat_byte(2)));

    let saved = SavedState::from_json(&dump).unwrap();
    assert_eq!(saved.to_json(), dump);
    let again = Development::go_on(&saved.image, PoolLimits::default()).unwrap();
    assert_eq!(again.ledger().latest().header.number, 1);
    client.ask("anvil_reset", json!([])).await;
    assert_eq!(client.number("eth_blockNumber", json!([])).await, 0);
    let said = client
        .refused(
            "hardhat_reset",
            json!([{ "forking": { "jsonRpcUrl": "http://127.0.0.1:1" } }]),
        )
        .await;
    assert!(said.contains("forks no other"), "{said}");
}

/// A state's file may have been changed by anything: it is read or refused, and never more.
#[tokio::test]
async fn a_damaged_state_is_refused_not_followed() {
    let client = Client::new(Sealing::Instant);
    let whole = client.bench.controls.save().unwrap().to_json();
    for end in (0..whole.len()).step_by(7) {
        assert!(SavedState::from_json(&whole[..end]).is_err());
    }
    let text = String::from_utf8(whole).unwrap();
    let version = text.replacen("\"version\":1", "\"version\":9", 1);
    assert!(matches!(
        SavedState::from_json(version.as_bytes()),
        Err(StateError::Version { found: 9 })
    ));
    for place in (0..text.len()).step_by(11) {
        let mut bytes = text.clone().into_bytes();
        bytes[place] = bytes[place].wrapping_add(1);
        if let Ok(saved) = SavedState::from_json(&bytes) {
            let _ = Development::go_on(&saved.image, PoolLimits::default());
        }
    }
}

/// A network's node says of each method where it is to be found, and of no other.
#[tokio::test]
async fn a_networks_node_has_no_method_of_a_development_chain() {
    let client = Client::new(Sealing::Instant);
    let network = server::module(
        EthConfig::alone(([127, 0, 0, 1], 0).into(), "test"),
        client.bench.chain().ledger().clone(),
    );
    let ours: BTreeSet<_> = client.module.method_names().collect();
    let everywhere: BTreeSet<_> = server::methods_of(&client.bench.node).method_names().collect();
    let only_here: BTreeSet<_> = ours.difference(&everywhere).copied().collect();
    assert_eq!(only_here, methods::NAMES.into_iter().collect());
    for method in methods::NAMES {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": [] });
        let (answer, _) = network.raw_json_request(&request.to_string(), 1).await.unwrap();
        let answer: Value = serde_json::from_str(answer.get()).unwrap();
        assert_eq!(answer["error"]["code"], -32601);
        let text = answer["error"]["message"].as_str().unwrap();
        assert!(text.contains(method) && text.contains("aloft up --dev"), "{text}");
    }
    assert_eq!(client.bench.chain().ledger().latest().header.number, 0);
}

#[tokio::test]
async fn accounts_whose_keys_are_here_are_listed_and_sign() {
    let client = Client::new(Sealing::Instant);
    let accounts = client.ask("eth_accounts", json!([])).await;
    assert_eq!(accounts, json!([key(1).address(), key(2).address()]));
    let message = json!("0x68656c6c6f");
    let signed: Bytes =
        serde_json::from_value(client.ask("personal_sign", json!([message, accounts[0]])).await).unwrap();
    assert_eq!(
        json!(signed),
        client.ask("eth_sign", json!([accounts[0], message])).await
    );
    let signature = signed.as_ref().try_into().unwrap();
    let digest = alloy_primitives::eip191_hash_message("hello");
    assert_eq!(crypto::ecdsa::recover(&digest, &signature).unwrap(), key(1).address());
    client.refused("eth_sign", json!([SOMEBODY, message])).await;
}

/// The example that EIP-712 gives, with its digest.
#[tokio::test]
async fn accounts_sign_typed_data_given_as_an_object_or_as_text() {
    let client = Client::new(Sealing::Instant);
    let account = key(1).address();
    let word = |name: &str, kind: &str| json!({ "name": name, "type": kind });
    let data = json!({
        "types": {
            "EIP712Domain": [
                word("name", "string"),
                word("version", "string"),
                word("chainId", "uint256"),
                word("verifyingContract", "address"),
            ],
            "Person": [word("name", "string"), word("wallet", "address")],
            "Mail": [word("from", "Person"), word("to", "Person"), word("contents", "string")],
        },
        "primaryType": "Mail",
        "domain": {
            "name": "Ether Mail",
            "version": "1",
            "chainId": 1,
            "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC",
        },
        "message": {
            "from": { "name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826" },
            "to": { "name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB" },
            "contents": "Hello, Bob!",
        },
    });
    let digest = b256!("be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2");
    for given in [data.clone(), json!(data.to_string())] {
        let signed = client.ask("eth_signTypedData_v4", json!([account, given])).await;
        let signed: Bytes = serde_json::from_value(signed).unwrap();
        let signature = signed.as_ref().try_into().unwrap();
        assert_eq!(crypto::ecdsa::recover(&digest, &signature).unwrap(), account);
    }
    client.refused("eth_signTypedData_v4", json!([SOMEBODY, data])).await;
    let mut lacking = data;
    lacking["message"]["to"]["wallet"] = json!("nobody");
    client.refused("eth_signTypedData_v4", json!([account, lacking])).await;
}
