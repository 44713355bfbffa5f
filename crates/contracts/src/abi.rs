//! Calls, events, errors and structs of each contract, read from its artifact; each module also has the contract's bytecode.
//!
//! What a function does is written in `contracts/src/interfaces/`, and printed with its selector in `docs/contracts.md`.

// The code below is generated; its documentation is the Solidity interface's.
#![allow(missing_docs, clippy::too_many_arguments)]

/// Binds each artifact in a module of its own, because a struct may occur in several of them.
macro_rules! contract {
    ($module:ident, $name:ident, $path:literal) => {
        mod $module {
            alloy_sol_types::sol!(
                #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
                $name,
                $path
            );
        }
        pub use $module::$name;
    };
}

contract!(
    operator_registry,
    OperatorRegistry,
    "../../contracts/artifacts/OperatorRegistry.json"
);
contract!(stake_vault, StakeVault, "../../contracts/artifacts/StakeVault.json");
contract!(
    network_registry,
    NetworkRegistry,
    "../../contracts/artifacts/NetworkRegistry.json"
);
contract!(
    validator_registry,
    ValidatorRegistry,
    "../../contracts/artifacts/ValidatorRegistry.json"
);
contract!(
    consensus_slasher,
    ConsensusSlasher,
    "../../contracts/artifacts/ConsensusSlasher.json"
);
contract!(
    randomness_beacon,
    RandomnessBeacon,
    "../../contracts/artifacts/RandomnessBeacon.json"
);
contract!(da_entrance, DAEntrance, "../../contracts/artifacts/DAEntrance.json");
contract!(usdx, USDX, "../../contracts/artifacts/USDX.json");
contract!(
    payment_channels,
    X402BatchSettlement,
    "../../contracts/artifacts/X402BatchSettlement.json"
);
contract!(
    erc3009_collector,
    Erc3009Collector,
    "../../contracts/artifacts/Erc3009Collector.json"
);
contract!(
    contribution_book,
    ContributionBook,
    "../../contracts/artifacts/ContributionBook.json"
);
contract!(
    revenue_splitter,
    RevenueSplitter,
    "../../contracts/artifacts/RevenueSplitter.json"
);
contract!(
    splitter_factory,
    SplitterFactory,
    "../../contracts/artifacts/SplitterFactory.json"
);
contract!(
    model_registry,
    ModelRegistry,
    "../../contracts/artifacts/ModelRegistry.json"
);
contract!(reader_book, ReaderBook, "../../contracts/artifacts/ReaderBook.json");
contract!(
    release_committee,
    DealtReleaseCommittee,
    "../../contracts/artifacts/DealtReleaseCommittee.json"
);
contract!(
    release_ceremony,
    ReleaseCeremony,
    "../../contracts/artifacts/ReleaseCeremony.json"
);
contract!(
    da_challenges,
    DAChallenges,
    "../../contracts/artifacts/DAChallenges.json"
);
contract!(da_lottery, DALottery, "../../contracts/artifacts/DALottery.json");
contract!(chain_client, ChainClient, "../../contracts/artifacts/ChainClient.json");
contract!(mailbox, Mailbox, "../../contracts/artifacts/Mailbox.json");
contract!(
    shard_registry,
    ShardRegistry,
    "../../contracts/artifacts/ShardRegistry.json"
);
contract!(
    shard_slasher,
    ShardSlasher,
    "../../contracts/artifacts/ShardSlasher.json"
);
contract!(
    shard_validators,
    ShardValidators,
    "../../contracts/artifacts/ShardValidators.json"
);
