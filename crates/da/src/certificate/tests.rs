use super::*;
use crate::{Operator, Seed, tests::public_blob};
use commonware_cryptography::{Signer, ed25519};
use primitives::{CHAIN_ID, Epoch};

fn secret(operator: u32) -> bls::SecretKey {
    bls::SecretKey::from_seed(&[operator as u8 + 1; 32])
}

fn committee(operators: u32) -> Committee {
    let operators = (0..operators)
        .map(|index| Operator {
            account: Address::repeat_byte(index as u8),
            stream_key: Some(ed25519::PrivateKey::from_seed(u64::from(index)).public_key()),
            bls_key: secret(index).public_key(),
            endpoint: Some(([10, 0, 0, 1], 9000).into()),
            seats: 1,
        })
        .collect();
    Committee::new(CommitteeId::first(Epoch(0)), Seed(B256::repeat_byte(0xbe)), operators).unwrap()
}

fn share(domain: &Domain, header: &Header, operator: u32) -> Share {
    Share {
        operator,
        signature: secret(operator).sign(domain.message([header]).as_slice()),
    }
}

#[test]
fn three_of_four_operators_make_a_certificate_and_two_do_not() {
    let (domain, committee) = (Domain::of_chain(CHAIN_ID), committee(4));
    let blob = public_blob(1, 1000);
    let header = blob.head().header();
    let mut quorum = Quorum::new(&domain, &committee, vec![header.clone()]);
    assert_eq!(quorum.record(share(&domain, header, 2)).unwrap(), None);
    // The same share twice is one share.
    assert_eq!(quorum.record(share(&domain, header, 2)).unwrap(), None);
    assert_eq!(quorum.record(share(&domain, header, 0)).unwrap(), None);
    let certificate = quorum.record(share(&domain, header, 3)).unwrap().expect("a quorum");
    assert_eq!(certificate.signers(), [0, 2, 3]);
    certificate.verify(&domain, &committee).unwrap();
    let all = quorum
        .record(share(&domain, header, 1))
        .unwrap()
        .expect("still a quorum");
    assert_eq!(all.signers(), [0, 1, 2, 3]);
    all.verify(&domain, &committee).unwrap();
}

#[test]
fn a_share_of_another_operator_blob_or_chain_does_not_count() {
    let (domain, committee) = (Domain::of_chain(CHAIN_ID), committee(4));
    let (blob, other) = (public_blob(1, 1000), public_blob(2, 1000));
    let header = blob.head().header();
    let mut quorum = Quorum::new(&domain, &committee, vec![header.clone()]);
    let wrong = |operator| Err(ShareError::WrongSignature { operator });
    let theirs = Share {
        operator: 1,
        ..share(&domain, header, 0)
    };
    assert_eq!(quorum.record(theirs), wrong(1));
    assert_eq!(quorum.record(share(&domain, other.head().header(), 0)), wrong(0));
    assert_eq!(quorum.record(share(&Domain::of_chain(1), header, 0)), wrong(0));
    assert_eq!(
        quorum.record(Share { operator: 4, ..theirs }),
        Err(ShareError::Unknown { operator: 4 })
    );
    assert_eq!(quorum.rows_signed(), 0);
}

#[test]
fn a_certificate_that_was_changed_does_not_verify() {
    let (domain, committee) = (Domain::of_chain(CHAIN_ID), committee(4));
    let blob = public_blob(1, 1000);
    let header = blob.head().header();
    let sum = |signers: &[u32]| {
        let shares: Vec<_> = signers
            .iter()
            .map(|&signer| share(&domain, header, signer).signature)
            .collect();
        bls::Signature::aggregate(&shares).unwrap()
    };
    let verify = |header: &Header, signers: &[u32], signature| {
        Certificate::new(vec![header.clone()], signers.to_vec(), signature).verify(&domain, &committee)
    };
    let signers = Err(CertificateError::Signers { operators: 4 });
    assert_eq!(verify(header, &[0, 1, 2], sum(&[0, 1, 2])), Ok(()));
    assert_eq!(
        verify(header, &[0, 1, 3], sum(&[0, 1, 2])),
        Err(CertificateError::WrongSignature)
    );
    assert_eq!(
        verify(header, &[0, 1], sum(&[0, 1])),
        Err(CertificateError::BelowQuorum {
            rows: 1536,
            needed: 2048
        })
    );
    assert_eq!(
        verify(header, &[], sum(&[0])),
        Err(CertificateError::BelowQuorum { rows: 0, needed: 2048 })
    );
    assert_eq!(verify(header, &[0, 0, 1, 2], sum(&[0, 0, 1, 2])), signers);
    assert_eq!(verify(header, &[0, 1, 4], sum(&[0, 1, 4])), signers);
    let mut later = header.clone();
    later.params.expiry_block += 1;
    assert_eq!(
        verify(&later, &[0, 1, 2], sum(&[0, 1, 2])),
        Err(CertificateError::WrongSignature)
    );
    let mut next = header.clone();
    next.params.committee.epoch = Epoch(1);
    assert!(matches!(
        verify(&next, &[0, 1, 2], sum(&[0, 1, 2])),
        Err(CertificateError::WrongCommittee { .. })
    ));
}
