//! `aloft da quorum`

use crate::{
    output::{ExitCode, Failure, Output},
    verbs::{
        connection::{Connection, parse_coins},
        done,
    },
};
use anyhow::Context as _;
use client::{HttpProvider, Rpc};
use contracts::{
    DA_MIN_STAKE_WEI, DA_SEATS, Event, EventFilter, LOOKAHEAD_EPOCHS, Mined, Provider as _, SERVICE_CREATION_WEI,
    abi::{DAEntrance, NetworkRegistry, OperatorRegistry},
    addresses::{DA_CHALLENGES, DA_ENTRANCE, NETWORK_REGISTRY, OPERATOR_REGISTRY},
};
use node::{Layout, NodeKeys};
use primitives::{Address, B256, U256};
use serde::Serialize;
use std::{fmt, path::PathBuf, sync::Arc};

/// Make a quorum more of operators that keep blobs, open it for blobs, and put an operator into one or take it out.
///
/// A quorum has at most 256 operators. `aloft da quorums` lists them.
#[derive(clap::Args)]
pub struct Quorum {
    #[command(subcommand)]
    command: Command,
}

/// What can be done.
#[derive(clap::Subcommand)]
enum Command {
    Create(Create),
    Open(Open),
    Join(Join),
    Leave(Leave),
}

/// Create a service that can be a quorum, and have its committees closed: costs 100 coins, which are burnt.
///
/// Operators join it, and from the third epoch on it has a committee. Blobs are of it when it is opened.
///
/// Example: aloft da quorum create
#[derive(clap::Args)]
struct Create {
    /// Seats of its committees, at most 600.
    #[arg(long, default_value_t = DA_SEATS, value_parser = clap::value_parser!(u32).range(1..=i64::from(DA_SEATS)))]
    seats: u32,
    /// Least stake of its operators in coins, such as 1.5; as much as the first quorum's when left out.
    #[arg(long, value_name = "COINS", value_parser = parse_coins)]
    min_stake: Option<U256>,
    #[command(flatten)]
    connection: Connection,
}

/// Let blobs be of a quorum: the network's steward may, and only of one that is like the first.
///
/// Example: aloft da quorum open 1
#[derive(clap::Args)]
struct Open {
    /// Its number, as `aloft da quorum create` printed it.
    quorum: u32,
    #[command(flatten)]
    connection: Connection,
}

/// Put an operator into a quorum: that of `--key`, or a node of a local network. It may be in several, with one stake.
///
/// Example: aloft da quorum join 1 --network .aloft --index 3
#[derive(clap::Args)]
struct Join {
    /// Its number.
    quorum: u32,
    /// Operator whose place it takes when the quorum has 256: one with less at stake.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    displaced: u32,
    #[command(flatten)]
    local: LocalOperator,
    #[command(flatten)]
    connection: Connection,
}

/// Take an operator out of a quorum: that of `--key`, or a node of a local network. It keeps what it signed for, and can be punished for six epochs more.
///
/// Example: aloft da quorum leave 0 --network .aloft --index 3
#[derive(clap::Args)]
struct Leave {
    /// Its number.
    quorum: u32,
    #[command(flatten)]
    local: LocalOperator,
    #[command(flatten)]
    connection: Connection,
}

/// A node of a local network, instead of the operator of `--key`.
#[derive(clap::Args)]
struct LocalOperator {
    /// Folder of the network that the operator is a node of.
    #[arg(long, value_name = "DIR", requires = "index")]
    network: Option<PathBuf>,
    /// Which of its nodes.
    #[arg(long, requires = "network")]
    index: Option<usize>,
}

impl LocalOperator {
    /// Connects on behalf of the node, or else of `--key`.
    async fn provider(&self, connection: &Connection) -> anyhow::Result<HttpProvider> {
        let (Some(dir), Some(index)) = (&self.network, self.index) else {
            return connection.provider().await;
        };
        let layout = Layout::open(dir).context("open the network's folder")?;
        let keys = NodeKeys::open(&layout.node_dir(index).join("seed"));
        let keys = keys.with_context(|| format!("read the keys of node {index}"))?;
        let provider = HttpProvider::connect(Rpc::new(&connection.rpc), Arc::new(keys.wallet)).await;
        provider.context("connect to the network")
    }
}

#[derive(Serialize)]
struct Changed {
    quorum: u32,
    /// Who joined or left.
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<u32>,
    /// First epoch whose committee shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    from_epoch: Option<u64>,
    transaction: B256,
    block: u64,
    #[serde(skip)]
    text: String,
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Quorum {
    /// Does it.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        match self.command {
            Command::Create(verb) => verb.run(output).await,
            Command::Open(verb) => verb.run(output).await,
            Command::Join(verb) => verb.run(output).await,
            Command::Leave(verb) => verb.run(output).await,
        }
    }
}

