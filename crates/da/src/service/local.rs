//! Local rows on an operator: take them, show them, and rebuild a row of its own from those of its group.

use super::{Shared, mend, repair::RepairError};
use crate::{
    Committee, Row, RowChecker, Runtime, VerifiedHead, VerifiedRow,
    committee::assign,
    disperse::STALL_TIMEOUT,
    local::{self, LocalRow},
    store::StoreError,
    wire::{self, Refusal, Request, Response, WireError},
};
use futures::future::join_all;
use primitives::BlobRoot;
use std::{collections::BTreeMap, sync::Arc};

/// Most rows of a blob that are rebuilt from their groups: 512 of 1,024 rows are read for them. From there on the whole blob is, for all
/// at once.
const REBUILT_MAX: usize = 16;

/// Upon receiving `KeepLocal`: take the row if it is this operator's to keep and combines as its group does. `checker` is that of the last
/// blob on this stream.
pub(super) async fn keep<E: Runtime>(
    shared: &Shared<E>,
    root: BlobRoot,
    row: &LocalRow,
    checker: &mut Option<RowChecker>,
) -> Result<Response, Refusal> {
    let Some(head) = shared.store.head(root) else {
        return Ok(Response::NotFound);
    };
    let seat = shared.seat(head.header().params.committee);
    let owns = |(committee, index): (Arc<Committee>, Option<u32>)| {
        index.is_some() && local::owner(&committee, &root, head.shape(), row.group) == index
    };
    if !seat.is_some_and(owns) {
        return Err(Refusal::NotMine { row: row.group });
    }
    let checker = match checker {
        Some(checker) if checker.head().root() == root => checker,
        other => other.insert(RowChecker::new(head)),
    };
    local::check(checker, row).map_err(|error| {
        tracing::debug!(%error, "refused");
        Refusal::BadRow { row: row.group }
    })?;
    // The first one stays: whoever can make another with the same combination shall not put it in a good one's place.
    let kept = match shared.store.read_local(root, row.group).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => shared.store.put_local(root, row).await,
        Err(error) => Err(error),
    };
    match kept {
        Ok(()) => Ok(Response::KeptLocal),
        // Deleted meanwhile.
        Err(StoreError::Unknown { .. }) => Ok(Response::NotFound),
        Err(StoreError::Full { .. }) => Err(Refusal::Full),
        Err(error) => {
            tracing::warn!(?error, "keep a local row");
            Err(Refusal::Disk)
        }
    }
}

/// Upon receiving `ReadLocal`.
pub(super) async fn show<E: Runtime>(shared: &Shared<E>, root: BlobRoot, group: u32) -> Response {
    match shared.store.read_local(root, group).await {
        Ok(Some(row)) => Response::LocalRow(row),
        Ok(None) => {
            mend::miss(shared, root, group);
            Response::NotFound
        }
        Err(StoreError::Unknown { .. }) => Response::NotFound,
        Err(error) => {
            tracing::warn!(?error, "read a local row");
            Response::NotFound
        }
    }
}

/// Why a row was not rebuilt from its group, and the whole blob is read; or its local row not made again.
#[derive(Debug, thiserror::Error)]
pub(super) enum RebuildError {
    #[error("operator {operator} cannot be asked")]
    Wire { operator: u32, source: WireError },
    #[error("row {row} of the group is not there")]
    Missing { row: u32 },
    #[error("operator {operator} keeps no local row of group {group}")]
    NoLocalRow { operator: u32, group: u32 },
    #[error("the local row of group {group}, of operator {operator}, is wrong")]
    WrongLocalRow { operator: u32, group: u32 },
    #[error("read this operator's own rows")]
    Store(#[from] StoreError),
}

/// Rebuilds those of the rows `missing` of the blob of `head` that can be, each from the 31 others of its group and the group's local row,
/// and stores them. `committee` is the blob's, `index` this operator's in it. Returns whether none is missing any more.
///
/// # Errors
///
/// [`RepairError::Store`] when what was rebuilt cannot be written.
pub(super) async fn rebuild<E: Runtime>(
    context: &E,
    shared: &Shared<E>,
    (committee, index): (&Committee, u32),
    head: &VerifiedHead,
    missing: &[u32],
) -> Result<bool, RepairError> {
    let mut groups: Vec<u32> = missing.iter().map(|row| local::group_of(*row)).collect();
    groups.dedup();
    // Ascending rows: two of one group stand side by side.
    if missing.len() > REBUILT_MAX || groups.len() < missing.len() {
        return Ok(false);
    }
    let place = Place::new(context, shared, (committee, index), head);
    let rebuilt = join_all(missing.iter().map(|row| place.rebuild(*row))).await;
    let mut rows: Vec<VerifiedRow> = Vec::with_capacity(missing.len());
    for (row, rebuilt) in missing.iter().zip(rebuilt) {
        match rebuilt {
            Ok(row) => rows.push(row),
            Err(error) => tracing::debug!(row, ?error, "not rebuilt from its group"),
        }
    }
    if rows.is_empty() {
        return Ok(false);
    }
    shared.store.put(head.root(), &rows).await?;
    shared.store.sync(head.root()).await?;
    tracing::info!(root = %head.root(), rows = rows.len(), "rebuilt from their groups");
    Ok(rows.len() == missing.len())
}

/// Where one blob's rows are.
pub(super) struct Place<'a, E: Runtime> {
    context: &'a E,
    shared: &'a Shared<E>,
    committee: &'a Committee,
    /// This operator's.
    index: u32,
    head: &'a VerifiedHead,
    owner_of: BTreeMap<u32, u32>,
}

