//! `aloft balance`

use super::{
    connection::{Connection, coins, parse_address, usdx},
    done,
};
use crate::output::{ExitCode, Failure, Output};
use contracts::{abi, addresses};
use primitives::{Address, U256};
use serde::Serialize;
use std::fmt;

/// Show what an account owns.
///
/// Example: aloft balance 0x70997970C51812dc3A010C7d01b50e0d17dc79C8
#[derive(clap::Args)]
pub struct Balance {
    /// Account; the acting key's own when left out.
    #[arg(value_parser = parse_address)]
    account: Option<Address>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Serialize)]
struct Balances {
    account: Address,
    coin_wei: U256,
    usdx_micro: U256,
}

impl fmt::Display for Balances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "account  {}", self.account)?;
        writeln!(f, "coin     {}", coins(self.coin_wei))?;
        write!(f, "USDX     {}", usdx(self.usdx_micro))
    }
}

impl Balance {
    /// Asks the chain.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let provider = self.connection.provider().await?;
        let account = self.account.unwrap_or_else(|| provider.wallet().address());
        let coin_wei = provider.balance(account).await?;
        let usdx_micro = contracts::read(&provider, addresses::USDX, &abi::USDX::balanceOfCall { account }).await?;
        done(
            output,
            &Balances {
                account,
                coin_wei,
                usdx_micro,
            },
        )
    }
}
