//! Blocks, calls and the genesis, through the crate's public face.

use alloy_consensus::{
    Block, BlockBody, Header, SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxEnvelope, TxLegacy,
    TypedTransaction, crypto::secp256k1, transaction::Recovered,
};
use alloy_eips::{eip2935::HISTORY_STORAGE_ADDRESS, eip7702::Authorization};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, TxKind, U256, address, hex, keccak256};
use alloy_sol_types::{SolCall, SolError, sol};
use contracts::{
    abi::RandomnessBeacon,
    addresses::{FAUCET, NETWORK_REGISTRY, RANDOMNESS_BEACON, USDX},
    genesis_contracts,
};
use evm::*;

const CHAIN: u64 = 16602;
const GWEI: u128 = 1_000_000_000;
const COIN: u128 = GWEI * GWEI;
const MINER: Address = address!("0x00000000000000000000000000000000000c01b5");

sol! {
    interface Token {
        function transfer(address to, uint256 amount) external returns (bool);
        function balanceOf(address holder) external view returns (uint256);
        function DOMAIN_SEPARATOR() external view returns (bytes32);
    }
}

struct Wallet {
    key: B256,
    address: Address,
}

impl Wallet {
    fn new(number: u8) -> Self {
        let key = B256::with_last_byte(number);
        let hash = B256::ZERO;
        let signature = secp256k1::sign_message(key, hash).unwrap();
        Self {
            key,
            address: secp256k1::recover_signer(&signature, hash).unwrap(),
        }
    }

    fn sign(&self, transaction: impl Into<TypedTransaction>) -> Transaction {
        let transaction = transaction.into();
        let signature = secp256k1::sign_message(self.key, transaction.signature_hash()).unwrap();
        Recovered::new_unchecked(transaction.into_envelope(signature), self.address)
    }

    fn send(&self, nonce: u64, to: TxKind, value: u128, input: impl Into<Bytes>) -> Transaction {
        self.sign(TxEip1559 {
            chain_id: CHAIN,
            nonce,
            gas_limit: 300_000,
            max_fee_per_gas: 10 * GWEI,
            max_priority_fee_per_gas: GWEI,
            to,
            value: U256::from(value),
            input: input.into(),
            ..TxEip1559::default()
        })
    }
}

/// A chain of blocks kept by hand: what a ledger does.
struct Chain {
    header: Header,
    state: State,
    hashes: Hashes,
}

#[derive(Default)]
struct Hashes(Vec<B256>);

impl BlockHashes for Hashes {
    fn block_hash(&self, number: u64) -> Option<B256> {
        self.0.get(number as usize).copied()
    }
}

impl Chain {
    fn new(wallets: &[&Wallet]) -> Self {
        let genesis = Genesis {
            chain_id: CHAIN,
            timestamp: 1_700_000_000,
            gas_limit: 30_000_000,
            prev_randao: Default::default(),
            allocations: wallets
                .iter()
                .map(|wallet| (wallet.address, U256::from(100 * COIN)))
                .collect(),
            contracts: genesis_contracts(),
            calls: vec![],
        };
        let (header, state, diff) = genesis.build().unwrap();
        let mut replayed = State::empty();
        replayed.apply(&diff);
        assert_eq!(
            replayed.root(),
            header.state_root,
            "the genesis diff makes the genesis state"
        );
        let hashes = Hashes(vec![header.hash_slow()]);
        Self { header, state, hashes }
    }

    fn context(&self) -> BlockContext {
        let parent_hash = self.header.hash_slow();
        BlockContext::after(
            &self.header,
            parent_hash,
            self.header.timestamp + 1,
            MINER,
            keccak256(parent_hash),
        )
    }

    /// Packs a block of `transactions`, checks that it verifies, and makes it the head.
    fn add(&mut self, transactions: &[Transaction]) -> Executed {
        let mut packer = Packer::new(&self.state, self.context(), CHAIN, &self.hashes);
        for transaction in transactions {
            packer.push(transaction).unwrap();
        }
        let packed = packer.finish();
        let executed = self.execute(&packed.header, transactions).unwrap();
        assert_eq!(executed.header, packed.header);
        assert_eq!(executed.diff, packed.diff);
        assert_eq!(executed.receipts, packed.receipts);
        let mut replayed = self.state.clone();
        replayed.apply(&packed.diff);
        assert_eq!(replayed.root(), packed.header.state_root);
        self.header = packed.header.clone();
        self.state = packed.state.clone();
        self.hashes.0.push(self.header.hash_slow());
        packed
    }

