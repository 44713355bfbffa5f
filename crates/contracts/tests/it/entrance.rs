//! Availability certificates: only a quorum's signature over exactly these blobs is recorded, once, and who promised pays the signers.

use crate::{
    chain::{CHAIN_ID, Chain},
    keys::{Operator, STAKE_WEI, Wallet, aggregate},
    seats,
};
use alloy_sol_types::SolEvent;
use contracts::{
    DA_SEATS, DA_SERVICE, EPOCH_BLOCKS,
    abi::DAEntrance::{self, BlobHeader, Permit},
    addresses::{DA_ENTRANCE, DA_LOTTERY},
    typed_data::{certificate_message, commitment_words, permit_digest, quorum_rows, seat_rows, signers_bitmap},
};
use primitives::{Address, B256, Bytes, U256};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Sends transactions; what blobs cost is [`payer`]'s.
pub const PAYER: Address = Address::repeat_byte(0xfa);

/// Last block of the tests' promises.
const DEADLINE: u64 = 2_400;

/// What the payer of blobs has in escrow, wei.
const ESCROW_WEI: u128 = 1 << 110;

/// Who promises to pay for blobs.
pub fn payer() -> Wallet {
    Wallet::new(0x77)
}

pub fn network(operators: u8) -> (Chain, Vec<Operator>) {
    let operators: Vec<_> = (1..=operators).map(Operator::new).collect();
    let mut chain = Chain::genesis(contracts::addresses::FAUCET, &operators);
    chain.fund(PAYER, U256::from(1u128 << 120));
    let payer = payer().address;
    chain
        .pay(
            PAYER,
            DA_ENTRANCE,
            &DAEntrance::depositCall { payer },
            U256::from(ESCROW_WEI),
        )
        .unwrap();
    (chain, operators)
}

