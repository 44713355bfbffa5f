//! Ceremonies among seats in one thread, with a perfect channel and without.

use super::*;
use bytes::Bytes;
use commonware_cryptography::{Signer as _, ed25519::PrivateKey};
use commonware_utils::{NZU32, TryCollect as _};

const APPLICATION: Application = Application("aloft-test");
const SEATS_MAX: NonZeroU32 = NZU32!(16);

type Key = commonware_cryptography::ed25519::PublicKey;

fn keys(seats: &[u64]) -> Set<Key> {
    let keys = seats.iter().map(|seat| PrivateKey::from_seed(*seat).public_key());
    keys.try_collect().unwrap()
}

fn round(number: u64, previous: Option<&Outcome<Key>>, dealers: &[u64], players: &[u64]) -> Round<Key> {
    let (dealers, players) = (keys(dealers), keys(players));
    Round::new(
        APPLICATION,
        b"tests",
        number,
        previous.cloned(),
        dealers,
        players,
        SEATS_MAX,
    )
    .unwrap()
}

/// What comes of a round in which the dealers of `silent` say nothing, and all shares to players of `deaf` are lost.
fn play(
    round: &Round<Key>,
    dealers: &[u64],
    held: &BTreeMap<u64, Share>,
    players: &[u64],
    silent: &[u64],
    deaf: &[u64],
) -> (Vec<Bytes>, BTreeMap<u64, Player<PrivateKey>>) {
    let mut playing: BTreeMap<u64, Player<PrivateKey>> = players
        .iter()
        .map(|seat| {
            (
                *seat,
                Player::new(round.info.clone(), PrivateKey::from_seed(*seat)).unwrap(),
            )
        })
        .collect();
    let mut logs = Vec::new();
    for seat in dealers.iter().filter(|seat| !silent.contains(seat)) {
        let signer = PrivateKey::from_seed(*seat);
        let held: Vec<Share> = held.get(seat).cloned().into_iter().collect();
        let mut dealer = Dealer::deal(round, &signer, &seat.to_be_bytes(), &held)
            .unwrap()
            .unwrap();
        for (number, player) in playing.iter_mut().filter(|(number, _)| !deaf.contains(number)) {
            let name = PrivateKey::from_seed(*number).public_key();
            let (public, share) = (dealer.public().clone(), dealer.shares()[&name].clone());
            let ack = player.dealer_message::<N3f1>(signer.public_key(), public, share);
            dealer.take_ack(name, ack.unwrap().unwrap()).unwrap();
        }
        assert_eq!(dealer.outstanding().count(), deaf.len());
        logs.push(dealer.close(true).log().unwrap().clone());
    }
    (logs, playing)
}

fn shares(round: &Round<Key>, logs: &[Bytes], players: BTreeMap<u64, Player<PrivateKey>>) -> BTreeMap<u64, Share> {
    let (checked, mut weights) = round.checked(logs);
    let mut share = |player| round.share(player, &checked, &mut weights).unwrap();
    players
        .into_iter()
        .map(|(seat, player)| (seat, share(player)))
        .collect()
}

#[test]
fn a_key_is_made_and_handed_on_to_others_without_being_changed() {
    let all = [1, 2, 3, 4, 5, 6, 7];
    let first = round(0, None, &all, &all);
    let (logs, players) = play(&first, &all, &BTreeMap::new(), &all, &[2, 7], &[3]);
    let made = first.conclude(&logs).unwrap();
    assert_eq!((made.quorum::<N3f1>(), made.players().len()), (5, 7));
    let held = shares(&first, &logs, players);

    let next = [3, 4, 5, 6, 7, 8, 9, 10];
    let second = round(1, Some(&made), &all, &next);
    let (logs, players) = play(&second, &all, &held, &next, &[1, 6], &[9, 10]);
    let outcome = second.conclude(&logs).unwrap();
    assert_eq!(outcome.public().public(), made.public().public());
    for share in shares(&second, &logs, players).values() {
        let public = outcome.public().partial_public(share.index).unwrap();
        assert_eq!(share.public::<MinSig>(), public);
    }
    let read = read_outcome::<Key>(outcome.encode(), SEATS_MAX).unwrap();
    assert_eq!(read, outcome);
    assert!(
        read_outcome::<Key>(outcome.encode(), NZU32!(7)).is_err(),
        "more seats than there may be"
    );
}

#[test]
fn more_silent_dealers_than_a_third_end_a_ceremony_without_an_outcome() {
    let all = [1, 2, 3, 4];
    let round = round(0, None, &all, &all);
    let (logs, _) = play(&round, &all, &BTreeMap::new(), &all, &[1, 2], &[]);
    let failed = round.conclude(&logs).unwrap_err();
    assert!(
        matches!(
            failed,
            Failure::InsufficientLogs {
                required: 3,
                found: 2,
                ..
            }
        ),
        "{failed}"
    );
}

#[test]
fn who_deals_again_deals_the_same_and_another_in_any_other_ceremony() {
    let all = [1, 2, 3, 4];
    let signer = PrivateKey::from_seed(1);
    let dealt = |number, secret: &[u8]| {
        let round = round(number, None, &all, &all);
        let dealer = Dealer::deal(&round, &signer, secret, &[]).unwrap().unwrap();
        dealer.public().encode()
    };
    assert_eq!(dealt(0, b"secret"), dealt(0, b"secret"));
    assert_ne!(dealt(0, b"secret"), dealt(1, b"secret"));
    assert_ne!(dealt(0, b"secret"), dealt(0, b"other"));
}

#[test]
fn bytes_that_are_no_log_of_this_ceremony_are_none() {
    let all = [1, 2, 3, 4];
    let (this, other) = (round(0, None, &all, &all), round(1, None, &all, &all));
    let (logs, _) = play(&this, &all, &BTreeMap::new(), &all, &[], &[]);
    assert_eq!(this.signed(&logs).len(), 4);
    assert!(other.signed(&logs).is_empty());
    let doubled = [&logs[..], &logs[..]].concat();
    assert_eq!(this.signed(&doubled).len(), 4);
    for at in 0..logs[0].len() {
        let mut damaged = logs[0].to_vec();
        damaged[at] ^= 1 << (at % 8);
        assert!(this.read_log(&damaged.into()).is_none(), "byte {at}");
    }
}
