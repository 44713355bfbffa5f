//! Ceremonies of operators in one thread, whose chain is four lists: honest ones, and what liars and chance do to them.

use super::*;
use crypto::threshold::{Committee, Identity, ReleaseShare, SecretShare};
use primitives::Digest;
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

const CHAIN_ID: u64 = 7;

fn operator(number: u32) -> Lasting {
    Lasting([number as u8 + 1; 32].into())
}

/// The secret of an operator in the ceremony of an epoch.
fn fresh(number: u32, epoch: u64) -> Fresh {
    Fresh(blake3::derive_key("aloft tests", &[number as u8, epoch as u8]).into())
}

fn seats_of(seated: &[Seated], epoch: u64) -> Vec<Seat> {
    let seat = |entry: &Seated, seat| {
        Seat::new(
            entry.operator,
            seat,
            &operator(entry.operator),
            &fresh(entry.operator, epoch),
        )
    };
    seated
        .iter()
        .flat_map(|entry| (0..entry.seats).map(move |number| seat(entry, number)))
        .collect()
}

fn seated(entries: &[(u32, u32)]) -> Vec<Seated> {
    entries
        .iter()
        .map(|&(operator, seats)| Seated { operator, seats })
        .collect()
}

/// How a key is shared, with all shares.
#[derive(Clone, Default)]
struct Shared {
    outcome: Option<Outcome>,
    by: Vec<Seated>,
    shares: BTreeMap<(u32, u32), Share>,
}

/// What goes wrong: seats, as `(operator, seat)`.
#[derive(Default)]
struct Faults {
    /// Post nothing at all.
    away: Vec<(u32, u32)>,
    /// Enrol, and post nothing then.
    silent: Vec<(u32, u32)>,
    /// Deal shares that do not open.
    garbage: Vec<(u32, u32)>,
    /// Acknowledge, and post no log.
    withholding: Vec<(u32, u32)>,
    /// Other bytes are posted between all posts.
    noise: bool,
}

/// The four lists.
#[derive(Default)]
struct Posts {
    enrol: Vec<Post>,
    deal: Vec<Post>,
    acknowledge: Vec<Post>,
    close: Vec<Post>,
}

fn name(seat: &Seat) -> (u32, u32) {
    (seat.operator, seat.seat)
}

fn post(list: &mut Vec<Post>, seat: &Seat, bytes: Bytes) {
    let (operator, seat) = name(seat);
    list.push(Post { operator, seat, bytes });
}

/// Puts damaged copies of what is there before and after it.
fn disturb(list: &mut Vec<Post>, rng: &mut ChaCha20Rng) {
    let mut damaged = list.clone();
    for post in &mut damaged {
        let mut bytes = post.bytes.to_vec();
        match rng.next_u32() % 4 {
            0 => bytes.truncate(rng.next_u32() as usize % bytes.len()),
            1 => bytes.extend_from_slice(&[0; 80]),
            _ => {
                let at = rng.next_u32() as usize % bytes.len();
                bytes[at] ^= 1 << (rng.next_u32() % 8);
            }
        }
        post.bytes = bytes.into();
    }
    // In another's name, too.
    damaged.extend(list.iter().map(|post| Post {
        operator: post.operator + 1,
        ..post.clone()
    }));
    let honest = std::mem::take(list);
    list.extend(damaged.iter().cloned());
    list.extend(honest);
    list.extend(damaged);
}

/// One ceremony: those of `before` deal, if there is a key, to `next`.
fn run(epoch: u64, before: &Shared, next: &[Seated], faults: &Faults) -> Result<(Recorded, Shared), CeremonyError> {
    let mut rng = ChaCha20Rng::seed_from_u64(epoch);
    let mut disturb = |list: &mut Vec<Post>| {
        if faults.noise {
            disturb(list, &mut rng);
        }
    };
    let ceremony = Ceremony::new(CHAIN_ID, epoch, before.outcome.clone(), next);
    let here = |seat: &Seat, absent: &[&[(u32, u32)]]| !absent.iter().any(|list| list.contains(&name(seat)));
    let players = seats_of(next, epoch);
    let dealers = match &before.outcome {
        Some(_) => seats_of(&before.by, epoch),
        None => players.clone(),
    };
    let held = |seat: &Seat| before.shares.get(&name(seat)).cloned().into_iter().collect::<Vec<_>>();

    let mut posts = Posts::default();
    for seat in players.iter().filter(|seat| here(seat, &[&faults.away])) {
        post(&mut posts.enrol, seat, ceremony.enrol(seat));
    }
    disturb(&mut posts.enrol);
    let roster = ceremony.roster(&posts.enrol)?;
    for seat in dealers
        .iter()
        .filter(|seat| here(seat, &[&faults.away, &faults.silent]))
    {
        if let Some(bytes) = roster.deal(seat, &held(seat)) {
            let bytes = match faults.garbage.contains(&name(seat)) {
                false => bytes,
                true => garbage(&roster, seat, &bytes),
            };
            post(&mut posts.deal, seat, bytes);
        }
    }
    disturb(&mut posts.deal);
    let dealings = roster.dealings(&posts.deal);
    for seat in players
        .iter()
        .filter(|seat| here(seat, &[&faults.away, &faults.silent]))
    {
        if let Some(bytes) = roster.acknowledge(seat, &dealings) {
            post(&mut posts.acknowledge, seat, bytes);
        }
    }
    disturb(&mut posts.acknowledge);
    for seat in dealers
        .iter()
        .filter(|seat| here(seat, &[&faults.away, &faults.silent, &faults.withholding]))
    {
        if let Some(bytes) = roster.close(seat, &held(seat), &dealings, &posts.acknowledge) {
            post(&mut posts.close, seat, bytes);
        }
    }
    disturb(&mut posts.close);
    let recorded = roster.conclude(&posts.close)?;
    // Who comes later reads the same off the chain.
    let again = Ceremony::new(CHAIN_ID, epoch, before.outcome.clone(), next).roster(&posts.enrol)?;
    assert_eq!(again.conclude(&posts.close)?, recorded);
    let mut shares = BTreeMap::new();
    for seat in players.iter().filter(|seat| roster.plays(seat)) {
        shares.insert(
            name(seat),
            again.share(seat, &again.dealings(&posts.deal), &posts.close)?,
        );
    }
    let shared = Shared {
        outcome: Some(read_outcome(&recorded.output).unwrap()),
        by: next.to_vec(),
        shares,
    };
    Ok((recorded, shared))
}