pub fn header(seed: u8) -> BlobHeader {
    let (commitment_head, commitment_tail) = commitment_words(&[seed ^ 0xcc; 48]);
    BlobHeader {
        root: B256::repeat_byte(seed),
        groupsRoot: B256::repeat_byte(seed ^ 0xbb),
        commitmentHead: commitment_head,
        commitmentTail: commitment_tail,
        quorum: DA_SERVICE,
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

/// A promise of `wallet` to pay for a blob.
pub fn permit(wallet: &Wallet, header: &BlobHeader, deadline: u64) -> Permit {
    permit_of(wallet, header, B256::ZERO, deadline)
}

/// A promise of `wallet` to pay for a blob, unless it paid for another under `purchase`.
pub fn permit_of(wallet: &Wallet, header: &BlobHeader, purchase: B256, deadline: u64) -> Permit {
    Permit {
        purchase,
        deadline,
        signature: wallet.sign(permit_digest(CHAIN_ID, DA_ENTRANCE, header, purchase, deadline)),
    }
}

/// The certificate that `signers` really make for one blob.
pub fn certificate(header: &BlobHeader, operators: &[Operator], signers: &[u32]) -> DAEntrance::submitCall {
    batch(std::slice::from_ref(header), operators, signers)
}

/// The certificate that `signers` really make for blobs together.
pub fn batch(headers: &[BlobHeader], operators: &[Operator], signers: &[u32]) -> DAEntrance::submitCall {
    let message = certificate_message(CHAIN_ID, DA_ENTRANCE, headers);
    let payer = payer();
    DAEntrance::submitCall {
        headers: headers.to_vec(),
        permits: headers.iter().map(|header| permit(&payer, header, DEADLINE)).collect(),
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

fn escrow(chain: &mut Chain, payer: Address) -> DAEntrance::Escrow {
    chain.view(DA_ENTRANCE, &DAEntrance::escrowOfCall { payer })
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
    let sent = chain.send(PAYER, DA_ENTRANCE, &call).unwrap();

    let [event] = &sent.events::<DAEntrance::BlobCertified>()[..] else {
        panic!("one event")
    };
    assert_eq!((event.root, event.payer), (first.root, payer().address));
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

    // An eighth of the fee to the lottery; thirds of the rest, the remainder to the first signer, nothing to the one that did not sign. What it is
    // not, stays the payer's.
    let share = fee / U256::from(8);
    let third = (fee - share) / U256::from(3);
    assert_eq!(balance(&mut chain, DA_LOTTERY), share);
    assert_eq!(
        balance(&mut chain, operators[0].account),
        fee - share - third * U256::from(2)
    );
    assert_eq!(balance(&mut chain, operators[1].account), third);
    assert_eq!(balance(&mut chain, operators[2].account), U256::ZERO);
    assert_eq!(balance(&mut chain, operators[3].account), third);
    let left = escrow(&mut chain, payer().address).balance;
    assert_eq!(U256::from(left), U256::from(ESCROW_WEI) - fee);
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
    let sent = chain.send(PAYER, DA_ENTRANCE, &call).unwrap();
    let [upload] = &sent.events::<DAEntrance::DataUpload>()[..] else {
        panic!("one upload")
    };
    assert_eq!((upload.sender, upload.dataRoot), (payer().address, blob.root));
    assert_eq!((upload.epoch, upload.quorumId), (U256::from(blob.epoch), U256::ZERO));
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
    for headers in [vec![header(7)], vec![header(1), header(2)], vec![]] {
        let onchain = chain.view(
            DA_ENTRANCE,
            &DAEntrance::certificateMessageCall {
                headers: headers.clone(),
            },
        );
        assert_eq!(certificate_message(CHAIN_ID, DA_ENTRANCE, &headers), onchain);
    }
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
        change(&mut call.headers[0]);
        assert_eq!(chain.send(PAYER, DA_ENTRANCE, &call).err().unwrap(), "InvalidSignature");
    }
}

#[test]
fn a_certificate_by_others_than_its_bitmap_says_is_refused() {
    let (mut chain, operators) = network(4);
    let header = header(1);
    let refused =
        |chain: &mut Chain, call: &DAEntrance::submitCall| chain.send(PAYER, DA_ENTRANCE, call).err().unwrap();

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
        certificate_message(1, DA_ENTRANCE, std::slice::from_ref(&header)),
        certificate_message(CHAIN_ID, PAYER, std::slice::from_ref(&header)),
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
        assert_eq!(chain.send(PAYER, DA_ENTRANCE, &call).err().unwrap(), "InvalidSignature");
    }
    chain.send(PAYER, DA_ENTRANCE, &good).unwrap();
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
fn a_header_out_of_bounds_is_refused() {
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
        assert_eq!(chain.send(PAYER, DA_ENTRANCE, &call).err().unwrap(), reason);
    }
}

#[test]
fn blobs_are_certified_together_and_each_by_who_promised_to_pay_for_it() {
    let (mut chain, operators) = network(4);
    let headers: Vec<_> = (1..=3).map(header).collect();
    let other = Wallet::new(0x78);
    let each = fee(&mut chain, &headers[0]);
    let deposit = DAEntrance::depositCall { payer: other.address };
    chain.pay(PAYER, DA_ENTRANCE, &deposit, each + U256::from(7)).unwrap();
    let mut call = batch(&headers, &operators, &[1, 2, 3]);
    call.permits[1] = permit(&other, &headers[1], DEADLINE);
    let sent = chain.send(PAYER, DA_ENTRANCE, &call).unwrap();
    let payers: Vec<_> = (sent.events::<DAEntrance::BlobCertified>().iter())
        .map(|event| (event.root, event.payer))
        .collect();
    let mine = payer().address;
    let expected = [mine, other.address, mine];
    assert_eq!(payers, headers.iter().map(|h| h.root).zip(expected).collect::<Vec<_>>());
    assert_eq!(escrow(&mut chain, other.address).balance, 7);
    let accounts = operators.iter().map(|o| o.account).chain([DA_LOTTERY]);
    let paid: U256 = accounts.map(|account| balance(&mut chain, account)).sum();
    assert_eq!(paid, each * U256::from(3));

    // One of a batch that is recorded already is left as it is; a batch of nothing new is refused.
    let again = batch(&[header(4), header(1)], &operators, &[0, 1, 2]);
    let sent = chain.send(PAYER, DA_ENTRANCE, &again).unwrap();
    assert_eq!(sent.events::<DAEntrance::BlobCertified>().len(), 1);
    let again = chain.send(PAYER, DA_ENTRANCE, &again).err().unwrap();
    assert_eq!(again, format!("AlreadyCertified(root: {})", header(4).root));
}

#[test]
fn a_batch_that_is_none_is_refused() {
    let (mut chain, operators) = network(4);
    let refused =
        |chain: &mut Chain, call: &DAEntrance::submitCall| chain.send(PAYER, DA_ENTRANCE, call).err().unwrap();
    let many: Vec<_> = (0..65).map(header).collect();
    let signers = &[0, 1, 2];
    assert_eq!(
        refused(&mut chain, &batch(&many, &operators, signers)),
        "InvalidBatch(headers: 65, permits: 65)"
    );
    assert_eq!(
        refused(&mut chain, &batch(&[], &operators, signers)),
        "InvalidBatch(headers: 0, permits: 0)"
    );
    let mut short = batch(&many[..3], &operators, signers);
    short.permits.pop();
    assert_eq!(refused(&mut chain, &short), "InvalidBatch(headers: 3, permits: 2)");
    let mut later = header(2);
    later.epoch = 1;
    assert_eq!(
        refused(&mut chain, &batch(&[header(1), later], &operators, signers)),
        "WrongEpoch(epoch: 1, current: 0)"
    );

    // Two of four have rows enough for no blob: one that is recorded already does not count as the shape that was looked at.
    chain
        .send(PAYER, DA_ENTRANCE, &certificate(&header(1), &operators, signers))
        .unwrap();
    let few = batch(&[header(1), header(2)], &operators, &[0, 1]);
    assert_eq!(refused(&mut chain, &few), "BelowQuorum(held: 1536, total: 3072)");
    let mixed = BlobHeader {
        rowCount: 4096,
        ..header(3)
    };
    let few = batch(&[header(2), mixed], &operators, &[0, 1]);
    assert!(refused(&mut chain, &few).starts_with("BelowQuorum"));
}

#[test]
fn a_promise_counts_for_its_blob_until_its_deadline_and_only_with_the_money_there() {
    let (mut chain, operators) = network(4);
    let good = certificate(&header(1), &operators, &[0, 1, 2]);
    let refused = |chain: &mut Chain, permit: Permit| {
        let permits = vec![permit];
        let call = DAEntrance::submitCall {
            permits,
            ..good.clone()
        };
        chain.send(PAYER, DA_ENTRANCE, &call).err().unwrap()
    };
    let root = header(1).root;
    let fee = fee(&mut chain, &header(1));

    // Nobody's signature, and another's that has nothing: of another blob, of another deadline, or a stranger's.
    for signature in [Bytes::new(), Bytes::from(vec![1; 65]), Bytes::from(vec![0xff; 65])] {
        let permit = Permit {
            purchase: B256::ZERO,
            deadline: DEADLINE,
            signature,
        };
        let reason = refused(&mut chain, permit);
        assert!(
            reason == format!("InvalidPermit(root: {root})") || reason.starts_with("EscrowTooLow"),
            "{reason}"
        );
    }
    let mut stretched = permit(&payer(), &header(1), DEADLINE);
    stretched.deadline += 1;
    let mut renamed = permit_of(&payer(), &header(1), B256::repeat_byte(1), DEADLINE);
    renamed.purchase = B256::repeat_byte(2);
    for permit in [
        permit(&Wallet::new(9), &header(1), DEADLINE),
        permit(&payer(), &header(2), DEADLINE),
        stretched,
        renamed,
    ] {
        let reason = refused(&mut chain, permit);
        assert!(
            reason.starts_with("EscrowTooLow") && reason.ends_with(&format!("balance: 0, needed: {fee})")),
            "{reason}"
        );
    }
    let over = permit(&payer(), &header(1), 0);
    assert_eq!(
        refused(&mut chain, over),
        format!("PermitExpired(root: {root}, deadline: 0)")
    );
    chain.block = DEADLINE;
    let call = good.clone();
    chain.send(PAYER, DA_ENTRANCE, &call).unwrap();
}

#[test]
fn money_in_escrow_leaves_after_twice_the_longest_promise_and_promises_go_first() {
    let (mut chain, operators) = network(4);
    let mine = payer().address;
    let take = DAEntrance::withdrawEscrowCall {};
    let refused = |chain: &mut Chain| chain.send(mine, DA_ENTRANCE, &take).err().unwrap();
    assert_eq!(refused(&mut chain), "NothingFree(freeBlock: 0)");
    let all = U256::from(ESCROW_WEI);
    let too_much = DAEntrance::announceWithdrawalCall { amount: ESCROW_WEI + 1 };
    let reason = chain.send(mine, DA_ENTRANCE, &too_much).err().unwrap();
    assert!(reason.starts_with("EscrowTooLow"), "{reason}");
    let announce = DAEntrance::announceWithdrawalCall { amount: ESCROW_WEI };
    chain.send(mine, DA_ENTRANCE, &announce).unwrap();
    let free_block = chain.block + 2_400;
    assert_eq!(escrow(&mut chain, mine).leaving, ESCROW_WEI);

    chain.block = free_block - 1;
    assert_eq!(refused(&mut chain), format!("NothingFree(freeBlock: {free_block})"));
    let fee = fee(&mut chain, &header(1));
    let kept = certificate(&header(1), &operators, &[0, 1, 2]);
    chain.send(PAYER, DA_ENTRANCE, &kept).unwrap();
    chain.block = free_block;
    let before = chain.balance(mine);
    assert_eq!(chain.send(mine, DA_ENTRANCE, &take).unwrap().result, all - fee);
    assert_eq!(chain.balance(mine), before + all - fee);
    let after = escrow(&mut chain, mine);
    assert_eq!((after.balance, after.leaving), (0, 0));
}

#[test]
fn a_promise_that_was_not_kept_is_charged_once_to_the_whole_committee() {
    let (mut chain, operators) = network(4);
    let blob = header(1);
    let lapse = DAEntrance::lapseCall {
        header: blob.clone(),
        permit: permit(&payer(), &blob, DEADLINE),
    };
    let refused = |chain: &mut Chain, call: &DAEntrance::lapseCall| chain.send(PAYER, DA_ENTRANCE, call).err().unwrap();
    let not_lapsed = format!("NotLapsed(root: {})", blob.root);
    chain.block = DEADLINE;
    assert_eq!(refused(&mut chain, &lapse), not_lapsed);
    chain.block = DEADLINE + 1;
    // Other rows, another epoch: other words than were signed, so somebody else's, who has nothing.
    let mut other = lapse.clone();
    other.header.rowBytes *= 2;
    let sent = chain.send(PAYER, DA_ENTRANCE, &other).unwrap();
    assert_eq!(sent.events::<DAEntrance::PermitLapsed>()[0].charged, U256::ZERO);

    let sent = chain.send(PAYER, DA_ENTRANCE, &lapse).unwrap();
    let charged = U256::from(3072u64 * 1024 * 1_200 * contracts::PRICE_PER_BYTE_BLOCK_WEI);
    let [event] = &sent.events::<DAEntrance::PermitLapsed>()[..] else {
        panic!("one event")
    };
    assert_eq!(
        (event.root, event.payer, event.charged),
        (blob.root, payer().address, charged)
    );
    for operator in &operators {
        assert_eq!(balance(&mut chain, operator.account), charged / U256::from(4));
    }
    assert_eq!(
        U256::from(escrow(&mut chain, payer().address).balance),
        U256::from(ESCROW_WEI) - charged
    );
    assert_eq!(refused(&mut chain, &lapse), format!("PermitSpent(root: {})", blob.root));
    let late = chain.send(PAYER, DA_ENTRANCE, &certificate(&blob, &operators, &[0, 1, 2]));
    assert!(late.err().unwrap().starts_with("PermitExpired"));

    // One that was kept never lapses.
    let mut second = batch(&[header(2)], &operators, &[0, 1, 2]);
    let kept = permit(&payer(), &header(2), DEADLINE + 10);
    second.permits = vec![kept.clone()];
    chain.send(PAYER, DA_ENTRANCE, &second).unwrap();
    chain.block += 100;
    let lapse = DAEntrance::lapseCall {
        header: header(2),
        permit: kept,
    };
    assert_eq!(
        refused(&mut chain, &lapse),
        format!("NotLapsed(root: {})", header(2).root)
    );
}

#[test]
fn a_certificate_is_recorded_once() {
    let (mut chain, operators) = network(4);
    let header = header(1);
    chain
        .send(PAYER, DA_ENTRANCE, &certificate(&header, &operators, &[0, 1, 2]))
        .unwrap();
    for signers in [&[0, 1, 2][..], &[0, 1, 2, 3]] {
        let again = chain
            .send(PAYER, DA_ENTRANCE, &certificate(&header, &operators, signers))
            .err()
            .unwrap();
        assert_eq!(again, format!("AlreadyCertified(root: {})", header.root));
    }
}

#[test]
fn a_stale_certificate_is_taken_for_two_epochs_after_its_blobs_own() {
    let (mut chain, operators) = network(4);
    let late = |seed, deadline| DAEntrance::submitCall {
        permits: vec![permit(&payer(), &header(seed), deadline)],
        ..certificate(&header(seed), &operators, &[0, 1, 2])
    };
    chain.block = 3 * EPOCH_BLOCKS - 1;
    let deadline = 3 * EPOCH_BLOCKS;
    chain.send(PAYER, DA_ENTRANCE, &late(1, deadline)).unwrap();
    chain.block = 3 * EPOCH_BLOCKS;
    assert_eq!(
        chain.send(PAYER, DA_ENTRANCE, &late(2, deadline)).err().unwrap(),
        "WrongEpoch(epoch: 0, current: 3)"
    );
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
            let outcome = chain.send(PAYER, DA_ENTRANCE, &call).map(|_| ());
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
        let call = certificate(header, &operators, signers);
        chain.send(PAYER, DA_ENTRANCE, &call).map(|_| ())
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
        let sent = chain.send(payer().address, DA_ENTRANCE, &drop(base.root)).unwrap();
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
    assert!(chain.send(payer().address, DA_ENTRANCE, &drop(base.root)).is_err());
    assert!(chain.send(payer().address, DA_ENTRANCE, &drop(B256::ZERO)).is_err());
    // And again: the certificate still holds, and wants another promise, or anybody could add and charge for ever.
    let spent = format!("PermitSpent(root: {})", third.root);
    assert_eq!(submit(&mut chain, &third, &[0, 1, 2, 3]), Err(spent));
    let mut again = certificate(&third, &operators, &[0, 1, 2, 3]);
    again.permits = vec![permit(&payer(), &third, DEADLINE + 1)];
    chain.send(PAYER, DA_ENTRANCE, &again).unwrap();
}

#[test]
fn fees_in_equal_fees_out_plus_fees_held() {
    for seed in 0..4 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut chain, operators) = network(5);
        let accounts: Vec<_> = operators.iter().map(|o| o.account).chain([PAYER]).collect();
        for step in 0..12u8 {
            chain.block += rng.random_range(1..100);
            let signers: Vec<u32> = (0..5).filter(|_| rng.random_bool(0.8)).collect();
            if !signers.is_empty() {
                let mut blob = header(step + 1);
                blob.dataRows = 32 << rng.random_range(0..6u32);
                blob.rowCount = rng.random_range(2..=4u32) * blob.dataRows;
                blob.length = 0;
                if rng.random_bool(0.8) {
                    let mut call = certificate(&blob, &operators, &signers);
                    call.permits = vec![permit(&payer(), &blob, chain.block + 1)];
                    let outcome = chain.send(PAYER, DA_ENTRANCE, &call);
                    assert!(outcome.is_ok() || outcome.err().unwrap().starts_with("BelowQuorum"));
                } else {
                    let permit = permit(&payer(), &blob, chain.block - 1);
                    let lapse = DAEntrance::lapseCall { header: blob, permit };
                    chain.send(PAYER, DA_ENTRANCE, &lapse).unwrap();
                }
            }
            let mine = payer().address;
            let amount = rng.random_range(0..ESCROW_WEI / 4);
            if step == 8 {
                chain.block += 2_400;
            }
            match rng.random_range(0..3) {
                0 => drop(chain.send(mine, DA_ENTRANCE, &DAEntrance::announceWithdrawalCall { amount })),
                1 => drop(chain.send(mine, DA_ENTRANCE, &DAEntrance::withdrawEscrowCall {})),
                _ => {
                    let deposit = DAEntrance::depositCall { payer: mine };
                    chain.pay(PAYER, DA_ENTRANCE, &deposit, U256::from(amount / 4)).unwrap();
                }
            }
            let lucky = accounts[rng.random_range(0..accounts.len())];
            let owed = balance(&mut chain, lucky);
            let before = chain.balance(lucky);
            let outcome = chain.send(lucky, DA_ENTRANCE, &DAEntrance::withdrawCall {});
            assert_eq!(outcome.is_ok(), !owed.is_zero());
            assert_eq!(chain.balance(lucky), before + owed);
            let owed = accounts.iter().chain([&DA_LOTTERY]);
            let held: U256 = owed.map(|&account| balance(&mut chain, account)).sum();
            let set_aside = escrow(&mut chain, mine);
            assert!(set_aside.leaving <= set_aside.balance);
            assert_eq!(chain.balance(DA_ENTRANCE), held + U256::from(set_aside.balance));
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
        let refusal = chain.send(PAYER, DA_ENTRANCE, &call).err().unwrap();
        let known = ["InvalidBitmap", "InvalidSignature", "BelowQuorum"];
        assert!(known.iter().any(|name| refusal.starts_with(name)), "{refusal}");
    }
}
