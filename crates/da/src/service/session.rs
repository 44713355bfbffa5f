//! One stream to an operator: requests in, answers out, one after the other.

use super::{
    MAX_GUEST_STREAMS, MAX_RETENTION_BLOCKS, PERMIT_SLACK_BLOCKS, Promise, Shared, Slot, escrow, local, release,
};
use crate::{
    Head, Header, Permit, RowChecker, RowSet, Runtime, VerifiedHead,
    disperse::STALL_TIMEOUT,
    head,
    permit::{self, PERMIT_BLOCKS},
    sample::{self, Challenge},
    store::StoreError,
    wire::{self, Connection, Refusal, Request, Response, Rows, WireError, rows_per_message},
};
use commonware_runtime::{SinkOf, StreamOf};
use futures::future::try_join_all;
use primitives::{BlobRoot, U256};
use std::{sync::atomic::Ordering, time::Duration};

/// Longest that a stream may ask nothing.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// A blob being dispersed on a stream.
struct Dispersal {
    checker: RowChecker,
    /// The rows that this operator owns.
    owned: RowSet,
}

/// Serves one stream until it ends.
pub(super) async fn run<E: Runtime>(context: E, slot: Slot<E>, sink: SinkOf<E>, stream: StreamOf<E>) {
    let shared = &slot.shared;
    let crowded = shared.streams.load(Ordering::Relaxed) > MAX_GUEST_STREAMS;
    let peer = &shared.config.peer;
    let admit = |key: &_| !crowded || shared.epochs.lock().is_operator(key);
    let accepted = wire::accept(&context, &peer.stream_key, peer.domain.chain_id, admit, sink, stream).await;
    let end = match accepted {
        Ok((_, mut connection)) => serve(&context, shared, &mut connection).await,
        Err(error) => Err(error),
    };
    if let Err(error) = end {
        tracing::debug!(?error, "a stream ended");
    }
}

async fn serve<E: Runtime>(context: &E, shared: &Shared<E>, connection: &mut Connection<E>) -> Result<(), WireError> {
    let (mut dispersal, mut local_checker) = (None, None);
    loop {
        let request = connection.receiver.receive(IDLE_TIMEOUT).await?;
        let answer = match request {
            Request::Disperse(head, permit) => begin(shared, *head, permit, &mut dispersal).await.map(Some),
            Request::Rows(rows) => {
                let bytes = u64::from(rows.row_bytes) * rows.rows.len() as u64;
                shared.ingest.take(context, bytes).await;
                keep(shared, dispersal.as_ref(), rows).await
            }
            Request::Sign(roots) => sign(shared, &roots).await.map(Some),
            Request::ReadHead(root) => Ok(Some(match shared.store.head(root) {
                Some(head) => Response::Head(Box::new(head.head().clone())),
                None => Response::NotFound,
            })),
            Request::ReadRows { root, rows } => read(shared, connection, root, rows).await?.map(Some),
            Request::Status => Ok(Some(Response::Status(shared.status()))),
            Request::ReadSamples { root, challenges } => Ok(Some(sample(shared, root, &challenges).await)),
            Request::KeepLocal { root, row } => {
                shared.ingest.take(context, row.bytes.len() as u64).await;
                local::keep(shared, root, &row, &mut local_checker).await.map(Some)
            }
            Request::ReadLocal { root, group } => Ok(Some(local::show(shared, root, group).await)),
            Request::Release(request) => Ok(Some(match release::answer(shared, request).await {
                Some(answer) => Response::Release(answer),
                None => Response::NotFound,
            })),
        };
        match answer {
            Ok(None) => {}
            Ok(Some(response)) => connection.sender.send(&response, STALL_TIMEOUT).await?,
            Err(refusal) => {
                return connection.sender.send(&Response::Refused(refusal), STALL_TIMEOUT).await;
            }
        }
    }
}

