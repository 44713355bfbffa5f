//! Quorums: who opens them, that a blob is of one and of no other, and that who answers for it is that one's.

use crate::{
    chain::{CHAIN_ID, Chain},
    challenges::Scene,
    entrance::{self, PAYER, network, payer},
    keys::{Operator, aggregate},
};
use contracts::{
    DA_MIN_STAKE_WEI, DA_SEATS, DA_SERVICE, EPOCH_BLOCKS, SERVICE_CREATION_WEI,
    abi::{
        DAEntrance::{self, BlobHeader},
        DALottery::{self, Ticket},
        NetworkRegistry as Networks, StakeVault,
    },
    addresses::{DA_CHALLENGES, DA_ENTRANCE, DA_LOTTERY, FAUCET, NETWORK_REGISTRY},
    typed_data::{certificate_message, signers_bitmap},
};
use primitives::{Address, B256, U256};

/// Who calls `closeEpoch` in a block, as the executor has it.
const SYSTEM: Address = Address::repeat_byte(0xfe);
/// Who creates the tests' services. Not who may open quorums.
const STRANGER: Address = Address::repeat_byte(0x57);
/// What a quorum is: kind, allocation, slasher, least stake.
const ALIKE: (u8, u8, Address, u128) = (1, 0, DA_CHALLENGES, DA_MIN_STAKE_WEI);

fn create(chain: &mut Chain, (kind, allocation, slasher, least): (u8, u8, Address, u128)) -> u32 {
    let call = Networks::createCall {
        kind,
        allocation,
        slasher,
        seats: DA_SEATS,
        minStake: least,
    };
    let fee = U256::from(SERVICE_CREATION_WEI);
    chain.fund(STRANGER, fee);
    chain.pay(STRANGER, NETWORK_REGISTRY, &call, fee).unwrap().result
}

fn activate(chain: &mut Chain, service: u32) {
    let call = Networks::activateCall { service };
    chain.send(STRANGER, NETWORK_REGISTRY, &call).unwrap();
}

fn drain(chain: &mut Chain, service: u32) {
    let call = Networks::drainCall { service };
    chain.send(STRANGER, NETWORK_REGISTRY, &call).unwrap();
}

fn open(chain: &mut Chain, from: Address, service: u32) -> Result<(), String> {
    let call = DAEntrance::openQuorumCall { service };
    let opened = chain.send(from, DA_ENTRANCE, &call)?;
    let events = opened.events::<DAEntrance::QuorumOpened>();
    assert_eq!(events, [DAEntrance::QuorumOpened { quorum: service }]);
    Ok(())
}

fn is_open(chain: &mut Chain, quorum: u32) -> bool {
    chain.view(DA_ENTRANCE, &DAEntrance::isOpenCall { quorum })
}

/// Goes on to the first block of `epoch`; each epoch before it closes every committee.
fn begin_epoch(chain: &mut Chain, epoch: u64) {
    for epoch in chain.block / EPOCH_BLOCKS + 1..=epoch {
        chain.block = epoch * EPOCH_BLOCKS;
        chain
            .send(SYSTEM, NETWORK_REGISTRY, &Networks::closeEpochCall {})
            .unwrap();
    }
}

/// A second quorum of these operators, in this order, and an epoch in which it has a committee.
fn second_quorum<'a>(chain: &mut Chain, operators: impl IntoIterator<Item = &'a Operator>) -> u32 {
    let service = create(chain, ALIKE);
    for operator in operators {
        let call = Networks::optInCall { service, displaced: 0 };
        chain.send(operator.account, NETWORK_REGISTRY, &call).unwrap();
    }
    activate(chain, service);
    open(chain, FAUCET, service).unwrap();
    begin_epoch(chain, 3);
    service
}

/// The certificate that `signers`, of `members` members, make for blobs together.
fn certificate(
    chain: &Chain,
    headers: &[BlobHeader],
    members: &[&Operator],
    signers: &[u32],
) -> DAEntrance::submitCall {
    let message = certificate_message(CHAIN_ID, DA_ENTRANCE, headers);
    let permit = |header| entrance::permit(&payer(), header, chain.block + 100);
    DAEntrance::submitCall {
        headers: headers.to_vec(),
        permits: headers.iter().map(permit).collect(),
        signersBitmap: signers_bitmap(signers.iter().copied(), members.len() as u32),
        signature: aggregate(signers.iter().map(|&index| members[index as usize]), message),
    }
}