    fn execute(&self, header: &Header, transactions: &[Transaction]) -> Result<Executed, InvalidBlock> {
        let senders: Vec<_> = transactions.iter().map(|transaction| transaction.signer()).collect();
        let transactions: Vec<TxEnvelope> = transactions
            .iter()
            .map(|transaction| transaction.inner().clone())
            .collect();
        let body = BlockBody {
            transactions,
            ommers: vec![],
            withdrawals: Some(Default::default()),
        };
        let block = Block {
            header: header.clone(),
            body,
        };
        execute(
            &self.header,
            &self.state,
            &block,
            &senders,
            CHAIN,
            &self.hashes,
            &Default::default(),
        )
    }

    fn call(&self, to: Address, data: impl Into<Bytes>) -> CallEnd {
        let request = CallRequest {
            to: Some(to),
            data: data.into(),
            ..CallRequest::default()
        };
        call(&self.state, &self.context(), CHAIN, &self.hashes, &request)
            .unwrap()
            .end
    }

    fn balance(&self, address: &Address) -> U256 {
        self.state
            .account(address)
            .map_or(U256::ZERO, |account| account.balance)
    }
}

/// Creation code for a contract of at most 255 bytes.
fn creation(code: &[u8]) -> Vec<u8> {
    [
        &[0x60, code.len() as u8, 0x80, 0x60, 0x09, 0x5f, 0x39, 0x5f, 0xf3],
        code,
    ]
    .concat()
}

/// `storage[calldata[0..32]] = calldata[32..64]`
const STORE: [u8; 8] = hex!("6020356000355500");

fn words(values: [u64; 2]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|&value| U256::from(value).to_be_bytes::<32>())
        .collect()
}

