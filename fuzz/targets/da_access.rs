//! A list of a blob's readers, from the chain through a node that may lie: only the list that the owner signed is believed, and what
//! opens from any is the blob's key.
#![no_main]

use aloft_fuzz::SealedBlob;
use bytes::Bytes;
use commonware_codec::Encode;
use crypto::{ecdsa, threshold::DealtThresholdKeys};
use da::{
    Domain, ReaderList,
    access::Release,
    release::{Terms, identity},
};
use primitives::{Address, B256, CHAIN_ID};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use std::sync::LazyLock;

struct Valid {
    sealed: SealedBlob,
    domain: Domain,
    owner: Address,
    list: ReaderList,
    signed: Bytes,
    released: crypto::threshold::Released,
}

static VALID: LazyLock<Valid> = LazyLock::new(|| {
    let mut rng = ChaCha20Rng::seed_from_u64(10);
    let (domain, secret) = (
        Domain::of_chain(CHAIN_ID),
        ecdsa::Secret::from_bytes(&[1; 32]).expect("below the group's order"),
    );
    let sealed = SealedBlob::of(secret.address());
    let header = sealed.blob.head().header();
    let terms = Terms {
        policy: B256::repeat_byte(2),
        epoch: 5,
    };
    let dealt = DealtThresholdKeys::deal(&mut rng, 1, 2).expect("one of two");
    let mut list = ReaderList::empty(sealed.blob.head().root()).next();
    list.add(&mut rng, header, &sealed.key, &[sealed.reader.public()])
        .expect("the blob's key");
    list.set_release(&mut rng, &domain, header, &sealed.key, dealt.committee.key(), terms)
        .expect("the blob's key");
    let identity = identity(&domain, &terms);
    let combined = dealt
        .committee
        .combine(&identity, &[dealt.shares[0].release(&identity)])
        .expect("a threshold of right shares");
    Valid {
        owner: secret.address(),
        signed: list.sign(&domain, &secret),
        released: combined.released,
        domain,
        sealed,
        list,
    }
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let valid = &*VALID;
    let header = valid.sealed.blob.head().header();
    for bytes in aloft_fuzz::tries(&valid.signed, input) {
        let as_signed = bytes == valid.signed;
        let list = ReaderList::verify(&valid.domain, header.root(), valid.owner, bytes.into());
        assert_eq!(list.is_ok(), as_signed, "a damaged list is believed");
    }
    for bytes in aloft_fuzz::tries(&valid.list.encode(), input) {
        let Some(list) = aloft_fuzz::decode::<ReaderList>(&bytes, &()) else {
            continue;
        };
        let keys = [
            list.open(header, &valid.sealed.reader).ok(),
            list.open_released(header, &valid.released).ok(),
        ];
        for key in keys.into_iter().flatten() {
            assert_eq!(key.as_bytes(), valid.sealed.key.as_bytes(), "another key opens");
        }
    }
    let release = valid.list.release().expect("set above").encode();
    for bytes in aloft_fuzz::tries(&release, input) {
        aloft_fuzz::decode::<Release>(&bytes, &());
    }
});
