//! An operator's file of rows after damage: it opens, gives back committed rows only, and takes the missing ones again.
#![no_main]

use aloft_fuzz::BLOB;
use commonware_runtime::{Blob, ReadOptions, Runner, Storage, Supervisor, WriteOptions, deterministic};
use da::{Store, VerifiedRow, store::Opened};
use std::sync::LazyLock;

const PARTITION: &str = "rows";
const CAPACITY_BYTES: u64 = 16 << 20;

/// Rows that the operator had.
const ROWS: [u32; 6] = [0, 5, 9, 1024, 2047, 3071];

fn rows() -> Vec<VerifiedRow> {
    ROWS.iter().map(|&row| BLOB.row(row)).collect()
}

async fn open<E: Storage>(storage: E) -> (Store<E>, Opened) {
    Store::open(storage, PARTITION.into(), CAPACITY_BYTES)
        .await
        .expect("a damaged file is no error")
}

/// What the store writes for those rows.
static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    deterministic::Runner::default().start(|context| async move {
        let root = BLOB.head().root();
        let (store, _) = open(context.child("store")).await;
        store.create(BLOB.head(), 768, None).await.expect("room");
        store.put(root, &rows()).await.expect("a disk without faults");
        store.sync(root).await.expect("a disk without faults");
        drop(store);
        let (file, len) = context.open(PARTITION, root.as_bytes()).await.expect("the blob's file");
        let len = usize::try_from(len).expect("a small file");
        let bytes = file.read_at(0, len, ReadOptions::default()).await.expect("all of it");
        bytes.coalesce().freeze().into()
    })
});

libfuzzer_sys::fuzz_target!(|script: &[u8]| {
    let damaged = aloft_fuzz::damage(&FILE, script);
    deterministic::Runner::default().start(|context| async move {
        let root = BLOB.head().root();
        let (file, _) = context.open(PARTITION, root.as_bytes()).await.expect("a new file");
        file.write_at(0, damaged, WriteOptions::default())
            .await
            .expect("a disk without faults");
        file.sync().await.expect("a disk without faults");
        drop(file);

        let (store, opened) = open(context.child("damaged")).await;
        let held = store.held(root);
        assert_eq!(opened.rows, u64::from(held.len()));
        for row in held.iter() {
            let read = store.read(root, row).await.expect("a disk without faults");
            assert_eq!(read.as_ref(), Some(BLOB.row(row).row()));
        }
        store.create(BLOB.head(), 768, None).await.expect("room");
        store.put(root, &rows()).await.expect("a disk without faults");
        store.sync(root).await.expect("a disk without faults");
        drop(store);

        let (store, _) = open(context.child("again")).await;
        let held = store.held(root);
        assert!(ROWS.iter().all(|&row| held.contains(row)), "a synced row is gone");
    });
});
