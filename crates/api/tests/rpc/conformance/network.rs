//! The suite's chain, executed into a ledger.

use super::suite::Suite;
use alloy_consensus::Header;
use alloy_eips::eip7840::BlobParams;
use alloy_primitives::{Address, Bytes, U256, keccak256};
use alloy_rlp::Decodable as _;
use chain::{Ledger, MemoryDisk, PoolLimits, Store, block::EthereumBlock};
use evm::{
    Account, AccountDiff, Diff,
    foreign::{Fork, Network, SpecId},
};
use serde_json::Value;

/// Forks by height, with their names in a genesis file. revm knows no Constantinople: nothing in its three blocks tells it from
/// Petersburg.
const BY_NUMBER: [(&str, SpecId); 8] = [
    ("homesteadBlock", SpecId::HOMESTEAD),
    ("eip150Block", SpecId::TANGERINE),
    ("eip158Block", SpecId::SPURIOUS_DRAGON),
    ("byzantiumBlock", SpecId::BYZANTIUM),
    ("constantinopleBlock", SpecId::PETERSBURG),
    ("istanbulBlock", SpecId::ISTANBUL),
    ("berlinBlock", SpecId::BERLIN),
    ("londonBlock", SpecId::LONDON),
];
/// Forks by time, with their names in a genesis file and in its blob schedule.
const BY_TIME: [(&str, &str, SpecId); 6] = [
    ("shanghaiTime", "", SpecId::SHANGHAI),
    ("cancunTime", "cancun", SpecId::CANCUN),
    ("pragueTime", "prague", SpecId::PRAGUE),
    ("osakaTime", "osaka", SpecId::OSAKA),
    ("bpo1Time", "bpo1", SpecId::OSAKA),
    ("bpo2Time", "bpo2", SpecId::OSAKA),
];

fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(value: &Value) -> T {
    value.as_str().expect("a string").parse().expect("well formed")
}

fn rules(config: &Value) -> Network {
    let fork = |number: u64, timestamp: u64, spec, blobs| Fork {
        number,
        timestamp,
        spec,
        blobs,
    };
    let mut forks = Vec::new();
    for (name, spec) in BY_NUMBER {
        forks.extend(config[name].as_u64().map(|first| fork(first, 0, spec, None)));
    }
    let merge = config["mergeNetsplitBlock"].as_u64();
    forks.extend(merge.map(|first| fork(first, 0, SpecId::MERGE, None)));
    for (name, schedule, spec) in BY_TIME {
        let blobs: Option<BlobParams> = serde_json::from_value(config["blobSchedule"][schedule].clone()).ok();
        forks.extend(config[name].as_u64().map(|first| fork(0, first, spec, blobs)));
    }
    Network {
        chain_id: config["chainId"].as_u64().expect("a number"),
        forks,
    }
}

fn allocation(accounts: &Value) -> Diff {
    let mut diff = Diff::default();
    for (address, account) in accounts.as_object().expect("accounts by address") {
        let code = account["code"]
            .as_str()
            .map_or_else(Bytes::new, |code| code.parse().expect("hexadecimal"));
        let after = Account {
            nonce: account["nonce"]
                .as_str()
                .map_or(0, |_| number::<U256>(&account["nonce"]).to()),
            balance: number(&account["balance"]),
            code_hash: keccak256(&code),
        };
        if !code.is_empty() {
            diff.codes.insert(after.code_hash, code);
        }
        let slots = account["storage"].as_object().into_iter().flatten();
        let change = AccountDiff {
            account: Some(after),
            wiped: false,
            slots: slots
                .map(|(slot, value)| (slot.parse().expect("a slot"), number(value)))
                .collect(),
        };
        diff.accounts
            .insert(address.parse::<Address>().expect("an address"), change);
    }
    diff
}

/// The suite's chain, every block executed.
pub fn open(suite: &Suite) -> Ledger {
    let genesis = &suite.genesis;
    let network = rules(&genesis["config"]);
    let allocation = allocation(&genesis["alloc"]);
    let mut state = evm::State::empty();
    state.apply(&allocation);
    let small = |value: &Value| number::<U256>(value).to::<u64>();
    let header = Header {
        state_root: state.root(),
        extra_data: number(&genesis["extraData"]),
        gas_limit: small(&genesis["gasLimit"]),
        difficulty: number(&genesis["difficulty"]),
        timestamp: small(&genesis["timestamp"]),
        ..Header::default()
    };
    let mut bytes = suite.chain.as_slice();
    let mut blocks = Vec::new();
    while !bytes.is_empty() {
        blocks.push(EthereumBlock::decode(&mut bytes).expect("a block"));
    }
    let store = Store::in_memory(&MemoryDisk::new()).unwrap();
    Ledger::open_foreign(&network, header, &allocation, &blocks, store, PoolLimits::default())
        .unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)))
}