/// A dealing whose envelopes are all another's, rightly signed.
fn garbage(roster: &Roster, seat: &Seat, bytes: &Bytes) -> Bytes {
    let mut dealt = Dealt::read(bytes.clone(), roster.players.len()).unwrap();
    dealt.envelopes.rotate_left(1);
    let said = dealt.said(roster.ceremony.epoch);
    dealt.signature = Some(seat.signer.sign(&roster.ceremony.label("-deal"), &said));
    dealt.encode()
}

/// What the first `threshold` of the shares release.
fn released(recorded: &Recorded, shared: &Shared, skip: usize) -> Vec<u8> {
    let committee = Committee::decode(recorded.keys.0.clone()).unwrap();
    let generated = Generated::new(shared.outcome.as_ref().unwrap()).unwrap();
    assert_eq!(generated.committee, committee);
    assert_eq!(recorded.operators.len(), committee.members().len());
    let identity = Identity(Digest::from([9; 32]));
    let shares: Vec<ReleaseShare> = shared
        .shares
        .iter()
        .map(|((operator, _), share)| {
            let share: SecretShare = generated.share(share).unwrap();
            assert_eq!(recorded.operators[usize::from(share.member())], *operator);
            share.release(&identity)
        })
        .skip(skip)
        .take(committee.threshold().into())
        .collect();
    let combined = committee.combine(&identity, &shares).unwrap();
    assert!(combined.wrong.is_empty());
    format!("{:?}", committee.key()).into_bytes()
}

#[test]
fn operators_make_a_key_and_hand_it_on_to_others_that_change_and_it_stays_the_same() {
    let (first, mut shared) = run(
        0,
        &Shared::default(),
        &seated(&[(0, 2), (1, 2), (2, 2), (3, 1)]),
        &Faults::default(),
    )
    .unwrap();
    let key = released(&first, &shared, 0);
    for (epoch, next) in [
        (1, vec![(0, 1), (1, 2), (2, 2), (3, 2), (4, 3)]),
        (5, vec![(4, 2), (5, 2), (6, 2)]),
        (6, vec![(7, 1), (8, 1), (9, 1), (10, 1)]),
    ] {
        let (recorded, now) = run(epoch, &shared, &seated(&next), &Faults::default()).unwrap();
        assert_eq!(
            recorded.keys[4..100],
            first.keys[4..100],
            "epoch {epoch}: the public key"
        );
        assert_eq!(released(&recorded, &now, 1), key);
        shared = now;
    }
    assert!(
        shared.by.iter().all(|entry| entry.operator > 6),
        "nobody of the first is left"
    );
}

#[test]
fn a_third_that_is_away_silent_or_lies_stops_nothing_and_no_honest_seat_is_without_a_share() {
    let members = seated(&[(0, 1), (1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1)]);
    let (first, shared) = run(0, &Shared::default(), &members, &Faults::default()).unwrap();
    let two = || vec![(1, 0), (4, 0)];
    let cases = [
        Faults {
            away: two(),
            ..Faults::default()
        },
        Faults {
            silent: two(),
            ..Faults::default()
        },
        Faults {
            garbage: two(),
            ..Faults::default()
        },
        Faults {
            withholding: two(),
            noise: true,
            ..Faults::default()
        },
        Faults {
            garbage: vec![(0, 0)],
            silent: vec![(6, 0)],
            noise: true,
            ..Faults::default()
        },
        Faults {
            noise: true,
            ..Faults::default()
        },
    ];
    for (case, faults) in (1..).zip(&cases) {
        for before in [&Shared::default(), &shared] {
            let (recorded, now) =
                run(case, before, &members, faults).unwrap_or_else(|error| panic!("case {case}: {error}"));
            assert_eq!(now.shares.len(), 7 - faults.away.len(), "case {case}");
            released(&recorded, &now, 0);
            if before.outcome.is_some() {
                assert_eq!(recorded.keys[4..100], first.keys[4..100], "case {case}");
            }
        }
    }
}

