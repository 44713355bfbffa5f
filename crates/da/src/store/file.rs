//! One blob's file: its bytes, and what a look through it finds.

use super::{HEAD_REGION_BYTES, Index, record_bytes};
use crate::{Head, Permit, Row, VerifiedHead, VerifiedRow, head::MAX_HEAD_BYTES};
use bytes::{BufMut, Bytes};
use commonware_codec::{DecodeExt, Encode, FixedSize};
use commonware_runtime::{Blob, Error, IoBuf, IoBufs, ReadOptions, WriteOptions};
use primitives::BlobRoot;

/// Bytes read at a time when a file is looked through: a few records, not the whole file.
const SCAN_BYTES: u64 = 1 << 20;

/// Rows from this length on are written from where they are; shorter ones are copied together, which costs less than a piece each.
const PIECE_BYTES_MIN: u32 = 4 * 1024;

/// Where the permit is in the file: `1 | permit`, or zeros when there is none. Within the first sector, so that a crash leaves the old one or the new.
const PERMIT_OFFSET: usize = 4;
/// Where the head is, after its length and the permit.
pub(super) const HEAD_OFFSET: usize = PERMIT_OFFSET + 1 + Permit::SIZE;

/// An open file.
pub(super) struct File<B> {
    blob: B,
    len: u64,
}

/// What a look through a file found.
pub(super) struct Scan {
    pub(super) head: VerifiedHead,
    pub(super) permit: Option<Permit>,
    pub(super) index: Index,
    pub(super) bad_records: u32,
    /// Length of the file, after the cut.
    pub(super) bytes: u64,
}

/// Checks every record of a file, and cuts it after the last one that holds a row. `None` when its head is not whole.
pub(super) async fn scan<B: Blob>(blob: B, len: u64, root: BlobRoot) -> Result<Option<Scan>, Error> {
    if len < HEAD_REGION_BYTES {
        return Ok(None);
    }
    let Some((head, permit)) = read_head(&blob, root).await? else {
        return Ok(None);
    };
    let record = record_bytes(&head);
    let whole = (len - HEAD_REGION_BYTES) / record;
    let mut index = Index::default();
    let mut bad = Vec::new();
    let mut at = 0;
    while at < whole {
        let count = (SCAN_BYTES / record).clamp(1, whole - at);
        let bytes = blob
            .read_at(
                HEAD_REGION_BYTES + at * record,
                (count * record) as usize,
                ReadOptions::default(),
            )
            .await?;
        let mut bytes = Bytes::from(bytes.coalesce().freeze());
        for number in at..at + count {
            let number = u32::try_from(number).expect("a file of rows has at most a few thousand records");
            let row = Row::read(&mut bytes, head.row_bytes()).expect("a whole record was read");
            if head.check_digest(&row).is_ok() && index.held.insert(row.index) {
                index.record_of.insert(row.index, number);
                index.records = number + 1;
            } else {
                bad.push(number);
            }
        }
        at += count;
    }
    let end = HEAD_REGION_BYTES + u64::from(index.records) * record;
    if end < len {
        blob.resize(end).await?;
        blob.sync().await?;
    }
    let bad_records = bad.len() as u32;
    index.free = bad.into_iter().filter(|&number| number < index.records).collect();
    Ok(Some(Scan {
        head,
        permit,
        index,
        bad_records,
        bytes: end,
    }))
}

/// The head at the start of the file, if it is the one that `root` names, and the permit before it.
async fn read_head<B: Blob>(blob: &B, root: BlobRoot) -> Result<Option<(VerifiedHead, Option<Permit>)>, Error> {
    let region = blob
        .read_at(0, HEAD_REGION_BYTES as usize, ReadOptions::default())
        .await?;
    let region = Bytes::from(region.coalesce().freeze());
    let bytes = u32::from_be_bytes([region[0], region[1], region[2], region[3]]) as usize;
    if bytes > MAX_HEAD_BYTES {
        return Ok(None);
    }
    let permit =
        (region[PERMIT_OFFSET] == 1).then(|| Permit::decode(region.slice(PERMIT_OFFSET + 1..HEAD_OFFSET)).ok());
    let head = Head::decode(region.slice(HEAD_OFFSET..HEAD_OFFSET + bytes)).ok();
    Ok(head
        .and_then(|head| head.check_groups_root().ok())
        .filter(|head| head.root() == root)
        .map(|head| (head, permit.flatten())))
}