impl Create {
    async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let provider = self.connection.provider().await?;
        let least = self.min_stake.unwrap_or(U256::from(DA_MIN_STAKE_WEI));
        let create = NetworkRegistry::createCall {
            kind: 1,       // Availability.
            allocation: 0, // Shared.
            slasher: DA_CHALLENGES,
            seats: self.seats,
            minStake: u128::try_from(least).context("more coins than there are")?,
        };
        let fee = U256::from(SERVICE_CREATION_WEI);
        let mined = contracts::write(&provider, NETWORK_REGISTRY, &create, fee)
            .await
            .context("create a service")?;
        let created = |event: &Event| event.decode::<NetworkRegistry::ServiceCreated>().ok();
        let quorum = own_event(&provider, &mined, created).await?.service;
        let activate = NetworkRegistry::activateCall { service: quorum };
        let mined = contracts::write(&provider, NETWORK_REGISTRY, &activate, U256::ZERO)
            .await
            .context("have its committees closed")?;
        let text = format!(
            "service {quorum} can be a quorum; operators join it by: aloft da quorum join {quorum}; \
             the steward opens it by: aloft da quorum open {quorum}"
        );
        done(output, &changed(quorum, &mined, text))
    }
}

impl Open {
    async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let (quorum, provider) = (self.quorum, self.connection.provider().await?);
        let open = DAEntrance::openQuorumCall { service: quorum };
        let mined = contracts::write(&provider, DA_ENTRANCE, &open, U256::ZERO)
            .await
            .context("open the quorum")?;
        let text = format!("blobs may be of quorum {quorum} as soon as it has a committee");
        done(output, &changed(quorum, &mined, text))
    }
}

impl Join {
    async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let (quorum, provider) = (self.quorum, self.local.provider(&self.connection).await?);
        let call = NetworkRegistry::optInCall {
            service: quorum,
            displaced: self.displaced,
        };
        let mined = contracts::write(&provider, NETWORK_REGISTRY, &call, U256::ZERO).await;
        moved(output, &provider, quorum, "joins", mined.context("join the quorum")?).await
    }
}

impl Leave {
    async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let (quorum, provider) = (self.quorum, self.local.provider(&self.connection).await?);
        let call = NetworkRegistry::optOutCall { service: quorum };
        let mined = contracts::write(&provider, NETWORK_REGISTRY, &call, U256::ZERO).await;
        moved(output, &provider, quorum, "leaves", mined.context("leave the quorum")?).await
    }
}

/// Says from when on an operator's move shows.
async fn moved(
    output: &Output,
    provider: &HttpProvider,
    quorum: u32,
    does: &str,
    mined: Mined,
) -> Result<ExitCode, Failure> {
    let account: Address = provider.wallet().address();
    let operator = contracts::read(provider, OPERATOR_REGISTRY, &OperatorRegistry::numberOfCall { account })
        .await
        .context("ask for the operator's number")?;
    let epoch_blocks = contracts::read(provider, NETWORK_REGISTRY, &NetworkRegistry::epochBlocksCall {})
        .await
        .context("ask for the epoch")?;
    // This epoch's committees are closed already: the next closing is the first that sees it.
    let epoch = mined.block.checked_div(epoch_blocks).unwrap_or(0) + 1 + LOOKAHEAD_EPOCHS;
    let text = format!("operator {operator} {does} quorum {quorum}: its seats change from epoch {epoch} on");
    let changed = Changed {
        operator: Some(operator),
        from_epoch: Some(epoch),
        ..changed(quorum, &mined, text)
    };
    done(output, &changed)
}

fn changed(quorum: u32, mined: &Mined, text: String) -> Changed {
    Changed {
        quorum,
        operator: None,
        from_epoch: None,
        transaction: mined.hash,
        block: mined.block,
        text,
    }
}

/// What `decode` finds among the events of a transaction of the registry.
async fn own_event<T>(
    provider: &HttpProvider,
    mined: &Mined,
    decode: impl Fn(&Event) -> Option<T>,
) -> Result<T, Failure> {
    let filter = EventFilter {
        addresses: vec![NETWORK_REGISTRY],
        from_block: mined.block,
        to_block: Some(mined.block),
        ..EventFilter::default()
    };
    let events = provider.events(filter).await.context("read what became of it")?;
    let own = events.iter().filter(|event| event.transaction == mined.hash);
    let found = own.into_iter().find_map(decode);
    Ok(found.context("the node has no event of the transaction")?)
}
