//! Operators that stake, join, leave and report.

use crate::Wallet;
use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_sol_types::SolCall;
use chain::{Ledger, ValidatorKeys};
use contracts::{
    CONSENSUS_SERVICE, Founder, FoundingValidator, VoteKey,
    abi::{ConsensusSlasher, NetworkRegistry, OperatorRegistry, RandomnessBeacon, StakeVault, ValidatorRegistry},
    addresses,
};
use crypto::bls;
use evm::{CallEnd, CallRequest};

/// Coins that each operator puts at stake, and has left for gas.
const STAKE_COINS: u64 = 100;
/// Gas limit of an operator's transactions: far above what the dearest, a log of the beacon's ceremony, takes.
const GAS_LIMIT: u64 = 4_000_000;
/// The first wallet of an operator; those before are users'.
const FIRST_WALLET: u64 = 100;

/// The operators' side of a simulated chain: one operator a machine.
pub(super) struct Stakes {
    chain_id: u64,
    /// Vote keys of each operator.
    votes_each: usize,
    operators: Vec<Operator>,
}

struct Operator {
    wallet: Wallet,
    validator: ValidatorKeys,
    availability: bls::SecretKey,
    nonce: u64,
}

fn coins(count: u64) -> U256 {
    U256::from(count) * U256::from(10).pow(U256::from(18))
}

impl Stakes {
    pub(super) fn new(chain_id: u64, votes_each: usize, keys: &[ValidatorKeys]) -> Self {
        let operators = (0..).zip(keys).map(|(index, keys)| Operator {
            wallet: Wallet::nth(FIRST_WALLET + index),
            validator: keys.clone(),
            availability: bls::SecretKey::from_seed(&[index as u8 + 101; 32]),
            nonce: 0,
        });
        Self {
            chain_id,
            votes_each,
            operators: operators.collect(),
        }
    }

    /// What each operator's account has in the first block.
    pub(super) fn allocations(&self) -> impl Iterator<Item = (Address, U256)> {
        self.operators
            .iter()
            .map(|operator| (operator.wallet.address(), coins(100 * STAKE_COINS)))
    }

    /// The operator of a machine, as one that the chain begins with.
    pub(super) fn founder(&self, index: usize) -> Founder {
        let Operator {
            wallet,
            validator,
            availability,
            ..
        } = &self.operators[index];
        let account = wallet.address();
        let vote_keys = validator.votes[..self.votes_each].iter().map(|secret| VoteKey {
            key: secret.public_key().to_eip2537().into(),
            possession: secret.prove_possession(account).to_eip2537().into(),
        });
        Founder {
            account,
            stream_key: B256::from_slice(validator.identity().as_ref()),
            bls_key: availability.public_key().to_eip2537().into(),
            possession: availability.prove_possession(account).to_eip2537().into(),
            endpoint: "127.0.0.1:1".into(),
            stake_wei: coins(STAKE_COINS),
            validator: Some(FoundingValidator {
                // Simulated networks look at no address.
                endpoint: format!("127.0.0.1:{}", index + 1),
                vote_keys: vote_keys.collect(),
            }),
        }
    }

    /// Registers a machine's operator as number `operator`, with its stake and its vote keys.
    pub(super) fn register(&mut self, index: usize, operator: u32) -> Vec<Bytes> {
        let founder = self.founder(index);
        let validator = founder.validator.expect("this one is a validator");
        let register = OperatorRegistry::registerCall {
            streamKey: founder.stream_key,
            blsKey: founder.bls_key,
            possession: founder.possession,
            endpoint: founder.endpoint,
        };
        let endpoint = ValidatorRegistry::setEndpointCall {
            endpoint: validator.endpoint,
        };
        let deposit = StakeVault::depositCall { operator };
        let mut sent = vec![
            self.transaction(index, addresses::OPERATOR_REGISTRY, &register, U256::ZERO),
            self.transaction(index, addresses::STAKE_VAULT, &deposit, founder.stake_wei),
            self.transaction(index, addresses::VALIDATOR_REGISTRY, &endpoint, U256::ZERO),
        ];
        for key in validator.vote_keys {
            let add = ValidatorRegistry::addKeyCall {
                voteKey: key.key,
                possession: key.possession,
            };
            sent.push(self.transaction(index, addresses::VALIDATOR_REGISTRY, &add, U256::ZERO));
        }
        sent
    }

    /// Puts a machine's operator into the service that agrees on blocks.
    pub(super) fn join(&mut self, index: usize) -> Bytes {
        let call = NetworkRegistry::optInCall {
            service: CONSENSUS_SERVICE,
            displaced: 0,
        };
        self.transaction(index, addresses::NETWORK_REGISTRY, &call, U256::ZERO)
    }

    /// Takes it out.
    pub(super) fn leave(&mut self, index: usize) -> Bytes {
        let call = NetworkRegistry::optOutCall {
            service: CONSENSUS_SERVICE,
        };
        self.transaction(index, addresses::NETWORK_REGISTRY, &call, U256::ZERO)
    }

    /// Reports an offence from a machine's account.
    pub(super) fn report(&mut self, index: usize, call: &ConsensusSlasher::reportCall) -> Bytes {
        self.transaction(index, addresses::CONSENSUS_SLASHER, call, U256::ZERO)
    }

    /// A machine's operator's account.
    pub(super) fn account(&self, index: usize) -> Address {
        self.operators[index].wallet.address()
    }

    /// Posts a log from a machine's account, as its transaction number `nonce`.
    pub(super) fn post(&mut self, index: usize, nonce: u64, call: &RandomnessBeacon::postCall) -> Bytes {
        self.operators[index].nonce = nonce;
        self.transaction(index, addresses::RANDOMNESS_BEACON, call, U256::ZERO)
    }

    fn transaction(&mut self, index: usize, to: Address, call: &impl SolCall, value: U256) -> Bytes {
        let operator = &mut self.operators[index];
        let nonce = operator.nonce;
        operator.nonce += 1;
        operator.wallet.sign(TxEip1559 {
            chain_id: self.chain_id,
            nonce,
            gas_limit: GAS_LIMIT,
            max_fee_per_gas: 10_000_000_000,
            max_priority_fee_per_gas: 1_000_000_000,
            to: TxKind::Call(to),
            value,
            input: call.abi_encode().into(),
            ..TxEip1559::default()
        })
    }
}

/// What is at stake behind each operator now, wei, by its number.
pub(super) fn stakes(ledger: &Ledger) -> Vec<u128> {
    let count = view(
        ledger,
        addresses::OPERATOR_REGISTRY,
        &OperatorRegistry::operatorCountCall {},
    );
    (0..count)
        .map(|operator| view(ledger, addresses::STAKE_VAULT, &StakeVault::stakeOfCall { operator }).active)
        .collect()
}

fn view<C: SolCall>(ledger: &Ledger, to: Address, call: &C) -> C::Return {
    let (context, state) = ledger.pending();
    let request = CallRequest {
        to: Some(to),
        data: call.abi_encode().into(),
        ..CallRequest::default()
    };
    let outcome = evm::call(&state, &context, ledger.chain_id(), &ledger.hashes(), &request);
    match outcome.expect("a view is a valid call").end {
        CallEnd::Returned(data) => C::abi_decode_returns_validate(&data).expect("it returns what its ABI says"),
        other => panic!("{}: {other:?}", C::SIGNATURE),
    }
}
