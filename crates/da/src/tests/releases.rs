//! The release committee over the network: four members, of whom three suffice, on the streams of the operators that they are.

use super::{
    chain::keys,
    network::{Link, Network, OPERATORS, guest},
    scenarios::simulate,
    seeded,
};
use crate::{
    ReaderList,
    access::tests::{Book, DOMAIN, Scene, reader},
    release::{self, CollectError, Collected, FailureKind, Keepers, KeepersError, MEMBER_TIMEOUT, Terms},
};
use commonware_cryptography::Signer;
use commonware_runtime::{Clock, Supervisor};
use crypto::threshold::{DealtThresholdKeys, SecretShare};
use primitives::B256;
use std::time::Duration;

const POLICY: B256 = B256::repeat_byte(3);
const READER: u8 = 5;

fn dealt() -> (Keepers, Vec<SecretShare>) {
    let DealtThresholdKeys { committee, shares } = DealtThresholdKeys::deal(&mut seeded(1), 3, 4).unwrap();
    let stream_keys = (0..OPERATORS).map(|operator| keys(operator).0.public_key());
    (Keepers::new(committee, stream_keys.collect()).unwrap(), shares)
}

/// Gives each operator the share at its place.
fn appoint(network: &mut Network, book: &Book, shares: &[SecretShare]) {
    for (operator, share) in (0..).zip(shares) {
        let context = network.context.child("keeper").with_attribute("index", operator);
        network
            .service_mut(operator)
            .release(context, book.clone(), share.clone());
    }
}

async fn collect(network: &Network, keepers: &Keepers, seed: u8, epoch: u64) -> Result<Collected, CollectError> {
    let terms = Terms { policy: POLICY, epoch };
    let operators = network.chain.committee();
    release::collect(&network.context, &guest(), &[operators], keepers, &terms, &reader(seed)).await
}

/// The list of a scene's blob whose key the committee releases in `epoch`.
fn offered(scene: &Scene, keepers: &Keepers, epoch: u64) -> ReaderList {
    let mut list = ReaderList::empty(scene.root());
    let terms = Terms { policy: POLICY, epoch };
    let committee = keepers.committee().key();
    list.set_release(&mut seeded(3), &DOMAIN(), scene.header(), &scene.key, committee, terms)
        .unwrap();
    list.next()
}

/// What a third of the members can do against a reader: nothing.
#[test]
fn an_allowed_reader_gets_the_key_while_a_third_of_the_members_lie_are_silent_or_gone() {
    let run = |case: u64| {
        simulate(40 + case, |mut network| async move {
            let (keepers, mut shares) = dealt();
            let scene = Scene::new(1);
            let list = offered(&scene, &keepers, 0);
            scene.book.set_access(POLICY, &reader(READER).public(), 100);
            match case {
                0 => network.set_link(1, Link::BlackHole),
                1 => network.set_link(1, Link::Cut),
                2 => shares[1] = SecretShare::from_bytes(1, &[7; 32]).unwrap(),
                // Another member's share under its own name, and no share at all.
                3 => shares[1] = SecretShare::from_bytes(1, &shares[2].to_bytes()).unwrap(),
                _ => shares.truncate(3),
            }
            appoint(&mut network, &scene.book, &shares);
            let began = network.context.current();
            let collected = collect(&network, &keepers, READER, 0).await;
            let key = list
                .open_released(scene.header(), &collected.unwrap().released)
                .unwrap();
            assert_eq!(scene.open(&key), scene.plain);
            let took = network.context.current().duration_since(began).unwrap();
            assert!(took < Duration::from_secs(1), "case {case}: {took:?}");
        })
    };
    for case in 0..5 {
        run(case);
    }
    assert_eq!(run(2), run(2), "one seed, one run");
}

