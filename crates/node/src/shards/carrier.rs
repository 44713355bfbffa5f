//! Carries messages between the root chain and a shard for as long as the shard's validator runs.
//!
//! Each validator of a shard has a carrier, so that messages go on while one runs. They take turns by their place, so that they do not all pay for
//! what one of them delivers: the first carries what it sees at once, each other one what has waited for [`PATIENCE`] more.

use super::{
    Port, RelayError, Relayer,
    metrics::{Carried, Way},
};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Pause between two looks.
const POLL: Duration = Duration::from_millis(500);
/// How much longer than the one before it each carrier lets a message wait: some blocks of both chains.
const PATIENCE: Duration = Duration::from_secs(4);
/// Longest pause after failures in a row.
const BACKOFF_MAX: Duration = Duration::from_secs(15);

/// Carries one way until it is dropped. What fails is tried again, with a longer pause each time.
pub(super) async fn carry<S: Port, D: Port>(way: Way, place: u32, mut relayer: Relayer<S, D>, carried: Carried) {
    let patience = PATIENCE.saturating_mul(place);
    let (mut since, mut pause) = (None, POLL);
    loop {
        match turn(way, &mut relayer, &mut since, patience, &carried).await {
            Ok(()) => pause = POLL,
            Err(error) => {
                carried.failure(way);
                pause = (pause * 2).min(BACKOFF_MAX);
                tracing::debug!(?way, %error, "carrying is tried again");
            }
        }
        sleep(pause).await;
    }
}

/// Looks, and carries what has waited long enough. `since` is when something began to wait.
async fn turn<S: Port, D: Port>(
    way: Way,
    relayer: &mut Relayer<S, D>,
    since: &mut Option<Instant>,
    patience: Duration,
    carried: &Carried,
) -> Result<(), RelayError> {
    let waiting = relayer.look().await?;
    let oldest = relayer.oldest_block().zip(relayer.looked_until());
    carried.look(
        way,
        waiting,
        oldest.map_or(0, |(oldest, last)| last.saturating_sub(oldest)),
    );
    if waiting == 0 {
        *since = None;
        return Ok(());
    }
    if since.get_or_insert_with(Instant::now).elapsed() < patience {
        return Ok(());
    }
    let done = relayer.step().await?;
    carried.step(way, &done);
    if done.delivered > 0 {
        // What is left has not waited for its turn yet.
        *since = None;
        tracing::info!(
            ?way,
            delivered = done.delivered,
            headers = done.headers,
            waiting = done.waiting,
            "carried messages"
        );
    }
    Ok(())
}
