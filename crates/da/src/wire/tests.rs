use super::*;
use crate::{
    CodedBlob, Domain, Permit,
    local::LocalRow,
    release,
    sample::Challenge,
    tests::{flip_bits, public_blob, seeded},
};
use bytes::Bytes;
use commonware_codec::{DecodeExt, Encode, Read};
use commonware_runtime::IoBufs;
use crypto::{bls, ecdsa, envelope::RecipientSecret};
use primitives::{Address, BlobRoot, Epoch, U256};
use rand_core::Rng;

fn local_row() -> LocalRow {
    LocalRow {
        group: 95,
        bytes: vec![7; 256].into(),
    }
}

fn permit(blob: &CodedBlob) -> Permit {
    let payer = ecdsa::Secret::from_bytes(&[3; 32]).unwrap();
    Permit::sign(
        &payer,
        &Domain::of_chain(primitives::CHAIN_ID),
        blob.head().header(),
        Some(blob.purchase()),
        77,
    )
}

fn requests() -> Vec<Request> {
    let blob = public_blob(1, 200_000);
    let rows = Rows {
        row_bytes: 256,
        rows: vec![blob.row(3).row().clone(), blob.row(2000).row().clone()],
    };
    vec![
        Request::Disperse(Box::new(blob.head().head().clone()), permit(&blob)),
        Request::Sign(vec![BlobRoot::from([8; 32]), BlobRoot::from([9; 32])]),
        Request::Rows(rows),
        Request::ReadHead(BlobRoot::from([9; 32])),
        Request::ReadRows {
            root: BlobRoot::from([9; 32]),
            rows: vec![0, 5, 3071],
        },
        Request::Status,
        Request::ReadSamples {
            root: BlobRoot::from([9; 32]),
            challenges: Challenge::draw(&mut seeded(3), crate::Shape::STANDARD, 256, 26),
        },
        Request::Release(release::Request {
            terms: release::Terms {
                policy: primitives::B256::repeat_byte(4),
                epoch: 5,
            },
            reader: RecipientSecret::from_seed(&[6; 32]).public(),
        }),
        Request::KeepLocal {
            root: BlobRoot::from([9; 32]),
            row: local_row(),
        },
        Request::ReadLocal {
            root: BlobRoot::from([9; 32]),
            group: 95,
        },
    ]
}

fn responses() -> Vec<Response> {
    let blob = public_blob(1, 200_000);
    let refusals = [
        Refusal::BadHead,
        Refusal::NoSeat { current: Epoch(4) },
        Refusal::Expiry { height: 7, limit: 8 },
        Refusal::NotMine { row: 1 },
        Refusal::BadRow { row: 2 },
        Refusal::Full,
        Refusal::Disk,
        Refusal::Unexpected,
        Refusal::Permit { height: 7, limit: 8 },
        Refusal::Unfunded {
            payer: Address::repeat_byte(1),
            escrow_wei: U256::from(2),
            promised_wei: U256::MAX,
        },
        Refusal::Chain,
    ];
    let mut responses: Vec<_> = refusals.into_iter().map(Response::Refused).collect();
    responses.extend([
        Response::Accepted { missing: vec![1, 2, 3] },
        Response::Stored,
        Response::Signed(bls::SecretKey::from_seed(&[1; 32]).sign(b"message")),
        Response::Head(Box::new(blob.head().head().clone())),
        Response::Rows(Rows {
            row_bytes: 256,
            rows: vec![blob.row(3).row().clone()],
        }),
        Response::EndOfRows { missing: Vec::new() },
        Response::NotFound,
        Response::Status(Status {
            epoch: Epoch(0),
            height: 1,
            blobs: 2,
            stored_bytes: 3,
            capacity_bytes: 4,
        }),
        Response::Samples(Bytes::from_static(b"\0\0\0")),
        Response::KeptLocal,
        Response::LocalRow(local_row()),
        Response::Release(release::Response::Refused),
        Response::Release(release::Response::Unavailable),
        // Envelope and share are sealed: any bytes of their length are one.
        Response::decode(Bytes::from([&[16, 0, 1][..], &[7; 146]].concat())).unwrap(),
        Response::decode(Bytes::from([&[16, 0, 64][..], &[7; 64 * 146]].concat())).unwrap(),
    ]);
    responses
}

/// Decoding must be total, canonical, and never set aside more memory than the message has bytes.
fn fuzz<T: Read<Cfg = ()> + Encode>(messages: Vec<T>, seed: u64) {
    let mut rng = seeded(seed);
    for message in messages {
        let good = message.encode();
        assert!(good.len() <= MAX_MESSAGE_BYTES as usize);
        assert_eq!(T::decode(good.clone()).unwrap().encode(), good);
        for _ in 0..100 {
            let mut bytes = good.to_vec();
            flip_bits(&mut rng, &mut bytes, 3);
            if let Ok(message) = T::decode(Bytes::from(bytes.clone())) {
                assert_eq!(message.encode(), bytes);
            }
            bytes.truncate(rng.next_u32() as usize % bytes.len());
            let _ = T::decode(Bytes::from(bytes));
            let mut noise = vec![0; rng.next_u32() as usize % 200];
            rng.fill_bytes(&mut noise);
            let _ = T::decode(Bytes::from(noise));
        }
    }
}

#[test]
fn hostile_bytes_never_panic_the_requests_and_what_reads_writes_back_the_same() {
    fuzz(requests(), 1);
}

#[test]
fn hostile_bytes_never_panic_the_responses_and_what_reads_writes_back_the_same() {
    fuzz(responses(), 2);
}

#[test]
fn a_message_of_rows_is_full_at_the_limit_and_holds_at_least_one() {
    for row_bytes in [128, 256, 4096, crate::shape::MAX_ROW_BYTES] {
        let rows = rows_per_message(row_bytes);
        assert!(rows >= 1);
        let row = crate::Row {
            index: 0,
            path: [primitives::Digest::of(b""); 5],
            bytes: vec![0; row_bytes as usize].into(),
        };
        let full = Request::Rows(Rows {
            row_bytes,
            rows: vec![row.clone(); rows],
        });
        assert!(full.encode().len() <= MAX_MESSAGE_BYTES as usize);
        let over = Request::Rows(Rows {
            row_bytes,
            rows: vec![row; rows + 1],
        });
        assert!(Request::decode(over.encode()).is_err());
    }
}

/// Long rows are sent from where they are, short ones copied: the other end must not see which.
#[test]
fn a_message_in_pieces_has_the_bytes_of_the_whole_message() {
    let check = |message: &dyn Fn() -> Vec<u8>, pieces: IoBufs| assert_eq!(pieces.coalesce().as_ref(), message());
    for bytes in [200_000, 5_000_000] {
        let blob = public_blob(1, bytes);
        let rows = Rows {
            row_bytes: blob.head().row_bytes(),
            rows: [3, 2000].map(|index| blob.row(index).row().clone()).to_vec(),
        };
        let (request, response) = (Request::Rows(rows.clone()), Response::Rows(rows));
        check(&|| request.encode().to_vec(), connection::encode(&request));
        check(&|| response.encode().to_vec(), connection::encode(&response));
    }
    for request in requests() {
        check(&|| request.encode().to_vec(), connection::encode(&request));
    }
    for response in responses() {
        check(&|| response.encode().to_vec(), connection::encode(&response));
    }
}