fn header_of(quorum: u32, seed: u8) -> BlobHeader {
    BlobHeader {
        quorum,
        epoch: 3,
        ..entrance::header(seed)
    }
}

#[test]
fn the_steward_opens_services_like_the_first_quorum_and_nobody_opens_others() {
    let (mut chain, _) = network(4);
    let good = create(&mut chain, ALIKE);
    assert_eq!(
        open(&mut chain, STRANGER, good).unwrap_err(),
        format!("NotTheSteward(account: {STRANGER})")
    );
    let (kind, allocation, slasher, least) = ALIKE;
    for unlike in [
        (3, allocation, slasher, least),
        (kind, 1, slasher, least),
        (kind, allocation, STRANGER, least),
        (kind, allocation, slasher, least - 1),
    ] {
        let service = create(&mut chain, unlike);
        let refused = open(&mut chain, FAUCET, service).unwrap_err();
        assert_eq!(refused, format!("UnlikeTheFirst(service: {service})"));
    }
    let drained = create(&mut chain, ALIKE);
    drain(&mut chain, drained);
    let refused = open(&mut chain, FAUCET, drained).unwrap_err();
    assert_eq!(refused, format!("UnlikeTheFirst(service: {drained})"));
    assert_eq!(open(&mut chain, FAUCET, 99).unwrap_err(), "NoSuchService(service: 99)");

    open(&mut chain, FAUCET, good).unwrap();
    let again = open(&mut chain, FAUCET, good).unwrap_err();
    assert_eq!(again, format!("QuorumIsOpen(quorum: {good})"));
    let first = open(&mut chain, FAUCET, DA_SERVICE).unwrap_err();
    assert_eq!(first, format!("QuorumIsOpen(quorum: {DA_SERVICE})"));
    let quorums = chain.view(DA_ENTRANCE, &DAEntrance::quorumsCall {});
    assert_eq!(quorums, [DA_SERVICE, good]);

    assert!(
        is_open(&mut chain, DA_SERVICE) && !is_open(&mut chain, good),
        "it has no committee"
    );
    activate(&mut chain, good);
    assert!(is_open(&mut chain, good) && !is_open(&mut chain, drained));
}

#[test]
fn there_are_sixty_four_quorums_at_most() {
    let (mut chain, _) = network(4);
    for _ in 1..64 {
        let service = create(&mut chain, ALIKE);
        open(&mut chain, FAUCET, service).unwrap();
    }
    let service = create(&mut chain, ALIKE);
    assert_eq!(open(&mut chain, FAUCET, service).unwrap_err(), "TooManyQuorums");
}

