//! Which network, and on whose behalf: the options that every verb on a running network shares.

use anyhow::Context as _;
use client::{HttpProvider, Rpc, Wallet};
use node::{NodeKeys, SEED_FILE};
use primitives::{Address, U256};
use std::{path::PathBuf, sync::Arc};

/// Who asks.
#[derive(clap::Args)]
#[command(next_help_heading = "Network")]
pub struct Key {
    /// Private key to act with: 64 hexadecimal digits. The default is the first of the keys that `aloft up` prints.
    #[arg(
        long,
        env = "ALOFT_PRIVATE_KEY",
        hide_env_values = true,
        hide_default_value = true,
        default_value = node::DEVELOPMENT_KEYS[0],
        value_name = "KEY"
    )]
    key: String,
}

impl Key {
    /// The wallet of `--key`.
    pub fn wallet(&self) -> anyhow::Result<Arc<Wallet>> {
        Ok(Arc::new(self.key.parse().context("read --key")?))
    }
}

/// Where the network is and who asks.
#[derive(clap::Args)]
#[command(next_help_heading = "Network")]
pub struct Connection {
    /// JSON-RPC URL of a node.
    #[arg(long, env = "ALOFT_RPC", default_value = "http://127.0.0.1:8545", value_name = "URL")]
    pub rpc: String,
    /// URL of a node's other HTTP server.
    #[arg(long, env = "ALOFT_API", default_value = "http://127.0.0.1:7777", value_name = "URL")]
    pub api: String,
    #[command(flatten)]
    key: Key,
    /// Folder with the keys of a node to act with, as `aloft node keys` makes it, instead of --key.
    #[arg(long = "keys", value_name = "DIR")]
    key_folder: Option<PathBuf>,
}

impl Connection {
    /// The wallet of `--keys`, or else of `--key`.
    pub fn wallet(&self) -> anyhow::Result<Arc<Wallet>> {
        match &self.key_folder {
            Some(dir) => Ok(Arc::new(NodeKeys::open(&dir.join(SEED_FILE))?.wallet)),
            None => self.key.wallet(),
        }
    }

    /// All keys of `--keys`, for what takes more than a wallet.
    pub fn node_keys(&self) -> anyhow::Result<NodeKeys> {
        let folder = self.key_folder.as_ref();
        let folder = folder.context("name the folder of the operator's keys by --keys; aloft node keys makes one")?;
        Ok(NodeKeys::open(&folder.join(SEED_FILE))?)
    }

    /// Connects to the node.
    pub async fn provider(&self) -> anyhow::Result<HttpProvider> {
        let provider = HttpProvider::connect(Rpc::new(&self.rpc), self.wallet()?).await;
        provider.with_context(|| format!("is a network running at {}? Start one with: aloft up", self.rpc))
    }
}

/// Decimals of the native coin.
const COIN_DECIMALS: u32 = 18;

/// A native amount as people read it: `1.5`, without trailing zeros.
pub fn coins(wei: U256) -> String {
    decimal(wei, COIN_DECIMALS)
}

/// An amount of USDX as people read it, with all six decimals.
pub fn usdx(micro: U256) -> String {
    let unit = U256::from(1_000_000);
    format!("{}.{:06}", micro / unit, (micro % unit).to::<u64>())
}

fn decimal(amount: U256, decimals: u32) -> String {
    let unit = U256::from(10).pow(U256::from(decimals));
    let fraction = format!("{:0width$}", amount % unit, width = decimals as usize);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() {
        format!("{}", amount / unit)
    } else {
        format!("{}.{fraction}", amount / unit)
    }
}

/// Reads `1.5` as an amount with so many decimals.
///
/// # Errors
///
/// Says what is wrong with the text.
pub fn parse_decimal(text: &str, decimals: u32) -> Result<U256, String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let width = decimals as usize;
    if fraction.len() > width {
        return Err(format!("{text} has more than {decimals} decimals"));
    }
    let digits = format!("{whole}{fraction:0<width$}");
    if whole.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(format!("{text} is not an amount such as 1.5"));
    }
    digits.parse().map_err(|_| format!("{text} is too large"))
}

/// Reads a native amount.
pub fn parse_coins(text: &str) -> Result<U256, String> {
    parse_decimal(text, COIN_DECIMALS)
}

/// Reads an address.
pub fn parse_address(text: &str) -> Result<Address, String> {
    text.parse()
        .map_err(|_| format!("{text} is not an address: 40 hexadecimal digits after 0x"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_reads_back_as_it_prints() {
        for text in ["0", "1", "1.5", "0.000000000000000001", "10000"] {
            assert_eq!(coins(parse_coins(text).unwrap()), text);
        }
        assert_eq!(coins(parse_coins("1.500").unwrap()), "1.5");
        assert_eq!(usdx(U256::from(1_500_007)), "1.500007");
    }

    #[test]
    fn what_is_no_amount_is_refused_with_its_text() {
        for text in ["", ".5", "-1", "1e3", "1.0000000000000000001", "0x10", "1_000"] {
            assert!(parse_coins(text).unwrap_err().contains(text));
        }
    }
}
