//! `aloft operator register`

use super::number_of;
use crate::{
    output::{ExitCode, Failure, Output},
    verbs::{connection::Connection, done},
};
use anyhow::Context as _;
use client::HttpProvider;
use contracts::{
    CallError, ProviderError,
    abi::{OperatorRegistry, ValidatorRegistry},
    addresses::{OPERATOR_REGISTRY, VALIDATOR_REGISTRY},
};
use crypto::bls;
use node::NodeKeys;
use primitives::{Address, B256, U256};
use serde::Serialize;
use std::{fmt, net::SocketAddr};

/// Most vote keys of an operator, hence seats that can vote: `ValidatorRegistry.MAX_KEYS`.
const VOTE_KEYS_MAX: i64 = 8;

/// Register an operator: its account and keys, with proofs that it knows their secrets, and where it listens. Does what is left to do when it is done again.
///
/// Takes a folder of keys (--keys), whose account pays for it: send it some coins first.
///
/// Example: aloft operator register --keys mynode --endpoint 203.0.113.5:7800 --validator 203.0.113.5:7900
#[derive(clap::Args)]
pub struct Register {
    /// Where it takes and gives rows of blobs.
    #[arg(long, value_name = "HOST:PORT")]
    endpoint: String,
    /// Where the other validators reach it; left out by an operator that will not vote on blocks.
    #[arg(long, value_name = "ADDRESS:PORT")]
    validator: Option<SocketAddr>,
    /// Vote keys to register: it votes for at most so many of its seats.
    #[arg(long, default_value_t = 4, requires = "validator", value_parser = clap::value_parser!(u32).range(1..=VOTE_KEYS_MAX))]
    vote_keys: u32,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Serialize)]
struct Registered {
    operator: u32,
    account: Address,
    endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    validator: Option<SocketAddr>,
    /// Vote keys that it has now.
    vote_keys: u32,
    /// Transactions that it took: none when all was done before.
    transactions: Vec<B256>,
}

impl fmt::Display for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            operator,
            account,
            endpoint,
            vote_keys,
            ..
        } = self;
        write!(f, "operator {operator}, account {account}, rows at {endpoint}")?;
        if let Some(validator) = self.validator {
            write!(f, ", {vote_keys} vote keys, votes at {validator}")?;
        }
        write!(
            f,
            "\nput coins behind it by: aloft stake deposit 10 --operator {operator}"
        )
    }
}

impl Register {
    /// Sends what is left to be said of the operator.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let keys = self.connection.node_keys()?;
        let account = keys.wallet.address();
        let provider = self.connection.provider().await?;
        let mut registration = Registration {
            provider: &provider,
            keys: &keys,
            transactions: Vec::new(),
        };
        let operator = registration.operator(&self.endpoint).await?;
        let vote_keys = match self.validator {
            Some(endpoint) => registration.validator(operator, endpoint, self.vote_keys).await?,
            None => 0,
        };
        done(
            output,
            &Registered {
                operator,
                account,
                endpoint: self.endpoint,
                validator: self.validator,
                vote_keys,
                transactions: registration.transactions,
            },
        )
    }
}

/// What is said of an operator, and the transactions that it took.
struct Registration<'a> {
    provider: &'a HttpProvider,
    keys: &'a NodeKeys,
    transactions: Vec<B256>,
}

