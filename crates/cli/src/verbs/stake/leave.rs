//! `aloft stake leave`

use crate::{
    output::{ExitCode, Failure, Output},
    verbs::{
        connection::{Connection, coins, parse_coins},
        done,
        stake::operator,
    },
};
use anyhow::Context as _;
use contracts::{Provider as _, abi::StakeVault, addresses::STAKE_VAULT};
use primitives::{B256, U256};
use serde::Serialize;
use std::fmt;

/// Ask back what you have behind an operator. It is free six epochs later, and can be lost until then.
///
/// Example: aloft stake leave 10 --operator 0
#[derive(clap::Args)]
pub struct Leave {
    /// How many coins, such as 1.5; all that count when left out.
    #[arg(value_parser = parse_coins)]
    amount: Option<U256>,
    /// Number of the operator, as `aloft stake show` lists it; the account's own when left out.
    #[arg(long, value_name = "NUMBER")]
    operator: Option<u32>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Serialize)]
struct Left {
    operator: u32,
    amount_wei: U256,
    /// Epoch in which it is free.
    release_epoch: u64,
    transaction: B256,
    block: u64,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let amount = coins(self.amount_wei);
        let Self {
            operator,
            release_epoch,
            ..
        } = self;
        write!(
            f,
            "{amount} leaves operator {operator}; from epoch {release_epoch} on: \
             aloft stake withdraw --operator {operator} --epoch {release_epoch}"
        )
    }
}

impl Leave {
    /// Asks for it, and says when it is free.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let provider = self.connection.provider().await?;
        let amount = match self.amount {
            None => u128::MAX,
            Some(wei) => u128::try_from(wei).context("more coins than there are")?,
        };
        let operator = operator(self.operator, &provider).await?;
        let call = StakeVault::askBackCall { operator, amount };
        let mined = contracts::write(&provider, STAKE_VAULT, &call, U256::ZERO)
            .await
            .context("ask the stake back")?;
        let filter = contracts::EventFilter {
            addresses: vec![STAKE_VAULT],
            from_block: mined.block,
            to_block: Some(mined.block),
            ..contracts::EventFilter::default()
        };
        let events = provider.events(filter).await.context("read what became of it")?;
        let left = (events.iter())
            .filter(|event| event.transaction == mined.hash)
            .find_map(|event| event.decode::<StakeVault::Leaving>().ok())
            .context("the node has no event of the transaction")?;
        done(
            output,
            &Left {
                operator,
                amount_wei: left.amount,
                release_epoch: left.releaseEpoch,
                transaction: mined.hash,
                block: mined.block,
            },
        )
    }
}
