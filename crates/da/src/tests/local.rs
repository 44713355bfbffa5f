//! Rows that rot on an operator's disk, of a blob with local rows and of one without.

use super::{
    chain::partition,
    network::{Link, Network, guest},
    payload, public_blob,
    scenarios::simulate,
};
use crate::{
    CodedBlob, Committee, Record, Row,
    disperse::STALL_TIMEOUT,
    local::{self, LocalRow},
    wire::{self, Request, Response, Streams},
};
use commonware_runtime::{Blob, Clock, ReadOptions, Storage, WriteOptions, deterministic::Context};
use primitives::CHAIN_ID;
use std::time::Duration;

/// The operator whose disk rots.
const VICTIM: u32 = 1;

/// What an operator's file of rows begins with, before its records.
const HEAD_REGION_BYTES: u64 = 32 * 1024;

/// Publishes `blob`, its local rows too if asked.
async fn publish(network: &Network, blob: &CodedBlob, with_local: bool) -> Record {
    let record = network.publish(blob).await.unwrap();
    if with_local {
        let rows = local::local_rows(blob);
        let failures = local::disperse(
            &network.context,
            &guest(),
            &Streams::default(),
            &network.chain.committee(),
            blob,
            &rows,
        )
        .await;
        assert!(failures.is_empty(), "{failures:?}");
    }
    network
        .wait("all rows", |network| {
            (0..4).all(|operator| network.service(operator).missing_rows() == 0)
        })
        .await;
    record
}

/// Flips a bit of each of the victim's rows that `choose` says, on its disk while it is down, and starts it again; returns the bytes that went
/// over the network until nothing was missing, and asserts that so many rows were found rotten.
async fn rot(network: &mut Network, record: &Record, choose: impl Fn(u32) -> bool, rows: u64) -> u64 {
    network.kill(VICTIM).await;
    let (file, len) = network
        .context
        .open(&partition(VICTIM), record.root().as_ref())
        .await
        .unwrap();
    let record_bytes = Row::OVERHEAD_BYTES as u64 + u64::from(record.row_bytes());
    for at in (HEAD_REGION_BYTES..len).step_by(record_bytes as usize) {
        let index = file.read_at(at, 4, ReadOptions::default()).await.unwrap().coalesce();
        let index = u32::from_be_bytes(index.as_ref().try_into().unwrap());
        if choose(index) {
            let place = at + record_bytes - 5;
            let byte = file.read_at(place, 1, ReadOptions::default()).await.unwrap().coalesce();
            file.write_at(place, vec![byte.as_ref()[0] ^ 4], WriteOptions::default())
                .await
                .unwrap();
        }
    }
    file.sync().await.unwrap();
    drop(file);
    let before = network.passed_bytes();
    network.restart(VICTIM).await;
    assert_eq!(network.service(VICTIM).opened().bad_records, rows);
    network
        .wait("repair", |network| {
            network.service(VICTIM).status().height > 1 && network.service(VICTIM).missing_rows() == 0
        })
        .await;
    assert!(network.service(VICTIM).work().rows_repaired > 0);
    network.passed_bytes() - before
}

/// Rows of the victim's, in the order of their groups.
fn victims_rows(network: &Network, record: &Record) -> Vec<u32> {
    let committee = network.chain.committee();
    committee
        .rows_of(VICTIM, &record.root(), record.shape())
        .iter()
        .collect()
}

#[test]
fn a_flipped_bit_at_rest_is_repaired_from_32_rows_where_there_are_local_ones_and_from_the_blob_where_not() {
    let cost = |with_local: bool| {
        let (sent, received) = std::sync::mpsc::channel();
        simulate(60, |mut network| async move {
            let blob = public_blob(60, 1 << 20);
            let record = publish(&network, &blob, with_local).await;
            let row = victims_rows(&network, &record)[100];
            let bytes = rot(&mut network, &record, |index| index == row, 1).await;
            sent.send(bytes).unwrap();
            // It is the row that it was: two others are gone, so what the victim has is needed.
            network.kill(0).await;
            network.kill(2).await;
            assert_eq!(network.read(&record).await.unwrap().coded(), payload(60, 1 << 20));
        });
        received.recv().unwrap()
    };
    let (local, whole) = (cost(true), cost(false));
    println!("bytes on the wire to repair a row of 1,024: {local} from its group, {whole} from the blob");
    assert!(local < 64 * 1024, "{local}");
    assert!(whole > 16 * local, "{whole}");
}

