//! A crash may tear any write that was not synced. Whatever it does, the store opens again with the rows that were synced,
//! and every row it gives back is the committed one.

use super::*;
use crate::{CodedBlob, header::TOTAL_ROWS, tests::public_blob};
use commonware_runtime::{
    Blob as _, Runner as _, Supervisor as _, WriteOptions,
    deterministic::{self, FaultConfig, PartialWriteMode, WriteConfig},
};
use commonware_utils::probability;

const CAPACITY: u64 = 64 << 20;

async fn open<E: Storage>(storage: E) -> (Store<E>, Opened) {
    Store::open(storage, "rows".into(), CAPACITY).await.unwrap()
}

fn rows(blob: &CodedBlob, indices: impl IntoIterator<Item = u32>) -> Vec<VerifiedRow> {
    indices.into_iter().map(|index| blob.row(index)).collect()
}

#[test]
fn rows_that_were_written_read_back_and_others_are_missing() {
    deterministic::Runner::default().start(|context| async move {
        let (store, opened) = open(context.child("store")).await;
        assert_eq!(opened, Opened::default());
        let blob = public_blob(1, 200_000);
        let root = blob.head().root();
        assert!(matches!(
            store.put(root, &rows(&blob, [1])).await,
            Err(StoreError::Unknown { .. })
        ));
        store.create(blob.head(), 768, None).await.unwrap();
        store.put(root, &rows(&blob, [5, 9, 3000])).await.unwrap();
        // Again, with one more: what is there is not written twice.
        store.put(root, &rows(&blob, [9, 9, 7])).await.unwrap();
        assert_eq!(store.held(root).iter().collect::<Vec<_>>(), [5, 7, 9, 3000]);
        for row in [5, 7, 9, 3000] {
            assert_eq!(store.read(root, row).await.unwrap().as_ref(), Some(blob.row(row).row()));
        }
        assert_eq!(store.read(root, 6).await.unwrap(), None);
        assert_eq!(store.read(root, TOTAL_ROWS).await.unwrap(), None);
        store.remove(root).await.unwrap();
        assert!(matches!(store.read(root, 5).await, Err(StoreError::Unknown { .. })));
        assert_eq!(store.used_bytes(), 0);
    });
}

#[test]
fn a_blob_that_does_not_fit_is_refused_before_anything_is_written() {
    deterministic::Runner::default().start(|context| async move {
        let (store, _) = open(context.child("store")).await;
        let blob = public_blob(2, 24 << 20);
        let error = store.create(blob.head(), TOTAL_ROWS, None).await.unwrap_err();
        let needed = HEAD_REGION_BYTES + u64::from(TOTAL_ROWS) * record_bytes(blob.head());
        let StoreError::Full { needed: found, free } = error else {
            panic!("{error}")
        };
        assert_eq!((found, free), (needed, CAPACITY));
        assert!(store.head(blob.head().root()).is_none());
        store.create(blob.head(), 768, None).await.unwrap();
    });
}

/// Runs `steps` of a store's life on `seed`, crashes, and reopens it. The writes that were not synced are torn at random.
fn crash_after(steps: usize, seed: u64) {
    const BATCH: u32 = 50;
    const SYNC_EVERY: usize = 3;
    let blob = public_blob(3, 150_000);
    let root = blob.head().root();
    let torn = FaultConfig::default().write(WriteConfig {
        failure_rate: probability!(0.0),
        retention_rate: probability!(0.5),
        mode: if seed.is_multiple_of(2) {
            PartialWriteMode::Subset
        } else {
            PartialWriteMode::Prefix
        },
    });
    let config = deterministic::Config::new()
        .with_seed(seed)
        .with_storage_fault_config(torn);
    let (synced, checkpoint) = deterministic::Runner::new(config).start_and_recover(|context| {
        let blob = blob.clone();
        async move {
            let mut synced = RowSet::new();
            if steps == 0 {
                return synced;
            }
            let (store, _) = open(context.child("store")).await;
            store.create(blob.head(), 768, None).await.unwrap();
            for step in 1..steps {
                if step % SYNC_EVERY == 0 {
                    store.sync(root).await.unwrap();
                    synced = store.held(root);
                } else {
                    let first = step as u32 * BATCH;
                    store.put(root, &rows(&blob, first..first + BATCH)).await.unwrap();
                }
            }
            synced
        }
    });
    deterministic::Runner::from(checkpoint).start(|context| async move {
        let (store, opened) = open(context.child("store")).await;
        let held = store.held(root);
        assert_eq!(
            synced.without(&held).next(),
            None,
            "steps {steps} seed {seed}: a synced row is gone"
        );
        assert_eq!(opened.rows, u64::from(held.len()));
        for row in held.iter() {
            assert_eq!(store.read(root, row).await.unwrap().as_ref(), Some(blob.row(row).row()));
        }
        // The life goes on: what was torn is written again, over the holes.
        store.create(blob.head(), 768, None).await.unwrap();
        store.put(root, &rows(&blob, 0..768)).await.unwrap();
        store.sync(root).await.unwrap();
        drop(store);
        let (store, opened) = open(context.child("again")).await;
        assert!((0..768).all(|row| store.held(root).contains(row)));
        assert_eq!((opened.bad_records, opened.dropped_files), (0, 0));
        assert!(store.used_bytes() <= HEAD_REGION_BYTES + u64::from(TOTAL_ROWS) * record_bytes(blob.head()));
    });
}