impl<'a, E: Runtime> Place<'a, E> {
    /// `committee` is the blob's, `index` this operator's in it.
    pub(super) fn new(
        context: &'a E,
        shared: &'a Shared<E>,
        (committee, index): (&'a Committee, u32),
        head: &'a VerifiedHead,
    ) -> Self {
        let mut owner_of = BTreeMap::new();
        for (operator, rows) in (0..).zip(assign(committee, &head.root(), head.shape())) {
            owner_of.extend(rows.into_iter().map(|row| (row, operator)));
        }
        Self {
            context,
            shared,
            committee,
            index,
            head,
            owner_of,
        }
    }

    async fn rebuild(&self, missing: u32) -> Result<VerifiedRow, RebuildError> {
        let group = local::group_of(missing);
        let (root, shape) = (self.head.root(), self.head.shape());
        // Asked first: without it nothing else need be read.
        let operator = local::owner(self.committee, &root, shape, group).expect("the group of a row of the blob");
        let local = self
            .local_row(operator, group)
            .await?
            .ok_or(RebuildError::NoLocalRow { operator, group })?;
        let others = self.gather(local::rows_of(group).filter(|row| *row != missing)).await?;
        local::rebuild(self.head, missing, &others, &local).ok_or(RebuildError::WrongLocalRow { operator, group })
    }

    /// These rows, in order, each checked against the head, from all who own them.
    pub(super) async fn gather(&self, rows: impl IntoIterator<Item = u32>) -> Result<Vec<Row>, RebuildError> {
        let mut asked: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for row in rows {
            asked.entry(self.owner_of[&row]).or_default().push(row);
        }
        let answers = join_all(asked.iter().map(|(operator, rows)| self.rows(*operator, rows))).await;
        let mut gathered = Vec::new();
        for rows in answers {
            gathered.extend(rows?);
        }
        gathered.sort_unstable_by_key(|row| row.index);
        Ok(gathered)
    }

    async fn local_row(&self, operator: u32, group: u32) -> Result<Option<LocalRow>, RebuildError> {
        let root = self.head.root();
        if operator == self.index {
            let own = self.shared.store.read_local(root, group).await?;
            if own.is_none() {
                mend::miss(self.shared, root, group);
            }
            return Ok(own);
        }
        let mut answer = None;
        self.ask(operator, &Request::ReadLocal { root, group }, |response| {
            answer = match response {
                Response::LocalRow(row) => Some(row),
                _ => None,
            };
            true
        })
        .await
        .map_err(|source| RebuildError::Wire { operator, source })?;
        Ok(answer)
    }

    /// These rows of one operator, each checked against the head.
    async fn rows(&self, operator: u32, rows: &[u32]) -> Result<Vec<Row>, RebuildError> {
        let root = self.head.root();
        let mut found: Vec<Row> = Vec::with_capacity(rows.len());
        if operator == self.index {
            for &row in rows {
                found.extend(self.shared.store.read(root, row).await?);
            }
        } else {
            let request = Request::ReadRows {
                root,
                rows: rows.to_vec(),
            };
            self.ask(operator, &request, |response| match response {
                Response::Rows(more) => {
                    let good = more.rows.into_iter().filter(|row| self.head.check_digest(row).is_ok());
                    found.extend(good.filter(|row| rows.contains(&row.index)).take(rows.len()));
                    // Who sends more than was asked for is not listened to.
                    found.len() > rows.len()
                }
                _ => true,
            })
            .await
            .map_err(|source| RebuildError::Wire { operator, source })?;
        }
        found.sort_unstable_by_key(|row| row.index);
        found.dedup_by_key(|row| row.index);
        match rows.iter().find(|row| !found.iter().any(|found| found.index == **row)) {
            Some(&row) => Err(RebuildError::Missing { row }),
            None => Ok(found),
        }
    }

    /// Asks one operator on a stream of its own, until `done` with its answers; [`STALL_TIMEOUT`] for each step and for all.
    async fn ask(
        &self,
        operator: u32,
        request: &Request,
        mut done: impl FnMut(Response) -> bool,
    ) -> Result<(), WireError> {
        let peer = &self.shared.config.peer;
        let member = &self.committee.operators()[operator as usize];
        let asking = async {
            let mut connection = wire::dial(self.context, &peer.stream_key, peer.domain.chain_id, member).await?;
            connection.sender.send(request, STALL_TIMEOUT).await?;
            while !done(connection.receiver.receive(STALL_TIMEOUT).await?) {}
            Ok(())
        };
        wire::within(self.context, STALL_TIMEOUT, asking).await?
    }
}
