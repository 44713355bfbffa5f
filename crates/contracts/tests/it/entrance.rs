//! Availability certificates: only a quorum's signature over exactly this blob is recorded, once, and its fee goes to the signers.

use crate::{
    chain::{CHAIN_ID, Chain},
    keys::{Operator, STAKE_WEI, aggregate},
    seats,
};
use alloy_sol_types::SolEvent;
use contracts::{
    DA_SEATS,
    abi::DAEntrance::{self, BlobHeader},
    addresses::DA_ENTRANCE,
    typed_data::{certificate_message, commitment_words, quorum_rows, seat_rows, signers_bitmap},
};
use primitives::{Address, B256, Bytes, U256};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub const PAYER: Address = Address::repeat_byte(0xfa);

pub fn network(operators: u8) -> (Chain, Vec<Operator>) {
    let operators: Vec<_> = (1..=operators).map(Operator::new).collect();
    let mut chain = Chain::genesis(contracts::addresses::FAUCET, &operators);
    chain.fund(PAYER, U256::from(1u128 << 120));
    (chain, operators)
}

pub fn header(seed: u8) -> BlobHeader {
    let (commitment_head, commitment_tail) = commitment_words(&[seed ^ 0xcc; 48]);
    BlobHeader {
        root: B256::repeat_byte(seed),
        groupsRoot: B256::repeat_byte(seed ^ 0xbb),
        commitmentHead: commitment_head,
        commitmentTail: commitment_tail,
        epoch: 0,
        length: 1_000_000,
        expiryBlock: 100_001,
        dataRows: 1024,
        firstRow: 0,
        rowCount: 3072,
        rowBytes: 1024,
        base: B256::ZERO,
    }
}

/// The certificate that `signers` really make.
pub fn certificate(header: &BlobHeader, operators: &[Operator], signers: &[u32]) -> DAEntrance::submitCall {
    let message = certificate_message(CHAIN_ID, DA_ENTRANCE, header);
    DAEntrance::submitCall {
        header: header.clone(),
        signersBitmap: signers_bitmap(signers.iter().copied(), operators.len() as u32),
        signature: aggregate(signers.iter().map(|&i| &operators[i as usize]), message),
    }
}

pub fn fee(chain: &mut Chain, header: &BlobHeader) -> U256 {
    let blocks = header.expiryBlock - chain.block;
    chain.view(
        DA_ENTRANCE,
        &DAEntrance::quoteCall {
            rowCount: header.rowCount,
            rowBytes: header.rowBytes,
            blocks,
        },
    )
}

fn balance(chain: &mut Chain, account: Address) -> U256 {
    chain.view(DA_ENTRANCE, &DAEntrance::balancesCall { account })
}

#[test]
fn a_certificate_of_three_of_four_operators_is_recorded_and_paid() {
    let (mut chain, operators) = network(4);
    let first = header(1);
    let call = certificate(&first, &operators, &[0, 1, 3]);
    let fee = fee(&mut chain, &first);
    assert_eq!(
        fee,
        U256::from(3072u64 * 1024 * 100_000 * contracts::PRICE_PER_BYTE_BLOCK_WEI)
    );
    let sent = chain.pay(PAYER, DA_ENTRANCE, &call, fee + U256::from(5)).unwrap();

    let [event] = &sent.events::<DAEntrance::BlobCertified>()[..] else {
        panic!("one event")
    };
    assert_eq!((event.root, event.payer), (first.root, PAYER));
    assert_eq!((&event.header, &event.signersBitmap), (&first, &call.signersBitmap));
    let blob = chain.view(DA_ENTRANCE, &DAEntrance::blobCall { root: first.root });
    assert_eq!(
        (
            blob.certifiedBlock,
            blob.length,
            blob.expiryBlock,
            blob.rowCount,
            blob.rowBytes
        ),
        (1, first.length, first.expiryBlock, 3072, 1024)
    );
    assert_eq!(
        (blob.groupsRoot, blob.commitmentHead, blob.commitmentTail),
        (first.groupsRoot, first.commitmentHead, first.commitmentTail)
    );
    assert_eq!(
        chain
            .view(DA_ENTRANCE, &DAEntrance::blobCall { root: B256::ZERO })
            .certifiedBlock,
        0
    );

    // Thirds of the fee, the remainder to the first signer, nothing to the one that did not sign, the change to the payer.
    let third = fee / U256::from(3);
    assert_eq!(balance(&mut chain, operators[0].account), fee - third * U256::from(2));
    assert_eq!(balance(&mut chain, operators[1].account), third);
    assert_eq!(balance(&mut chain, operators[2].account), U256::ZERO);
    assert_eq!(balance(&mut chain, operators[3].account), third);
    assert_eq!(balance(&mut chain, PAYER), U256::from(5));
    let paid = chain
        .send(operators[1].account, DA_ENTRANCE, &DAEntrance::withdrawCall {})
        .unwrap()
        .result;
    assert_eq!((paid, chain.balance(operators[1].account)), (third, third));
    let again = chain.send(operators[1].account, DA_ENTRANCE, &DAEntrance::withdrawCall {});
    assert_eq!(again.err().unwrap(), "NothingToWithdraw");
}