#[test]
fn with_more_than_a_third_away_there_is_no_key_and_the_old_one_holds() {
    let members = seated(&[(0, 2), (1, 2), (2, 2), (3, 1)]);
    let (first, shared) = run(0, &Shared::default(), &members, &Faults::default()).unwrap();
    let three = vec![(0, 0), (0, 1), (3, 0)];
    let away = Faults {
        away: three.clone(),
        ..Faults::default()
    };
    let failed = run(1, &shared, &members, &away).err().unwrap();
    assert!(
        matches!(failed, CeremonyError::TooFewEnrolled { enrolled: 4, needed: 5 }),
        "{failed}"
    );
    let withholding = Faults {
        withholding: three,
        ..Faults::default()
    };
    let failed = run(2, &shared, &members, &withholding).err().unwrap();
    assert!(matches!(failed, CeremonyError::TooFewLogs(_)), "{failed}");
    // The next ceremony is theirs again.
    let (again, _) = run(3, &shared, &members, &Faults::default()).unwrap();
    assert_eq!(again.keys[4..100], first.keys[4..100]);
}

#[test]
fn who_starts_again_says_the_same_and_in_another_ceremony_something_else() {
    let members = seated(&[(0, 2), (1, 2)]);
    let said = |epoch| {
        let seats = seats_of(&members, epoch);
        let ceremony = Ceremony::new(CHAIN_ID, epoch, None, &members);
        let mut enrolments = Vec::new();
        seats
            .iter()
            .for_each(|seat| post(&mut enrolments, seat, ceremony.enrol(seat)));
        let roster = ceremony.roster(&enrolments).unwrap();
        let mut deals = Vec::new();
        seats
            .iter()
            .for_each(|seat| post(&mut deals, seat, roster.deal(seat, &[]).unwrap()));
        let dealings = roster.dealings(&deals);
        let heard = roster.acknowledge(&seats[1], &dealings).unwrap();
        (enrolments, deals, heard)
    };
    assert_eq!(said(1), said(1));
    let (one, other) = (said(1), said(2));
    assert!(one.0 != other.0 && one.1 != other.1 && one.2 != other.2);
}

#[test]
fn nobody_enrols_anothers_key_and_no_seat_that_the_committee_does_not_have_enrols() {
    let members = seated(&[(0, 1), (1, 1), (2, 1), (3, 1)]);
    let seats = seats_of(&members, 0);
    let ceremony = Ceremony::new(CHAIN_ID, 0, None, &members);
    let stolen = ceremony.enrol(&seats[0]);
    let mut posts = vec![Post {
        operator: 3,
        seat: 0,
        bytes: stolen.clone(),
    }];
    for seat in &seats[..3] {
        post(&mut posts, seat, ceremony.enrol(seat));
    }
    let stranger = Seat::new(9, 0, &operator(9), &fresh(9, 0));
    let beyond = Seat::new(3, 1, &operator(3), &fresh(3, 0));
    for seat in [&stranger, &beyond] {
        post(&mut posts, seat, ceremony.enrol(seat));
    }
    let roster = ceremony.clone().roster(&posts).unwrap();
    assert_eq!(roster.players.len(), 3);
    assert_eq!(roster.players[&seats[0].key()].operator, 0);
    assert!(!roster.plays(&stranger) && !roster.plays(&beyond) && !roster.plays(&seats[3]));
    let elsewhere = Ceremony::new(CHAIN_ID + 1, 0, None, &members);
    assert!(matches!(
        elsewhere.roster(&posts),
        Err(CeremonyError::TooFewEnrolled { enrolled: 0, .. })
    ));
}

/// Who has what an operator keeps after a ceremony, and everything that was ever posted, opens no dealing of it.
#[test]
fn without_the_secret_of_a_ceremony_its_posts_open_nothing() {
    let members = seated(&[(0, 1), (1, 1), (2, 1), (3, 1)]);
    let seats = seats_of(&members, 0);
    let ceremony = Ceremony::new(CHAIN_ID, 0, None, &members);
    let (mut enrolments, mut deals) = (Vec::new(), Vec::new());
    seats
        .iter()
        .for_each(|seat| post(&mut enrolments, seat, ceremony.enrol(seat)));
    let roster = ceremony.roster(&enrolments).unwrap();
    seats
        .iter()
        .for_each(|seat| post(&mut deals, seat, roster.deal(seat, &[]).unwrap()));
    let dealings = roster.dealings(&deals);
    assert!(roster.acknowledge(&seats[2], &dealings).is_some());
    let later = Seat::new(2, 0, &operator(2), &fresh(2, 1));
    assert_eq!(later.key(), seats[2].key(), "the key that signs lasts");
    assert!(roster.acknowledge(&later, &dealings).is_none());
    assert_ne!(
        roster.deal(&later, &[]),
        roster.deal(&seats[2], &[]),
        "nor does it deal the same"
    );
}