/// Upon receiving `Disperse`: check what can be checked before a row is sent, then make room.
async fn begin<E: Runtime>(
    shared: &Shared<E>,
    head: Head,
    permit: Permit,
    dispersal: &mut Option<Dispersal>,
) -> Result<Response, Refusal> {
    let id = head.header.params.committee;
    let (current, open) = {
        let epochs = shared.epochs.lock();
        (epochs.current(), epochs.is_open(id.epoch))
    };
    // Rows that are added to a blob belong to its committee, however old.
    let open = open || head.header.params.base.is_some();
    let Some((committee, Some(index))) = shared.seat(id).filter(|_| open) else {
        return Err(Refusal::NoSeat { current });
    };
    let height = shared.height();
    let limit = height.saturating_add(MAX_RETENTION_BLOCKS);
    if !(height + 1..=limit).contains(&head.header.params.expiry_block) {
        return Err(Refusal::Expiry { height, limit });
    }
    let root = head.header.root();
    let owned = committee.rows_of(index, &root, head.header.params.shape);
    let certified = shared.chain.lock().certified.contains_key(&root);
    let promise = match certified {
        true => None,
        // Before anything that costs more than a signature's check.
        false => Some(promised(shared, &head.header, permit, owned.len()).await?),
    };
    let head = head.check_groups_root().map_err(|_| Refusal::BadHead)?;
    let checker = RowChecker::new(head.clone());
    if let Some(base) = head.header().params.base {
        check_base(shared, &checker, base.root).await?;
    }
    if let Some((promise, escrow_wei)) = promise {
        let mut chain = shared.chain.lock();
        // It may have been certified while this looked at it.
        if !chain.certified.contains_key(&root) {
            let bytes_max = shared.config.unpaid_bytes_max;
            chain.unpaid.admit(root, promise, escrow_wei, bytes_max)?;
        }
    }
    let created = shared.store.create(&head, owned.len(), Some(&permit)).await;
    if created.is_err() && shared.store.head(root).is_none() {
        shared.chain.lock().unpaid.release(&root);
    }
    created.map_err(refusal)?;
    let held = shared.store.held(root);
    let missing: Vec<u32> = owned.without(&held).collect();
    if missing.is_empty() {
        return Ok(Response::Stored);
    }
    *dispersal = Some(Dispersal { checker, owned });
    Ok(Response::Accepted { missing })
}

/// What the permit for `rows` rows of the blob of `header` promises, and what its payer has in escrow, wei.
async fn promised<E: Runtime>(
    shared: &Shared<E>,
    header: &Header,
    permit: Permit,
    rows: u32,
) -> Result<(Promise, U256), Refusal> {
    let height = shared.height();
    let limit = height.saturating_add(PERMIT_BLOCKS + PERMIT_SLACK_BLOCKS);
    let payer = permit.payer(&shared.config.peer.domain, header);
    let (true, Ok(payer)) = ((height + 1..=limit).contains(&permit.deadline), payer) else {
        return Err(Refusal::Permit { height, limit });
    };
    let escrow_wei = escrow::of(shared, payer).await.ok_or(Refusal::Chain)?;
    let promise = Promise {
        payer,
        fee_wei: permit::fee_wei(header, shared.price, height),
        bytes: u64::from(rows) * u64::from(header.params.row_bytes()),
        deadline: permit.deadline,
    };
    Ok((promise, escrow_wei))
}

/// Checks that the rows of `checker` are added to a blob of which this operator holds all its rows, and that these are of the same codeword:
/// without that, added rows could be of any other, for they alone have no redundancy. Whether that blob is certified the chain asks, when
/// it is to record what was added.
async fn check_base<E: Runtime>(shared: &Shared<E>, checker: &RowChecker, root: BlobRoot) -> Result<(), Refusal> {
    let base = shared.store.head(root).ok_or(Refusal::Base)?;
    if !checker.head().is_added_to(&base) {
        return Err(Refusal::Base);
    }
    let id = base.header().params.committee;
    let owned = shared.owned(id, &root, base.shape()).ok_or(Refusal::Base)?;
    let owned: Vec<u32> = owned.iter().collect();
    for indices in owned.chunks(rows_per_message(base.row_bytes())) {
        let mut rows = Vec::with_capacity(indices.len());
        for &index in indices {
            let row = shared.store.read(root, index).await.map_err(refusal)?;
            rows.push(row.ok_or(Refusal::Base)?);
        }
        checker.check_base(&rows).map_err(|error| {
            tracing::debug!(%error, "refused");
            Refusal::BadRow { row: error.index() }
        })?;
    }
    Ok(())
}

