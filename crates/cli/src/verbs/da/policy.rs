//! `aloft da policy`

mod apply;

use crate::{
    output::{ExitCode, Failure, Output},
    verbs::{
        connection::{Connection, coins, parse_coins},
        done,
        readers::ReadingKey,
    },
};
use anyhow::{Context as _, ensure};
use client::{
    HttpProvider,
    policies::{self, PolicyName, PolicyTerms},
};
use commonware_runtime::tokio::Context;
use contracts::Provider as _;
use primitives::{Address, B256, U256};
use serde::Serialize;
use std::{fmt, str::FromStr};

/// Say to whom, when and for how much the network's committee releases the keys of files that were stored with `aloft put --release`, or that a policy was
/// applied to since.
#[derive(clap::Args)]
pub struct Policy {
    #[command(subcommand)]
    command: Command,
}

/// What can be done with a policy.
#[derive(clap::Subcommand)]
enum Command {
    Create(Create),
    Allow(Allow),
    Deny(Deny),
    Buy(Buy),
    Show(Show),
    Apply(apply::Apply),
    Lift(apply::Lift),
}

/// Make a policy of the acting key, or set anew what it asks of everybody. Who was let in stays.
///
/// Example: aloft da policy create soil --price 0.5 --blocks 345600
#[derive(clap::Args)]
struct Create {
    /// A short name, by which the acting key knows it.
    name: PolicyName,
    /// First block in which anybody may read.
    #[arg(long, default_value_t = 0, value_name = "BLOCK")]
    from: u64,
    /// Last block in which anybody may; without end when left out.
    #[arg(long, value_name = "BLOCK")]
    until: Option<u64>,
    /// Let every key read, from the first block on: for what is to become public in its time.
    #[arg(long)]
    open: bool,
    /// Sell access: what it costs in coins, such as 0.5, paid to the acting key.
    #[arg(long, value_parser = parse_coins, requires = "blocks", value_name = "COINS")]
    price: Option<U256>,
    /// For how many blocks the price lets a key read.
    #[arg(long, requires = "price", value_name = "BLOCKS", value_parser = clap::value_parser!(u64).range(1..))]
    blocks: Option<u64>,
    #[command(flatten)]
    connection: Connection,
}

/// Let keys read under a policy of the acting key.
///
/// Example: aloft da policy allow soil 0x8f40…
#[derive(clap::Args)]
struct Allow {
    /// The policy's name.
    name: PolicyName,
    /// Reading keys, as `aloft readers key` prints them.
    #[arg(required = true)]
    keys: Vec<ReadingKey>,
    /// Last block in which they may; without end when left out.
    #[arg(long, value_name = "BLOCK")]
    until: Option<u64>,
    #[command(flatten)]
    connection: Connection,
}

/// Release nothing more to keys under a policy of the acting key, and begin its next epoch. What they read before they may have kept.
///
/// Files that are stored from then on do not open to what was released before.
///
/// Example: aloft da policy deny soil 0x8f40…
#[derive(clap::Args)]
struct Deny {
    /// The policy's name.
    name: PolicyName,
    /// Reading keys, as `aloft readers key` prints them.
    #[arg(required = true)]
    keys: Vec<ReadingKey>,
    #[command(flatten)]
    connection: Connection,
}

/// Pay a policy's owner for the acting key to read under it.
///
/// The owner may take access away again: pay whom you trust.
///
/// Example: aloft da policy buy 0x77c1…
#[derive(clap::Args)]
struct Buy {
    /// The policy's id, as its owner's `aloft da policy show` prints it.
    policy: PolicyId,
    #[command(flatten)]
    connection: Connection,
}

/// Show what a policy asks, and who was let in.
///
/// Example: aloft da policy show soil
#[derive(clap::Args)]
struct Show {
    /// The name of a policy of the acting key, or any policy's id.
    policy: PolicyId,
    #[command(flatten)]
    connection: Connection,
}

/// A policy as people write it: a name of their own, or an id.
#[derive(Clone, Copy)]
pub enum PolicyId {
    /// The acting key's.
    Own(PolicyName),
    /// Anybody's: 64 hexadecimal digits after 0x.
    Id(B256),
}

impl PolicyId {
    /// The id, for who acts as `account`.
    pub fn of(&self, account: Address) -> B256 {
        match self {
            Self::Own(name) => name.policy_of(account),
            Self::Id(id) => *id,
        }
    }
}

impl FromStr for PolicyId {
    type Err = policies::NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // No name is so long.
        match text.strip_prefix("0x").filter(|digits| digits.len() == 64) {
            Some(_) => text.parse().map(Self::Id).map_err(|_| policies::NameError),
            None => text.parse().map(Self::Own),
        }
    }
}

#[derive(Serialize)]
struct Reader {
    key: B256,
    /// Last block; 0 when it was taken out.
    until_block: u64,
}

