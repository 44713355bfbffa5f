//! Read some bytes of a blob from the rows that hold them.
//!
//! The data rows are the payload itself, so a range costs the rows that cover it: asked for of their owners, each checked by
//! both proofs. When one of them is not to be had soon, any as many rows are gathered and decoded instead, as for the whole blob. Of a
//! sealed blob the segments that cover the range are fetched and opened, each of which authenticates alone.

use super::{Blob, Event, Progress, RetrieveError, Source, gather, hedge::Waits};
use crate::{Committee, RowChecker, RowSet, Runtime, VerifiedHead, committee, disperse::Peer, encode};
use crypto::stream::Key;
use futures::{
    StreamExt,
    channel::mpsc,
    future::{Either, select},
};
use std::{ops::Range, pin::pin, sync::Arc};

/// Bytes `plain` of the payload in the clear of `blob`, read from `committee`. A public blob needs no key; what is beyond
/// the payload's end is left out.
///
/// # Errors
///
/// [`RetrieveError::TooFewRows`], and [`RetrieveError::Open`] when the key is another or a segment does not authenticate.
pub async fn read_range<E: Runtime>(
    context: &E,
    peer: &Peer,
    committee: &Committee,
    blob: Blob<'_>,
    key: Option<&Key>,
    plain: Range<u64>,
    progress: impl FnMut(Progress<'_>),
) -> Result<Vec<u8>, RetrieveError> {
    let head = blob.head;
    let root = head.root();
    let open = |source| RetrieveError::Open { root, source };
    let params = &head.header().params;
    let range = encode::coded_range(params, &plain).map_err(open)?;
    let coded = read_coded(context, peer, committee, blob, range, progress).await?;
    encode::open_range(params, key, &plain, coded).map_err(open)
}

/// As [`read_range`], bytes `range` of the payload as coded. What is beyond its end is left out.
///
/// # Errors
///
/// [`RetrieveError::TooFewRows`].
pub async fn read_coded<E: Runtime>(
    context: &E,
    peer: &Peer,
    committee: &Committee,
    blob: Blob<'_>,
    range: Range<u64>,
    mut progress: impl FnMut(Progress<'_>),
) -> Result<Vec<u8>, RetrieveError> {
    let head = blob.head;
    let end = range.end.min(head.header().params.length);
    if range.start >= end {
        return Ok(Vec::new());
    }
    let row_bytes = u64::from(head.row_bytes());
    let first = (range.start / row_bytes) as u32;
    let last = ((end - 1) / row_bytes) as u32;
    let (mut bytes, base) = match rows(context, peer, committee, head, first..last + 1, &mut progress).await {
        Some(bytes) => (bytes, u64::from(first) * row_bytes),
        None => (gather(context, peer, committee, blob, &mut progress).await?, 0),
    };
    bytes.truncate((end - base) as usize);
    bytes.drain(..(range.start - base) as usize);
    Ok(bytes)
}

/// The data rows `wanted`, one behind the other; nothing when one of them is not to be had from its owner soon, or they are all of
/// them: any others serve as well then.
async fn rows<E: Runtime>(
    context: &E,
    peer: &Peer,
    committee: &Committee,
    head: &VerifiedHead,
    wanted: Range<u32>,
    progress: &mut impl FnMut(Progress<'_>),
) -> Option<Vec<u8>> {
    let needed = wanted.end - wanted.start;
    if needed == head.shape().data_rows() {
        return None;
    }
    let row_bytes = head.row_bytes() as usize;
    let checker = Arc::new(RowChecker::new(head.clone()));
    let (events, mut inbox) = mpsc::channel(committee.operators().len());
    let rows_of = committee::assign(committee, &head.root(), head.shape());
    // Rows that are due, with when their operator was last heard of.
    let mut due = Vec::with_capacity(rows_of.len());
    let mut tasks = Vec::new();
    for (operator, owned) in (0..).zip(rows_of) {
        let mut rows: Vec<u32> = owned.into_iter().filter(|row| wanted.contains(row)).collect();
        rows.sort_unstable();
        due.push((rows.iter().copied().collect::<RowSet>(), context.current()));
        if rows.is_empty() {
            continue;
        }
        let (asks, asked) = mpsc::unbounded();
        asks.unbounded_send(vec![(checker.clone(), rows)])
            .expect("the receiver is here");
        let source = Source {
            operator,
            peer: peer.clone(),
            committee: committee.clone(),
            asked,
            events: events.clone(),
        };
        tasks.push(context.child("source").spawn(move |context| source.run(context)));
    }
    drop(events);

    let mut data = vec![0; needed as usize * row_bytes];
    let mut come = 0;
    let mut waits = Waits::default();
    let whole = loop {
        if come == needed {
            break true;
        }
        let patience = waits.hedge_after();
        let event = match select(inbox.next(), pin!(context.sleep(patience / 2))).await {
            Either::Left((None, _)) => break false,
            Either::Left((event, _)) => event,
            Either::Right(_) => None,
        };
        let now = context.current();
        match event {
            Some(Event::Rows { operator, rows }) => {
                let (due, heard) = &mut due[operator as usize];
                let before = come;
                for row in rows.into_iter().filter(|row| due.remove(row.index())) {
                    let start = (row.index() - wanted.start) as usize * row_bytes;
                    data[start..start + row_bytes].copy_from_slice(row.bytes());
                    come += 1;
                }
                // Who repeats itself is as good as silent.
                if come > before {
                    waits.record(now.duration_since(*heard).unwrap_or_default());
                    *heard = now;
                    progress(Progress::Rows { rows: come, needed });
                }
            }
            // All that it has: what did not come will not.
            Some(Event::Answered { operator }) if !due[operator as usize].0.is_empty() => break false,
            Some(Event::Answered { .. }) => {}
            Some(Event::Failed { operator, error }) => {
                progress(Progress::Failed {
                    operator,
                    error: &error,
                });
                break false;
            }
            None => {}
        }
        let still =
            |(due, heard): &(RowSet, _)| !due.is_empty() && now.duration_since(*heard).unwrap_or_default() >= patience;
        if due.iter().any(still) {
            break false;
        }
    };
    tasks.into_iter().for_each(|task| task.abort());
    whole.then_some(data)
}