#[test]
fn a_blob_is_certified_by_its_own_quorum_and_by_no_other() {
    let (mut chain, operators) = network(4);
    let second = second_quorum(&mut chain, &operators[2..]);
    let other = create(&mut chain, ALIKE);
    let (all, own): (Vec<_>, Vec<_>) = (operators.iter().collect(), operators[2..].iter().collect());
    let refused =
        |chain: &mut Chain, call: &DAEntrance::submitCall| chain.send(PAYER, DA_ENTRANCE, call).err().unwrap();

    // The first quorum's signers, by their places and by the second's; and the first's word for a blob of the second.
    let blob = header_of(second, 1);
    let call = certificate(&chain, std::slice::from_ref(&blob), &all, &[0, 1, 2]);
    assert_eq!(refused(&mut chain, &call), "InvalidBitmap");
    let call = certificate(&chain, std::slice::from_ref(&blob), &all[..2], &[0, 1]);
    assert_eq!(refused(&mut chain, &call), "InvalidSignature");
    let call = certificate(&chain, &[header_of(DA_SERVICE, 1)], &own, &[0, 1]);
    assert_eq!(refused(&mut chain, &call), "InvalidSignature");
    let mut call = certificate(&chain, &[header_of(DA_SERVICE, 1)], &all, &[0, 1, 2]);
    call.headers[0].quorum = second;
    assert_eq!(refused(&mut chain, &call), "InvalidBitmap");

    // One certificate is one quorum's.
    let mixed = [blob.clone(), header_of(DA_SERVICE, 2)];
    let call = certificate(&chain, &mixed, &own, &[0, 1]);
    assert_eq!(
        refused(&mut chain, &call),
        format!("WrongQuorum(quorum: {DA_SERVICE}, expected: {second})")
    );
    // A promise is for the quorum that it names.
    let mut call = certificate(&chain, std::slice::from_ref(&blob), &own, &[0, 1]);
    call.permits = vec![entrance::permit(&payer(), &header_of(DA_SERVICE, 1), chain.block + 100)];
    assert!(refused(&mut chain, &call).starts_with("EscrowTooLow"));

    let call = certificate(&chain, std::slice::from_ref(&blob), &own, &[0, 1]);
    let sent = chain.send(PAYER, DA_ENTRANCE, &call).unwrap();
    let numbers = (
        sent.events::<DAEntrance::DataUpload>()[0].quorumId,
        sent.events::<DAEntrance::ErasureCommitmentVerified>()[0].quorumId,
    );
    assert_eq!(numbers, (U256::from(second), U256::from(second)));
    let record = chain.view(DA_ENTRANCE, &DAEntrance::blobCall { root: blob.root });
    assert_eq!((record.quorum, record.epoch, record.rowCount), (second, 3, 3072));
    let earned = |chain: &mut Chain, operator: &Operator| {
        let account = operator.account;
        chain.view(DA_ENTRANCE, &DAEntrance::balancesCall { account })
    };
    assert_eq!(earned(&mut chain, all[0]), U256::ZERO);
    assert!(earned(&mut chain, all[3]) > U256::ZERO);

    // What is added to it is that quorum's too, also when the quorum drains; it takes no other blob then.
    let coset = |quorum| BlobHeader {
        firstRow: 3072,
        rowCount: 1024,
        base: blob.root,
        ..header_of(quorum, 3)
    };
    let call = certificate(&chain, &[coset(DA_SERVICE)], &all, &[0, 1, 2]);
    assert_eq!(
        refused(&mut chain, &call),
        format!("NotNextCoset(base: {}, firstRow: 3072)", blob.root)
    );
    drain(&mut chain, second);
    let call = certificate(&chain, &[header_of(second, 4)], &own, &[0, 1]);
    assert_eq!(refused(&mut chain, &call), format!("QuorumNotOpen(quorum: {second})"));
    let call = certificate(&chain, &[coset(second)], &own, &[0, 1]);
    chain.send(PAYER, DA_ENTRANCE, &call).unwrap();

    // A service that nobody opened is none, whoever is in it.
    for operator in &operators {
        let call = Networks::optInCall {
            service: other,
            displaced: 0,
        };
        chain.send(operator.account, NETWORK_REGISTRY, &call).unwrap();
    }
    activate(&mut chain, other);
    begin_epoch(&mut chain, 6);
    let blob = BlobHeader {
        epoch: 6,
        ..header_of(other, 5)
    };
    let call = certificate(&chain, &[blob], &all, &[0, 1, 2]);
    assert_eq!(refused(&mut chain, &call), format!("QuorumNotOpen(quorum: {other})"));
}

#[test]
fn a_promise_that_lapsed_pays_the_quorum_that_it_names() {
    let (mut chain, operators) = network(4);
    let second = second_quorum(&mut chain, &operators[2..]);
    let blob = header_of(second, 1);
    let permit = entrance::permit(&payer(), &blob, chain.block);
    chain.block += 1;
    let lapse = |chain: &mut Chain, header: BlobHeader| {
        let call = DAEntrance::lapseCall {
            header,
            permit: permit.clone(),
        };
        let sent = chain.send(PAYER, DA_ENTRANCE, &call).unwrap();
        sent.events::<DAEntrance::PermitLapsed>()[0].charged
    };
    // In another quorum's name it is somebody else's, who has nothing.
    let elsewhere = BlobHeader {
        quorum: DA_SERVICE,
        ..blob.clone()
    };
    assert_eq!(lapse(&mut chain, elsewhere), U256::ZERO);
    let charged = lapse(&mut chain, blob);
    assert_eq!(
        charged,
        U256::from(3072u64 * 1024 * 1_200 * contracts::PRICE_PER_BYTE_BLOCK_WEI)
    );
    for (place, operator) in operators.iter().enumerate() {
        let account = operator.account;
        let earned = chain.view(DA_ENTRANCE, &DAEntrance::balancesCall { account });
        let share = if place < 2 { U256::ZERO } else { charged / U256::from(2) };
        assert_eq!(earned, share, "operator {place}");
    }
}