#[test]
fn a_packed_block_verifies_and_every_lie_in_its_header_is_refused() {
    let (alice, bob) = (Wallet::new(1), Wallet::new(2));
    let mut chain = Chain::new(&[&alice, &bob]);
    let store = alice.address.create(0);
    chain.add(&[alice.send(0, TxKind::Create, 0, creation(&STORE))]);
    let transactions = [
        alice.send(1, TxKind::Call(store), 0, words([1, 7])),
        bob.send(0, TxKind::Call(alice.address), COIN, []),
        alice.send(2, TxKind::Call(store), 0, words([1, 0])),
        alice.send(3, TxKind::Call(store), 0, words([2, 9])),
    ];
    let mut packer = Packer::new(&chain.state, chain.context(), CHAIN, &chain.hashes);
    for transaction in &transactions {
        packer.push(transaction).unwrap();
    }
    let good = packer.finish();
    assert_eq!(chain.execute(&good.header, &transactions).unwrap().header, good.header);
    assert_eq!(good.state.storage(&store, U256::from(1)), U256::ZERO);
    assert_eq!(good.state.storage(&store, U256::from(2)), U256::from(9));

    type Lie = (&'static str, fn(&mut Header));
    let lies: [Lie; 19] = [
        ("parentHash", |header| header.parent_hash.0[0] ^= 1),
        ("sha3Uncles", |header| header.ommers_hash.0[0] ^= 1),
        ("stateRoot", |header| header.state_root.0[0] ^= 1),
        ("transactionsRoot", |header| header.transactions_root.0[0] ^= 1),
        ("receiptsRoot", |header| header.receipts_root.0[0] ^= 1),
        ("logsBloom", |header| header.logs_bloom.0[0] ^= 1),
        ("difficulty", |header| header.difficulty += U256::ONE),
        ("number", |header| header.number += 1),
        ("gasLimit", |header| header.gas_limit += 1),
        ("gasUsed", |header| header.gas_used += 1),
        ("extraData", |header| header.extra_data = vec![1].into()),
        ("nonce", |header| header.nonce.0[0] ^= 1),
        ("baseFeePerGas", |header| header.base_fee_per_gas = None),
        ("withdrawalsRoot", |header| header.withdrawals_root = None),
        ("blobGasUsed", |header| header.blob_gas_used = Some(1)),
        ("excessBlobGas", |header| header.excess_blob_gas = Some(1)),
        ("parentBeaconBlockRoot", |header| {
            header.parent_beacon_block_root = Some(B256::repeat_byte(1))
        }),
        ("requestsHash", |header| header.requests_hash = None),
        ("slotNumber", |header| header.slot_number = Some(1)),
    ];
    for (name, lie) in lies {
        let mut header = good.header.clone();
        lie(&mut header);
        let error = chain.execute(&header, &transactions).unwrap_err();
        assert!(
            matches!(&error, InvalidBlock::Header { field, .. } if *field == name),
            "{name}: {error}"
        );
    }
    let mut early = good.header.clone();
    early.timestamp = chain.header.timestamp - 1;
    assert!(matches!(
        chain.execute(&early, &transactions),
        Err(InvalidBlock::TimestampBeforeParent { .. })
    ));
    let (first, rest) = transactions.split_first().unwrap();
    assert!(matches!(
        chain.execute(&good.header, rest),
        Err(InvalidBlock::Transaction { index: 1, .. })
    ));
    let twice = [first.clone(), first.clone()];
    assert!(matches!(
        chain.execute(&good.header, &twice),
        Err(InvalidBlock::Transaction { index: 1, .. })
    ));
}

#[test]
fn a_transaction_left_out_leaves_no_trace() {
    let (alice, poor) = (Wallet::new(1), Wallet::new(9));
    let chain = Chain::new(&[&alice]);
    let to = TxKind::Call(MINER);
    let legacy = |chain_id, gas_price, gas_limit| {
        let transaction = TxLegacy {
            chain_id,
            nonce: 1,
            gas_price,
            gas_limit,
            to,
            value: U256::ZERO,
            input: Bytes::new(),
        };
        alice.sign(transaction)
    };
    let pack = |transactions: &[(Transaction, Option<&str>)]| {
        let mut packer = Packer::new(&chain.state, chain.context(), CHAIN, &chain.hashes);
        for (transaction, refused) in transactions {
            let said = packer.push(transaction).err().map(|error| error.to_string());
            assert_eq!(
                said.as_deref().map(|text| text.split([':', ',']).next().unwrap()),
                *refused
            );
        }
        packer.finish()
    };
    let first = alice.send(0, to, 5, []);
    let last = alice.send(1, to, 6, []);
    let full = alice.sign(TxEip2930 {
        chain_id: CHAIN,
        nonce: 1,
        gas_limit: 40_000_000,
        to,
        ..TxEip2930::default()
    });
    let with_refused = pack(&[
        (first.clone(), None),
        (alice.send(0, to, 7, []), Some("nonce too low")),
        (alice.send(2, to, 7, []), Some("nonce too high")),
        (
            poor.send(0, to, 0, []),
            Some("insufficient funds for gas * price + value"),
        ),
        (
            legacy(Some(CHAIN), 10, 21_000),
            Some("max fee per gas less than block base fee"),
        ),
        (legacy(Some(1), 10 * GWEI, 21_000), Some("invalid chain id for signer")),
        (legacy(Some(CHAIN), 10 * GWEI, 20_999), Some("intrinsic gas too low")),
        (full, Some("the block has 29979000 gas left")),
        (last.clone(), None),
    ]);
    assert_eq!(with_refused.header, pack(&[(first, None), (last, None)]).header);
    assert_eq!(with_refused.receipts.len(), 2);
}

#[test]
fn tips_go_to_the_beneficiary_and_the_base_fee_is_burned() {
    let (alice, bob) = (Wallet::new(1), Wallet::new(2));
    let mut chain = Chain::new(&[&alice, &bob]);
    let total = |chain: &Chain| chain.balance(&alice.address) + chain.balance(&bob.address) + chain.balance(&MINER);
    let before = total(&chain);
    let block = chain.add(&[alice.send(0, TxKind::Call(bob.address), COIN, [])]);
    let burned = U256::from(21_000) * U256::from(block.header.base_fee_per_gas.unwrap());
    assert_eq!(block.gas_used, 21_000);
    assert_eq!(chain.balance(&MINER), U256::from(21_000 * GWEI));
    assert_eq!(total(&chain), before - burned);
    assert!(
        next_base_fee(&chain.header) < block.header.base_fee_per_gas.unwrap(),
        "a block nearly empty lowers the fee"
    );
}

/// Found by a load that filled blocks for more than a minute: the fee's 64 bits overflowed, and the validators with them.
#[test]
fn the_base_fee_of_full_blocks_rises_by_an_eighth_to_its_limit_and_falls_again() {
    let mut header = Header {
        gas_limit: 150_000_000,
        gas_used: 150_000_000,
        base_fee_per_gas: Some(GWEI as u64),
        ..Header::default()
    };
    let mut follow = |gas_used: u64| {
        header.gas_used = gas_used;
        let (before, after) = (header.base_fee_per_gas.unwrap(), next_base_fee(&header));
        header.base_fee_per_gas = Some(after);
        (before, after)
    };
    for _ in 0..194 {
        let (before, after) = follow(150_000_000);
        assert_eq!(after, before + before / 8);
    }
    for _ in 0..100 {
        assert_eq!(follow(150_000_000).1, BASE_FEE_MAX);
    }
    assert_eq!(follow(75_000_000), (BASE_FEE_MAX, BASE_FEE_MAX));
    assert_eq!(follow(0), (BASE_FEE_MAX, BASE_FEE_MAX - BASE_FEE_MAX / 8));
    // As a developer may set it.
    header.base_fee_per_gas = Some(u64::MAX);
    header.gas_used = 150_000_000;
    assert_eq!(next_base_fee(&header), BASE_FEE_MAX);
}

/// revm keeps one journal for the block: what one transaction destroys, the next may create again.
#[test]
fn an_account_destroyed_in_one_transaction_may_live_again_in_the_next() {
    let alice = Wallet::new(1);
    let mut chain = Chain::new(&[&alice]);
    let (doomed, empty) = (alice.address.create(0), alice.address.create(2));
    let destroy = hex!("33ff");
    chain.add(&[
        alice.send(0, TxKind::Create, 5, destroy),
        alice.send(1, TxKind::Call(doomed), 7, []),
        alice.send(2, TxKind::Create, 5, destroy),
    ]);
    assert_eq!(chain.state.account(&doomed), Some(Account::with_balance(U256::from(7))));
    assert_eq!(chain.state.account(&empty), None);
}

#[test]
fn a_delegation_gives_an_account_the_code_of_another() {
    let (alice, bob) = (Wallet::new(1), Wallet::new(2));
    let mut chain = Chain::new(&[&alice, &bob]);
    let store = alice.address.create(0);
    chain.add(&[alice.send(0, TxKind::Create, 0, creation(&STORE))]);
    let authorization = Authorization {
        chain_id: U256::from(CHAIN),
        address: store,
        nonce: 0,
    };
    let signature = secp256k1::sign_message(bob.key, authorization.signature_hash()).unwrap();
    let delegation = TxEip7702 {
        chain_id: CHAIN,
        nonce: 1,
        gas_limit: 200_000,
        max_fee_per_gas: 10 * GWEI,
        max_priority_fee_per_gas: GWEI,
        to: bob.address,
        input: words([4, 5]).into(),
        authorization_list: vec![authorization.into_signed(signature)],
        ..TxEip7702::default()
    };
    chain.add(&[alice.sign(delegation)]);
    let delegated = chain.state.account(&bob.address).unwrap();
    assert_eq!(chain.state.code(&delegated.code_hash).unwrap()[..3], hex!("ef0100"));
    assert_eq!(chain.state.storage(&bob.address, U256::from(4)), U256::from(5));
}

/// A leader that says one thing and a validator that hears another have different states: the header commits to what is said.
#[test]
fn what_a_block_brings_for_the_beacon_is_in_its_state_and_costs_its_transactions_nothing() {
    let mut chain = Chain::new(&[]);
    // The last quarter of an epoch of 1,200 blocks begins with the next block.
    chain.header.number = 899;
    let news = BeaconNews {
        ceremony: Some(BeaconCeremony {
            epoch: 0,
            posted: 4,
            counted: 3,
            required: 3,
            made: Some(BeaconSharing {
                key: [7; BEACON_KEY_BYTES],
                output: vec![1; 4_000].into(),
            }),
        }),
        ..BeaconNews::default()
    };
    let context = BlockContext {
        beacon: news.clone(),
        ..chain.context()
    };
    let packed = Packer::new(&chain.state, context, CHAIN, &chain.hashes).finish();
    assert_eq!((packed.gas_used, packed.receipts.len()), (0, 0));
    let block = Block {
        header: packed.header.clone(),
        body: BlockBody {
            withdrawals: Some(Default::default()),
            ..Default::default()
        },
    };
    let run = |news: &BeaconNews| execute(&chain.header, &chain.state, &block, &[], CHAIN, &chain.hashes, news);
    assert_eq!(run(&news).unwrap().diff, packed.diff);
    let other = run(&BeaconNews::default()).unwrap_err();
    assert!(
        matches!(other, InvalidBlock::Header { field: "stateRoot", .. }),
        "{other}"
    );

    (chain.header, chain.state) = (packed.header, packed.state);
    let asked = RandomnessBeacon::publicKeyCall {}.abi_encode();
    let CallEnd::Returned(answer) = chain.call(RANDOMNESS_BEACON, asked) else {
        panic!("the contract answers")
    };
    let key = RandomnessBeacon::publicKeyCall::abi_decode_returns(&answer).unwrap();
    assert_eq!(key, Bytes::from(vec![7; BEACON_KEY_BYTES]));
}

#[test]
fn genesis_contracts_are_built_at_their_own_address() {
    let alice = Wallet::new(1);
    let mut chain = Chain::new(&[&alice]);
    for contract in genesis_contracts() {
        let account = chain.state.account(&contract.address).unwrap();
        assert_ne!(account.code_hash, KECCAK256_EMPTY, "{}", contract.name);
        assert_eq!(account.nonce, 1);
        assert_ne!(chain.state.code(&account.code_hash).unwrap(), contract.init_code);
    }
    // A domain separator holds the chain id and the address at which the constructor ran.
    let domain = keccak256(
        [
            keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)").0,
            keccak256("USDX").0,
            keccak256("1").0,
            U256::from(CHAIN).to_be_bytes(),
            USDX.into_word().0,
        ]
        .concat(),
    );
    let CallEnd::Returned(separator) = chain.call(USDX, Token::DOMAIN_SEPARATORCall {}.abi_encode()) else {
        panic!("the token has a domain separator")
    };
    assert_eq!(B256::from_slice(&separator), domain);
    let CallEnd::Returned(supply) = chain.call(USDX, Token::balanceOfCall { holder: FAUCET }.abi_encode()) else {
        panic!("the token has balances")
    };
    assert_eq!(U256::from_be_slice(&supply), U256::from(contracts::FAUCET_SUPPLY));
    // The history contract answers for the parent of a block (EIP-2935).
    let parent = chain.header.hash_slow();
    chain.add(&[]);
    assert_eq!(
        chain.call(HISTORY_STORAGE_ADDRESS, U256::ZERO.to_be_bytes::<32>()),
        CallEnd::Returned(parent.0.into())
    );
}

