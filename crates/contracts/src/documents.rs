//! The page that lists the contracts: addresses, functions with their selectors, events with their topics, errors.

use crate::{abi, addresses, genesis::genesis_contracts};
use primitives::hex;
use std::fmt::Write;

/// `docs/contracts.md`, in Markdown. A test keeps the file equal to it.
pub fn docs() -> String {
    let mut page = String::from(
        "# Contracts\n\nPrinted by the crate `contracts`; to change it, change the contracts. What each function does is written in \
         `contracts/src/interfaces/`,\nwhat the money does in `docs/spec/economy.md`.\n\n| Contract | Address |\n|---|---|\n",
    );
    for contract in genesis_contracts() {
        let _ = writeln!(page, "| `{}` | `{}` |", contract.name, contract.address);
    }
    let _ = writeln!(
        page,
        "\nA network whose members make the key that releases others among themselves has `ReleaseCeremony` at `{}`.",
        addresses::RELEASE_COMMITTEE
    );
    let _ = writeln!(
        page,
        "\nOn a shard, `ChainClient` and `Mailbox` are where they are here, `ShardValidators` is at `{}`, and there are no others.",
        addresses::SHARD_VALIDATORS
    );
    macro_rules! section {
        ($contract:ident, $calls:ident, $events:expr, $errors:ident) => {
            let _ = writeln!(page, "\n## {}", stringify!($contract));
            table(
                &mut page,
                "Function",
                "Selector",
                abi::$contract::$calls::SIGNATURES,
                abi::$contract::$calls::SELECTORS,
            );
            table(&mut page, "Event", "Topic", $events.0, $events.1);
            table(
                &mut page,
                "Error",
                "Selector",
                abi::$contract::$errors::SIGNATURES,
                abi::$contract::$errors::SELECTORS,
            );
        };
    }
    macro_rules! events {
        ($contract:ident, $events:ident) => {
            (
                abi::$contract::$events::SIGNATURES,
                abi::$contract::$events::SELECTORS,
            )
        };
    }
    const NONE: (&[&str], &[[u8; 32]]) = (&[], &[]);
    section!(
        OperatorRegistry,
        OperatorRegistryCalls,
        events!(OperatorRegistry, OperatorRegistryEvents),
        OperatorRegistryErrors
    );
    section!(
        StakeVault,
        StakeVaultCalls,
        events!(StakeVault, StakeVaultEvents),
        StakeVaultErrors
    );
    section!(
        NetworkRegistry,
        NetworkRegistryCalls,
        events!(NetworkRegistry, NetworkRegistryEvents),
        NetworkRegistryErrors
    );
    section!(
        ValidatorRegistry,
        ValidatorRegistryCalls,
        events!(ValidatorRegistry, ValidatorRegistryEvents),
        ValidatorRegistryErrors
    );
    section!(
        ConsensusSlasher,
        ConsensusSlasherCalls,
        events!(ConsensusSlasher, ConsensusSlasherEvents),
        ConsensusSlasherErrors
    );
    section!(
        RandomnessBeacon,
        RandomnessBeaconCalls,
        events!(RandomnessBeacon, RandomnessBeaconEvents),
        RandomnessBeaconErrors
    );
    section!(
        DAEntrance,
        DAEntranceCalls,
        events!(DAEntrance, DAEntranceEvents),
        DAEntranceErrors
    );
    section!(USDX, USDXCalls, events!(USDX, USDXEvents), USDXErrors);
    section!(
        X402BatchSettlement,
        X402BatchSettlementCalls,
        events!(X402BatchSettlement, X402BatchSettlementEvents),
        X402BatchSettlementErrors
    );
    section!(Erc3009Collector, Erc3009CollectorCalls, NONE, Erc3009CollectorErrors);
    section!(
        ContributionBook,
        ContributionBookCalls,
        events!(ContributionBook, ContributionBookEvents),
        ContributionBookErrors
    );
    section!(
        RevenueSplitter,
        RevenueSplitterCalls,
        events!(RevenueSplitter, RevenueSplitterEvents),
        RevenueSplitterErrors
    );
    section!(
        SplitterFactory,
        SplitterFactoryCalls,
        events!(SplitterFactory, SplitterFactoryEvents),
        SplitterFactoryErrors
    );
    section!(
        ModelRegistry,
        ModelRegistryCalls,
        events!(ModelRegistry, ModelRegistryEvents),
        ModelRegistryErrors
    );
    section!(
        ReaderBook,
        ReaderBookCalls,
        events!(ReaderBook, ReaderBookEvents),
        ReaderBookErrors
    );
    section!(
        DealtReleaseCommittee,
        DealtReleaseCommitteeCalls,
        events!(DealtReleaseCommittee, DealtReleaseCommitteeEvents),
        DealtReleaseCommitteeErrors
    );
    section!(
        ReleaseCeremony,
        ReleaseCeremonyCalls,
        events!(ReleaseCeremony, ReleaseCeremonyEvents),
        ReleaseCeremonyErrors
    );
    section!(
        DAChallenges,
        DAChallengesCalls,
        events!(DAChallenges, DAChallengesEvents),
        DAChallengesErrors
    );
    section!(
        DALottery,
        DALotteryCalls,
        events!(DALottery, DALotteryEvents),
        DALotteryErrors
    );
    section!(
        ChainClient,
        ChainClientCalls,
        events!(ChainClient, ChainClientEvents),
        ChainClientErrors
    );
    section!(Mailbox, MailboxCalls, events!(Mailbox, MailboxEvents), MailboxErrors);
    section!(
        ShardRegistry,
        ShardRegistryCalls,
        events!(ShardRegistry, ShardRegistryEvents),
        ShardRegistryErrors
    );
    section!(
        ShardSlasher,
        ShardSlasherCalls,
        events!(ShardSlasher, ShardSlasherEvents),
        ShardSlasherErrors
    );
    section!(
        ShardValidators,
        ShardValidatorsCalls,
        events!(ShardValidators, ShardValidatorsEvents),
        ShardValidatorsErrors
    );
    page
}

/// One table of signatures, in alphabetical order; nothing when there are none.
fn table<const N: usize>(page: &mut String, kind: &str, id: &str, signatures: &[&str], ids: &[[u8; N]]) {
    if signatures.is_empty() {
        return;
    }
    let mut rows: Vec<_> = signatures.iter().zip(ids).collect();
    rows.sort();
    let _ = writeln!(page, "\n| {kind} | {id} |\n|---|---|");
    for (signature, id) in rows {
        let _ = writeln!(page, "| `{signature}` | `0x{}` |", hex::encode(id));
    }
}
