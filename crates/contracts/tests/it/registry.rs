//! Operators: who may register, with which keys, and what they may change.

use crate::{
    chain::Chain,
    keys::{Operator, key_to_eip2537},
};
use blst::min_pk;
use contracts::{
    DA_SERVICE, EPOCH_BLOCKS, UNBONDING_EPOCHS,
    abi::{NetworkRegistry, OperatorRegistry as Registry},
    addresses::{NETWORK_REGISTRY, OPERATOR_REGISTRY},
    genesis_contracts,
    typed_data::signers_bitmap,
};
use primitives::{Address, B256, Bytes};

fn empty_registry() -> Chain {
    let mut chain = Chain::empty();
    chain.construct(&genesis_contracts()[0]);
    chain.block = 1;
    chain
}

fn register(chain: &mut Chain, from: Address, call: &Registry::registerCall) -> Result<u32, String> {
    chain.send(from, OPERATOR_REGISTRY, call).map(|sent| sent.result)
}

#[test]
fn an_operator_is_listed_as_it_registered() {
    let mut chain = empty_registry();
    let operator = Operator::new(1);
    let sent = chain
        .send(operator.account, OPERATOR_REGISTRY, &operator.registration())
        .unwrap();
    let [event] = &sent.events::<Registry::OperatorRegistered>()[..] else {
        panic!("one event")
    };
    assert_eq!((event.operator, event.account), (0, operator.account));
    let listed = chain.view(OPERATOR_REGISTRY, &Registry::operatorOfCall { operator: 0 });
    assert_eq!(listed.account, operator.account);
    assert_eq!(listed.streamKey, operator.stream_key);
    assert_eq!(listed.blsKey, operator.key());
    assert_eq!(listed.endpoint, "127.0.0.1:9000");
    let account = operator.account;
    assert_eq!(chain.view(OPERATOR_REGISTRY, &Registry::numberOfCall { account }), 0);
    assert_eq!(chain.view(OPERATOR_REGISTRY, &Registry::operatorCountCall {}), 1);
    let beyond = chain.send(account, OPERATOR_REGISTRY, &Registry::operatorOfCall { operator: 1 });
    assert_eq!(beyond.err().unwrap(), "NoSuchOperator(operator: 1)");
}

#[test]
fn a_registration_with_a_flaw_is_refused() {
    let mut chain = empty_registry();
    let (first, second) = (Operator::new(1).account, Operator::new(2).account);
    register(&mut chain, first, &Operator::new(1).registration()).unwrap();
    assert_eq!(
        register(&mut chain, first, &Operator::new(2).registration()).unwrap_err(),
        "NotUnique"
    );
    let good = || Operator::new(2).registration();
    let infinity = Bytes::from(vec![0; 128]);
    for (flawed, reason) in [
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
        assert_eq!(register(&mut chain, second, &flawed).unwrap_err(), reason);
    }
    // Whoever sees a registration under way cannot register the key as its own.
    let thief = Address::repeat_byte(9);
    assert_eq!(register(&mut chain, thief, &good()).unwrap_err(), "InvalidPossession");
    assert_eq!(register(&mut chain, second, &good()).unwrap(), 1);
}

/// A key made from another's, so that the two add up to one whose secret the attacker knows: it could then sign for both. It cannot prove
/// possession of it.
#[test]
fn a_rogue_key_cannot_register() {
    let mut chain = empty_registry();
    let victim = Operator::new(1);
    register(&mut chain, victim.account, &victim.registration()).unwrap();

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
        assert_eq!(
            register(&mut chain, known.account, &call).unwrap_err(),
            "InvalidPossession"
        );
    }
}

#[test]
fn a_commission_falls_at_once_and_rises_when_backers_had_time_to_leave() {
    let operator = Operator::new(1);
    let mut chain = empty_registry();
    register(&mut chain, operator.account, &operator.registration()).unwrap();
    let set = |chain: &mut Chain, commission| {
        let call = Registry::setCommissionCall {
            commissionBps: commission,
        };
        chain.send(operator.account, OPERATOR_REGISTRY, &call).map(|_| ())
    };
    let now = |chain: &mut Chain| chain.view(OPERATOR_REGISTRY, &Registry::commissionOfCall { operator: 0 });
    assert_eq!(
        set(&mut chain, 1_001).unwrap_err(),
        "InvalidCommission(commissionBps: 1001)"
    );
    set(&mut chain, 1_000).unwrap();
    assert_eq!(now(&mut chain), 0);
    chain.block = UNBONDING_EPOCHS * EPOCH_BLOCKS - 1;
    assert_eq!(now(&mut chain), 0);
    chain.block += 1;
    assert_eq!(now(&mut chain), 1_000);
    set(&mut chain, 2_000).unwrap();
    assert_eq!(now(&mut chain), 1_000);
    // Replaces the rise that waits.
    set(&mut chain, 100).unwrap();
    assert_eq!(now(&mut chain), 100);
    chain.block += UNBONDING_EPOCHS * EPOCH_BLOCKS;
    assert_eq!(now(&mut chain), 100);
}

#[test]
fn nobody_but_the_vault_jails() {
    let operator = Operator::new(1);
    let mut chain = empty_registry();
    register(&mut chain, operator.account, &operator.registration()).unwrap();
    let call = Registry::jailCall {
        operator: 0,
        untilEpoch: 9,
    };
    let refused = chain.send(operator.account, OPERATOR_REGISTRY, &call);
    assert_eq!(refused.err().unwrap(), "NotTheVault");
}

#[test]
fn an_operator_may_move_and_nobody_may_move_it() {
    let operators = [Operator::new(1), Operator::new(2)];
    let mut chain = Chain::genesis(contracts::addresses::FAUCET, &operators);
    let call = Registry::setEndpointCall {
        endpoint: "[::1]:1".into(),
    };
    chain.send(operators[1].account, OPERATOR_REGISTRY, &call).unwrap();
    let call_all = Registry::operatorsOfCall { operators: vec![0, 1] };
    let list = chain.view(OPERATOR_REGISTRY, &call_all);
    assert_eq!((&*list[0].endpoint, &*list[1].endpoint), ("127.0.0.1:9000", "[::1]:1"));
    let stranger = chain
        .send(Address::repeat_byte(9), OPERATOR_REGISTRY, &call)
        .err()
        .unwrap();
    assert!(stranger.starts_with("NotAnOperator"), "{stranger}");
}

fn signers(bitmap: Bytes) -> NetworkRegistry::signersCall {
    NetworkRegistry::signersCall {
        service: DA_SERVICE,
        atEpoch: 0,
        bitmap,
    }
}

/// The contract adds few keys up and takes few away from the sum of all; both ways must agree with blst.
#[test]
fn the_keys_of_every_subset_add_up_to_blsts_sum() {
    let operators: Vec<_> = (1..=5).map(Operator::new).collect();
    let mut chain = Chain::genesis(contracts::addresses::FAUCET, &operators);
    for subset in 0..32u32 {
        let members: Vec<u32> = (0..5).filter(|i| subset >> i & 1 == 1).collect();
        let bitmap = signers_bitmap(members.iter().copied(), 5);
        let found = chain.view(NETWORK_REGISTRY, &signers(bitmap));
        let operators_found: Vec<u32> = found.members.iter().map(|member| member.operator).collect();
        assert_eq!(operators_found, members);
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
        let call = signers(bitmap.into());
        assert_eq!(
            chain.send(Address::ZERO, NETWORK_REGISTRY, &call).err().unwrap(),
            "InvalidBitmap"
        );
    }
}