/// Code that adds one to its first slot.
const COUNT: [u8; 8] = hex!("5f546001015f5500");
/// Code that does so and reverts.
const COUNT_AND_REVERT: [u8; 10] = hex!("5f546001015f555f5ffd");
/// Code that never ends.
const LOOP: [u8; 3] = hex!("5b5f56");

/// Committees are closed by every block before its transactions; where that fails, the block is as good as without.
#[test]
fn a_block_closes_committees_first_and_does_not_depend_on_it() {
    let alice = Wallet::new(1);
    for (code, counted) in [(&COUNT[..], 2), (&COUNT_AND_REVERT, 0), (&LOOP, 0), (&[], 0)] {
        let contracts = (!code.is_empty()).then(|| GenesisContract {
            name: "Registry",
            address: NETWORK_REGISTRY,
            init_code: creation(code).into(),
        });
        let genesis = Genesis {
            chain_id: CHAIN,
            timestamp: 0,
            gas_limit: 30_000_000,
            prev_randao: Default::default(),
            allocations: vec![(alice.address, U256::from(COIN))],
            contracts: contracts.into_iter().collect(),
            calls: vec![],
        };
        let (header, state, _) = genesis.build().unwrap();
        let hashes = Hashes(vec![header.hash_slow()]);
        let mut chain = Chain { header, state, hashes };
        let idle = chain.add(&[]);
        assert_eq!((idle.gas_used, idle.receipts.len()), (0, 0));
        let sent = chain.add(&[alice.send(0, TxKind::Call(Address::repeat_byte(5)), 1, [])]);
        assert_eq!((sent.gas_used, sent.receipts.len()), (21_000, 1));
        assert_eq!(chain.state.storage(&NETWORK_REGISTRY, U256::ZERO), U256::from(counted));
        // Nothing is left of an account that the call did not find.
        assert_eq!(chain.state.account(&NETWORK_REGISTRY).is_some(), !code.is_empty());
    }
}

