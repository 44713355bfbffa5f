//! Contribution weights: recorded once, by whoever answers for them.

use crate::chain::Chain;
use contracts::{abi::ContributionBook as Book, addresses::CONTRIBUTION_BOOK};
use primitives::{Address, B256};

fn entry(model: u8) -> Book::publishCall {
    Book::publishCall {
        modelRoot: B256::repeat_byte(model),
        weightsRoot: B256::repeat_byte(2),
        reportHash: B256::repeat_byte(3),
        totalWeight: 1_000_000_000_000,
    }
}

#[test]
fn an_entry_belongs_to_its_publisher_and_never_changes() {
    let mut chain = Chain::genesis(contracts::addresses::FAUCET, &[]);
    let (alice, mallory) = (Address::repeat_byte(1), Address::repeat_byte(2));
    // Mallory is first, which takes nothing from Alice.
    let other = Book::publishCall {
        weightsRoot: B256::repeat_byte(9),
        ..entry(1)
    };
    chain.send(mallory, CONTRIBUTION_BOOK, &other).unwrap();
    let sent = chain.send(alice, CONTRIBUTION_BOOK, &entry(1)).unwrap();
    let [event] = &sent.events::<Book::Published>()[..] else {
        panic!("one event")
    };
    assert_eq!(
        (event.publisher, event.modelRoot, event.totalWeight),
        (alice, B256::repeat_byte(1), 1_000_000_000_000)
    );

    let again = chain.send(alice, CONTRIBUTION_BOOK, &other).err().unwrap();
    assert_eq!(
        again,
        format!(
            "AlreadyPublished(publisher: {alice}, modelRoot: {})",
            B256::repeat_byte(1)
        )
    );
    let call = Book::contributionsCall {
        publisher: alice,
        modelRoot: B256::repeat_byte(1),
    };
    let found = chain.view(CONTRIBUTION_BOOK, &call);
    assert_eq!(
        (found.weightsRoot, found.reportHash, found.publishedBlock),
        (B256::repeat_byte(2), B256::repeat_byte(3), 1)
    );
}

#[test]
fn an_entry_with_a_flaw_is_refused() {
    let mut chain = Chain::genesis(contracts::addresses::FAUCET, &[]);
    for (call, reason) in [
        (
            Book::publishCall {
                modelRoot: B256::ZERO,
                ..entry(1)
            },
            "ZeroHash",
        ),
        (
            Book::publishCall {
                weightsRoot: B256::ZERO,
                ..entry(1)
            },
            "ZeroHash",
        ),
        (
            Book::publishCall {
                reportHash: B256::ZERO,
                ..entry(1)
            },
            "ZeroHash",
        ),
        (
            Book::publishCall {
                totalWeight: 0,
                ..entry(1)
            },
            "InvalidTotalWeight(totalWeight: 0)",
        ),
        (
            Book::publishCall {
                totalWeight: 1_000_000_000_001,
                ..entry(1)
            },
            "InvalidTotalWeight(totalWeight: 1000000000001)",
        ),
    ] {
        assert_eq!(
            chain.send(Address::ZERO, CONTRIBUTION_BOOK, &call).err().unwrap(),
            reason
        );
    }
}
