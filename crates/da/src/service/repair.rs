//! Get back rows that are missing: from the other operators' rows, without any key.
//!
//! Any as many rows as are data give the data rows, and those give every row; coding is deterministic, so the group roots show whether the
//! result is what the blob committed to. It always is for a blob that was coded as it should be. Of one that was not (a third
//! of its rows may be wrong, see docs/spec/da.md) single rows may be beyond repair: they were never promised.

use super::{Shared, local, mend};
use crate::{
    CodedBlob, CommitteeId, Runtime, VerifiedHead, VerifiedRow,
    record::Record,
    retrieve::{self, RetrieveError},
    store::StoreError,
};
use primitives::BlobRoot;

/// Rows written at a time.
const ROWS_PER_WRITE: usize = 64;

/// Why rows were not repaired.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// Too few of the other operators' rows came.
    #[error("gather the blob")]
    Gather(#[from] RetrieveError),
    /// There is no room, or the disk failed.
    #[error("store the rows")]
    Store(#[from] StoreError),
    /// The disperser did not code the blob as it should have, and this operator's rows are among those concerned.
    #[error("blob {root} was not coded as it should be: {rows} rows are beyond repair")]
    NotCoded {
        /// Which blob.
        root: BlobRoot,
        /// How many rows.
        rows: usize,
    },
    /// The blob that rows were added to is not kept any more.
    #[error("blob {base}, which the rows were added to, is gone")]
    NoBase {
        /// Its name.
        base: BlobRoot,
    },
    /// The blob's committee is not known, or this operator has no seat in it.
    #[error("no seat in the committee of {id}")]
    NoCommittee {
        /// Which committee.
        id: CommitteeId,
    },
    /// The task that codes was ended.
    #[error("code the blob again")]
    Interrupted(#[source] commonware_runtime::Error),
}

/// Gathers the blob of `record` from the other operators, codes it again and stores the rows that are missing.
///
/// # Errors
///
/// [`RepairError`]. Rows stored before it failed stay.
pub(super) async fn repair<E: Runtime>(context: &E, shared: &Shared<E>, record: &Record) -> Result<(), RepairError> {
    let id = record.committee();
    let Some((committee, Some(index))) = shared.seat(id) else {
        return Err(RepairError::NoCommittee { id });
    };
    let peer = &shared.config.peer;
    let root = record.root();
    let head = match shared.store.head(root) {
        Some(head) => head,
        None => retrieve::fetch_head(context, peer, &committee, record).await?,
    };
    if shared.store.head(root).is_some() {
        // A row or two that rotted: their groups may do.
        let owned = committee.rows_of(index, &root, head.shape());
        let missing: Vec<u32> = owned.without(&shared.store.held(root)).collect();
        if local::rebuild(context, shared, (&committee, index), &head, &missing).await? {
            shared.tally.repaired(missing.len());
            return Ok(());
        }
    }
    // Added rows are computed from the blob that they were added to.
    let base = record.base().unwrap_or(root);
    let (whole, added) = shared.certified(base).ok_or(RepairError::NoBase { base })?;
    let whole: VerifiedHead = match shared.store.head(base) {
        Some(head) => head,
        None => retrieve::fetch_head(context, peer, &committee, &whole).await?,
    };
    let blob = retrieve::Blob::new(&whole, &added).but_from(index);
    let data = retrieve::gather(context, peer, &committee, blob, &mut |_| {}).await?;
    let params = head.header().params.clone();
    // A second of work for the largest blobs: not on a thread that streams wait for.
    let recoded = context
        .child("recode")
        .shared(true)
        .spawn(move |_| async move { CodedBlob::of_data_rows(params, data) })
        .await
        .map_err(RepairError::Interrupted)?;
    let owned = committee.rows_of(index, &root, head.shape());
    shared.store.create(&head, owned.len(), None).await?;
    let held = shared.store.held(root);
    let rows: Vec<VerifiedRow> = owned.without(&held).map(|index| recoded.row(index)).collect();
    let wanted = rows.len();
    let good: Vec<VerifiedRow> = rows
        .into_iter()
        .filter(|row| head.check_digest(row.row()).is_ok())
        .collect();
    for rows in good.chunks(ROWS_PER_WRITE) {
        shared.store.put(root, rows).await?;
        shared.tally.repaired(rows.len());
    }
    shared.store.sync(root).await?;
    // All rows are in memory, so the local ones cost next to nothing: those that were lost with the others, or turned out to be wrong.
    if recoded.head().root() == root {
        mend::keep_own(shared, &recoded).await?;
    }
    match wanted - good.len() {
        0 => Ok(()),
        rows => Err(RepairError::NotCoded { root, rows }),
    }
}
