//! Who sends what: the same accounts and the same transactions in every process.

use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_sol_types::{SolCall as _, sol};
use contracts::{
    addresses::{FAUCET, USDX},
    genesis_contracts,
};
use crypto::ecdsa::Secret;
use primitives::{Address, B256, U256};
use rayon::prelude::*;
use std::{
    io::{BufReader, BufWriter, Read as _, Write as _},
    path::Path,
};

/// The chain of all measurements.
pub const CHAIN_ID: u64 = 16_602;
/// As a local network has it. Fees rise while blocks are more than half full.
pub const GAS_LIMIT: u64 = node::GAS_LIMIT;
/// Accounts that send. Few enough that a wallet's key is signed with often, many enough that no nonce window fills.
pub const SENDERS: u64 = 2_000;
/// What a sender pays for a unit of gas, at most, wei: whatever the base fee is. Who pays less measures what fees let through, half of each block.
const MAX_FEE_WEI: u128 = 2 * evm::BASE_FEE_MAX as u128;
/// What a sender has of the coin, wei: enough that a billion transactions may wait.
pub const FUNDS_WEI: u128 = 100_000_000_000_000_000_000_000_000_000_000_000_000;
/// What a sender has of the token.
const FUNDS_USDX: u64 = 100_000_000;
/// Gas of a transfer.
const TRANSFER_GAS: u64 = 21_000;
/// Most gas of a token's transfer.
const TOKEN_GAS: u64 = 80_000;
/// The account whose single transfers are timed.
const PROBE_SENDER: u64 = SENDERS;

sol! {
    function transfer(address to, uint256 amount) external returns (bool);
}

/// A signed transaction.
#[derive(Clone)]
pub struct Signed {
    /// Which sender's.
    pub sender: u64,
    /// As EIP-2718 has it.
    pub raw: Vec<u8>,
}

/// Keys and what they sign.
pub struct Workload {
    accounts: u64,
    secrets: Vec<Secret>,
}

impl Workload {
    /// Of transfers among `accounts` accounts.
    pub fn new(accounts: u64) -> Self {
        Self {
            accounts,
            secrets: (0..=SENDERS).map(secret).collect(),
        }
    }

    /// `count` transfers, every sender's in turn, each to an account that is drawn by its number.
    pub fn transfers(&self, count: u64) -> Vec<Signed> {
        self.sign(count, |index| (self.drawn(index), U256::from(1), Vec::new()))
    }

    /// `count` transfers of a token.
    pub fn token_transfers(&self, count: u64) -> Vec<Signed> {
        self.sign(count, |index| {
            let call = transferCall {
                to: self.drawn(index),
                amount: U256::from(1),
            };
            (USDX, U256::ZERO, call.abi_encode())
        })
    }

    /// Single transfers of an account that sends nothing else.
    pub fn probes(&self, count: u64) -> Vec<Signed> {
        (0..count)
            .map(|nonce| {
                let to = Some(self.drawn(nonce));
                self.signed(PROBE_SENDER, nonce, to, TRANSFER_GAS, U256::from(1), Vec::new())
            })
            .collect()
    }

    /// A call of a contract, or the creation of one.
    pub fn call(&self, sender: u64, nonce: u64, to: Option<Address>, gas: u64, input: Vec<u8>) -> Signed {
        self.signed(sender, nonce, to, gas, U256::ZERO, input)
    }

    /// The address of a sender.
    pub fn sender(&self, index: u64) -> Address {
        self.secrets[index as usize].address()
    }

    /// Addresses of those who send.
    pub fn senders(&self) -> impl Iterator<Item = Address> {
        self.secrets.iter().map(Secret::address)
    }

    fn sign(&self, count: u64, what: impl Fn(u64) -> (Address, U256, Vec<u8>) + Sync) -> Vec<Signed> {
        (0..count)
            .into_par_iter()
            .map(|index| {
                let (to, value, input) = what(index);
                let gas = if input.is_empty() { TRANSFER_GAS } else { TOKEN_GAS };
                self.signed(index % SENDERS, index / SENDERS, Some(to), gas, value, input)
            })
            .collect()
    }

    fn signed(&self, sender: u64, nonce: u64, to: Option<Address>, gas: u64, value: U256, input: Vec<u8>) -> Signed {
        let unsigned = TxEip1559 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: gas,
            max_fee_per_gas: MAX_FEE_WEI,
            max_priority_fee_per_gas: 1_000_000_000,
            to: to.into(),
            value,
            input: input.into(),
            ..TxEip1559::default()
        };
        let signature = self.secrets[sender as usize].sign(&unsigned.signature_hash());
        let signature = signature.as_slice().try_into().expect("a signature just made is one");
        Signed {
            sender,
            raw: TxEnvelope::from(unsigned.into_signed(signature)).encoded_2718(),
        }
    }

    fn drawn(&self, index: u64) -> Address {
        // A fixed multiplication scatters the numbers; which accounts are hit does not matter, that they are far apart does.
        account(&self.secrets, index.wrapping_mul(0x9e37_79b9_7f4a_7c15) % self.accounts)
    }
}

/// The first block: all accounts, and the contracts of the protocol.
pub fn genesis(accounts: u64) -> evm::Genesis {
    let workload = Workload::new(accounts);
    let mut allocations: Vec<_> = (0..accounts.max(SENDERS + 1))
        .map(|index| (account(&workload.secrets, index), U256::from(FUNDS_WEI)))
        .collect();
    allocations.push((FAUCET, U256::from(FUNDS_WEI)));
    let calls = workload.senders().map(|to| {
        let amount = U256::from(FUNDS_USDX);
        evm::GenesisCall {
            from: FAUCET,
            to: USDX,
            data: transferCall { to, amount }.abi_encode().into(),
            value: U256::ZERO,
        }
    });
    evm::Genesis {
        chain_id: CHAIN_ID,
        timestamp: 0,
        gas_limit: GAS_LIMIT,
        prev_randao: B256::ZERO,
        allocations,
        contracts: genesis_contracts(),
        calls: calls.collect(),
    }
}

/// Account `index`: one that sends, or one that nobody has the key of.
fn account(secrets: &[Secret], index: u64) -> Address {
    match secrets.get(index as usize) {
        Some(secret) => secret.address(),
        None => Address::from_slice(&blake3::hash(&index.to_be_bytes()).as_bytes()[..20]),
    }
}

fn secret(index: u64) -> Secret {
    Secret::from_bytes(blake3::hash(&index.to_le_bytes()).as_bytes()).expect("a hash below the curve's order")
}

/// Writes transactions for another process to [`read`].
pub fn write<'a>(path: &Path, transactions: impl Iterator<Item = &'a Signed>) {
    let file = std::fs::File::create(path).expect("a file of one's own");
    let mut file = BufWriter::new(file);
    for Signed { raw, .. } in transactions {
        let length = u16::try_from(raw.len()).expect("these are short");
        file.write_all(&length.to_be_bytes()).expect("room for transactions");
        file.write_all(raw).expect("room for transactions");
    }
}

/// The transactions in a file, in order.
pub fn read(path: &Path) -> impl Iterator<Item = Vec<u8>> {
    let mut file = BufReader::new(std::fs::File::open(path).expect("a file just written"));
    std::iter::from_fn(move || {
        let mut length = [0; 2];
        file.read_exact(&mut length).ok()?;
        let mut raw = vec![0; u16::from_be_bytes(length).into()];
        file.read_exact(&mut raw).expect("a whole transaction");
        Some(raw)
    })
}
