//! What each stage of an operator's work costs alone, in this process: where the CPU time of a slice goes.

use crate::{
    figures::{CpuTime, Figures},
    operator, registry,
    slice::OPERATORS,
    write::{self, BLOB_BYTES, Source},
};
use commonware_codec::Encode;
use commonware_runtime::{Listener, Network, Runner as _, Spawner, Supervisor, tokio};
use da::{
    CodedBlob, Committee, Operator, Row, RowChecker, Store, VerifiedHead,
    disperse::STALL_TIMEOUT,
    wire::{self, Request, Rows, rows_per_message},
};
use primitives::GIB;
use std::hint::black_box;

/// Times that each stage's work on one blob is done.
const ROUNDS: usize = 20;
/// Messages sent to measure a stream: 1 GB.
const MESSAGES: usize = 2_000;

/// Measures every stage.
pub fn measure(figures: &mut Figures) {
    let folder = operator::folder();
    let committee = registry::committee(OPERATORS, &[]);
    let source = Source::new(BLOB_BYTES);
    let blob = source.code(source.payload(0));
    let owned = committee.rows_of(0, &blob.head().root(), blob.head().shape());
    let rows: Vec<Row> = owned.iter().map(|index| blob.row(index).row().clone()).collect();
    let gb = (rows.len() * blob.head().row_bytes() as usize) as f64 / 1e9;
    per_blob(figures, &committee, &blob);
    let checker = RowChecker::new(blob.head().clone());
    let at_once = rows_per_message(blob.head().row_bytes());
    let check = seconds_each(|| {
        rows.chunks(at_once).for_each(|rows| {
            black_box(checker.check_all(rows.to_vec()).expect("honest rows"));
        })
    });
    figures.set("stage_check_cpu_s_per_gb_of_rows", check / gb);
    let head = blob.head().clone();
    write::runtime(folder.path()).start(|context| async move {
        let write = store(&context, &head, &checker, &rows).await;
        figures.set("stage_store_and_delete_cpu_s_per_gb_of_rows", write / gb);
        let rows = Request::Rows(Rows {
            row_bytes: head.row_bytes(),
            rows: rows[..at_once].to_vec(),
        });
        let (handshake, stream) = stream(&context, rows).await;
        figures.set("stage_handshake_both_ends_cpu_ms", handshake * 1e3);
        figures.set("stage_stream_both_ends_cpu_s_per_gb", stream);
    });
}

/// What does not depend on how many rows an operator has.
fn per_blob(figures: &mut Figures, committee: &Committee, blob: &CodedBlob) {
    let (head, (_, bls_key)) = (blob.head().head(), registry::keys(0));
    let message = registry::peer(None).domain.message([&head.header]);
    let mut stage = |name: &str, seconds: f64| figures.set(&format!("stage_{name}_cpu_ms_per_blob"), seconds * 1e3);
    // With its commitment, which an operator checks once for a batch of blobs: what a blob that comes alone costs.
    let checked = || head.clone().check().expect("an honest head");
    stage("head", seconds_each(|| drop(black_box(checked()))));
    let made = |head: &VerifiedHead| drop(black_box(RowChecker::new(head.clone())));
    stage("combinations", seconds_each(|| made(blob.head())));
    let owned = || {
        black_box(committee.rows_of(0, &head.header.root(), head.header.params.shape));
    };
    stage("assignment", seconds_each(owned));
    let signed = || {
        black_box(bls_key.sign(message.as_slice()).to_bytes());
    };
    stage("signature", seconds_each(signed));
}

/// CPU seconds of one time `work`.
fn seconds_each(mut work: impl FnMut()) -> f64 {
    work();
    let before = CpuTime::of_this_process();
    (0..ROUNDS).for_each(|_| work());
    (CpuTime::of_this_process() - before).total_s() / ROUNDS as f64
}

/// CPU seconds of storing the rows of a blob, a sync, and deleting them.
async fn store(context: &tokio::Context, head: &VerifiedHead, checker: &RowChecker, rows: &[Row]) -> f64 {
    let (store, _) = Store::open(context.child("store"), "stage".into(), GIB)
        .await
        .expect("open an empty store");
    let rows = checker.check_all(rows.to_vec()).expect("honest rows");
    let before = CpuTime::of_this_process();
    for _ in 0..ROUNDS {
        store
            .create(head, rows.len() as u32, None)
            .await
            .expect("room for a blob");
        for rows in rows.chunks(rows_per_message(head.row_bytes())) {
            store.put(head.root(), rows).await.expect("write rows");
        }
        store.sync(head.root()).await.expect("sync rows");
        store.remove(head.root()).await.expect("delete rows");
    }
    (CpuTime::of_this_process() - before).total_s() / ROUNDS as f64
}

/// CPU seconds for a handshake, and for each GB of messages of rows from one end of a stream to the other, both ends in this process.
async fn stream(context: &tokio::Context, message: Request) -> (f64, f64) {
    let mut listener = context
        .bind(([127, 0, 0, 1], 0).into())
        .await
        .expect("a port of the loopback");
    let listen = listener.local_addr().expect("a port has a number");
    let chain_id = registry::peer(None).domain.chain_id;
    let receiving = context.child("receive").spawn(move |context| async move {
        let key = registry::keys(0).0;
        let mut last = None;
        for _ in 0..ROUNDS {
            let (_, sink, stream) = listener.accept().await.expect("a stream comes");
            let accepted = wire::accept(&context, &key, chain_id, |_| true, sink, stream).await;
            last = Some(accepted.expect("the other end proves its key").1);
        }
        let mut connection = last.expect("there is a round");
        for _ in 0..MESSAGES {
            let message: Request = connection
                .receiver
                .receive(STALL_TIMEOUT)
                .await
                .expect("a message comes");
            black_box(message);
        }
    });
    let committee = registry::committee(1, &[listen]);
    let operator: &Operator = &committee.operators()[0];
    let key = registry::peer(None).stream_key;
    let before = CpuTime::of_this_process();
    let mut last = None;
    for _ in 0..ROUNDS {
        let dialled = wire::dial(context, &key, chain_id, operator).await;
        last = Some(dialled.expect("the other end proves its key"));
    }
    let handshake = (CpuTime::of_this_process() - before).total_s() / ROUNDS as f64;
    let mut connection = last.expect("there is a round");
    let gb = (MESSAGES * message.encode().len()) as f64 / 1e9;
    let before = CpuTime::of_this_process();
    for _ in 0..MESSAGES {
        connection
            .sender
            .send(&message, STALL_TIMEOUT)
            .await
            .expect("the message goes");
    }
    receiving.await.expect("all messages came");
    (handshake, (CpuTime::of_this_process() - before).total_s() / gb)
}