#[test]
fn genesis_calls_run_with_value_and_leave_the_callers_nonce() {
    let alice = Wallet::new(1);
    let store = Address::repeat_byte(7);
    let contract = GenesisContract {
        name: "Store",
        address: store,
        init_code: creation(&STORE).into(),
    };
    let call = GenesisCall {
        from: alice.address,
        to: store,
        data: words([3, 4]).into(),
        value: U256::from(COIN),
    };
    let genesis = Genesis {
        chain_id: CHAIN,
        timestamp: 0,
        gas_limit: 30_000_000,
        prev_randao: Default::default(),
        allocations: vec![(alice.address, U256::from(2 * COIN))],
        contracts: vec![contract],
        calls: vec![call],
    };
    let (header, state, _) = genesis.build().unwrap();
    assert_eq!(state.root(), header.state_root);
    assert_eq!(
        state.account(&alice.address),
        Some(Account::with_balance(U256::from(COIN)))
    );
    assert_eq!(state.account(&store).unwrap().balance, U256::from(COIN));
    assert_eq!(state.storage(&store, U256::from(3)), U256::from(4));

    let other_chain = Genesis {
        chain_id: 1,
        ..genesis.clone()
    };
    assert_ne!(other_chain.build().unwrap().0.hash_slow(), header.hash_slow());
    let mut poor = genesis.clone();
    poor.allocations.clear();
    assert!(matches!(poor.build(), Err(GenesisError::Call { index: 0, .. })));
    let mut broken = genesis.clone();
    broken.contracts[0].init_code = hex!("5f5ffd").into();
    assert!(matches!(
        broken.build(),
        Err(GenesisError::Constructor { name: "Store", .. })
    ));
    let mut twice = genesis;
    twice.contracts.push(twice.contracts[0].clone());
    assert!(matches!(twice.build(), Err(GenesisError::Duplicate(address)) if address == store));
}

