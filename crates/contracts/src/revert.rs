//! Revert data as people read it.

use crate::abi;
use alloy_sol_types::{SolError, SolInterface};
use primitives::hex;

/// Longest part of unknown revert data that is printed, bytes: a selector and a word.
const MAX_PRINTED_BYTES: usize = 36;
/// Longest reason, bytes: a contract may return as much as its gas buys, and this ends up in logs and answers.
const MAX_REASON_BYTES: usize = 1024;

/// What a contract said when it refused: `Error(string)`, a panic, or an error of ours with its values.
pub fn reason(data: &[u8]) -> String {
    let mut reason = whole_reason(data);
    reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
    reason
}

fn whole_reason(data: &[u8]) -> String {
    if data.is_empty() {
        return "no reason given".into();
    }
    if let Ok(error) = alloy_sol_types::Revert::abi_decode(data) {
        return error.reason;
    }
    if let Ok(panic) = alloy_sol_types::Panic::abi_decode(data) {
        return panic.to_string();
    }
    macro_rules! try_contract {
        ($($errors:ty),*) => {
            $(if let Ok(error) = <$errors>::abi_decode(data) { return readable(&format!("{error:?}")); })*
        };
    }
    try_contract!(
        abi::DAEntrance::DAEntranceErrors,
        abi::OperatorRegistry::OperatorRegistryErrors,
        abi::StakeVault::StakeVaultErrors,
        abi::NetworkRegistry::NetworkRegistryErrors,
        abi::ValidatorRegistry::ValidatorRegistryErrors,
        abi::ConsensusSlasher::ConsensusSlasherErrors,
        abi::RandomnessBeacon::RandomnessBeaconErrors,
        abi::X402BatchSettlement::X402BatchSettlementErrors,
        abi::Erc3009Collector::Erc3009CollectorErrors,
        abi::USDX::USDXErrors,
        abi::RevenueSplitter::RevenueSplitterErrors,
        abi::SplitterFactory::SplitterFactoryErrors,
        abi::ContributionBook::ContributionBookErrors,
        abi::ModelRegistry::ModelRegistryErrors,
        abi::ReaderBook::ReaderBookErrors,
        abi::DealtReleaseCommittee::DealtReleaseCommitteeErrors,
        abi::ReleaseCeremony::ReleaseCeremonyErrors,
        abi::DAChallenges::DAChallengesErrors,
        abi::DALottery::DALotteryErrors,
        abi::ChainClient::ChainClientErrors,
        abi::Mailbox::MailboxErrors,
        abi::ShardRegistry::ShardRegistryErrors,
        abi::ShardSlasher::ShardSlasherErrors,
        abi::ShardValidators::ShardValidatorsErrors
    );
    format!("0x{}", hex::encode(&data[..data.len().min(MAX_PRINTED_BYTES)]))
}

/// `BelowQuorum(BelowQuorum { held: 1, total: 2 })` without the repetition.
fn readable(debug: &str) -> String {
    let inner = debug.find('(').map_or(debug, |open| &debug[open + 1..debug.len() - 1]);
    inner.replace(" { ", "(").replace(" }", ")")
}

#[cfg(test)]
mod tests {
    use super::*;
    use primitives::U256;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn a_contracts_refusal_reads_as_its_name_and_values() {
        let quorum = abi::DAEntrance::BelowQuorum {
            held: U256::from(1),
            total: U256::from(2),
        };
        assert_eq!(reason(&quorum.abi_encode()), "BelowQuorum(held: 1, total: 2)");
        let text = alloy_sol_types::Revert { reason: "no".into() };
        assert_eq!(reason(&text.abi_encode()), "no");
        assert_eq!(reason(&[]), "no reason given");
        assert_eq!(reason(&[1, 2, 3]), "0x010203");
        let long = alloy_sol_types::Revert {
            reason: "ä".repeat(1000),
        };
        assert_eq!(reason(&long.abi_encode()), "ä".repeat(512));
    }

    #[test]
    fn any_bytes_are_a_refusal_that_can_be_printed() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let name = abi::ModelRegistry::NotPublisher {
            name: "n(a) { m }e".into(),
            publisher: Default::default(),
        };
        assert!(reason(&name.abi_encode()).starts_with("NotPublisher"));
        for selector in abi::DAEntrance::DAEntranceErrors::SELECTORS
            .iter()
            .chain([&[8, 0xc3, 0x79, 0xa0]])
        {
            for _ in 0..200 {
                let mut data = selector.to_vec();
                data.extend((0..rng.random_range(0..200)).map(|_| rng.random::<u8>()));
                assert!(reason(&data).len() <= MAX_REASON_BYTES);
            }
        }
        let mut damaged = name.abi_encode();
        for at in 0..damaged.len() {
            damaged[at] ^= 1 << rng.random_range(0..8);
            assert!(reason(&damaged).len() <= MAX_REASON_BYTES);
        }
    }
}
