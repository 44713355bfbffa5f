use super::{
    EthConfig,
    filter::{Filters, Kind},
    server::module,
};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope, crypto::secp256k1};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex};
use chain::{Ledger, MemoryDisk, PoolLimits, Store};
use jsonrpsee::RpcModule;
use serde_json::{Value, json};

const CHAIN: u64 = 16602;
const GWEI: u128 = 1_000_000_000;
/// `LOG0` with one word of data, twice.
pub(super) const LOGGER: [u8; 10] = hex!("60205fa060205fa000fe");

/// A chain that seals when told, asked in process.
pub(super) struct Chain {
    pub(super) ledger: Ledger,
    module: RpcModule<()>,
}

fn key(number: u8) -> B256 {
    B256::with_last_byte(number)
}

pub(super) fn address(number: u8) -> Address {
    let signature = secp256k1::sign_message(key(number), B256::ZERO).unwrap();
    secp256k1::recover_signer(&signature, B256::ZERO).unwrap()
}

/// Signed and encoded, from account `number`, paying a tip of `tip` gwei.
pub(super) fn signed(number: u8, nonce: u64, tip: u128, to: TxKind, input: impl Into<Bytes>) -> Bytes {
    let transaction = TxEip1559 {
        chain_id: CHAIN,
        nonce,
        gas_limit: 100_000,
        max_fee_per_gas: 100 * GWEI,
        max_priority_fee_per_gas: tip * GWEI,
        to,
        input: input.into(),
        ..TxEip1559::default()
    };
    let signature = secp256k1::sign_message(key(number), transaction.signature_hash()).unwrap();
    TxEnvelope::from(transaction.into_signed(signature))
        .encoded_2718()
        .into()
}

/// Creation code for `code`.
pub(super) fn creation(code: &[u8]) -> Vec<u8> {
    [
        &[0x60, code.len() as u8, 0x80, 0x60, 0x09, 0x5f, 0x39, 0x5f, 0xf3],
        code,
    ]
    .concat()
}

impl Chain {
    pub(super) fn new() -> Self {
        Self::on(Store::in_memory(&MemoryDisk::default()).unwrap())
    }

    /// The chain that is in `store`, or a new one there.
    pub(super) fn on(store: Store) -> Self {
        let genesis = evm::Genesis {
            chain_id: CHAIN,
            timestamp: 1_700_000_000,
            gas_limit: 30_000_000,
            prev_randao: Default::default(),
            allocations: (1..=5)
                .map(|number| (address(number), U256::from(10).pow(U256::from(21))))
                .collect(),
            contracts: vec![],
            calls: vec![],
        };
        let ledger = Ledger::open(&genesis, store, PoolLimits::default()).unwrap();
        let config = EthConfig {
            peer_count: 3,
            ..EthConfig::alone(([127, 0, 0, 1], 0).into(), "test")
        };
        Self {
            module: module(config, ledger.clone()),
            ledger,
        }
    }

    /// Puts transactions into the next block.
    pub(super) fn seal(&self, transactions: &[Bytes]) {
        for raw in transactions {
            self.ledger.submit(raw).unwrap();
        }
        let parent = self.ledger.latest();
        let timestamp = parent.header.timestamp + 1;
        let block = self
            .ledger
            .propose(parent.hash, timestamp, Address::ZERO, B256::ZERO, &mut || false)
            .unwrap();
        assert!(block.receipts.iter().all(|receipt| receipt.status()));
        self.ledger.finalize(block.hash).unwrap();
    }

    async fn answer(&self, method: &str, params: Value) -> Value {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let (answer, _) = self.module.raw_json_request(&request.to_string(), 1).await.unwrap();
        serde_json::from_str(answer.get()).unwrap()
    }