/// A policy, as the chain has it.
#[derive(Serialize)]
struct Report {
    policy: B256,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<Address>,
    #[serde(flatten)]
    terms: PolicyTerms,
    epoch: u64,
    height: u64,
    readers: Vec<Reader>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { terms, height, .. } = self;
        match self.owner {
            Some(owner) => writeln!(f, "owner   {owner}")?,
            None => writeln!(f, "owner   never said what it asks")?,
        }
        let end = match terms.until_block {
            0 => "without end".into(),
            last => format!("to {last}"),
        };
        writeln!(f, "blocks  from {} {end}; it is {height} now", terms.from_block)?;
        if terms.sale_blocks > 0 {
            let price = coins(U256::from(terms.price_wei));
            writeln!(f, "sold    {} blocks for {price} coins", terms.sale_blocks)?;
        }
        writeln!(f, "epoch   {}", self.epoch)?;
        if terms.is_open {
            writeln!(f, "reader  every key")?;
        }
        for Reader { key, until_block } in &self.readers {
            match *until_block {
                u64::MAX => writeln!(f, "reader  {key} without end")?,
                last if last < *height => writeln!(f, "denied  {key}")?,
                last => writeln!(f, "reader  {key} to block {last}")?,
            }
        }
        write!(f, "{}", self.policy)
    }
}

impl Policy {
    /// Shows or changes it. The id is the last thing printed.
    pub async fn run(self, context: Context, output: &Output) -> Result<ExitCode, Failure> {
        let own = |provider: &HttpProvider, name: &PolicyName| name.policy_of(provider.wallet().address());
        let public = |keys: &[ReadingKey]| keys.iter().map(|key| key.0).collect::<Vec<_>>();
        let (provider, policy) = match self.command {
            Command::Create(create) => {
                let (provider, terms) = (create.connection.provider().await?, create.terms()?);
                let set = policies::set_terms(&provider, &create.name, &terms).await;
                set.context("set what the policy asks")?;
                let policy = own(&provider, &create.name);
                (provider, policy)
            }
            Command::Allow(allow) => {
                let (provider, until) = (allow.connection.provider().await?, allow.until.unwrap_or(u64::MAX));
                let set = policies::allow(&provider, &allow.name, &public(&allow.keys), until).await;
                set.context("let the keys in")?;
                let policy = own(&provider, &allow.name);
                (provider, policy)
            }
            Command::Deny(deny) => {
                let provider = deny.connection.provider().await?;
                let set = policies::deny(&provider, &deny.name, &public(&deny.keys)).await;
                set.context("take the keys out, and begin the next epoch")?;
                let policy = own(&provider, &deny.name);
                (provider, policy)
            }
            Command::Buy(Buy { policy, connection }) => {
                let provider = connection.provider().await?;
                let policy = policy.of(provider.wallet().address());
                let reader = provider.wallet().envelope_secret().public();
                let bought = policies::buy(&provider, policy, &reader).await.context("buy access")?;
                output.say(format_args!(
                    "paid {} coins to read until block {}",
                    coins(U256::from(bought.price_wei)),
                    bought.until_block
                ));
                (provider, policy)
            }
            Command::Show(Show { policy, connection }) => {
                let provider = connection.provider().await?;
                let policy = policy.of(provider.wallet().address());
                (provider, policy)
            }
            Command::Apply(apply) => return apply.run(context, output).await,
            Command::Lift(lift) => return lift.run(context, output).await,
        };
        let found = policies::find(&provider, policy).await.context("read the policy")?;
        let height = provider.height().await.context("ask for the height")?;
        let reader = |(key, until_block)| Reader { key, until_block };
        done(
            output,
            &Report {
                policy: found.id,
                owner: found.owner,
                terms: found.terms,
                epoch: found.epoch,
                height,
                readers: found.readers.into_iter().map(reader).collect(),
            },
        )
    }
}

impl Create {
    fn terms(&self) -> anyhow::Result<PolicyTerms> {
        // The contract's 0 is "no end": nobody can mean block 0.
        ensure!(
            self.until.is_none_or(|until| until >= self.from.max(1)),
            "--until is before --from"
        );
        let price = self.price.unwrap_or_default();
        Ok(PolicyTerms {
            from_block: self.from,
            until_block: self.until.unwrap_or(0),
            is_open: self.open,
            sale_blocks: self.blocks.unwrap_or(0),
            price_wei: u128::try_from(price)
                .ok()
                .context("--price is more than there are coins")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_a_name_of_ones_own_or_anybodys_id() {
        let account = Address::repeat_byte(1);
        let id = format!("0x{}", "8f".repeat(32));
        assert_eq!(id.parse::<PolicyId>().unwrap().of(account), B256::repeat_byte(0x8f));
        let own: PolicyId = "soil".parse().unwrap();
        assert_eq!(
            own.of(account),
            "soil".parse::<PolicyName>().unwrap().policy_of(account)
        );
        for text in ["", &format!("0x{}", "zz".repeat(32)), &"x".repeat(33)] {
            assert!(text.parse::<PolicyId>().is_err(), "{text}");
        }
    }
}