/// Upon receiving `Rows`: check each, write them, and say so when none is missing any more.
async fn keep<E: Runtime>(
    shared: &Shared<E>,
    dispersal: Option<&Dispersal>,
    rows: Rows,
) -> Result<Option<Response>, Refusal> {
    let Dispersal { checker, owned } = dispersal.ok_or(Refusal::Unexpected)?;
    let root = checker.head().root();
    if let Some(row) = rows.rows.iter().find(|row| !owned.contains(row.index)) {
        return Err(Refusal::NotMine { row: row.index });
    }
    let rows = checker.check_all(rows.rows).map_err(|error| {
        tracing::debug!(%error, "refused");
        Refusal::BadRow { row: error.index() }
    })?;
    shared.store.put(root, &rows).await.map_err(refusal)?;
    shared
        .tally
        .took(rows.len(), rows.len() * checker.head().row_bytes() as usize);
    let missing = owned.without(&shared.store.held(root)).next().is_some();
    Ok((!missing).then_some(Response::Stored))
}

/// Upon receiving `Sign`: signs for blobs of which this operator holds all its rows, once they are durable, if their commitments are to these.
async fn sign<E: Runtime>(shared: &Shared<E>, roots: &[BlobRoot]) -> Result<Response, Refusal> {
    let mut heads = Vec::with_capacity(roots.len());
    for root in roots {
        let Some(head) = shared.store.head(*root) else {
            return Ok(Response::NotFound);
        };
        let header = head.header();
        let owned = shared.owned(header.params.committee, root, header.params.shape);
        let held = shared.store.held(*root);
        if owned.is_none_or(|owned| owned.without(&held).next().is_some()) {
            return Ok(Response::NotFound);
        }
        heads.push(head);
    }
    if let Some(root) = head::wrong_commitment(&heads) {
        tracing::debug!(%root, "the commitment is not to the rows' hashes");
        return Err(Refusal::BadHead);
    }
    // Together: disks take many files at once in the time of one.
    let synced = try_join_all(roots.iter().map(|root| shared.store.sync(*root))).await;
    synced.map_err(refusal)?;
    let headers = heads.iter().map(VerifiedHead::header);
    let message = shared.config.peer.domain.message(headers);
    Ok(Response::Signed(shared.config.bls_key.sign(message.as_slice())))
}

/// Upon receiving `ReadRows`: send those there are, a message at a time.
async fn read<E: Runtime>(
    shared: &Shared<E>,
    connection: &mut Connection<E>,
    root: BlobRoot,
    asked: Vec<u32>,
) -> Result<Result<Response, Refusal>, WireError> {
    let Some(head) = shared.store.head(root) else {
        return Ok(Ok(Response::NotFound));
    };
    let row_bytes = head.row_bytes();
    let mut missing = Vec::new();
    for indices in asked.chunks(rows_per_message(row_bytes)) {
        let mut rows = Vec::with_capacity(indices.len());
        for &index in indices {
            match shared.store.read(root, index).await {
                Ok(Some(row)) => rows.push(row),
                // Deleted meanwhile, or a disk that fails for this row: the reader finds others.
                Ok(None) | Err(StoreError::Unknown { .. }) => missing.push(index),
                Err(error) => {
                    tracing::warn!(?error, "read a row");
                    missing.push(index);
                }
            }
        }
        if !rows.is_empty() {
            let sent = rows.len();
            connection
                .sender
                .send(&Response::Rows(Rows { row_bytes, rows }), STALL_TIMEOUT)
                .await?;
            shared.tally.served(sent, sent * row_bytes as usize);
        }
    }
    Ok(Ok(Response::EndOfRows { missing }))
}

/// Upon receiving `ReadSamples`: prove those that are of rows on disk.
async fn sample<E: Runtime>(shared: &Shared<E>, root: BlobRoot, challenges: &[Challenge]) -> Response {
    let Some(head) = shared.store.head(root) else {
        return Response::NotFound;
    };
    match shared.prover(head).serve(&shared.store, challenges).await {
        Ok(samples) => {
            shared.tally.sampled(samples.iter().flatten().count());
            Response::Samples(sample::write_samples(&samples))
        }
        // Deleted meanwhile, or a disk that fails: the client counts the pieces as missing either way.
        Err(error) => {
            tracing::debug!(?error, "prove samples");
            Response::NotFound
        }
    }
}

fn refusal(error: StoreError) -> Refusal {
    tracing::warn!(?error, "keep rows");
    match error {
        StoreError::Full { .. } => Refusal::Full,
        _ => Refusal::Disk,
    }
}
