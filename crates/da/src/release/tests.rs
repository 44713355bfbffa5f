use super::*;
use crate::{
    ReaderList,
    access::tests::{Book, DOMAIN, Scene, reader},
    tests::{flip_bits, seeded},
};
use commonware_cryptography::{
    Signer,
    bls12381::{
        dkg::feldman_desmedt::{Dealer, Info, Logs, Output, Player, Reveal},
        primitives::{group, variant::MinSig},
    },
    ed25519,
};
use commonware_utils::{N3f1, TryCollect, ordered::Set};
use crypto::threshold::{CombineError, Committee, DealtThresholdKeys};
use futures::executor::block_on;
use primitives::Address;
use std::collections::BTreeMap;

const POLICY: B256 = B256::repeat_byte(3);

fn terms(epoch: u64) -> Terms {
    Terms { policy: POLICY, epoch }
}

fn request(seed: u8, epoch: u64) -> Request {
    Request {
        terms: terms(epoch),
        reader: reader(seed).public(),
    }
}

fn members(book: &Book, shares: &[SecretShare]) -> Vec<Member<Book>> {
    let member = |share: &SecretShare| Member::new(book.clone(), DOMAIN(), vec![share.clone()]);
    shares.iter().map(member).collect()
}

fn dealt() -> DealtThresholdKeys {
    DealtThresholdKeys::deal(&mut seeded(1), 3, 4).unwrap()
}

/// The share of one member in an answer.
fn open_share(
    domain: &Domain,
    terms: &Terms,
    secret: &RecipientSecret,
    member: u16,
    response: &Response,
) -> Result<ReleaseShare, AnswerError> {
    open_shares(domain, terms, secret, &[member], response).swap_remove(0).1
}

/// What the reader makes of the members' answers to its request.
fn gather(members: &[Member<Book>], seed: u8, epoch: u64) -> Vec<Result<ReleaseShare, AnswerError>> {
    let mut rng = seeded(2);
    let answer = |member: &Member<Book>| block_on(member.answer(&mut rng, &request(seed, epoch)));
    let responses: Vec<Response> = members.iter().map(answer).collect();
    (0..)
        .zip(&responses)
        .map(|(member, response)| open_share(&DOMAIN(), &terms(epoch), &reader(seed), member, response))
        .collect()
}

/// The list of a scene's blob whose key `committee` releases, read back from the chain.
fn offered(scene: &Scene, committee: &Committee, epoch: u64) -> ReaderList {
    let mut list = scene.read().unwrap().unwrap_or(ReaderList::empty(scene.root())).next();
    list.set_release(
        &mut seeded(3),
        &DOMAIN(),
        scene.header(),
        &scene.key,
        committee.key(),
        terms(epoch),
    )
    .unwrap();
    scene.publish(&list).unwrap();
    scene.read().unwrap().unwrap()
}

#[test]
fn any_three_of_four_members_let_an_allowed_reader_read_the_blob() {
    let (scene, keys) = (Scene::new(1), dealt());
    let list = offered(&scene, &keys.committee, 0);
    assert_eq!(list.release().unwrap().terms, terms(0));
    scene.book.set_access(POLICY, &reader(5).public(), 100);
    let members = members(&scene.book, &keys.shares);
    let shares: Vec<ReleaseShare> = gather(&members, 5, 0).into_iter().map(Result::unwrap).collect();
    let identity = identity(&DOMAIN(), &terms(0));
    for missing in 0..4 {
        let three: Vec<_> = shares.iter().filter(|share| share.member != missing).copied().collect();
        let combined = keys.committee.combine(&identity, &three).unwrap();
        let key = list.open_released(scene.header(), &combined.released).unwrap();
        assert_eq!(scene.open(&key), scene.plain);
        let two = keys.committee.combine(&identity, &three[1..]);
        assert!(matches!(two, Err(CombineError::TooFew { right: 2, .. })));
    }
}

