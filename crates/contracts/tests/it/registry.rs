//! The committee: who may join, when, and what its keys add up to.

use crate::{
    chain::Chain,
    keys::{Operator, key_to_eip2537},
};
use blst::min_pk;
use contracts::{
    abi::GenesisOperatorRegistry as Registry, addresses::OPERATOR_REGISTRY, genesis_contracts,
    typed_data::signers_bitmap,
};
use primitives::{Address, B256, Bytes};

fn at_genesis() -> Chain {
    let mut chain = Chain::empty();
    chain.construct(&genesis_contracts()[0]);
    chain
}

fn register(chain: &mut Chain, call: &Registry::registerCall) -> Result<(), String> {
    chain.send(Address::ZERO, OPERATOR_REGISTRY, call).map(|_| ())
}

#[test]
fn an_operator_is_listed_as_it_registered() {
    let mut chain = at_genesis();
    let operator = Operator::new(1);
    let sent = chain
        .send(Address::ZERO, OPERATOR_REGISTRY, &operator.registration())
        .unwrap();
    let [event] = &sent.events::<Registry::OperatorRegistered>()[..] else {
        panic!("one event")
    };
    assert_eq!((event.index, event.account), (0, operator.account));
    let [listed] = &chain.view(OPERATOR_REGISTRY, &Registry::operatorsCall {})[..] else {
        panic!("one operator")
    };
    assert_eq!(listed.account, operator.account);
    assert_eq!(listed.streamKey, operator.stream_key);
    assert_eq!(listed.blsKey, operator.key());
    assert_eq!(listed.endpoint, "127.0.0.1:9000");
    assert_eq!(
        chain.view(OPERATOR_REGISTRY, &Registry::aggregateKeyCall {}),
        operator.key()
    );
}

#[test]
fn a_registration_with_a_flaw_is_refused() {
    let mut chain = at_genesis();
    register(&mut chain, &Operator::new(1).registration()).unwrap();
    let good = || Operator::new(2).registration();
    let infinity = Bytes::from(vec![0; 128]);
    for (flawed, reason) in [
        (
            Registry::registerCall {
                account: Operator::new(1).account,
                ..good()
            },
            "NotUnique",
        ),
        (
            Registry::registerCall {
                account: Address::ZERO,
                ..good()
            },
            "NotUnique",
        ),
        (
            Registry::registerCall {
                streamKey: Operator::new(1).stream_key,
                ..good()
            },
            "NotUnique",
        ),
        (
            Registry::registerCall {
                streamKey: B256::ZERO,
                ..good()
            },
            "NotUnique",
        ),
        (
            Registry::registerCall {
                blsKey: Operator::new(1).key(),
                possession: Operator::new(1).possession(),
                ..good()
            },
            "NotUnique",
        ),
        (
            Registry::registerCall {
                endpoint: String::new(),
                ..good()
            },
            "EndpointLength(length: 0)",
        ),
        (
            Registry::registerCall {
                endpoint: "x".repeat(129),
                ..good()
            },
            "EndpointLength(length: 129)",
        ),
        (
            Registry::registerCall {
                possession: Operator::new(3).possession(),
                ..good()
            },
            "InvalidPossession",
        ),
        (
            Registry::registerCall {
                possession: vec![0; 256].into(),
                ..good()
            },
            "InvalidPossession",
        ),
        (
            Registry::registerCall {
                possession: vec![0; 255].into(),
                ..good()
            },
            "InvalidPossession",
        ),
        (
            Registry::registerCall {
                blsKey: vec![7; 128].into(),
                ..good()
            },
            "InvalidPossession",
        ),
        (
            Registry::registerCall {
                blsKey: vec![7; 127].into(),
                ..good()
            },
            "InvalidPossession",
        ),
        // With the key at infinity, the signature at infinity would sign everything.
        (
            Registry::registerCall {
                blsKey: infinity,
                possession: vec![0; 256].into(),
                ..good()
            },
            "InvalidPossession",
        ),
    ] {
        assert_eq!(register(&mut chain, &flawed).unwrap_err(), reason);
    }
    register(&mut chain, &good()).unwrap();
}