#[test]
fn too_few_members_release_nothing_and_each_is_named_with_what_it_did() {
    simulate(46, |mut network| async move {
        let (keepers, mut shares) = dealt();
        let book = Book::of(Default::default());
        book.set_access(POLICY, &reader(READER).public(), 100);
        shares[2] = SecretShare::from_bytes(2, &[7; 32]).unwrap();
        appoint(&mut network, &book, &shares);
        network.set_link(0, Link::BlackHole);
        let began = network.context.current();
        let error = collect(&network, &keepers, READER, 0).await.unwrap_err();
        let took = network.context.current().duration_since(began).unwrap();
        assert!(took <= MEMBER_TIMEOUT + Duration::from_millis(100), "{took:?}");
        assert_eq!((error.right, error.threshold), (2, 3));
        assert!(!error.is_refused());
        let [liar, silent] = &error.failures[..] else {
            panic!("{error}")
        };
        assert!(liar.member == 2 && matches!(liar.source, FailureKind::WrongShare));
        assert!(silent.member == 0 && matches!(silent.source, FailureKind::Wire(_)));
        assert_eq!(
            error.to_string(),
            "2 of the 3 shares that release the key: member 2 sent a wrong share, member 0 cannot be reached"
        );
    });
}

#[test]
fn a_reader_that_the_policy_does_not_name_gets_nothing_and_a_revoked_one_nothing_new() {
    simulate(47, |mut network| async move {
        let (keepers, shares) = dealt();
        let (old, new) = (Scene::new(2), Scene::new(3));
        let book = old.book.clone();
        appoint(&mut network, &book, &shares);
        book.set_access(POLICY, &reader(READER).public(), 100);
        let stranger = collect(&network, &keepers, READER + 1, 0).await.unwrap_err();
        assert!(stranger.is_refused() && stranger.right == 0, "{stranger}");
        let early = collect(&network, &keepers, READER, 1).await.unwrap_err();
        assert!(early.is_refused(), "an epoch that has not begun: {early}");
        let released = collect(&network, &keepers, READER, 0).await.unwrap().released;

        book.set_access(POLICY, &reader(READER).public(), 0);
        book.advance(POLICY);
        for epoch in [0, 1] {
            let revoked = collect(&network, &keepers, READER, epoch).await.unwrap_err();
            assert!(revoked.is_refused(), "{revoked}");
        }
        // What it was released opens what it could read then, and nothing that came after.
        assert!(
            offered(&old, &keepers, 0)
                .open_released(old.header(), &released)
                .is_ok()
        );
        assert!(
            offered(&new, &keepers, 1)
                .open_released(new.header(), &released)
                .is_err()
        );
        // While the chain cannot be asked, nobody gets anything, and nobody is told that it may not.
        book.set_access(POLICY, &reader(READER).public(), 100);
        book.go_down();
        let down = collect(&network, &keepers, READER, 1).await.unwrap_err();
        assert!(!down.is_refused() && down.right == 0, "{down}");
    });
}

#[test]
fn a_member_that_is_no_operator_any_more_is_passed_over() {
    simulate(48, |mut network| async move {
        let (keepers, shares) = dealt();
        let book = Book::of(Default::default());
        book.set_access(POLICY, &reader(READER).public(), 100);
        appoint(&mut network, &book, &shares);
        let mut stream_keys = keepers.stream_keys().to_vec();
        stream_keys[0] = guest().stream_key.public_key();
        let keepers = Keepers::new(keepers.committee().clone(), stream_keys).unwrap();
        let collected = collect(&network, &keepers, READER, 0).await.unwrap();
        let [gone] = &collected.failures[..] else { panic!("one") };
        assert!(gone.member == 0 && matches!(gone.source, FailureKind::Absent));
    });
}

#[test]
fn a_node_whose_share_is_not_the_one_that_readers_expect_finds_out_by_itself() {
    let (keepers, shares) = dealt();
    let own = |operator| keys(operator).0.public_key();
    assert!(keepers.check(&shares[1], &own(1)).is_ok());
    let wrong = SecretShare::from_bytes(1, &[7; 32]).unwrap();
    for (share, operator) in [(&shares[1], 2), (&wrong, 1)] {
        let refused = keepers.check(share, &own(operator));
        assert!(matches!(refused, Err(KeepersError::Share { member: 1 })));
    }
    let one_missing = Keepers::new(keepers.committee().clone(), keepers.stream_keys()[1..].to_vec());
    assert!(matches!(
        one_missing,
        Err(KeepersError::Count {
            members: 4,
            stream_keys: 3
        })
    ));
}