impl<B: Blob> File<B> {
    pub(super) fn new(blob: B, len: u64) -> Self {
        Self { blob, len }
    }

    /// Length of what was written.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) async fn write_head(&mut self, head: &VerifiedHead, permit: Option<&Permit>) -> Result<(), Error> {
        let encoded = head.head().encode();
        let mut region = Vec::with_capacity(HEAD_REGION_BYTES as usize);
        region.put_u32(encoded.len() as u32);
        permit.inspect(|permit| region.put_slice(&permit_bytes(permit)));
        region.resize(HEAD_OFFSET, 0);
        region.put_slice(&encoded);
        region.resize(HEAD_REGION_BYTES as usize, 0);
        self.write(0, region).await
    }

    /// Writes another permit in the place of the one before.
    pub(super) async fn write_permit(&mut self, permit: &Permit) -> Result<(), Error> {
        self.write(PERMIT_OFFSET as u64, permit_bytes(permit)).await
    }

    /// Writes `rows` one after the other, the first as record number `record`.
    pub(super) async fn write_records(
        &mut self,
        head: &VerifiedHead,
        record: u32,
        rows: &[&VerifiedRow],
    ) -> Result<(), Error> {
        let record_bytes = record_bytes(head);
        let at = HEAD_REGION_BYTES + u64::from(record) * record_bytes;
        if head.row_bytes() < PIECE_BYTES_MIN {
            let mut bytes = Vec::with_capacity(rows.len() * record_bytes as usize);
            rows.iter().for_each(|row| row.row().write(&mut bytes));
            return self.write(at, bytes).await;
        }
        // Straight from where they were received.
        let pieces = rows.iter().flat_map(|row| {
            let row = row.row();
            let mut before = Vec::with_capacity(Row::OVERHEAD_BYTES);
            before.put_u32(row.index);
            row.path.iter().for_each(|sibling| before.put_slice(sibling.as_ref()));
            [IoBuf::from(before), IoBuf::from(row.bytes.clone())]
        });
        self.write(at, pieces.collect::<IoBufs>()).await
    }

    /// Reads record number `record`; `None` when the file ends before.
    pub(super) async fn read_record(&mut self, head: &VerifiedHead, record: u32) -> Result<Option<Row>, Error> {
        let record_bytes = record_bytes(head);
        let start = HEAD_REGION_BYTES + u64::from(record) * record_bytes;
        if start + record_bytes > self.len {
            return Ok(None);
        }
        let bytes = self
            .blob
            .read_at(start, record_bytes as usize, ReadOptions::default())
            .await?;
        Ok(Row::read(&mut Bytes::from(bytes.coalesce().freeze()), head.row_bytes()).ok())
    }

    /// The runtime's file, for tests that damage it.
    #[cfg(test)]
    pub(super) fn blob(&self) -> &B {
        &self.blob
    }

    pub(super) async fn sync(&mut self) -> Result<(), Error> {
        self.blob.sync().await
    }

    async fn write(&mut self, offset: u64, bytes: impl Into<IoBufs>) -> Result<(), Error> {
        let bytes = bytes.into();
        let end = offset + bytes.len() as u64;
        self.blob.write_at(offset, bytes, WriteOptions::default()).await?;
        self.len = self.len.max(end);
        Ok(())
    }
}

fn permit_bytes(permit: &Permit) -> Vec<u8> {
    [&[1][..], &permit.encode()].concat()
}