/// Certificates are checked in Solidity with the precompiles of EIP-2537.
#[test]
fn contracts_can_add_points_of_bls12_381() {
    let chain = Chain::new(&[]);
    let generator = hex!(
        "0000000000000000000000000000000017f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
        "0000000000000000000000000000000008b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1"
    );
    let sum = chain.call(Address::with_last_byte(0x0b), [generator, [0; 128]].concat());
    assert_eq!(sum, CallEnd::Returned(generator.into()));
}

#[test]
fn an_estimate_suffices_and_little_less_does_not() {
    let alice = Wallet::new(1);
    let mut chain = Chain::new(&[&alice]);
    let store = alice.address.create(0);
    chain.add(&[alice.send(0, TxKind::Create, 0, creation(&STORE))]);
    let context = chain.context();
    let estimate = |request: &CallRequest| estimate_gas(&chain.state, &context, CHAIN, &chain.hashes, request);
    let request = |to, data: Vec<u8>| CallRequest {
        from: Some(alice.address),
        to,
        data: data.into(),
        ..CallRequest::default()
    };

    assert_eq!(estimate(&request(Some(MINER), vec![])), Ok(21_000));
    let token = Token::transferCall {
        to: MINER,
        amount: U256::ZERO,
    }
    .abi_encode();
    for request in [
        request(Some(store), words([1, 7])),
        request(None, creation(&STORE)),
        request(Some(USDX), token),
        request(Some(MINER), vec![1; 100]),
    ] {
        let gas = estimate(&request).unwrap();
        let succeeds = |gas| {
            let request = CallRequest {
                gas: Some(gas),
                ..request.clone()
            };
            call(&chain.state, &context, CHAIN, &chain.hashes, &request)
                .is_ok_and(|outcome| matches!(outcome.end, CallEnd::Returned(_)))
        };
        assert!(succeeds(gas) && !succeeds(gas * 98 / 100), "{gas} for {request:?}");
    }

    let refused = Token::transferCall {
        to: MINER,
        amount: U256::from(1),
    }
    .abi_encode();
    assert!(matches!(estimate(&request(Some(USDX), refused)), Err(EstimateError::Reverted(data)) if data.len() > 4));
    let rich = CallRequest {
        value: U256::from(1000 * COIN),
        ..request(Some(MINER), vec![])
    };
    assert!(matches!(
        estimate(&rich),
        Err(EstimateError::Refused(Refusal::InsufficientFunds { .. }))
    ));
    let endless = hex!("5b5f56");
    assert!(matches!(
        estimate(&request(None, endless.to_vec())),
        Err(EstimateError::Allowance { .. })
    ));
}