#[test]
fn members_refuse_whom_the_policy_does_not_name_or_no_longer_or_not_yet() {
    let book = Book::of(Address::ZERO);
    let keys = dealt();
    let members = members(&book, &keys.shares);
    let all_refuse = |seed, epoch| {
        let answers = gather(&members, seed, epoch);
        (0..)
            .zip(answers)
            .all(|(member, answer)| answer == Err(AnswerError::Refused { member }))
    };
    assert!(all_refuse(5, 0));
    book.set_access(POLICY, &reader(5).public(), 10);
    assert!(!all_refuse(5, 0));
    assert!(all_refuse(6, 0), "another reader");
    assert!(all_refuse(5, 1), "an epoch that has not begun");
    book.advance(POLICY);
    assert!(!all_refuse(5, 1));
    book.set_height(11);
    assert!(all_refuse(5, 0) && all_refuse(5, 1), "its time is over");
    book.go_down();
    let unavailable = gather(&members, 5, 0);
    assert_eq!(unavailable[2], Err(AnswerError::Unavailable { member: 2 }));
}

/// Why an owner who drops a reader advances the epoch as well.
#[test]
fn a_dropped_reader_keeps_its_epoch_and_does_not_get_at_the_next() {
    let (old, new, keys) = (Scene::new(2), Scene::new(3), dealt());
    let released = |book: &Book, epoch| {
        let shares: Vec<_> = gather(&members(book, &keys.shares), 5, epoch)
            .into_iter()
            .flatten()
            .collect();
        keys.committee.combine(&identity(&DOMAIN(), &terms(epoch)), &shares)
    };
    let old_list = offered(&old, &keys.committee, 0);
    new.book.set_access(POLICY, &reader(5).public(), 100);
    let first = released(&new.book, 0).unwrap().released;
    new.book.set_access(POLICY, &reader(5).public(), 0);
    new.book.advance(POLICY);
    let new_list = offered(&new, &keys.committee, 1);
    assert!(old_list.open_released(old.header(), &first).is_ok());
    assert!(new_list.open_released(new.header(), &first).is_err());
    assert!(released(&new.book, 1).is_err());
}

#[test]
fn who_overhears_every_answer_opens_none() {
    let book = Book::of(Address::ZERO);
    let keys = dealt();
    book.set_access(POLICY, &reader(5).public(), 100);
    for (at, member) in (0..).zip(members(&book, &keys.shares)) {
        let answer = block_on(member.answer(&mut seeded(4), &request(5, 0)));
        let open = |secret, epoch, member| open_share(&DOMAIN(), &terms(epoch), &reader(secret), member, &answer);
        assert!(open(5, 0, at).is_ok());
        let unauthentic = |member| Err(AnswerError::Unauthentic { member });
        assert_eq!(open(6, 0, at), unauthentic(at), "another reader");
        assert_eq!(open(5, 1, at), unauthentic(at), "other terms");
        assert_eq!(open(5, 0, at + 1), unauthentic(at + 1), "in another member's name");
    }
}

#[test]
fn a_member_with_a_wrong_share_is_named_and_the_others_suffice() {
    let book = Book::of(Address::ZERO);
    let mut keys = dealt();
    book.set_access(POLICY, &reader(5).public(), 100);
    keys.shares[1] = SecretShare::from_bytes(1, &[7; 32]).unwrap();
    let members = members(&book, &keys.shares);
    let shares: Vec<_> = gather(&members, 5, 0).into_iter().map(Result::unwrap).collect();
    let combined = keys
        .committee
        .combine(&identity(&DOMAIN(), &terms(0)), &shares)
        .unwrap();
    assert_eq!(combined.wrong, [1]);
}

#[test]
fn an_identity_depends_on_policy_epoch_and_chain() {
    let elsewhere = Domain {
        chain_id: 1,
        ..DOMAIN()
    };
    let other = Terms {
        policy: B256::ZERO,
        epoch: 0,
    };
    let all = [
        identity(&DOMAIN(), &terms(0)),
        identity(&DOMAIN(), &terms(1)),
        identity(&DOMAIN(), &other),
        identity(&elsewhere, &terms(0)),
    ];
    for (i, a) in all.iter().enumerate() {
        assert!(all[..i].iter().all(|b| a != b));
    }
}