/// Indexers of 0G's entrance filter by these two topics and decode these fields (0G's ABI; none of them is indexed).
#[test]
fn a_certificate_is_also_announced_as_0gs_entrance_announces_it() {
    let topics = [
        DAEntrance::DataUpload::SIGNATURE_HASH,
        DAEntrance::ErasureCommitmentVerified::SIGNATURE_HASH,
    ]
    .map(|topic| topic.to_string());
    assert!(
        topics[0].starts_with("0x57b8b1a6") && topics[0].ends_with("7087b"),
        "{topics:?}"
    );
    assert!(
        topics[1].starts_with("0x0f1b20d8") && topics[1].ends_with("cd256"),
        "{topics:?}"
    );

    let (mut chain, operators) = network(4);
    let blob = header(1);
    let fee = fee(&mut chain, &blob);
    let call = certificate(&blob, &operators, &[0, 1, 3]);
    let sent = chain.pay(PAYER, DA_ENTRANCE, &call, fee + U256::from(5)).unwrap();
    let [upload] = &sent.events::<DAEntrance::DataUpload>()[..] else {
        panic!("one upload")
    };
    assert_eq!((upload.sender, upload.dataRoot), (PAYER, blob.root));
    assert_eq!((upload.epoch, upload.quorumId), (U256::from(blob.epoch), U256::ZERO));
    // What was paid, not what was sent.
    assert_eq!(upload.blobPrice, fee);
    let [verified] = &sent.events::<DAEntrance::ErasureCommitmentVerified>()[..] else {
        panic!("one verification")
    };
    assert_eq!(
        (verified.dataRoot, verified.epoch, verified.quorumId),
        (upload.dataRoot, upload.epoch, upload.quorumId)
    );
}

/// The message that Rust signs is the one the contract checks.
#[test]
fn the_message_is_the_contracts() {
    let (mut chain, _) = network(1);
    let header = header(7);
    let onchain = chain.view(
        DA_ENTRANCE,
        &DAEntrance::certificateMessageCall { header: header.clone() },
    );
    assert_eq!(certificate_message(CHAIN_ID, DA_ENTRANCE, &header), onchain);
}

#[test]
fn a_certificate_with_any_field_changed_is_refused() {
    let (mut chain, operators) = network(4);
    let signed = header(1);
    let changes: [fn(&mut BlobHeader); 8] = [
        |h| h.root = B256::repeat_byte(0x77),
        |h| h.groupsRoot.0[0] ^= 1,
        |h| h.commitmentHead.0[31] ^= 1,
        |h| h.commitmentTail.0[15] ^= 1,
        |h| h.length += 1,
        |h| h.expiryBlock -= 1,
        |h| h.rowCount = 4096,
        |h| h.rowBytes -= 1,
    ];
    for change in changes {
        let mut call = certificate(&signed, &operators, &[0, 1, 2]);
        change(&mut call.header);
        let fee = fee(&mut chain, &call.header);
        assert_eq!(
            chain.pay(PAYER, DA_ENTRANCE, &call, fee).err().unwrap(),
            "InvalidSignature"
        );
    }
}

#[test]
fn a_certificate_by_others_than_its_bitmap_says_is_refused() {
    let (mut chain, operators) = network(4);
    let header = header(1);
    let fee = fee(&mut chain, &header);
    let refused =
        |chain: &mut Chain, call: &DAEntrance::submitCall| chain.pay(PAYER, DA_ENTRANCE, call, fee).err().unwrap();

    let mut other_set = certificate(&header, &operators, &[0, 1, 2]);
    other_set.signersBitmap = signers_bitmap([0, 1, 3], 4);
    assert_eq!(refused(&mut chain, &other_set), "InvalidSignature");

    // Two sign, and claim that a third did.
    let mut inflated = certificate(&header, &operators, &[0, 1]);
    inflated.signersBitmap = signers_bitmap([0, 1, 2], 4);
    assert_eq!(refused(&mut chain, &inflated), "InvalidSignature");

    // Outsiders' keys.
    let strangers: Vec<_> = (11..=14).map(Operator::new).collect();
    assert_eq!(
        refused(&mut chain, &certificate(&header, &strangers, &[0, 1, 2])),
        "InvalidSignature"
    );

    // A certificate for another chain, and for another contract.
    for message in [
        certificate_message(1, DA_ENTRANCE, &header),
        certificate_message(CHAIN_ID, PAYER, &header),
    ] {
        let elsewhere = DAEntrance::submitCall {
            signature: aggregate(&operators[..3], message),
            ..certificate(&header, &operators, &[0, 1, 2])
        };
        assert_eq!(refused(&mut chain, &elsewhere), "InvalidSignature");
    }
}