#[test]
fn an_access_list_names_every_slot_the_call_reads() {
    let chain = Chain::new(&[]);
    let data = Token::balanceOfCall { holder: FAUCET }.abi_encode().into();
    let request = CallRequest {
        to: Some(USDX),
        data,
        ..CallRequest::default()
    };
    let (list, outcome) = create_access_list(&chain.state, &chain.context(), CHAIN, &chain.hashes, &request).unwrap();
    assert!(matches!(outcome.end, CallEnd::Returned(_)));
    assert_eq!(list.0.len(), 1);
    assert_eq!(list.0[0].address, USDX);
    assert_eq!(list.0[0].storage_keys.len(), 1);
}

#[test]
fn a_revert_says_its_reason() {
    let error = alloy_sol_types::Revert {
        reason: "too late".into(),
    };
    assert_eq!(revert_reason(&error.abi_encode()).as_deref(), Some("too late"));
    let panic = alloy_sol_types::Panic { code: U256::from(0x11) };
    assert!(revert_reason(&panic.abi_encode()).unwrap().contains("overflow"));
    for data in [&[][..], &[1, 2, 3], &[0x08, 0xc3, 0x79, 0xa0], &[0xff; 100]] {
        assert_eq!(revert_reason(data), None);
    }
}

/// Blocks of random transactions pack and verify to one result, whatever they do and in whatever order they are sent.
#[test]
fn random_blocks_verify_to_what_they_were_packed_to() {
    let wallets: Vec<_> = (1..=5).map(Wallet::new).collect();
    let mut chain = Chain::new(&wallets.iter().collect::<Vec<_>>());
    let mut seed = 42u64;
    let mut dice = |sides: u64| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) % sides
    };
    let mut nonces = [0; 5];
    let mut stores = vec![];
    for _ in 0..30 {
        let transactions: Vec<_> = (0..dice(12))
            .map(|_| {
                let sender = dice(5) as usize;
                let (wallet, nonce) = (&wallets[sender], nonces[sender]);
                nonces[sender] += 1;
                match dice(5) {
                    0 => {
                        stores.push(wallet.address.create(nonce));
                        wallet.send(nonce, TxKind::Create, 0, creation(&STORE))
                    }
                    1 => wallet.send(nonce, TxKind::Create, 3, hex!("33ff")),
                    2 | 3 if !stores.is_empty() => {
                        let store = stores[dice(stores.len() as u64) as usize];
                        wallet.send(nonce, TxKind::Call(store), 0, words([dice(6), dice(3)]))
                    }
                    _ => wallet.send(
                        nonce,
                        TxKind::Call(wallets[dice(5) as usize].address),
                        u128::from(dice(9)),
                        [],
                    ),
                }
            })
            .collect();
        chain.add(&transactions);
    }
}
