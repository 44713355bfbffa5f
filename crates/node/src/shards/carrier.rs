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
    let (mut first, mut pause) = (None, POLL);
    loop {
        match turn(way, &mut relayer, &mut first, patience, &carried).await {
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

/// What waits first, and since when it is seen to.
struct First {
    /// The block that sent it; none of an announcement.
    block: Option<u64>,
    since: Instant,
}

/// Looks, and carries what has waited long enough.
async fn turn<S: Port, D: Port>(
    way: Way,
    relayer: &mut Relayer<S, D>,
    first: &mut Option<First>,
    patience: Duration,
    carried: &Carried,
) -> Result<(), RelayError> {
    let waiting = relayer.look().await?;
    let block = relayer.oldest_block();
    let lag = block
        .zip(relayer.looked_until())
        .map_or(0, |(block, last)| last.saturating_sub(block));
    carried.look(way, waiting, lag);
    if waiting == 0 {
        *first = None;
        return Ok(());
    }
    // Who carries before this one is at work when something else waits first than last time.
    if first.as_ref().is_none_or(|first| first.block != block) {
        let since = Instant::now();
        *first = Some(First { block, since });
    }
    if first.as_ref().is_some_and(|first| first.since.elapsed() < patience) {
        return Ok(());
    }
    let done = relayer.step().await?;
    carried.step(way, &done);
    if done.delivered > 0 {
        let (delivered, headers, waiting) = (done.delivered, done.headers, done.waiting);
        tracing::info!(?way, delivered, headers, waiting, "carried messages");
    }
    Ok(())
}