#[test]
fn any_bytes_are_refused_or_are_the_one_encoding_of_a_message() {
    let book = Book::of(Address::ZERO);
    book.set_access(POLICY, &reader(5).public(), 100);
    let member = Member::new(book, DOMAIN(), dealt().shares[..2].to_vec());
    let mut rng = seeded(5);
    let response = block_on(member.answer(&mut rng, &request(5, 0)));
    for response in [&response, &Response::Refused, &Response::Unavailable] {
        assert_eq!(&Response::decode(response.encode()).unwrap(), response);
    }
    assert_eq!(Request::decode(request(5, 0).encode()).unwrap(), request(5, 0));
    assert!(Response::decode(Bytes::from_static(&[3])).is_err());
    for _ in 0..300 {
        let mut damaged = response.encode().to_vec();
        flip_bits(&mut rng, &mut damaged, 3);
        if let Ok(read) = Response::decode(Bytes::from(damaged.clone())) {
            assert_eq!(read.encode(), damaged);
            if damaged != response.encode() {
                let opened = open_shares(&DOMAIN(), &terms(0), &reader(5), &[0, 1], &read);
                assert!(opened.iter().any(|(_, share)| share.is_err()));
            }
        }
        let mut damaged = request(5, 0).encode().to_vec();
        flip_bits(&mut rng, &mut damaged, 3);
        if let Ok(read) = Request::decode(Bytes::from(damaged.clone())) {
            assert_eq!(read.encode(), damaged);
        }
    }
}

/// Four members make a key among themselves; one deals nothing.
fn generate() -> (Output<MinSig, ed25519::PublicKey>, Vec<group::Share>) {
    let mut rng = seeded(6);
    let keys: Vec<_> = (0..4).map(ed25519::PrivateKey::from_seed).collect();
    let set: Set<ed25519::PublicKey> = keys.iter().map(Signer::public_key).try_collect().unwrap();
    let info = Info::<MinSig, ed25519::PublicKey>::new::<N3f1>(
        b"aloft/test",
        0,
        None,
        Generated::MODE,
        Reveal::V1,
        set.clone(),
        set,
    )
    .unwrap();
    let mut players: BTreeMap<_, _> = keys
        .iter()
        .map(|key| (key.public_key(), Player::new(info.clone(), key.clone()).unwrap()))
        .collect();
    let mut logs = Logs::<MinSig, ed25519::PublicKey, N3f1>::new(info.clone());
    for key in &keys[1..] {
        let (mut dealer, public, private) = Dealer::start::<N3f1>(&mut rng, info.clone(), key.clone(), None).unwrap();
        for (name, message) in private {
            let player = players.get_mut(&name).unwrap();
            let ack = player.dealer_message::<N3f1>(key.public_key(), public.clone(), message);
            dealer.receive_player_ack(name, ack.unwrap().unwrap()).unwrap();
        }
        let (name, log) = dealer.finalize::<N3f1>().check(&info).unwrap();
        logs.record(name, log);
    }
    let mut outcome = None;
    let mut shares = Vec::new();
    for player in players.into_values() {
        let finished = player.finalize::<N3f1>(&mut rng, logs.clone(), &commonware_parallel::Sequential);
        let (output, share) = finished.unwrap_or_else(|error| panic!("{error:?}"));
        outcome = Some(output);
        shares.push(share);
    }
    (outcome.unwrap(), shares)
}

#[test]
fn a_committee_whose_key_nobody_dealt_releases_as_one_that_was_dealt() {
    let (output, shares) = generate();
    let generated = Generated::new(&output).unwrap();
    assert_eq!(
        (generated.committee.threshold(), generated.committee.members().len()),
        (3, 4)
    );
    let shares: Vec<SecretShare> = shares.iter().map(|share| generated.share(share).unwrap()).collect();
    let scene = Scene::new(7);
    let list = offered(&scene, &generated.committee, 0);
    scene.book.set_access(POLICY, &reader(5).public(), 100);
    let released: Vec<_> = gather(&members(&scene.book, &shares), 5, 0)
        .into_iter()
        .flatten()
        .collect();
    let combined = generated
        .committee
        .combine(&identity(&DOMAIN(), &terms(0)), &released[1..])
        .unwrap();
    let key = list.open_released(scene.header(), &combined.released).unwrap();
    assert_eq!(scene.open(&key), scene.plain);
}

#[test]
fn a_share_of_another_key_or_member_is_refused() {
    let (output, shares) = generate();
    let generated = Generated::new(&output).unwrap();
    let mut moved = shares[0].clone();
    moved.index = shares[1].index;
    let refused = generated.share(&moved).unwrap_err();
    assert_eq!(refused, GeneratedError::Share { member: 1 });
    moved.index = commonware_utils::Participant::new(70_000);
    assert!(generated.share(&moved).is_err());
}