/// A key made from another's, so that the two add up to one whose secret the attacker knows: it could then sign for both. It cannot prove
/// possession of it.
#[test]
fn a_rogue_key_cannot_register() {
    let mut chain = at_genesis();
    let victim = Operator::new(1);
    register(&mut chain, &victim.registration()).unwrap();

    let known = Operator::new(2);
    let mut negated = victim.secret.sk_to_pk().compress();
    negated[0] ^= 0x20; // The sign of y.
    let negated = min_pk::PublicKey::uncompress(&negated).unwrap();
    let mut rogue = min_pk::AggregatePublicKey::from_public_key(&known.secret.sk_to_pk());
    rogue.add_public_key(&negated, true).unwrap();
    let rogue = key_to_eip2537(&rogue.to_public_key());
    for possession in [known.possession(), victim.possession()] {
        let call = Registry::registerCall {
            blsKey: rogue.clone(),
            possession,
            ..known.registration()
        };
        assert_eq!(register(&mut chain, &call).unwrap_err(), "InvalidPossession");
    }
}

#[test]
fn registration_closes_with_the_genesis_block() {
    let mut chain = at_genesis();
    chain.block = 1;
    assert_eq!(
        register(&mut chain, &Operator::new(1).registration()).unwrap_err(),
        "RegistrationClosed"
    );
}

#[test]
fn an_operator_may_move_and_nobody_may_move_it() {
    let operators = [Operator::new(1), Operator::new(2)];
    let mut chain = Chain::genesis(contracts::addresses::FAUCET, &operators);
    let call = Registry::setEndpointCall {
        endpoint: "[::1]:1".into(),
    };
    chain.send(operators[1].account, OPERATOR_REGISTRY, &call).unwrap();
    let list = chain.view(OPERATOR_REGISTRY, &Registry::operatorsCall {});
    assert_eq!((&*list[0].endpoint, &*list[1].endpoint), ("127.0.0.1:9000", "[::1]:1"));
    let stranger = chain
        .send(Address::repeat_byte(9), OPERATOR_REGISTRY, &call)
        .err()
        .unwrap();
    assert!(stranger.starts_with("NotAnOperator"), "{stranger}");
}

/// The contract adds few keys up and takes few away from the sum of all; both ways must agree with blst.
#[test]
fn the_keys_of_every_subset_add_up_to_blsts_sum() {
    let operators: Vec<_> = (1..=5).map(Operator::new).collect();
    let mut chain = Chain::genesis(contracts::addresses::FAUCET, &operators);
    for subset in 0..32u32 {
        let members: Vec<u32> = (0..5).filter(|i| subset >> i & 1 == 1).collect();
        let bitmap = signers_bitmap(members.iter().copied(), 5);
        let found = chain.view(OPERATOR_REGISTRY, &Registry::signersCall { bitmap });
        assert_eq!(found.indices, members);
        let keys: Vec<_> = members
            .iter()
            .map(|&i| operators[i as usize].secret.sk_to_pk())
            .collect();
        let references: Vec<_> = keys.iter().collect();
        let expected = match min_pk::AggregatePublicKey::aggregate(&references, false) {
            Ok(sum) => key_to_eip2537(&sum.to_public_key()),
            Err(_) => vec![0; 128].into(),
        };
        assert_eq!(found.key, expected, "{members:?}");
    }
    for bitmap in [vec![], vec![0, 0], vec![0b0010_0000]] {
        let call = Registry::signersCall { bitmap: bitmap.into() };
        assert_eq!(
            chain.send(Address::ZERO, OPERATOR_REGISTRY, &call).err().unwrap(),
            "InvalidBitmap"
        );
    }
}