#[test]
fn bytes_that_are_no_signature_are_refused() {
    let (mut chain, operators) = network(4);
    let header = header(1);
    let fee = fee(&mut chain, &header);
    let good = certificate(&header, &operators, &[0, 1, 2]);
    let mut flipped = good.signature.to_vec();
    flipped[200] ^= 1;
    for signature in [
        vec![],
        vec![0; 256],
        vec![0xff; 256],
        flipped,
        good.signature[..255].to_vec(),
        not_in_subgroup(),
    ] {
        let call = DAEntrance::submitCall {
            signature: signature.into(),
            ..good.clone()
        };
        assert_eq!(
            chain.pay(PAYER, DA_ENTRANCE, &call, fee).err().unwrap(),
            "InvalidSignature"
        );
    }
    chain.pay(PAYER, DA_ENTRANCE, &good, fee).unwrap();
}

/// A point of the curve over Fp² that is not in the group of prime order: the first x = (i, 0) that has one.
fn not_in_subgroup() -> Vec<u8> {
    for i in 1u8.. {
        let mut compressed = [0; 96];
        (compressed[0], compressed[95]) = (0x80, i);
        if let Ok(point) = blst::min_pk::Signature::uncompress(&compressed)
            && point.validate(true).is_err()
        {
            return crate::keys::signature_to_eip2537(&point).to_vec();
        }
    }
    unreachable!("half of all x have a point, and nearly none of those is in the subgroup");
}

#[test]
fn a_header_out_of_bounds_and_a_fee_too_low_are_refused() {
    let (mut chain, operators) = network(4);
    let good = header(1);
    let rows = |rows: u32| BlobHeader {
        rowCount: rows,
        ..header(1)
    };
    for (header, reason) in [
        (
            BlobHeader {
                epoch: 1,
                ..good.clone()
            },
            "WrongEpoch(epoch: 1, current: 0)",
        ),
        (
            BlobHeader {
                expiryBlock: 1,
                ..good.clone()
            },
            "InvalidExpiry(expiryBlock: 1)",
        ),
        (
            BlobHeader {
                expiryBlock: 126_144_002,
                ..good.clone()
            },
            "InvalidExpiry(expiryBlock: 126144002)",
        ),
        (
            rows(0),
            "InvalidShape(dataRows: 1024, firstRow: 0, rowCount: 0, rowBytes: 1024)",
        ),
        (
            rows(4097),
            "InvalidShape(dataRows: 1024, firstRow: 0, rowCount: 4097, rowBytes: 1024)",
        ),
        (
            BlobHeader {
                length: 1024 * 1024 + 1,
                ..good.clone()
            },
            "InvalidShape(dataRows: 1024, firstRow: 0, rowCount: 3072, rowBytes: 1024)",
        ),
        (
            BlobHeader {
                rowBytes: 0,
                ..good.clone()
            },
            "InvalidShape(dataRows: 1024, firstRow: 0, rowCount: 3072, rowBytes: 0)",
        ),
    ] {
        let call = certificate(&header, &operators, &[0, 1, 2]);
        assert_eq!(
            chain
                .pay(PAYER, DA_ENTRANCE, &call, U256::from(1u128 << 100))
                .err()
                .unwrap(),
            reason
        );
    }
    let fee = fee(&mut chain, &good);
    let call = certificate(&good, &operators, &[0, 1, 2]);
    let short = chain.pay(PAYER, DA_ENTRANCE, &call, fee - U256::from(1)).err().unwrap();
    assert_eq!(short, format!("FeeTooLow(sent: {}, fee: {fee})", fee - U256::from(1)));
}