    /// The result of a call that works.
    pub(super) async fn ask(&self, method: &str, params: Value) -> Value {
        let answer = self.answer(method, params).await;
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// Code and text of the error of a call that fails.
    pub(super) async fn refused(&self, method: &str, params: Value) -> (i64, String) {
        let error = self.answer(method, params).await["error"].clone();
        (
            error["code"].as_i64().unwrap(),
            error["message"].as_str().unwrap().into(),
        )
    }
}

/// A node that was started again has the last state only. Who asks for an older one is told so, also by a tag.
#[tokio::test]
async fn a_state_that_is_gone_is_refused_with_the_oldest_that_is_there() {
    let disk = MemoryDisk::default();
    let chain = || Chain::on(Store::in_memory(&disk).unwrap());
    let before = chain();
    (0..3).for_each(|_| before.seal(&[]));
    drop(before);
    let chain = chain();
    for gone in ["earliest", "0x2"] {
        let (_, text) = chain.refused("eth_getBalance", json!([address(1), gone])).await;
        assert!(text.ends_with("this node has those from block 3 on"), "{text}");
    }
    for kept in ["latest", "finalized", "0x3"] {
        chain.ask("eth_getBalance", json!([address(1), kept])).await;
    }
}

#[tokio::test]
async fn receipts_count_gas_and_logs_through_the_block() {
    let chain = Chain::new();
    chain.seal(&[signed(1, 0, 1, TxKind::Create, creation(&LOGGER))]);
    let logger = address(1).create(0);
    let call = |number, nonce, tip| signed(number, nonce, tip, TxKind::Call(logger), []);
    chain.seal(&[
        call(2, 0, 3),
        signed(3, 0, 2, TxKind::Call(Address::ZERO), []),
        call(1, 1, 1),
    ]);

    let receipts = chain.ask("eth_getBlockReceipts", json!(["latest"])).await;
    let (first, second, third) = (&receipts[0], &receipts[1], &receipts[2]);
    assert_eq!(second["gasUsed"], "0x5208");
    let gas = |receipt: &Value, field| receipt[field].as_str().unwrap().parse::<U256>().unwrap();
    let (used, all) = (gas(first, "gasUsed"), gas(third, "cumulativeGasUsed"));
    assert_eq!(all, used + U256::from(21_000) + gas(third, "gasUsed"));
    let indices: Vec<_> = [first, third]
        .iter()
        .flat_map(|one| one["logs"].as_array().unwrap())
        .map(|log| &log["logIndex"])
        .collect();
    assert_eq!(indices, ["0x0", "0x1", "0x2", "0x3"]);
    assert_eq!(first["from"], json!(address(2)));
    assert_eq!(
        chain
            .ask("eth_getTransactionReceipt", json!([third["transactionHash"]]))
            .await,
        *third
    );

    let logs = chain
        .ask("eth_getLogs", json!([{ "fromBlock": "0x0", "address": logger }]))
        .await;
    let in_receipts: Vec<_> = [first, third]
        .iter()
        .flat_map(|one| one["logs"].as_array().unwrap().clone())
        .collect();
    assert_eq!(logs.as_array().unwrap(), &in_receipts);
    let created = chain.ask("eth_getBlockReceipts", json!(["0x1"])).await;
    assert_eq!(created[0]["contractAddress"], json!(logger));
}

#[tokio::test]
async fn a_block_shows_its_transactions_whole_or_by_hash() {
    let chain = Chain::new();
    chain.seal(&[signed(1, 0, 1, TxKind::Call(Address::ZERO), [1, 2])]);
    let by_hash = chain.ask("eth_getBlockByNumber", json!(["latest"])).await;
    let whole = chain.ask("eth_getBlockByHash", json!([by_hash["hash"], true])).await;
    assert_eq!(whole["transactions"][0]["hash"], by_hash["transactions"][0]);
    assert_eq!(whole["transactions"][0]["input"], "0x0102");
    for field in [
        "number",
        "hash",
        "parentHash",
        "timestamp",
        "gasLimit",
        "gasUsed",
        "miner",
        "extraData",
        "nonce",
        "difficulty",
        "baseFeePerGas",
        "mixHash",
        "sha3Uncles",
        "logsBloom",
        "stateRoot",
        "receiptsRoot",
        "transactionsRoot",
        "size",
    ] {
        assert!(whole[field].is_string(), "{field}");
    }
    let block = chain.ledger.latest();
    let body = alloy_consensus::BlockBody {
        transactions: block
            .transactions
            .iter()
            .map(|transaction| transaction.inner().clone())
            .collect(),
        ommers: vec![],
        withdrawals: Some(Default::default()),
    };
    let encoded = alloy_rlp::encode(alloy_consensus::Block {
        header: block.header.clone(),
        body,
    });
    assert_eq!(whole["size"], json!(U256::from(encoded.len())));
    for tag in ["safe", "finalized", "pending", "0x1"] {
        assert_eq!(chain.ask("eth_getBlockByNumber", json!([tag])).await, by_hash);
    }
    assert_eq!(chain.ask("eth_getBlockByNumber", json!(["0x9"])).await, Value::Null);
    assert_eq!(
        chain
            .ask("eth_getTransactionByBlockNumberAndIndex", json!(["latest", "0x1"]))
            .await,
        Value::Null
    );
    assert_eq!(
        chain
            .ask("eth_getUncleByBlockNumberAndIndex", json!(["latest", "0x0"]))
            .await,
        Value::Null
    );
    assert_eq!(
        chain.refused("eth_getBalance", json!([Address::ZERO, "0x9"])).await,
        (-32000, "header not found".into())
    );
}

#[tokio::test]
async fn fee_history_gives_tips_at_percentiles_of_gas() {
    let chain = Chain::new();
    let transfers: Vec<_> = (1..=4)
        .map(|number| signed(number, 0, number.into(), TxKind::Call(Address::ZERO), []))
        .collect();
    chain.seal(&transfers);
    chain.seal(&[]);
    let history = chain
        .ask("eth_feeHistory", json!([5, "latest", [0.0, 25.0, 50.0, 51.0, 100.0]]))
        .await;
    assert_eq!(history["oldestBlock"], "0x0");
    assert_eq!(history["baseFeePerGas"].as_array().unwrap().len(), 4);
    assert_eq!(history["gasUsedRatio"][1], json!(84_000.0 / 30_000_000.0));
    let gwei = |number: u128| json!(U256::from(number * GWEI));
    assert_eq!(
        history["reward"][1],
        json!([gwei(1), gwei(1), gwei(2), gwei(3), gwei(4)])
    );
    assert_eq!(history["reward"][2], json!(["0x0", "0x0", "0x0", "0x0", "0x0"]));
    assert_eq!(chain.ask("eth_maxPriorityFeePerGas", json!([])).await, gwei(3));
    assert_eq!(
        chain
            .refused("eth_feeHistory", json!(["0x1", "latest", [50.0, 10.0]]))
            .await
            .0,
        -32602
    );
    assert_eq!(
        chain.ask("eth_feeHistory", json!(["0x0", "latest", []])).await["gasUsedRatio"],
        json!([])
    );
}

/// Thirty at once, every third of which is none: they are looked at together, and nobody gets another's answer.
#[tokio::test]
async fn transactions_that_come_at_once_each_get_their_own_answer() {
    let chain = Chain::new();
    let raws = (0..30).map(|nonce| match nonce % 3 {
        2 => Bytes::from(vec![2, nonce as u8]),
        _ => signed(1, nonce - nonce / 3, 1, TxKind::Call(Address::ZERO), []),
    });
    let raws: Vec<Bytes> = raws.collect();
    let asked = raws
        .iter()
        .map(|raw| chain.answer("eth_sendRawTransaction", json!([raw])));
    for (raw, answer) in raws.iter().zip(futures::future::join_all(asked).await) {
        if raw.len() == 2 {
            assert_eq!(answer["error"]["code"], -32000, "{answer}");
        } else {
            assert_eq!(answer["result"], json!(alloy_primitives::keccak256(raw)), "{answer}");
        }
    }
    assert_eq!(chain.ledger.pool().len(), 20);
}

#[tokio::test]
async fn the_pool_shows_what_can_run_and_what_waits_for_a_gap() {
    let chain = Chain::new();
    let to = TxKind::Call(Address::ZERO);
    let first = signed(1, 0, 1, to, []);
    let hash = chain.ask("eth_sendRawTransaction", json!([first])).await;
    for nonce in [1, 3] {
        chain
            .ask("eth_sendRawTransaction", json!([signed(1, nonce, 1, to, [])]))
            .await;
    }
    assert_eq!(
        chain.ask("txpool_status", json!([])).await,
        json!({ "pending": "0x2", "queued": "0x1" })
    );
    let sender = json!(address(1));
    let content = chain.ask("txpool_content", json!([])).await;
    assert_eq!(content["queued"].as_object().unwrap().len(), 1);
    let mine = chain.ask("txpool_contentFrom", json!([sender])).await;
    assert_eq!(mine["pending"]["0"]["hash"], hash);
    assert!(mine["queued"]["3"].is_object());
    assert_eq!(
        chain.ask("eth_getTransactionCount", json!([sender, "pending"])).await,
        "0x2"
    );
    assert_eq!(chain.ask("eth_getTransactionCount", json!([sender])).await, "0x0");
    assert_eq!(
        chain.ask("eth_getTransactionByHash", json!([hash])).await["blockNumber"],
        Value::Null
    );
    assert_eq!(
        chain.ask("eth_getRawTransactionByHash", json!([hash])).await,
        json!(first)
    );
    chain.seal(&[]);
    assert_eq!(
        chain.ask("eth_getTransactionByHash", json!([hash])).await["blockNumber"],
        "0x1"
    );
    assert_eq!(chain.refused("eth_sendRawTransaction", json!([first])).await.0, -32000);
}

#[tokio::test]
async fn a_filter_gives_everything_new_once() {
    let chain = Chain::new();
    chain.seal(&[signed(1, 0, 1, TxKind::Create, creation(&LOGGER))]);
    let logger = address(1).create(0);
    let logs = chain.ask("eth_newFilter", json!([{ "address": logger }])).await;
    let blocks = chain.ask("eth_newBlockFilter", json!([])).await;
    let arrivals = chain.ask("eth_newPendingTransactionFilter", json!([])).await;
    let hash = chain
        .ask(
            "eth_sendRawTransaction",
            json!([signed(1, 1, 1, TxKind::Call(logger), [])]),
        )
        .await;
    assert_eq!(
        chain.ask("eth_getFilterChanges", json!([arrivals])).await,
        json!([hash])
    );
    chain.seal(&[]);
    chain.seal(&[]);
    assert_eq!(
        chain
            .ask("eth_getFilterChanges", json!([logs]))
            .await
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(
        chain
            .ask("eth_getFilterChanges", json!([blocks]))
            .await
            .as_array()
            .unwrap()
            .len(),
        2
    );
    for id in [&logs, &blocks, &arrivals] {
        assert_eq!(chain.ask("eth_getFilterChanges", json!([id])).await, json!([]));
    }
    assert_eq!(
        chain.ask("eth_getFilterLogs", json!([logs])).await,
        json!([]),
        "its range is the latest block"
    );
    assert_eq!(chain.ask("eth_uninstallFilter", json!([logs])).await, json!(true));
    assert_eq!(
        chain.refused("eth_getFilterChanges", json!([logs])).await,
        (-32000, "filter not found".into())
    );
}

#[tokio::test]
async fn filters_are_bounded() {
    let chain = Chain::new();
    let filters = Filters::default();
    let mut installed = 0;
    while filters.install(&chain.ledger, Kind::Blocks).is_ok() {
        installed += 1;
    }
    assert_eq!(installed, 4096);
}

#[tokio::test]
async fn a_query_for_logs_is_bounded() {
    let chain = Chain::new();
    let refused = chain
        .refused("eth_getLogs", json!([{ "fromBlock": "0x2", "toBlock": "0x1" }]))
        .await;
    assert_eq!(refused.0, -32602);
    assert_eq!(
        chain
            .ask("eth_getLogs", json!([{ "fromBlock": "0x5", "toBlock": "0xffffffff" }]))
            .await,
        json!([])
    );
    let unknown = json!([{ "blockHash": B256::repeat_byte(1) }]);
    assert_eq!(chain.refused("eth_getLogs", unknown).await.1, "header not found");
}

#[tokio::test]
async fn a_transaction_sent_synchronously_returns_with_its_receipt() {
    let chain = Chain::new();
    let raw = signed(1, 0, 1, TxKind::Call(Address::ZERO), []);
    let sealing = async {
        while chain.ledger.pool().is_empty() {
            tokio::task::yield_now().await;
        }
        chain.seal(&[]);
    };
    let (receipt, ()) = tokio::join!(chain.ask("eth_sendRawTransactionSync", json!([raw])), sealing);
    assert_eq!(receipt["status"], "0x1");
    let waiting = signed(2, 0, 1, TxKind::Call(Address::ZERO), []);
    assert_eq!(
        chain
            .refused("eth_sendRawTransactionSync", json!([waiting, "0x1"]))
            .await
            .0,
        -32000
    );
}

#[tokio::test]
async fn calls_see_overrides_and_the_block_they_name() {
    let chain = Chain::new();
    let to = Address::repeat_byte(9);
    // Returns NUMBER.
    let code = json!({ to.to_string(): { "code": "0x435f5260205ff3" } });
    let number = |value: Value| value.as_str().unwrap().parse::<U256>().unwrap();
    chain.seal(&[]);
    for (block, fields, expected) in [
        (json!("latest"), Value::Null, 1),
        (json!("0x0"), Value::Null, 0),
        (json!("pending"), Value::Null, 2),
        (json!("latest"), json!({ "number": "0x4d" }), 77),
    ] {
        let returned = chain.ask("eth_call", json!([{ "to": to }, block, code, fields])).await;
        assert_eq!(number(returned), U256::from(expected));
    }
    let both = json!([{ "to": to, "gasPrice": "0x1", "maxFeePerGas": "0x1" }]);
    assert_eq!(chain.refused("eth_call", both).await.0, -32602);
    assert_eq!(
        chain
            .refused("eth_call", json!([{ "to": to, "chainId": "0x1" }]))
            .await
            .0,
        -32602
    );
    let rich = json!([{ "from": to, "to": to, "value": "0x1" }]);
    assert!(
        chain
            .refused("eth_call", rich)
            .await
            .1
            .starts_with("insufficient funds for gas * price + value")
    );
}

#[tokio::test]
async fn plain_questions_have_plain_answers() {
    let chain = Chain::new();
    for (method, answer) in [
        ("eth_chainId", json!("0x40da")),
        ("eth_blockNumber", json!("0x0")),
        ("eth_syncing", json!(false)),
        ("eth_accounts", json!([])),
        ("net_version", json!("16602")),
        ("net_listening", json!(true)),
        ("net_peerCount", json!("0x3")),
        ("web3_clientVersion", json!("test")),
        ("eth_maxPriorityFeePerGas", json!("0x3b9aca00")),
    ] {
        assert_eq!(chain.ask(method, json!([])).await, answer, "{method}");
    }
    let empty = "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";
    assert_eq!(chain.ask("web3_sha3", json!(["0x"])).await, empty);
    assert_eq!(
        chain.ask("eth_getStorageAt", json!([Address::ZERO, "0x0"])).await,
        json!(B256::ZERO)
    );
    assert_eq!(chain.refused("eth_mine", json!([])).await.0, -32601);
}

/// Whatever a client sends as parameters, it gets an answer.
#[tokio::test]
async fn no_parameters_bring_the_node_down() {
    let chain = Chain::new();
    chain.seal(&[signed(1, 0, 1, TxKind::Create, creation(&LOGGER))]);
    let mut seed = 3u64;
    let mut dice = |sides: usize| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize % sides
    };
    let max = json!(U256::MAX);
    let values = [
        Value::Null,
        json!("0x"),
        json!("0x0"),
        json!("0x1"),
        max.clone(),
        json!("latest"),
        json!("pending"),
        json!(-1),
        json!(1e300),
        json!([]),
        json!({}),
        json!(true),
        json!(address(1)),
        json!(B256::ZERO),
        json!("0x02c0"),
        json!({ "from": address(1), "gas": max, "gasPrice": max, "value": max }),
        json!({ "to": Address::with_last_byte(5), "data": format!("0x{}", "ff".repeat(96)) }),
        json!({ "to": null, "input": "0x5b5f56", "maxFeePerGas": "0x0", "maxPriorityFeePerGas": "0xff" }),
        json!({ "fromBlock": "0xffffffffffffffff", "toBlock": "latest", "topics": [null, [], [B256::ZERO]] }),
        json!({ "fromBlock": "earliest", "toBlock": "0xffffffffffffffff" }),
        json!([[], {}]),
        json!([0.0, 100.0]),
        json!({ address(1).to_string(): { "balance": max, "nonce": "0xffffffffffffffff" } }),
    ];
    let methods: Vec<&str> = chain
        .module
        .method_names()
        .filter(|name| !name.ends_with("subscribe"))
        .collect();
    assert!(methods.len() > 45);
    for method in methods {
        for _ in 0..40 {
            let params: Vec<_> = (0..dice(5)).map(|_| values[dice(values.len())].clone()).collect();
            let answer = chain.answer(method, json!(params)).await;
            assert_ne!(answer["error"]["code"], -32603, "{method} {params:?}: {answer}");
        }
    }
}

#[tokio::test]
async fn traces_say_what_a_transaction_did_where_it_was() {
    let chain = Chain::new();
    chain.seal(&[signed(1, 0, 1, TxKind::Create, creation(&LOGGER))]);
    let logger = address(1).create(0);
    // The transaction traced comes second: the first changes the state that it meets.
    chain.seal(&[
        signed(1, 1, 2, TxKind::Call(logger), []),
        signed(2, 0, 1, TxKind::Call(logger), [7]),
    ]);
    let block = chain.ask("eth_getBlockByNumber", json!(["latest"])).await;
    let second = &block["transactions"][1];
    let steps = chain.ask("debug_traceTransaction", json!([second])).await;
    let receipt = chain.ask("eth_getTransactionReceipt", json!([second])).await;
    assert_eq!(json!(U256::from(steps["gas"].as_u64().unwrap())), receipt["gasUsed"]);
    let operations: Vec<_> = steps["structLogs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| &step["op"])
        .collect();
    assert_eq!(operations[..3], ["PUSH1", "PUSH0", "LOG0"]);

    let calls = json!({ "tracer": "callTracer", "tracerConfig": { "withLog": true } });
    let call = chain.ask("debug_traceTransaction", json!([second, calls])).await;
    assert_eq!(call["from"], json!(address(2)));
    assert_eq!(call["logs"].as_array().unwrap().len(), 2);
    let all = chain.ask("debug_traceBlockByNumber", json!(["latest", calls])).await;
    assert_eq!((&all[1]["txHash"], &all[1]["result"]), (second, &call));

    let changes = json!({ "tracer": "prestateTracer", "tracerConfig": { "diffMode": true } });
    let changed = chain.ask("debug_traceTransaction", json!([second, changes])).await;
    assert_eq!(changed["post"][address(2).to_string().to_lowercase()]["nonce"], 1);

    let again = json!([{ "from": address(3), "to": logger }, "latest", calls]);
    assert_eq!(chain.ask("debug_traceCall", again).await["type"], "CALL");
    let genesis = chain.refused("debug_traceBlockByNumber", json!(["0x0"])).await;
    assert_eq!(genesis, (-32000, "genesis is not traceable".into()));
    let script = json!([second, { "tracer": "{ result: () => 1 }" }]);
    assert_eq!(chain.refused("debug_traceTransaction", script).await.0, -32602);
}

/// A loop over a full stack: each of its steps takes 32 KiB of a trace.
#[tokio::test]
async fn a_trace_that_would_fill_the_memory_is_refused() {
    let chain = Chain::new();
    let mut code = vec![0x5f; 1000];
    let start = code.len() as u16;
    code.extend([0x5b, 0x61]);
    code.extend(start.to_be_bytes());
    code.push(0x56);
    let to = Address::repeat_byte(9);
    let code = json!({ to.to_string(): { "code": Bytes::from(code) } });
    let params = json!([{ "to": to }, "latest", { "stateOverrides": code }]);
    assert_eq!(chain.refused("debug_traceCall", params).await.0, -32005);
}

#[tokio::test]
async fn a_filled_transaction_lacks_only_its_signature() {
    let chain = Chain::new();
    chain
        .ledger
        .submit(&signed(1, 0, 1, TxKind::Call(Address::ZERO), []))
        .unwrap();
    let request = json!([{ "from": address(1), "to": Address::repeat_byte(9), "value": "0x5" }]);
    let filled = chain.ask("eth_fillTransaction", request).await;
    let tx = &filled["tx"];
    assert_eq!(
        (&tx["type"], &tx["nonce"], &tx["gas"]),
        (&json!("0x2"), &json!("0x1"), &json!("0x5208"))
    );
    assert_eq!(
        (&tx["value"], &tx["chainId"]),
        (&json!("0x5"), &json!(U256::from(CHAIN)))
    );
    assert!(filled["raw"].as_str().unwrap().starts_with("0x02"));
    let nobody = json!([{ "to": Address::repeat_byte(9) }]);
    assert_eq!(chain.refused("eth_fillTransaction", nobody).await.0, -32602);
}

#[tokio::test]
async fn a_node_says_what_it_keeps_and_by_which_rules_it_runs() {
    let chain = Chain::new();
    chain.seal(&[signed(1, 0, 1, TxKind::Create, creation(&LOGGER))]);
    let logger = address(1).create(0);
    let said = chain.ask("eth_capabilities", json!([])).await;
    assert_eq!(said["head"]["number"], "0x1");
    assert_eq!(said["state"]["deleteStrategy"]["retentionBlocks"], "0x400");
    let rules = chain.ask("eth_config", json!([])).await;
    assert_eq!(rules["current"]["precompiles"].as_object().unwrap().len(), 17);
    assert_eq!(rules["current"]["blobSchedule"]["max"], 0);
    let account = chain.ask("eth_getAccountInfo", json!([logger, "latest"])).await;
    assert_eq!(
        (&account["code"], &account["nonce"]),
        (&json!(Bytes::from(LOGGER)), &json!("0x1"))
    );
    let values = json!([{ logger.to_string(): [B256::ZERO, B256::with_last_byte(1)] }, "latest"]);
    let values = chain.ask("eth_getStorageValues", values).await;
    assert_eq!(
        values.as_object().unwrap().values().next().unwrap(),
        &json!([B256::ZERO, B256::ZERO])
    );
    assert_eq!(chain.ask("debug_getRawReceipts", json!(["0x0"])).await, json!([]));
    let block = chain.ledger.latest();
    let raw = chain.ask("debug_getRawHeader", json!(["0x1"])).await;
    assert_eq!(raw, json!(Bytes::from(alloy_rlp::encode(&block.header))));
}

#[tokio::test]
async fn simulated_blocks_build_on_one_another() {
    let chain = Chain::new();
    chain.seal(&[]);
    let to = Address::repeat_byte(9);
    // Returns BLOCKHASH(NUMBER - 1).
    let asker = Address::repeat_byte(8);
    let payload = json!({
        "traceTransfers": true,
        "blockStateCalls": [
            {
                "stateOverrides": {
                    asker.to_string(): { "code": "0x60014303405f5260205ff3" },
                    to.to_string(): { "balance": "0x0" },
                },
                "calls": [
                    { "from": address(1), "to": to, "value": "0x5" },
                    { "from": to, "to": asker, "value": "0x4" },
                ],
            },
            { "blockOverrides": { "number": "0x4", "time": "0x7fffffff" }, "calls": [{ "to": asker }] },
        ],
    });
    let blocks = chain.ask("eth_simulateV1", json!([payload, "latest"])).await;
    let blocks = blocks.as_array().unwrap();
    let numbers: Vec<_> = blocks.iter().map(|block| &block["number"]).collect();
    assert_eq!(numbers, ["0x2", "0x3", "0x4"], "the one left out is there, empty");
    for pair in blocks.windows(2) {
        assert_eq!(pair[1]["parentHash"], pair[0]["hash"]);
    }
    let (first, last) = (&blocks[0], &blocks[2]);
    let latest = chain.ledger.latest();
    assert_eq!(first["parentHash"], json!(latest.hash));
    assert_eq!(first["calls"][1]["returnData"], json!(latest.hash));
    assert_eq!(
        last["calls"][0]["returnData"], blocks[1]["hash"],
        "BLOCKHASH knows imagined blocks"
    );
    assert_eq!(last["timestamp"], "0x7fffffff");
    let transfer = &first["calls"][0]["logs"][0];
    assert_eq!(transfer["address"], "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
    assert_eq!(transfer["blockHash"], first["hash"]);
    assert_eq!(first["calls"][1]["status"], "0x1");
    assert_eq!(first["transactions"].as_array().unwrap().len(), 2);
    assert_eq!(
        chain.ask("eth_getBalance", json!([to])).await,
        "0x0",
        "nothing happened"
    );
}

#[tokio::test]
async fn a_simulation_that_validates_refuses_what_a_block_would() {
    let chain = Chain::new();
    let refused = async |validation: bool, block: Value| {
        let payload = json!({ "validation": validation, "blockStateCalls": [block] });
        chain.refused("eth_simulateV1", json!([payload])).await.0
    };
    let call = |fields: Value| {
        let mut call = json!({ "from": address(1), "to": address(2), "maxFeePerGas": "0x77359400" });
        call.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        json!({ "calls": [call] })
    };
    assert_eq!(refused(true, call(json!({ "nonce": "0x7" }))).await, -38011);
    assert_eq!(refused(true, call(json!({ "maxFeePerGas": "0x0" }))).await, -38012);
    assert_eq!(refused(true, call(json!({ "gas": "0x1" }))).await, -38013);
    let rich = json!({ "from": Address::repeat_byte(7), "value": "0x1" });
    assert_eq!(refused(false, call(rich)).await, -38014);
    assert_eq!(refused(false, call(json!({ "gas": "0xffffffffff" }))).await, -38015);
    assert_eq!(
        refused(false, json!({ "blockOverrides": { "number": "0x0" } })).await,
        -38020
    );
    assert_eq!(
        refused(false, json!({ "blockOverrides": { "time": "0x1" } })).await,
        -38021
    );
    assert_eq!(
        refused(false, json!({ "blockOverrides": { "number": "0x200" } })).await,
        -38026
    );
}