#[test]
fn two_rotten_rows_of_one_group_are_repaired_from_the_blob() {
    simulate(61, |mut network| async move {
        let blob = public_blob(61, 300_000);
        let record = publish(&network, &blob, true).await;
        let rows = victims_rows(&network, &record);
        let pair = rows
            .windows(2)
            .find(|pair| local::group_of(pair[0]) == local::group_of(pair[1]))
            .unwrap();
        let bytes = rot(&mut network, &record, |index| pair.contains(&index), 2).await;
        assert!(bytes > 300_000, "{bytes}");
    });
}

#[test]
fn rotten_rows_of_several_groups_are_repaired_one_by_one() {
    simulate(62, |mut network| async move {
        let blob = public_blob(62, 1 << 20);
        let record = publish(&network, &blob, true).await;
        let rows = victims_rows(&network, &record);
        let mut chosen: Vec<u32> = rows.iter().copied().step_by(200).collect();
        chosen.dedup_by_key(|row| local::group_of(*row));
        let count = chosen.len() as u64;
        let bytes = rot(&mut network, &record, |index| chosen.contains(&index), count).await;
        assert!(bytes < 64 * 1024 * count, "{bytes} for {count} rows");
    });
}

/// Whoever keeps the local row, or another row of the group, is away: it costs the ordinary repair.
#[test]
fn without_the_local_row_or_one_of_its_group_the_blob_is_read() {
    simulate(63, |mut network| async move {
        let blob = public_blob(63, 300_000);
        let record = publish(&network, &blob, true).await;
        let committee = network.chain.committee();
        let keeps = |row: u32| local::owner(&committee, &record.root(), record.shape(), local::group_of(row));
        let row = victims_rows(&network, &record)
            .into_iter()
            .find(|row| keeps(*row) == Some(3))
            .unwrap();
        network.set_link(3, Link::Cut);
        let bytes = rot(&mut network, &record, |index| index == row, 1).await;
        assert!(bytes > 300_000, "{bytes}");
    });
}

/// The local row of `group`, as its keeper in `committee` shows it.
pub(super) async fn ask_local(
    context: &Context,
    committee: &Committee,
    record: &Record,
    group: u32,
) -> Option<LocalRow> {
    let keeper = local::owner(committee, &record.root(), record.shape(), group).unwrap();
    let operator = &committee.operators()[keeper as usize];
    let (key, root) = (guest().stream_key, record.root());
    let mut connection = wire::dial(context, &key, CHAIN_ID, operator).await.unwrap();
    let request = Request::ReadLocal { root, group };
    connection.sender.send(&request, STALL_TIMEOUT).await.unwrap();
    match connection.receiver.receive(STALL_TIMEOUT).await.unwrap() {
        Response::LocalRow(row) => Some(row),
        Response::NotFound => None,
        other => panic!("{other:?}"),
    }
}

async fn local_row(network: &Network, record: &Record, group: u32) -> Option<LocalRow> {
    let committee = network.chain.committee_at(record.committee());
    ask_local(&network.context, &committee, record, group).await
}

/// The groups whose local rows the victim keeps.
fn victims_groups(network: &Network, record: &Record) -> Vec<u32> {
    let committee = network.chain.committee_at(record.committee());
    let owners = local::owners(&committee, &record.root(), record.shape());
    let groups = local::groups(record.shape()).zip(owners);
    groups
        .filter(|(_, owner)| *owner == VICTIM)
        .map(|(group, _)| group)
        .collect()
}