#[test]
fn a_crash_after_any_step_loses_no_synced_row_and_gives_back_no_wrong_one() {
    for steps in 0..14 {
        for seed in 0..4 {
            crash_after(steps, seed);
        }
    }
}

#[test]
fn a_flipped_bit_is_found_when_the_row_is_read() {
    deterministic::Runner::default().start(|context| async move {
        let blob = public_blob(4, 150_000);
        let root = blob.head().root();
        let (store, _) = open(context.child("store")).await;
        store.create(blob.head(), 768, None).await.unwrap();
        store.put(root, &rows(&blob, 0..10)).await.unwrap();
        // Behind the store's back, in the fourth record.
        let entry = store.entry(root).unwrap();
        let mut file = entry.file.lock().await;
        let (offset, byte) = (HEAD_REGION_BYTES + 3 * record_bytes(blob.head()) + 200, [0xff]);
        file.as_mut()
            .unwrap()
            .blob()
            .write_at(offset, byte.to_vec(), WriteOptions::default())
            .await
            .unwrap();
        drop(file);
        assert_eq!(store.read(root, 3).await.unwrap(), None);
        assert!(!store.held(root).contains(3) && store.held(root).len() == 9);
        store.put(root, &rows(&blob, [3])).await.unwrap();
        assert_eq!(store.read(root, 3).await.unwrap().as_ref(), Some(blob.row(3).row()));
    });
}

/// A store of more files than may be open at a time.
#[test]
fn files_are_closed_and_opened_again_as_needed() {
    deterministic::Runner::default().start(|context| async move {
        let (store, _) = open(context.child("store")).await;
        let blobs: Vec<_> = (0..MAX_OPEN_FILES as u64 + 20)
            .map(|seed| public_blob(seed, 100))
            .collect();
        for blob in &blobs {
            store.create(blob.head(), 1, None).await.unwrap();
            store.put(blob.head().root(), &rows(blob, [7])).await.unwrap();
            store.sync(blob.head().root()).await.unwrap();
        }
        assert!(store.blobs.lock().open.len() <= MAX_OPEN_FILES);
        for blob in &blobs {
            assert_eq!(
                store.read(blob.head().root(), 7).await.unwrap().as_ref(),
                Some(blob.row(7).row())
            );
        }
    });
}

#[test]
fn a_file_that_is_not_a_store_is_left_alone_or_dropped() {
    deterministic::Runner::default().start(|context| async move {
        for (name, len) in [(&b"notes"[..], 10), (&[1; 32], 0), (&[2; 32], 100), (&[3; 32], 40_000)] {
            let (file, _) = context.open("rows", name).await.unwrap();
            file.write_at(0, vec![0xab; len], WriteOptions::default())
                .await
                .unwrap();
            file.sync().await.unwrap();
        }
        let (_, opened) = open(context.child("store")).await;
        assert_eq!(
            opened,
            Opened {
                dropped_files: 3,
                ..Opened::default()
            }
        );
        assert_eq!(context.scan("rows").await.unwrap(), [b"notes".to_vec()]);
    });
}