#[test]
fn a_certificate_is_recorded_once() {
    let (mut chain, operators) = network(4);
    let header = header(1);
    let fee = fee(&mut chain, &header);
    chain
        .pay(PAYER, DA_ENTRANCE, &certificate(&header, &operators, &[0, 1, 2]), fee)
        .unwrap();
    for signers in [&[0, 1, 2][..], &[0, 1, 2, 3]] {
        let again = chain
            .pay(PAYER, DA_ENTRANCE, &certificate(&header, &operators, signers), fee)
            .err()
            .unwrap();
        assert_eq!(again, format!("AlreadyCertified(root: {})", header.root));
    }
}

/// Seven operators have 85 or 86 of 600 seats each, and 435 to 441 of 3072 rows, so the quorum is a matter of single rows.
#[test]
fn the_quorum_counts_rows_exactly() {
    for (count, data_rows, rows) in [
        (4u8, 1024, 3072u32),
        (7, 1024, 3072),
        (3, 32, 64),
        (5, 1024, 4096),
        (7, 1024, 2048),
        (6, 32, 128),
    ] {
        let (mut chain, operators) = network(count);
        let held: Vec<u32> = seats::of(&vec![STAKE_WEI; count.into()], DA_SEATS)
            .into_iter()
            .map(|own| seat_rows(own, DA_SEATS, rows).len() as u32)
            .collect();
        assert_eq!(held.iter().sum::<u32>(), rows);
        for size in 1..=usize::from(count) {
            let signers: Vec<u32> = (0..size as u32).collect();
            let sum: u32 = held[..size].iter().sum();
            let blob = BlobHeader {
                root: B256::repeat_byte(size as u8),
                dataRows: data_rows,
                rowCount: rows,
                length: 0,
                ..header(1)
            };
            let call = certificate(&blob, &operators, &signers);
            let fee = fee(&mut chain, &blob);
            let outcome = chain.pay(PAYER, DA_ENTRANCE, &call, fee).map(|_| ());
            let expected = if sum >= quorum_rows(data_rows, 0, rows) {
                Ok(())
            } else {
                Err(format!("BelowQuorum(held: {sum}, total: {rows})"))
            };
            assert_eq!(outcome, expected, "{size} of {count} operators, {rows} rows");
        }
    }
}

/// Rows `first_row ..` of a blob of two cosets: added to it, unless they are the first.
fn coset(seed: u8, first_row: u32, base: B256) -> BlobHeader {
    BlobHeader {
        firstRow: first_row,
        rowCount: if first_row == 0 { 2048 } else { 1024 },
        base,
        ..header(seed)
    }
}

#[test]
fn cosets_are_added_in_order_and_dropped_by_who_paid_for_the_last() {
    let (mut chain, operators) = network(4);
    let submit = |chain: &mut Chain, header: &BlobHeader, signers: &[u32]| {
        let fee = fee(chain, header);
        let call = certificate(header, &operators, signers);
        chain.pay(PAYER, DA_ENTRANCE, &call, fee).map(|_| ())
    };
    let added = |chain: &mut Chain, base| chain.view(DA_ENTRANCE, &DAEntrance::addedCall { base });
    let drop = |base| DAEntrance::dropCall { base };
    let base = coset(1, 0, B256::ZERO);
    let (third, fourth) = (coset(2, 2048, base.root), coset(3, 3072, base.root));
    let none = Err(format!("NotNextCoset(base: {}, firstRow: 2048)", base.root));
    assert_eq!(submit(&mut chain, &third, &[0, 1, 2, 3]), none);
    submit(&mut chain, &base, &[0, 1, 2, 3]).unwrap();
    assert!(added(&mut chain, base.root).is_empty() && added(&mut chain, B256::ZERO).is_empty());

    // Not before the one that it follows, nor of another shape, length or time.
    let wrong = Err(format!("NotNextCoset(base: {}, firstRow: 3072)", base.root));
    assert_eq!(submit(&mut chain, &fourth, &[0, 1, 2, 3]), wrong);
    let changes: [fn(&mut BlobHeader); 3] = [|h| h.length -= 1, |h| h.expiryBlock += 1, |h| h.rowBytes += 1];
    for change in changes {
        let mut changed = third.clone();
        change(&mut changed);
        assert_eq!(submit(&mut chain, &changed, &[0, 1, 2, 3]), none);
    }
    // Three of four are two thirds of what is added, but not five sixths of what it is added to.
    let short = Err("BelowQuorum(held: 1536, total: 2048)".to_owned());
    assert_eq!(submit(&mut chain, &third, &[0, 1, 2]), short);
    submit(&mut chain, &third, &[0, 1, 2, 3]).unwrap();
    submit(&mut chain, &fourth, &[0, 1, 2, 3]).unwrap();
    assert_eq!(added(&mut chain, base.root), [third.root, fourth.root]);
    let fifth = coset(4, 4096, base.root);
    assert!(
        submit(&mut chain, &fifth, &[0, 1, 2, 3])
            .unwrap_err()
            .starts_with("InvalidShape")
    );
    // What was added is not added to.
    let onto = coset(5, 3072, third.root);
    assert!(
        submit(&mut chain, &onto, &[0, 1, 2, 3])
            .unwrap_err()
            .starts_with("NotNextCoset")
    );

    let stranger = chain
        .send(operators[0].account, DA_ENTRANCE, &drop(base.root))
        .err()
        .unwrap();
    assert!(stranger.starts_with("NotDroppable"), "{stranger}");
    for (left, gone) in [(vec![third.root], &fourth), (vec![], &third)] {
        let sent = chain.send(PAYER, DA_ENTRANCE, &drop(base.root)).unwrap();
        let [event] = &sent.events::<DAEntrance::CosetDropped>()[..] else {
            panic!("one event")
        };
        assert_eq!(
            (event.base, event.root, event.firstRow),
            (base.root, gone.root, gone.firstRow)
        );
        assert_eq!(added(&mut chain, base.root), left);
        let blob = chain.view(DA_ENTRANCE, &DAEntrance::blobCall { root: gone.root });
        assert_eq!(blob.certifiedBlock, 0);
    }
    assert!(chain.send(PAYER, DA_ENTRANCE, &drop(base.root)).is_err());
    assert!(chain.send(PAYER, DA_ENTRANCE, &drop(B256::ZERO)).is_err());
    // And again: the certificate still holds.
    submit(&mut chain, &third, &[0, 1, 2, 3]).unwrap();
}