/// Nobody asked for them: the operator looks through what it has when it starts.
#[test]
fn local_rows_that_rot_or_are_cut_off_are_made_again_from_their_groups() {
    simulate(65, |mut network| async move {
        let blob = public_blob(65, 1 << 20);
        let record = publish(&network, &blob, true).await;
        let groups = victims_groups(&network, &record);
        assert!(groups.len() > 12);
        network.kill(VICTIM).await;
        let name = [&record.root().as_bytes()[..], &[1]].concat();
        let (file, len) = network.context.open(&partition(VICTIM), &name).await.unwrap();
        let record_bytes = 36 + u64::from(record.row_bytes());
        assert_eq!(len, groups.len() as u64 * record_bytes);
        // The first rots, and the last three are gone.
        file.write_at(record_bytes - 1, vec![0x55; 1], WriteOptions::default())
            .await
            .unwrap();
        file.resize(len - 3 * record_bytes).await.unwrap();
        file.sync().await.unwrap();
        drop(file);
        let before = network.passed_bytes();
        network.restart(VICTIM).await;
        network
            .wait("local rows", |network| {
                network.service(VICTIM).work().local_rows_repaired == 4
            })
            .await;
        let bytes = network.passed_bytes() - before;
        assert!(bytes < 4 * 64 * 1024, "{bytes}");
        for row in local::local_rows(&blob) {
            assert_eq!(local_row(&network, &record, row.group).await.as_ref(), Some(&row));
        }
    });
}

/// Its publisher handed out none.
#[test]
fn a_local_row_that_somebody_asks_for_in_vain_is_there_soon_after() {
    simulate(66, |network| async move {
        let blob = public_blob(66, 100_000);
        let record = publish(&network, &blob, false).await;
        // The certificate is seen at the next look at the chain.
        network.context.sleep(Duration::from_secs(1)).await;
        let group = victims_groups(&network, &record)[0];
        assert_eq!(local_row(&network, &record, group).await, None);
        network
            .wait("the local row", |network| {
                network.service(VICTIM).work().local_rows_repaired == 1
            })
            .await;
        let rows = local::local_rows(&blob);
        assert_eq!(
            local_row(&network, &record, group).await.as_ref(),
            Some(&rows[group as usize])
        );
        // Nobody asked for the others.
        let other = victims_groups(&network, &record)[1];
        assert_eq!(local_row(&network, &record, other).await, None);
    });
}

#[test]
fn an_operator_that_lost_its_disk_has_its_local_rows_again_with_its_rows() {
    simulate(67, |mut network| async move {
        let blob = public_blob(67, 100_000);
        let record = publish(&network, &blob, true).await;
        network.kill(VICTIM).await;
        network.lose_disk(VICTIM).await;
        network.restart(VICTIM).await;
        let groups = victims_groups(&network, &record);
        network
            .wait("repair", |network| {
                let service = network.service(VICTIM);
                service.missing_rows() == 0 && service.work().local_rows_repaired == groups.len() as u64
            })
            .await;
        for row in local::local_rows(&blob) {
            assert_eq!(local_row(&network, &record, row.group).await.as_ref(), Some(&row));
        }
    });
}

#[test]
fn local_rows_are_kept_over_a_restart_and_deleted_with_their_blob() {
    simulate(64, |mut network| async move {
        let blob = public_blob(64, 100_000);
        let record = publish(&network, &blob, true).await;
        let used = network.service(VICTIM).status().stored_bytes;
        let rows = local::local_rows(&blob);
        let committee = network.chain.committee();
        let again = local::disperse(
            &network.context,
            &guest(),
            &Streams::default(),
            &committee,
            &blob,
            &rows,
        )
        .await;
        assert!(again.is_empty() && network.service(VICTIM).status().stored_bytes == used);
        network.kill(VICTIM).await;
        network.restart(VICTIM).await;
        assert_eq!(network.service(VICTIM).status().stored_bytes, used);
        network.chain.mine(20_000);
        network
            .wait("expiry", |network| network.service(VICTIM).status().blobs == 0)
            .await;
        assert_eq!(network.service(VICTIM).status().stored_bytes, 0);
        let left = network.context.scan(&partition(VICTIM)).await.unwrap();
        assert!(left.is_empty(), "{} files of blob {}", left.len(), record.root());
    });
}
