//! `aloft chain beacon`

use crate::{
    output::{ExitCode, Failure, Output},
    verbs::{connection::Connection, done},
};
use anyhow::Context as _;
use client::HttpProvider;
use contracts::{
    CallError, ProviderError,
    abi::{RandomnessBeacon as Contract, ValidatorRegistry},
    addresses::{RANDOMNESS_BEACON, VALIDATOR_REGISTRY},
    read,
};
use primitives::{B256, Bytes};
use serde::Serialize;
use std::{collections::BTreeSet, fmt};

/// Epochs that can be looked at.
const EPOCHS_MAX: u64 = 1_000;

/// Bytes of a compressed vote key.
const VOTE_KEY_BYTES: usize = 48;

/// Show the randomness beacon: its key, its last value, how the ceremonies ended that hand the key on, and who took no part in this one.
///
/// Example: aloft chain beacon --height 1300
#[derive(clap::Args)]
pub struct Beacon {
    /// Show the value of this height, too; the last 8,191 are kept.
    #[arg(long)]
    height: Option<u64>,
    /// How many of the last ceremonies to show.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=EPOCHS_MAX))]
    epochs: u64,
    #[command(flatten)]
    connection: Connection,
}

/// How a ceremony ended.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Ended {
    /// Not yet; or no block said how.
    Open,
    Kept,
    Made,
    Reshared,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "not said",
            Self::Kept => "failed, the old key's holders kept it",
            Self::Made => "made the key",
            Self::Reshared => "handed the key on",
        })
    }
}

#[derive(Serialize)]
struct Ceremony {
    epoch: u64,
    ended: Ended,
    /// Logs that dealers posted.
    posted: u32,
    /// Logs that counted.
    counted: u32,
    /// Logs that it takes.
    required: u32,
}

#[derive(Serialize)]
struct Seat {
    operator: u32,
    seat: u32,
}

#[derive(Serialize)]
struct Value {
    height: u64,
    value: B256,
    signature: Bytes,
}

#[derive(Serialize)]
struct Shown {
    epoch: u64,
    /// Empty while there is none.
    public_key: Bytes,
    /// Epoch whose committee holds the key, or deals for the first one.
    holders_epoch: u64,
    next_height: u64,
    latest: Option<Value>,
    asked: Option<Value>,
    ceremonies: Vec<Ceremony>,
    /// Seats of the holders that have posted no log in this epoch.
    not_posted: Vec<Seat>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.public_key.is_empty() {
            writeln!(f, "there is no key yet")?;
        } else {
            writeln!(f, "key {}", self.public_key)?;
            writeln!(f, "held by the committee of epoch {}", self.holders_epoch)?;
        }
        for Value { height, value, .. } in self.latest.iter().chain(&self.asked) {
            writeln!(f, "block {height}: {value}")?;
        }
        for ceremony in &self.ceremonies {
            let Ceremony {
                epoch,
                ended,
                posted,
                counted,
                required,
            } = ceremony;
            write!(f, "epoch {epoch}: {ended}")?;
            if !matches!(ended, Ended::Open) {
                write!(f, "; {posted} logs, {counted} counted, {required} needed")?;
            }
            writeln!(f)?;
        }
        let seats: Vec<_> = self
            .not_posted
            .iter()
            .map(|seat| format!("{}/{}", seat.operator, seat.seat))
            .collect();
        match seats.is_empty() {
            true => write!(f, "epoch {}: all seats have posted", self.epoch),
            false => write!(
                f,
                "epoch {}: no log yet of operator/seat {}",
                self.epoch,
                seats.join(", ")
            ),
        }
    }
}

impl Beacon {
    /// Asks the chain.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let provider = self.connection.provider().await?;
        let shown = self.look(&provider).await.context("ask for the beacon")?;
        done(output, &shown)
    }

    async fn look(&self, provider: &HttpProvider) -> Result<Shown, CallError> {
        let at = RANDOMNESS_BEACON;
        let epoch = read(provider, at, &Contract::epochCall {}).await?;
        let standing = read(provider, at, &Contract::standingCall {}).await?;
        let holders_epoch = read(provider, at, &Contract::holdersEpochCall {}).await?;
        let latest = match standing.latest {
            0 => None,
            height => Some(value(provider, height).await?),
        };
        let asked = match self.height {
            Some(height) => Some(value(provider, height).await?),
            None => None,
        };
        let mut ceremonies = Vec::new();
        for epoch in (epoch + 1).saturating_sub(self.epochs)..=epoch {
            let found = read(provider, at, &Contract::ceremonyOfCall { epoch_: epoch }).await?;
            let ended = match found.result {
                1 => Ended::Kept,
                2 => Ended::Made,
                3 => Ended::Reshared,
                _ => Ended::Open,
            };
            ceremonies.push(Ceremony {
                epoch,
                ended,
                posted: found.posted,
                counted: found.counted,
                required: found.required,
            });
        }
        Ok(Shown {
            epoch,
            public_key: standing.publicKey,
            holders_epoch,
            next_height: standing.next,
            latest,
            asked,
            ceremonies,
            not_posted: not_posted(provider, epoch, holders_epoch).await?,
        })
    }
}

async fn value(provider: &HttpProvider, height: u64) -> Result<Value, CallError> {
    Ok(Value {
        height,
        value: read(provider, RANDOMNESS_BEACON, &Contract::valueOfCall { height }).await?,
        signature: read(provider, RANDOMNESS_BEACON, &Contract::signatureOfCall { height }).await?,
    })
}

/// Seats of the committee of `holders` that have no log in `epoch`.
async fn not_posted(provider: &HttpProvider, epoch: u64, holders: u64) -> Result<Vec<Seat>, CallError> {
    let logs = read(provider, RANDOMNESS_BEACON, &Contract::logsOfCall { epoch_: epoch }).await?;
    let posted: BTreeSet<(u32, u32)> = logs.iter().map(|log| (log.operator, log.seat)).collect();
    // In an epoch's last quarter these are the next epoch's, who deal in that.
    if holders > epoch {
        return Ok(Vec::new());
    }
    let call = ValidatorRegistry::committeeCall { atEpoch: holders };
    let committee = match read(provider, VALIDATOR_REGISTRY, &call).await {
        Ok(committee) => committee,
        // A chain without validators, one for development.
        Err(CallError::Provider(ProviderError::Reverted { .. })) => Vec::new(),
        Err(error) => return Err(error),
    };
    let seats = committee.into_iter().flat_map(|validator| {
        let count = u32::try_from(validator.voteKeys.len() / VOTE_KEY_BYTES).unwrap_or(u32::MAX);
        (0..count).map(move |seat| (validator.operator, seat))
    });
    let missing = seats.filter(|seat| !posted.contains(seat));
    Ok(missing.map(|(operator, seat)| Seat { operator, seat }).collect())
}