/// Who was not answered by one quorum offers the payload to another. Its first promise is still there: whoever in the first quorum holds it can have the
/// rows signed for and recorded.
#[test]
fn a_purchase_is_paid_for_once_whichever_quorum_certifies_it_first_and_the_other_promise_lapses() {
    let (mut chain, operators) = network(4);
    let second = second_quorum(&mut chain, &operators[2..]);
    let (all, own): (Vec<_>, Vec<_>) = (operators.iter().collect(), operators[2..].iter().collect());
    let purchase = B256::repeat_byte(0xb1);
    let deadline = chain.block + 100;
    let (here, there) = (header_of(DA_SERVICE, 1), header_of(second, 2));
    let promised = |mut call: DAEntrance::submitCall, purchases: &[B256]| {
        let permits = call.headers.iter().zip(purchases);
        call.permits = permits
            .map(|(header, purchase)| entrance::permit_of(&payer(), header, *purchase, deadline))
            .collect();
        call
    };
    let paid = |chain: &mut Chain, purchase| {
        let payer = payer().address;
        chain.view(DA_ENTRANCE, &DAEntrance::purchasedCall { payer, purchase })
    };
    let left = |chain: &mut Chain| {
        let payer = payer().address;
        chain.view(DA_ENTRANCE, &DAEntrance::escrowOfCall { payer }).balance
    };
    assert_eq!(paid(&mut chain, purchase), B256::ZERO);
    let call = certificate(&chain, std::slice::from_ref(&there), &own, &[0, 1]);
    chain.send(PAYER, DA_ENTRANCE, &promised(call, &[purchase])).unwrap();
    assert_eq!(paid(&mut chain, purchase), there.root);

    // The first quorum's certificate alone, and with other blobs, of which one is the same purchase's again.
    let before = left(&mut chain);
    let call = certificate(&chain, std::slice::from_ref(&here), &all, &[0, 1, 2]);
    let refused = chain
        .send(PAYER, DA_ENTRANCE, &promised(call, &[purchase]))
        .err()
        .unwrap();
    assert_eq!(refused, format!("AlreadyCertified(root: {})", here.root));
    assert_eq!(left(&mut chain), before);
    let batch = [
        here.clone(),
        header_of(DA_SERVICE, 3),
        header_of(DA_SERVICE, 4),
        header_of(DA_SERVICE, 5),
    ];
    let other = B256::repeat_byte(0xb2);
    let call = promised(
        certificate(&chain, &batch, &all, &[0, 1, 2]),
        &[purchase, other, other, B256::ZERO],
    );
    let fee = entrance::fee(&mut chain, &here);
    let sent = chain.send(PAYER, DA_ENTRANCE, &call).unwrap();
    let recorded: Vec<_> = sent
        .events::<DAEntrance::BlobCertified>()
        .iter()
        .map(|event| event.root)
        .collect();
    assert_eq!(recorded, [batch[1].root, batch[3].root]);
    assert_eq!(U256::from(before - left(&mut chain)), fee * U256::from(2));
    assert_eq!(paid(&mut chain, other), batch[1].root);
    assert_eq!(paid(&mut chain, B256::ZERO), B256::ZERO, "no purchase is none of them");

    // Another payer's purchase of the same name is its own.
    let stranger = crate::keys::Wallet::new(0x31);
    let call = DAEntrance::purchasedCall {
        payer: stranger.address,
        purchase,
    };
    assert_eq!(chain.view(DA_ENTRANCE, &call), B256::ZERO);

    // Disks of the first quorum waited for it: that much is charged.
    chain.block = deadline + 1;
    let before = left(&mut chain);
    let lapse = DAEntrance::lapseCall {
        permit: entrance::permit_of(&payer(), &here, purchase, deadline),
        header: here,
    };
    chain.send(PAYER, DA_ENTRANCE, &lapse).unwrap();
    let waited = U256::from(3072u64 * 1024 * 1_200 * contracts::PRICE_PER_BYTE_BLOCK_WEI);
    assert_eq!(U256::from(before - left(&mut chain)), waited);
}

