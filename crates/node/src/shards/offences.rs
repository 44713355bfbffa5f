//! Reports validators that voted twice on a shard to the root chain, which takes their stake.

use super::{metrics::Carried, process::RootNode};
use chain::consensus::{Offence, SignedVote};
use contracts::{
    CallError, Provider, ProviderError, SLASH_WINDOW_EPOCHS,
    abi::{
        NetworkRegistry, OperatorRegistry, ShardRegistry,
        ShardSlasher::{self, Ballot, Vote},
    },
    addresses::{NETWORK_REGISTRY, OPERATOR_REGISTRY, SHARD_REGISTRY, SHARD_SLASHER},
    read, write,
};
use primitives::{B256, U256};
use std::time::Duration;
use tokio::{sync::mpsc, time::sleep};

/// Times that a report is tried while the root chain is not reached, a [`RETRY_PAUSE`] apart: ten minutes.
const TRIES: u32 = 120;
/// Pause between two tries.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// The calls of `ShardSlasher` that may report an offence on shard `chain`, the most recent epoch of the root chain first.
///
/// The root chain does not know when a vote was cast: any epoch in its window will do in whose committee the operator was. None when it was in no
/// committee of the window, so has nothing at stake there any more.
///
/// # Errors
///
/// [`CallError`] when the root chain does not say who the operator is.
pub async fn shard_report_calls(
    root: &impl Provider,
    chain: u64,
    offence: &Offence,
) -> Result<Vec<ShardSlasher::reportCall>, CallError> {
    let service = read(root, SHARD_REGISTRY, &ShardRegistry::shardOfCall { chain })
        .await?
        .service;
    let call = OperatorRegistry::numberOfKeyCall {
        streamKey: B256::from_slice(offence.validator.as_ref()),
    };
    let operator = read(root, OPERATOR_REGISTRY, &call).await?;
    let epoch = read(root, NETWORK_REGISTRY, &NetworkRegistry::epochCall {}).await?;
    let mut calls = Vec::new();
    for root_epoch in (epoch.saturating_sub(SLASH_WINDOW_EPOCHS)..=epoch).rev() {
        let call = NetworkRegistry::committeeCall {
            service,
            atEpoch: root_epoch,
        };
        let members = match read(root, NETWORK_REGISTRY, &call).await {
            Ok(committee) => committee.members,
            // The service had no committee then.
            Err(CallError::Provider(ProviderError::Reverted { .. })) => continue,
            Err(error) => return Err(error),
        };
        let index = members.iter().position(|member| member.operator == operator);
        let place = index.and_then(|index| u32::try_from(index).ok());
        if let Some((index, seat)) = place.zip(u32::try_from(offence.seat).ok()) {
            calls.push(ShardSlasher::reportCall {
                ballot: Ballot {
                    chain,
                    rootEpoch: root_epoch,
                    index,
                    seat,
                    epoch: offence.epoch,
                    view_: offence.view,
                },
                first: vote(&offence.votes[0]),
                second: vote(&offence.votes[1]),
            });
        }
    }
    Ok(calls)
}

fn vote(vote: &SignedVote) -> Vote {
    Vote {
        kind: vote.kind as u8,
        parentView: vote.parent_view,
        digest: vote.digest.into(),
        signature: vote.signature.to_eip2537().into(),
    }
}

/// Reports an offence on shard `chain` to the root chain: the block that has the report, or `None` if the root chain refuses it, most often because it has
/// been told before.
///
/// # Errors
///
/// [`CallError`] when the root chain does not answer.
pub async fn report_shard_offence(
    root: &impl Provider,
    chain: u64,
    offence: &Offence,
) -> Result<Option<u64>, CallError> {
    for call in shard_report_calls(root, chain, offence).await? {
        match write(root, SHARD_SLASHER, &call, U256::ZERO).await {
            Ok(mined) => return Ok(Some(mined.block)),
            Err(ProviderError::Reverted { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Reports each offence once, from the account of `root`, until no more come.
pub(super) async fn report(chain: u64, mut offences: mpsc::Receiver<Offence>, root: RootNode, carried: Carried) {
    while let Some(offence) = offences.recv().await {
        let (validator, epoch, view) = (&offence.validator, offence.epoch, offence.view);
        for last in (0..TRIES).rev() {
            let reported = match root.connect().await {
                Ok(root) => report_shard_offence(&root, chain, &offence).await,
                Err(error) => Err(error.into()),
            };
            match reported {
                Ok(Some(block)) => {
                    carried.offence();
                    tracing::warn!(%validator, epoch, view, block, "reported a validator that voted twice on the shard");
                    break;
                }
                // Most often because another validator was first.
                Ok(None) => {
                    tracing::info!(%validator, epoch, view, "an offence was not taken");
                    break;
                }
                Err(error) if last == 0 => {
                    tracing::warn!(%validator, epoch, view, %error, "an offence could not be reported");
                }
                Err(error) => {
                    tracing::debug!(%validator, %error, "an offence is reported again");
                    sleep(RETRY_PAUSE).await;
                }
            }
        }
    }
}
