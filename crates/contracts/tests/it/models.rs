//! Names of models: owned by whoever came first, versions that never change.

use crate::chain::Chain;
use contracts::{
    abi::ModelRegistry as Registry,
    addresses::{FAUCET, MODEL_REGISTRY, USDX},
};
use primitives::{Address, B256};

const ALICE: Address = Address::repeat_byte(1);
const MALLORY: Address = Address::repeat_byte(2);

fn publication(name: &str, root: u8) -> Registry::publishCall {
    Registry::publishCall {
        name: name.into(),
        root: B256::repeat_byte(root),
        splitter: Address::repeat_byte(9),
        token: USDX,
        pricePerRow: 2_000,
    }
}

#[test]
fn a_name_belongs_to_its_first_publisher_and_counts_versions() {
    let mut chain = Chain::genesis(FAUCET, &[]);
    let name = "soil-sense".to_string();
    let free = chain.view(MODEL_REGISTRY, &Registry::latestCall { name: name.clone() });
    assert_eq!((free.version, free.newest.publishedBlock), (0, 0));
    for (version, root) in [(1u64, 10u8), (2, 20)] {
        chain.block += 1;
        let sent = chain.send(ALICE, MODEL_REGISTRY, &publication(&name, root)).unwrap();
        assert_eq!(sent.result, version);
        let [event] = &sent.events::<Registry::ModelPublished>()[..] else {
            panic!("one event")
        };
        assert_eq!(
            (&event.name, event.version, event.root, event.publisher),
            (&name, version, B256::repeat_byte(root), ALICE)
        );
        assert_eq!(
            (event.splitter, event.token, event.pricePerRow),
            (Address::repeat_byte(9), USDX, 2_000)
        );
    }
    let refused = chain
        .send(MALLORY, MODEL_REGISTRY, &publication(&name, 30))
        .err()
        .unwrap();
    assert!(refused.starts_with("NotPublisher"), "{refused}");
    let latest = chain.view(MODEL_REGISTRY, &Registry::latestCall { name: name.clone() });
    assert_eq!(
        (latest.version, latest.newest.root, latest.newest.publishedBlock),
        (2, B256::repeat_byte(20), chain.block)
    );
    let first = chain.view(
        MODEL_REGISTRY,
        &Registry::modelCall {
            name: name.clone(),
            version: 1,
        },
    );
    assert_eq!(
        (first.root, first.pricePerRow, first.token),
        (B256::repeat_byte(10), 2_000, USDX)
    );
    assert_eq!(
        chain
            .view(
                MODEL_REGISTRY,
                &Registry::modelCall {
                    name: name.clone(),
                    version: 3
                }
            )
            .publishedBlock,
        0
    );
    assert_eq!(chain.view(MODEL_REGISTRY, &Registry::publisherOfCall { name }), ALICE);
}

#[test]
fn a_publication_with_a_flaw_is_refused() {
    let mut chain = Chain::genesis(FAUCET, &[]);
    for name in ["", "-a", "a-", "Soil", "a b", "a.b", "ä", &"x".repeat(64)] {
        let refused = chain.send(ALICE, MODEL_REGISTRY, &publication(name, 1)).err().unwrap();
        assert!(refused.starts_with("InvalidName"), "{name}: {refused}");
    }
    for call in [
        Registry::publishCall {
            root: B256::ZERO,
            ..publication("a", 1)
        },
        Registry::publishCall {
            splitter: Address::ZERO,
            ..publication("a", 1)
        },
        Registry::publishCall {
            token: Address::ZERO,
            ..publication("a", 1)
        },
    ] {
        assert_eq!(chain.send(ALICE, MODEL_REGISTRY, &call).err().unwrap(), "ZeroField");
    }
    for name in ["a", "0", "a-b-9", &"x".repeat(63)] {
        chain.send(ALICE, MODEL_REGISTRY, &publication(name, 1)).unwrap();
    }
}