impl Registration<'_> {
    async fn send(&mut self, to: Address, call: &(impl alloy_sol_types::SolCall + Sync)) -> Result<(), CallError> {
        let mined = contracts::write(self.provider, to, call, U256::ZERO).await?;
        self.transactions.push(mined.hash);
        Ok(())
    }

    /// Registers the operator, or lets it move; its number.
    async fn operator(&mut self, endpoint: &str) -> anyhow::Result<u32> {
        let account = self.keys.wallet.address();
        let key = &self.keys.availability;
        let stream_key = B256::from_slice(self.keys.validator.identity().as_ref());
        let bls_key = key.public_key().to_eip2537();
        let Some(operator) = number_of(self.provider, account).await? else {
            self.check_stream_key(stream_key).await?;
            let register = OperatorRegistry::registerCall {
                streamKey: stream_key,
                blsKey: bls_key.into(),
                possession: key.prove_possession(account).to_eip2537().into(),
                endpoint: endpoint.to_owned(),
            };
            if let Err(error) = self.send(OPERATOR_REGISTRY, &register).await {
                // Somebody may have been faster.
                self.check_stream_key(stream_key).await?;
                return Err(error).context("register the operator");
            }
            let number = number_of(self.provider, account).await?;
            return number.context("the node does not know the operator that it just registered");
        };
        let call = OperatorRegistry::operatorOfCall { operator };
        let entry = contracts::read(self.provider, OPERATOR_REGISTRY, &call).await?;
        anyhow::ensure!(
            entry.streamKey == stream_key && entry.blsKey[..] == bls_key[..],
            "operator {operator} of account {account} registered other keys than those in the folder"
        );
        if entry.endpoint != endpoint {
            let endpoint = endpoint.to_owned();
            let moved = OperatorRegistry::setEndpointCall { endpoint };
            self.send(OPERATOR_REGISTRY, &moved)
                .await
                .context("say where it listens")?;
        }
        Ok(operator)
    }

    /// Whether the stream key is free: it is proved by nothing, so anybody who has seen it could register it.
    async fn check_stream_key(&self, stream_key: B256) -> anyhow::Result<()> {
        let call = OperatorRegistry::numberOfKeyCall { streamKey: stream_key };
        let operator = match contracts::read(self.provider, OPERATOR_REGISTRY, &call).await {
            Ok(operator) => operator,
            Err(CallError::Provider(ProviderError::Reverted { .. })) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let call = OperatorRegistry::accountOfCall { operator };
        let account = contracts::read(self.provider, OPERATOR_REGISTRY, &call).await?;
        anyhow::bail!(
            "account {account} registered the stream key of these keys as operator {operator}'s; it can do nothing with it, and you cannot have \
             it: join with a new folder of keys, which has nothing at stake yet"
        )
    }

    /// Adds vote keys until there are `wanted`, and says where the validator listens; how many keys there are.
    async fn validator(&mut self, operator: u32, endpoint: SocketAddr, wanted: u32) -> anyhow::Result<u32> {
        let call = ValidatorRegistry::keysAtCall {
            operator,
            atEpoch: u64::MAX,
        };
        let count = contracts::read(self.provider, VALIDATOR_REGISTRY, &call).await?;
        let count = u32::try_from(count).context("the registry counts more vote keys than it takes")?;
        for (seat, secret) in (0..).zip(&self.keys.validator.votes) {
            if seat < count {
                self.check_vote_key(operator, seat, secret).await?;
            } else if seat < wanted {
                let add = ValidatorRegistry::addKeyCall {
                    voteKey: secret.public_key().to_eip2537().into(),
                    possession: secret.prove_possession(self.keys.wallet.address()).to_eip2537().into(),
                };
                self.send(VALIDATOR_REGISTRY, &add).await.context("add a vote key")?;
            }
        }
        let endpoint = endpoint.to_string();
        let call = ValidatorRegistry::candidatesCall {};
        let known = contracts::read(self.provider, VALIDATOR_REGISTRY, &call).await?;
        let mut own = known.iter().filter(|entry| entry.operator == operator);
        if own.all(|entry| entry.endpoint != endpoint) {
            let moved = ValidatorRegistry::setEndpointCall { endpoint };
            self.send(VALIDATOR_REGISTRY, &moved)
                .await
                .context("say where its validator listens")?;
        }
        Ok(count.max(wanted))
    }

    /// Whether the key that the registry has for a seat is the one of the folder: else its node could not vote.
    async fn check_vote_key(&self, operator: u32, seat: u32, secret: &bls::SecretKey) -> anyhow::Result<()> {
        let call = ValidatorRegistry::keyOfCall {
            operator,
            seat: U256::from(seat),
        };
        let found = contracts::read(self.provider, VALIDATOR_REGISTRY, &call).await?.key;
        anyhow::ensure!(
            found
                .iter()
                .flat_map(|word| word.0)
                .eq(secret.public_key().to_eip2537()),
            "operator {operator} registered another vote key for seat {seat} than that in the folder"
        );
        Ok(())
    }
}
