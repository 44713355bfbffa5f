//! Dispersers and operators that lie.

use super::{
    network::{Network, guest},
    public_blob,
};
use crate::{
    CodedBlob, Head, Row, Shape,
    head::{self, RowError},
    header::{DATA_ROWS, Header, TOTAL_ROWS},
    record::Record,
    retrieve::RetrieveError,
    wire::{self, Refusal, Request, Response, Rows},
};
use commonware_runtime::{Runner as _, deterministic};
use crypto::digest::RowTree;
use primitives::Epoch;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(5);

/// Sends `head` to operator 0, then `rows`; returns the last answer.
async fn offer(network: &Network, head: Head, rows: Vec<Row>) -> Response {
    let committee = network.chain.committee();
    let peer = guest();
    let mut connection = wire::dial(
        &network.context,
        &peer.stream_key,
        peer.domain.chain_id,
        &committee.operators()[0],
    )
    .await
    .unwrap();
    let row_bytes = head.header.params.row_bytes();
    let permit = network.chain.permit(&head.header);
    connection
        .sender
        .send(&Request::Disperse(Box::new(head), permit), LIMIT)
        .await
        .unwrap();
    let answer = connection.receiver.receive(LIMIT).await.unwrap();
    if rows.is_empty() || !matches!(answer, Response::Accepted { .. }) {
        return answer;
    }
    connection
        .sender
        .send(&Request::Rows(Rows { row_bytes, rows }), LIMIT)
        .await
        .unwrap();
    connection.receiver.receive(LIMIT).await.unwrap()
}

/// The rows of `blob` that operator 0 owns.
fn owned(network: &Network, blob: &CodedBlob) -> Vec<u32> {
    network
        .chain
        .committee()
        .rows_of(0, &blob.head().root(), Shape::STANDARD)
        .iter()
        .collect()
}

#[test]
fn an_operator_refuses_a_head_that_does_not_hold_before_any_row() {
    deterministic::Runner::seeded(1).start(|context| async move {
        let network = Network::start(context).await;
        let good = public_blob(1, 1000).head().head().clone();
        let changed = |change: fn(&mut Head)| {
            let mut head = good.clone();
            change(&mut head);
            head
        };
        for (head, refusal) in [
            (changed(|head| head.group_roots.swap(0, 1)), Refusal::BadHead),
            (changed(|head| head.combinations[0][0] ^= 1), Refusal::BadHead),
            (
                changed(|head| head.header.params.committee.epoch = Epoch(2)),
                Refusal::NoSeat { current: Epoch(0) },
            ),
        ] {
            assert_eq!(offer(&network, head, Vec::new()).await, Response::Refused(refusal));
        }
        let expired = changed(|head| head.header.params.expiry_block = 0);
        let answer = offer(&network, expired, Vec::new()).await;
        assert!(matches!(answer, Response::Refused(Refusal::Expiry { .. })));
        assert_eq!(network.service(0).status().blobs, 0);
    });
}

#[test]
fn an_operator_signs_no_batch_with_a_commitment_that_is_not_to_the_rows() {
    deterministic::Runner::seeded(5).start(|context| async move {
        let network = Network::start(context).await;
        let (good, lie) = (public_blob(5, 1000), public_blob(6, 1000));
        let mut wrong = lie.head().head().clone();
        wrong.header.commitment = good.head().header().commitment;
        let mut roots = Vec::new();
        for (blob, head) in [(&good, good.head().head().clone()), (&lie, wrong)] {
            let root = head.header.root();
            let own = network.chain.committee().rows_of(0, &root, Shape::STANDARD);
            let rows = own.iter().map(|row| blob.row(row).row().clone()).collect();
            assert_eq!(offer(&network, head, rows).await, Response::Stored);
            roots.push(root);
        }
        let refused = Response::Refused(Refusal::BadHead);
        for (asked, expected) in [
            (vec![roots[1]], Some(&refused)),
            (roots.clone(), Some(&refused)),
            (vec![roots[0]], None),
        ] {
            let committee = network.chain.committee();
            let peer = guest();
            let operator = &committee.operators()[0];
            let mut connection = wire::dial(&network.context, &peer.stream_key, peer.domain.chain_id, operator)
                .await
                .unwrap();
            connection.sender.send(&Request::Sign(asked), LIMIT).await.unwrap();
            let answer = connection.receiver.receive::<Response>(LIMIT).await.unwrap();
            match expected {
                Some(expected) => assert_eq!(&answer, expected),
                None => assert!(matches!(answer, Response::Signed(_)), "{answer:?}"),
            }
        }
    });
}

