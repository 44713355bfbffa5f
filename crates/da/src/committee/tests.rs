use super::*;
use crate::{
    header::{DATA_ROWS, TOTAL_ROWS},
    tests::seeded,
};
use commonware_cryptography::Signer;
use rand_core::Rng;

fn committee(operators: u8) -> Committee {
    let operators = (0..operators)
        .map(|index| Operator {
            account: Address::repeat_byte(index),
            stream_key: Some(ed25519::PrivateKey::from_seed(u64::from(index)).public_key()),
            bls_key: bls::SecretKey::from_seed(&[index; 32]).public_key(),
            endpoint: Some(([10, 0, 0, index], 9000).into()),
            seats: 1,
        })
        .collect();
    Committee::new(CommitteeId::first(Epoch(0)), Seed(B256::repeat_byte(0xbe)), operators).unwrap()
}

/// As [`committee`], with these seats.
fn with_seats(seats: &[u32]) -> Result<Committee, CommitteeError> {
    let mut operators = committee(seats.len() as u8).operators().to_vec();
    for (operator, seats) in operators.iter_mut().zip(seats) {
        operator.seats = *seats;
    }
    Committee::new(CommitteeId::first(Epoch(0)), Seed(B256::repeat_byte(0xbe)), operators)
}

#[test]
fn every_row_has_one_owner_and_equal_seats_own_equally_many() {
    let mut rng = seeded(1);
    for operators in [1, 3, 4, 7, 100] {
        let mut root = BlobRoot::from([0; 32]);
        rng.fill_bytes(root.0.as_mut_slice());
        let committee = committee(operators);
        let rows_of = assign(&committee, &root, Shape::STANDARD);
        let mut all: Vec<u32> = rows_of.iter().flatten().copied().collect();
        all.sort_unstable();
        assert_eq!(all, (0..TOTAL_ROWS).collect::<Vec<_>>());
        let lens: Vec<usize> = rows_of.iter().map(Vec::len).collect();
        assert!(lens.iter().max().unwrap() - lens.iter().min().unwrap() <= 1);
        for (index, rows) in (0..).zip(&rows_of) {
            assert_eq!(
                committee.rows_of(index, &root, Shape::STANDARD),
                rows.iter().copied().collect()
            );
        }
    }
}

/// Nobody can aim rows: another root, seed or epoch gives another shuffle.
#[test]
fn the_shuffle_depends_on_root_seed_and_epoch() {
    let base = committee(4);
    let root = BlobRoot::from([1; 32]);
    let rows = |committee: &Committee, root: &BlobRoot| assign(committee, root, Shape::STANDARD);
    let first = rows(&base, &root);
    assert_eq!(first, rows(&base, &root));
    assert_ne!(first, rows(&base, &BlobRoot::from([2; 32])));
    assert_ne!(
        first,
        rows(
            &Committee {
                seed: Seed(B256::repeat_byte(7)),
                ..base.clone()
            },
            &root
        )
    );
    assert_ne!(
        first,
        rows(
            &Committee {
                id: CommitteeId::first(Epoch(1)),
                ..base
            },
            &root
        )
    );
}

/// A seat of 600 is at least five rows of a standard blob, and who has twice the seats has twice the rows, to the row.
#[test]
fn rows_are_owned_in_proportion_to_seats() {
    let seats = [1, 2, 47, 100, 150, 300];
    let committee = with_seats(&seats).unwrap();
    let root = BlobRoot::from([5; 32]);
    for (rows, seats) in assign(&committee, &root, Shape::STANDARD).iter().zip(seats) {
        let exact = f64::from(seats * TOTAL_ROWS) / 600.0;
        assert!(
            (rows.len() as f64 - exact).abs() < 1.0 && rows.len() >= 5 * seats as usize,
            "{seats} seats"
        );
    }
    let id = CommitteeId::first(Epoch(7));
    let later = committee.at(id, committee.seed());
    assert!(later.has_members_of(&committee) && later.id() == id);
    assert_ne!(
        assign(&later, &root, Shape::STANDARD),
        assign(&committee, &root, Shape::STANDARD)
    );
}

/// Each of four operators owns about a quarter of the data rows: the shuffle has no favourites.
#[test]
fn data_rows_are_spread_over_the_operators() {
    let committee = committee(4);
    for rows in assign(&committee, &BlobRoot::from([3; 32]), Shape::STANDARD) {
        let data = rows.iter().filter(|&&row| row < DATA_ROWS).count();
        assert!((192..320).contains(&data), "{data} of 768");
    }
}

#[test]
fn a_bls_key_reads_from_the_registrys_encoding_and_from_no_other() {
    for seed in 0..16 {
        let key = bls::SecretKey::from_seed(&[seed; 32]).public_key();
        let encoded = key.to_eip2537();
        assert_eq!(bls_key(&encoded), Some(key));
        let mut wrong = encoded;
        wrong[127] ^= 1;
        assert_eq!(bls_key(&wrong), None);
        assert_eq!(bls_key(&encoded[..127]), None);
    }
    assert_eq!(bls_key(&[0; 128]), None);
}

#[test]
fn a_committee_has_an_operator_and_not_too_many() {
    let empty = Committee::new(CommitteeId::first(Epoch(0)), Seed(B256::repeat_byte(0xbe)), Vec::new());
    assert!(matches!(empty, Err(CommitteeError::Size { count: 0 })));
    for (seats, operator) in [(&[1, 0][..], 1), (&[300, 301], 1), (&[u32::MAX, 1], 0)] {
        let error = with_seats(seats).unwrap_err();
        assert!(matches!(error, CommitteeError::Seats { operator: found } if found == operator));
    }
}
