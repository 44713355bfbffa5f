use super::*;
use crate::fixtures::{self, Wallet, place};
use commonware_codec::{DecodeExt as _, Encode as _};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

fn block() -> Block {
    let ledger = fixtures::ledger();
    for nonce in 0..3 {
        ledger.submit(&Wallet::nth(0).transfer(nonce)).unwrap();
    }
    let sealed = fixtures::propose(&ledger, &ledger.latest(), 1);
    let transactions = sealed
        .transactions
        .iter()
        .map(|transaction| transaction.inner().clone())
        .collect();
    Block::new(place(), sealed.header.clone(), transactions)
}

#[test]
fn a_block_reads_back_from_its_bytes() {
    let block = block();
    assert_eq!(block.ethereum().body.transactions.len(), 3);
    let bytes = block.encode();
    assert_eq!(bytes.len(), block.encode_size());
    let read = Block::decode(bytes.clone()).unwrap();
    assert_eq!(read, block);
    assert_eq!((read.digest(), read.encode()), (block.digest(), bytes));
}

/// Certificates sign the digest: whatever of a block could change without changing it would not be agreed on.
#[test]
fn the_digest_covers_the_place_the_header_and_the_body() {
    let block = block();
    let (header, transactions) = (block.header().clone(), block.ethereum().body.transactions.clone());
    let other_place = Context {
        round: Round::new(Epoch::zero(), View::new(8)),
        ..place()
    };
    let other_header = Header {
        timestamp: header.timestamp + 1,
        ..header.clone()
    };
    let variants = [
        Block::new(other_place, header.clone(), transactions.clone()),
        Block::new(place(), other_header, transactions.clone()),
        Block::new(place(), header, transactions[1..].to_vec()),
    ];
    for variant in variants {
        assert_ne!(variant.digest(), block.digest());
    }
}

/// Contracts of other chains compute the digest from these parts: it may change only on purpose.
#[test]
fn a_summary_has_the_digest_of_its_block_and_that_is_three_hashes() {
    let block = block();
    let summary = block.summary();
    assert_eq!(summary.digest(), block.digest());
    assert_eq!(summary.header(), block.header());
    let (context, header) = (block.context().encode(), header_bytes(block.header()));
    let bytes = block.encode();
    let at = context.len() + sized(header.len());
    let parts = [&header[..], &bytes[at..]].map(|part| Sha256::hash(&[part]));
    let expected = Sha256::hash(&[&context, &parts[0], &parts[1]]);
    assert_eq!((block.digest(), summary.rest()), (expected, parts[1].0));

    let read = Summary::decode(summary.encode()).unwrap();
    assert_eq!((&read, read.encode().len()), (&summary, summary.encode_size()));
    assert!(summary.encode_size() <= Summary::MAX_ENCODE_SIZE);
}

#[test]
fn a_mutated_summary_is_refused_or_is_of_another_digest() {
    let summary = block().summary();
    let bytes = summary.encode().to_vec();
    for at in 0..bytes.len() {
        for flip in [1, 0x80] {
            let mut mutated = bytes.clone();
            mutated[at] ^= flip;
            if let Ok(read) = Summary::decode(bytes::Bytes::from(mutated.clone())) {
                assert_ne!(read.digest(), summary.digest());
                assert_eq!(read.encode(), mutated);
            }
        }
    }
}

/// Two encodings of one block would be two digests of it: every accepted mutation must be another block, written as it was read.
#[test]
fn mutated_bytes_are_refused_or_are_the_canonical_bytes_of_what_they_read_as() {
    let bytes = block().encode().to_vec();
    let mut random = StdRng::seed_from_u64(11);
    for _ in 0..20_000 {
        let mut mutated = bytes.clone();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..mutated.len());
            match random.random_range(0..4) {
                0 => mutated[at] = random.random(),
                1 => mutated[at] ^= 1 << random.random_range(0..8),
                2 => mutated.truncate(at + 1),
                _ => mutated.insert(at, random.random()),
            }
        }
        if let Ok(read) = Block::decode(bytes::Bytes::from(mutated.clone())) {
            assert_eq!(read.encode(), mutated);
        }
    }
}

#[test]
fn random_bytes_never_panic_the_decoder() {
    let mut random = StdRng::seed_from_u64(12);
    for _ in 0..20_000 {
        let length = random.random_range(0..300);
        let bytes: Vec<u8> = (0..length).map(|_| random.random()).collect();
        let _ = Block::decode(bytes::Bytes::from(bytes));
    }
}

/// A count or length that promises more than follows must cost nothing.
#[test]
fn lengths_beyond_the_limits_are_refused_before_anything_is_reserved() {
    let block = block();
    let mut bytes = place().encode().to_vec();
    let header = header_bytes(block.header());
    UInt(u32::MAX).write(&mut bytes);
    assert!(matches!(
        Block::decode(bytes::Bytes::from(bytes)),
        Err(CodecError::InvalidLength(_))
    ));
    let mut bytes = place().encode().to_vec();
    write_length(header.len(), &mut bytes);
    bytes.extend(&header);
    news::write(block.beacon(), &mut bytes);
    UInt(4_000_000u32).write(&mut bytes);
    assert!(matches!(
        Block::decode(bytes::Bytes::from(bytes)),
        Err(CodecError::EndOfBuffer)
    ));
}

#[test]
fn the_largest_body_still_fits_the_largest_block() {
    const { assert!(MAX_BODY_BYTES + OVERHEAD_BYTES <= MAX_BLOCK_BYTES) };
    let widest = Header {
        extra_data: vec![0xff; 64].into(),
        ..block().header().clone()
    };
    assert!(widest.length() <= MAX_HEADER_BYTES);
}