#[test]
fn an_operator_refuses_rows_that_are_wrong_or_not_its_own() {
    deterministic::Runner::seeded(2).start(|context| async move {
        let network = Network::start(context).await;
        let blob = public_blob(2, 200_000);
        let head = || blob.head().head().clone();
        let own = owned(&network, &blob);
        let row = own[3];
        let foreign = (0..TOTAL_ROWS).find(|row| !own.contains(row)).unwrap();
        let good = blob.row(row).row().clone();
        let mut path = good.clone();
        path.path[2] = path.path[3];
        let bytes = Row {
            bytes: blob.row(own[4]).bytes().clone(),
            ..good.clone()
        };
        for (sent, refusal) in [
            (blob.row(foreign).row().clone(), Refusal::NotMine { row: foreign }),
            (path, Refusal::BadRow { row }),
            (bytes, Refusal::BadRow { row }),
        ] {
            assert_eq!(
                offer(&network, head(), vec![good.clone(), sent]).await,
                Response::Refused(refusal)
            );
        }
    });
}

#[test]
fn rows_before_a_head_end_the_stream() {
    deterministic::Runner::seeded(3).start(|context| async move {
        let network = Network::start(context).await;
        let committee = network.chain.committee();
        let peer = guest();
        let operator = &committee.operators()[0];
        let mut connection = wire::dial(&network.context, &peer.stream_key, peer.domain.chain_id, operator)
            .await
            .unwrap();
        let rows = Rows {
            row_bytes: 128,
            rows: Vec::new(),
        };
        connection.sender.send(&Request::Rows(rows), LIMIT).await.unwrap();
        let answer = connection.receiver.receive::<Response>(LIMIT).await.unwrap();
        assert_eq!(answer, Response::Refused(Refusal::Unexpected));
        assert!(connection.receiver.receive::<Response>(LIMIT).await.is_err());
    });
}

/// A blob whose rows are all committed to, but of which `bad` are not of the code.
pub(super) fn not_coded(bad: &[u32]) -> (Head, Vec<Row>) {
    let honest = public_blob(4, 200_000);
    let params = honest.head().header().params.clone();
    let mut rows: Vec<Vec<u8>> = (0..TOTAL_ROWS).map(|row| honest.row(row).bytes().to_vec()).collect();
    bad.iter().for_each(|&row| rows[row as usize][0] ^= 1);
    let tree = RowTree::of_rows(rows.iter().map(Vec::as_slice));
    let group_roots = tree.group_roots().to_vec();
    let data: Vec<u8> = rows[..DATA_ROWS as usize].concat();
    let combinations = head::coefficients(&params, &group_roots).combine_rows(&data, params.row_bytes() as usize);
    let z_digest = head::z_digest(&combinations);
    let header = Header {
        commitment: head::commit(params.shape, &group_roots),
        groups_root: head::groups_root(&group_roots, &z_digest),
        params,
    };
    let rows = (0..)
        .zip(rows)
        .map(|(index, row)| Row {
            index,
            path: tree.path(index),
            bytes: row.into(),
        })
        .collect();
    (
        Head {
            header,
            group_roots,
            combinations,
        },
        rows,
    )
}

/// The hash path alone does not show a lie of the disperser's; the combination does.
#[test]
fn a_row_that_was_committed_to_but_not_coded_is_refused() {
    let bad = [DATA_ROWS, 2000];
    let (head, rows) = not_coded(&bad);
    let checker = crate::RowChecker::new(head.check().unwrap());
    for (index, row) in (0..).zip(rows) {
        let root = checker.head().root();
        let expected = if bad.contains(&index) {
            Err(RowError::NotCoded { index, root })
        } else {
            Ok(())
        };
        assert_eq!(checker.check(row).map(|_| ()), expected);
    }
}

#[test]
fn a_blob_with_one_row_that_is_not_coded_finds_no_signature_of_that_rows_owner() {
    deterministic::Runner::seeded(5).start(|context| async move {
        let network = Network::start(context).await;
        // The shuffle follows from the rows, so a liar cannot choose whose row is bad: this one tries until it is operator 0's.
        let (head, rows, bad) = (0..64)
            .map(|offset| (DATA_ROWS + offset, not_coded(&[DATA_ROWS + offset])))
            .find_map(|(bad, (head, rows))| {
                let owner = network
                    .chain
                    .committee()
                    .rows_of(0, &head.header.root(), Shape::STANDARD);
                owner.contains(bad).then_some((head, rows, bad))
            })
            .expect("one of 64 rows is operator 0's");
        let own = network
            .chain
            .committee()
            .rows_of(0, &head.header.root(), Shape::STANDARD);
        let sent: Vec<Row> = rows.into_iter().filter(|row| own.contains(row.index)).collect();
        assert_eq!(
            offer(&network, head, sent).await,
            Response::Refused(Refusal::BadRow { row: bad })
        );
    });
}

/// A certified name with another blob's content: the chain's record decides.
#[test]
fn a_reader_takes_no_head_but_the_recorded_one() {
    deterministic::Runner::seeded(6).start(|context| async move {
        let network = Network::start(context).await;
        let blob = public_blob(6, 1000);
        network.publish(&blob).await.unwrap();
        let mut header = blob.head().header().clone();
        header.params.expiry_block += 1;
        let Err(error) = network.read(&Record::of_header(&header)).await else {
            panic!("nobody has it")
        };
        assert!(matches!(error, RetrieveError::NoHead { .. }));
    });
}