/// The second quorum has the same operators as the first in the opposite order, so that who is asked by a place is another.
fn opposite() -> (Scene, u32) {
    Scene::with(|chain, operators, blobs| {
        let second = second_quorum(chain, operators.iter().rev());
        operators.reverse();
        for blob in blobs {
            (blob.header.quorum, blob.header.epoch) = (second, 3);
            let members: Vec<_> = operators.iter().collect();
            let call = certificate(chain, std::slice::from_ref(&blob.header), &members, &[0, 1, 2, 3]);
            chain.send(PAYER, DA_ENTRANCE, &call).unwrap();
        }
        second
    })
}

#[test]
fn who_is_challenged_for_a_blob_is_its_quorums_member_and_loses_stake_for_that_quorum() {
    let (mut scene, second) = opposite();
    // Asked of another than the owner: it disowns the row by its own seats.
    let (piece, _) = scene.piece(0, 0, 1);
    let account = scene.operators[piece.operator as usize].account;
    scene.challenge(&piece).unwrap();
    scene.disown(account, &piece).unwrap();
    let (piece, sample) = scene.piece(0, 0, 0);
    let account = scene.operators[piece.operator as usize].account;
    scene.challenge(&piece).unwrap();
    assert!(scene.disown(account, &piece).unwrap_err().starts_with("OwnRow"));
    scene.answer(account, &piece, sample).unwrap();

    // In the first quorum the same place is another's.
    scene.challenge(&piece).unwrap();
    scene.chain.block += contracts::CHALLENGE_WINDOW_BLOCKS + 1;
    let call = contracts::abi::DAChallenges::slashCall { piece: piece.clone() };
    let sent = scene.chain.send(STRANGER, DA_CHALLENGES, &call).unwrap();
    let [slashed] = &sent.events::<StakeVault::Slashed>()[..] else {
        panic!("one slash")
    };
    assert_eq!((slashed.service, slashed.operator), (second, 3 - piece.operator));
}

#[test]
fn the_lottery_pays_the_member_of_the_blobs_quorum() {
    let (mut scene, _) = opposite();
    let funded = DALottery::fundCall {};
    scene
        .chain
        .pay(PAYER, DA_LOTTERY, &funded, U256::from(1_000_000))
        .unwrap();
    scene.chain.block = 20 * 240 + 7;
    crate::lottery::set_draw(&mut scene, 20, 0, U256::MAX);
    let claim = |scene: &mut Scene, others: u32| {
        let (piece, sample) = scene.piece(0, 0, others);
        let (root, row, operator) = (piece.root, piece.row, piece.operator);
        let call = DALottery::claimCall {
            ticket: Ticket { root, row, operator },
            signersBitmap: signers_bitmap(0..4, 4),
            sample,
        };
        let account = scene.operators[operator as usize].account;
        (
            account,
            scene.chain.send(PAYER, DA_LOTTERY, &call).map(|sent| sent.result),
        )
    };
    let (_, others) = claim(&mut scene, 1);
    assert!(others.unwrap_err().starts_with("NotOwnRow"));
    let (account, prize) = claim(&mut scene, 0);
    let owed = scene.chain.view(DA_LOTTERY, &DALottery::balancesCall { account });
    assert_eq!(owed, prize.unwrap());
    assert_ne!(owed, U256::ZERO);
    let nobody = scene
        .chain
        .view(DA_ENTRANCE, &DAEntrance::blobCall { root: B256::ZERO });
    assert_eq!(nobody.certifiedBlock, 0);
}