#[test]
fn fees_in_equal_fees_out_plus_fees_held() {
    for seed in 0..4 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut chain, operators) = network(5);
        let accounts: Vec<_> = operators.iter().map(|o| o.account).chain([PAYER]).collect();
        for step in 0..12u8 {
            chain.block += rng.random_range(0..100);
            let signers: Vec<u32> = (0..5).filter(|_| rng.random_bool(0.8)).collect();
            if !signers.is_empty() {
                let mut blob = header(step + 1);
                blob.dataRows = 32 << rng.random_range(0..6u32);
                blob.rowCount = rng.random_range(2..=4u32) * blob.dataRows;
                blob.length = 0;
                let fee = fee(&mut chain, &blob);
                let extra = U256::from(rng.random_range(0..3u64));
                let outcome = chain.pay(
                    PAYER,
                    DA_ENTRANCE,
                    &certificate(&blob, &operators, &signers),
                    fee + extra,
                );
                assert!(outcome.is_ok() || outcome.err().unwrap().starts_with("BelowQuorum"));
            }
            let lucky = accounts[rng.random_range(0..accounts.len())];
            let owed = balance(&mut chain, lucky);
            let before = chain.balance(lucky);
            let outcome = chain.send(lucky, DA_ENTRANCE, &DAEntrance::withdrawCall {});
            assert_eq!(outcome.is_ok(), !owed.is_zero());
            assert_eq!(chain.balance(lucky), before + owed);
            let held: U256 = accounts.iter().map(|&account| balance(&mut chain, account)).sum();
            assert_eq!(chain.balance(DA_ENTRANCE), held);
        }
    }
}

/// Random bytes in every field never get past the checks, and never stop the EVM in any other way than a refusal.
#[test]
fn random_certificates_are_refused() {
    let (mut chain, operators) = network(4);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let good = certificate(&header(1), &operators, &[0, 1, 2]);
    for _ in 0..40 {
        let mut call = good.clone();
        let mut mutate = |bytes: &Bytes| -> Bytes {
            let mut bytes = bytes.to_vec();
            match rng.random_range(0..3) {
                0 => bytes.truncate(rng.random_range(0..bytes.len())),
                1 => {
                    let at = rng.random_range(0..bytes.len());
                    bytes[at] ^= 1 << rng.random_range(0..8);
                }
                _ => bytes = (0..rng.random_range(0..400)).map(|_| rng.random()).collect(),
            }
            bytes.into()
        };
        call.signature = mutate(&call.signature);
        call.signersBitmap = mutate(&call.signersBitmap);
        let refusal = chain
            .pay(PAYER, DA_ENTRANCE, &call, U256::from(1u128 << 100))
            .err()
            .unwrap();
        let known = ["InvalidBitmap", "InvalidSignature", "BelowQuorum"];
        assert!(known.iter().any(|name| refusal.starts_with(name)), "{refusal}");
    }
}
