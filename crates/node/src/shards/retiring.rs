//! Takes a shard out of a local network: no committee after the last, its operators' coins home, its operators out, its processes ended.
//!
//! Each step looks first at what was done before, so that one that was cut off goes on where it was.

use super::{
    ShardFile, ShardFileError,
    founding::{FoundingError, failed, registered, shard_url, write_as},
};
use crate::{keys::NodeKeys, layout::Layout};
use client::{HttpProvider, Rpc, Wallet};
use contracts::{
    CallError, SHARD_SUPPLY_WEI, UNBONDING_EPOCHS,
    abi::{Mailbox, NetworkRegistry, OperatorRegistry, ShardRegistry},
    addresses::{MAILBOX, NETWORK_REGISTRY, OPERATOR_REGISTRY, SHARD_REGISTRY},
    read, write,
};
use primitives::{Address, Bytes, U256};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// What an account keeps to pay for the message that sends the rest home, wei: a tenth of a coin, enough at a price of 250 gwei.
const KEPT_WEI: u64 = 100_000_000_000_000_000;
/// Coins on a shard that may be nobody's: fees that were burnt, and what accounts kept. More has owners who would lose it, wei: a coin.
const UNCLAIMED_WEI: u64 = 1_000_000_000_000_000_000;
/// Gas of a payment to a wallet on the root chain.
const PAYMENT_GAS: u32 = 50_000;
/// How long coins may take home.
const HOME_TIMEOUT: Duration = Duration::from_secs(180);
/// How long processes may take to end.
const END_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause between two looks.
const POLL: Duration = Duration::from_millis(500);
/// `ServiceState` in `INetworkRegistry.sol`.
const ACTIVE: u8 = 1;
const DRAINING: u8 = 2;
const CLOSED: u8 = 3;

/// Why a shard was not retired. What was done by then is done; retiring it again goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum RetiringError {
    /// A step that adding has too.
    #[error(transparent)]
    Step(#[from] FoundingError),
    /// The shard's file.
    #[error(transparent)]
    File(#[from] ShardFileError),
    /// A contract's answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// An operator's key file.
    #[error(transparent)]
    Keys(#[from] crate::keys::KeyFileError),
    /// The root chain does not know it.
    #[error("the root chain has no shard {chain}")]
    Unknown {
        /// The shard.
        chain: u64,
    },
    /// Another account registered it.
    #[error("shard {chain} was registered by {founder}: retire it with --key of that account")]
    NotTheFounder {
        /// The shard.
        chain: u64,
        /// Who may.
        founder: Address,
    },
    /// Coins did not come home.
    #[error("coins that left shard {chain} did not arrive within {} s: is somebody carrying? See the log of aloft up", HOME_TIMEOUT.as_secs())]
    OnTheWay {
        /// The shard.
        chain: u64,
    },
    /// Others own coins there.
    #[error(
        "accounts of others own about {wei} wei on shard {chain}, which nobody could move any more: let them send it home (aloft shard send), or \
         give it up with --abandon"
    )]
    ValueLeft {
        /// The shard.
        chain: u64,
        /// About how much, wei: fees that were burnt are among it.
        wei: U256,
    },
    /// Its processes run on.
    #[error("a validator of shard {chain} still answers at {url}: stop it if aloft up does not run it")]
    StillRunning {
        /// The shard.
        chain: u64,
        /// Where.
        url: String,
    },
}

/// What has been done, as it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetiringStep {
    /// No further committee is closed.
    Drained,
    /// An account's coins are home.
    Home {
        /// Whose.
        account: Address,
        /// How much, wei.
        wei: U256,
    },
    /// An operator left the service.
    Left {
        /// Name of its node.
        node: String,
    },
    /// Its processes ended.
    Ended,
    /// The root chain closed its service.
    Closed,
}

impl std::fmt::Display for RetiringStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Drained => write!(f, "drained: its last committee stays, no other follows"),
            Self::Home { account, wei } => write!(f, "{wei} wei of {account} are home"),
            Self::Left { node } => write!(f, "{node}'s operator left"),
            Self::Ended => write!(f, "its processes ended"),
            Self::Closed => write!(f, "its service is closed"),
        }
    }
}

/// A shard that has no processes any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retired {
    /// Locked for it on the root chain, for ever: fees that were burnt, and what was given up, wei.
    pub locked_wei: U256,
    /// Epoch of the root chain from which on its service can be closed, and its operators' stake answers for it no more.
    pub free_epoch: u64,
    /// The root chain's epoch.
    pub epoch: u64,
    /// Whether the service is closed: again after `free_epoch`, and it is.
    pub closed: bool,
}

/// Retires shard `chain` of the network of `layout`, on behalf of `root`'s account, which registered it. With `abandon`, coins that others own on it
/// are given up.
///
/// # Errors
///
/// [`RetiringError`].
pub async fn retire_shard(
    layout: &Layout,
    root: &HttpProvider,
    chain: u64,
    abandon: bool,
    mut said: impl FnMut(RetiringStep),
) -> Result<Retired, RetiringError> {
    let mut shard = ShardFile::open(&layout.dir, chain)?;
    let known = registered(root, chain).await?.ok_or(RetiringError::Unknown { chain })?;
    if known.founder != root.wallet().address() {
        let founder = known.founder;
        return Err(RetiringError::NotTheFounder { chain, founder });
    }
    let service = known.service;
    if state(root, service).await? <= ACTIVE {
        let call = ShardRegistry::drainCall { chain };
        let sent = write(root, SHARD_REGISTRY, &call, U256::ZERO).await;
        sent.map_err(failed(format!("drain shard {chain}")))?;
        said(RetiringStep::Drained);
    }
    if !shard.retired {
        if shard.founding.is_some() {
            bring_home(layout, root, &shard, abandon, &mut said).await?;
        }
        leave(layout, root, &shard, service, &mut said).await?;
        shard.retired = true;
        shard.save(&layout.dir)?;
    }
    wait_for_end(&shard).await?;
    said(RetiringStep::Ended);

    let drained = read(root, NETWORK_REGISTRY, &NetworkRegistry::serviceOfCall { service })
        .await?
        .drainedEpoch;
    let free_epoch = drained.saturating_add(UNBONDING_EPOCHS);
    let epoch = read(root, NETWORK_REGISTRY, &NetworkRegistry::epochCall {}).await?;
    if epoch >= free_epoch && state(root, service).await? == DRAINING {
        let call = NetworkRegistry::closeCall { service };
        let sent = write(root, NETWORK_REGISTRY, &call, U256::ZERO).await;
        sent.map_err(failed(format!("close service {service}")))?;
        said(RetiringStep::Closed);
    }
    Ok(Retired {
        locked_wei: read(root, MAILBOX, &Mailbox::lockedForCall { chain }).await?,
        free_epoch,
        epoch,
        closed: state(root, service).await? == CLOSED,
    })
}

async fn state(root: &HttpProvider, service: u32) -> Result<u8, CallError> {
    let call = NetworkRegistry::serviceOfCall { service };
    Ok(read(root, NETWORK_REGISTRY, &call).await?.state)
}

/// Sends home what the shard's operators, its carriers and the account that added it own there.
async fn bring_home(
    layout: &Layout,
    root: &HttpProvider,
    shard: &ShardFile,
    abandon: bool,
    said: &mut impl FnMut(RetiringStep),
) -> Result<(), RetiringError> {
    let chain = shard.chain_id;
    let founder = root.wallet();
    // What the carriers have was the founder's.
    let mut owners: Vec<(Arc<Wallet>, Address)> = vec![(founder.clone(), founder.address())];
    for node in &shard.nodes {
        let keys = NodeKeys::open(&layout.node_dir(node.index).join("seed"))?;
        let carrier = keys.carrier(chain);
        let own = keys.wallet.address();
        owners.extend([(Arc::new(carrier), founder.address()), (Arc::new(keys.wallet), own)]);
    }
    let url = shard_url(shard).unwrap_or_default();
    let there = HttpProvider::connect(Rpc::new(&url), founder.clone()).await;
    let there = there.map_err(failed(format!("reach shard {chain} at {url}")))?;
    let (mut kept, mut leaving) = (U256::ZERO, Vec::new());
    for (wallet, to) in owners {
        let account = wallet.address();
        let has = there
            .balance(account)
            .await
            .map_err(failed("ask what an account has on the shard"))?;
        kept += has.min(U256::from(KEPT_WEI));
        let wei = has.saturating_sub(U256::from(KEPT_WEI));
        if !wei.is_zero() {
            let send = Mailbox::sendCall {
                destination: root.chain_id(),
                to,
                gasLimit: PAYMENT_GAS,
                data: Bytes::new(),
            };
            // Carriers carry meanwhile, with the same accounts.
            let sent = write_as(&there.with_wallet(wallet), MAILBOX, &send, wei).await;
            sent.map_err(failed(format!("send what {account} has home")))?;
            leaving.push((account, wei));
        }
    }
    for (account, wei) in leaving {
        arrive(root, &there, account).await?;
        said(RetiringStep::Home { account, wei });
    }
    let unclaimed = there
        .balance(MAILBOX)
        .await
        .map_err(failed("ask what the mailbox has"))?;
    let unclaimed = SHARD_SUPPLY_WEI.saturating_sub(unclaimed).saturating_sub(kept);
    if unclaimed > U256::from(UNCLAIMED_WEI) && !abandon {
        return Err(RetiringError::ValueLeft { chain, wei: unclaimed });
    }
    Ok(())
}

/// Waits until all that an account sent home has arrived.
async fn arrive(root: &HttpProvider, shard: &HttpProvider, sender: Address) -> Result<(), RetiringError> {
    let (origin, destination) = (shard.chain_id(), root.chain_id());
    let call = Mailbox::nextNonceCall {
        origin,
        destination,
        sender,
    };
    let begun = Instant::now();
    let sent = read(shard, MAILBOX, &call).await?;
    while read(root, MAILBOX, &call).await? < sent {
        if begun.elapsed() > HOME_TIMEOUT {
            return Err(RetiringError::OnTheWay { chain: origin });
        }
        sleep(POLL).await;
    }
    Ok(())
}

/// Takes the local operators out of the service, so that their stake is bound to it no longer than what they did needs.
async fn leave(
    layout: &Layout,
    root: &HttpProvider,
    shard: &ShardFile,
    service: u32,
    said: &mut impl FnMut(RetiringStep),
) -> Result<(), RetiringError> {
    for node in &shard.nodes {
        let entry = &layout.network.nodes[node.index];
        let keys = NodeKeys::open(&layout.node_dir(node.index).join("seed"))?;
        let call = OperatorRegistry::numberOfCall { account: entry.account };
        let operator = read(root, OPERATOR_REGISTRY, &call).await?;
        let members = read(root, NETWORK_REGISTRY, &NetworkRegistry::membersOfCall { service }).await?;
        if !members.contains(&operator) {
            continue;
        }
        let own = root.with_wallet(Arc::new(keys.wallet));
        let sent = write_as(
            &own,
            NETWORK_REGISTRY,
            &NetworkRegistry::optOutCall { service },
            U256::ZERO,
        )
        .await;
        sent.map_err(failed(format!("let {}'s operator leave", entry.name)))?;
        let node = entry.name.clone();
        said(RetiringStep::Left { node });
    }
    Ok(())
}

/// Waits until no validator of a shard answers.
async fn wait_for_end(shard: &ShardFile) -> Result<(), RetiringError> {
    let begun = Instant::now();
    for node in &shard.nodes {
        let url = format!("http://{}", crate::layout::Ports::loopback(node.ports.rpc));
        let rpc = Rpc::new(&url);
        while rpc
            .call::<U256>("eth_chainId", json!([]))
            .await
            .is_ok_and(|id| id == U256::from(shard.chain_id))
        {
            if begun.elapsed() > END_TIMEOUT {
                let chain = shard.chain_id;
                return Err(RetiringError::StillRunning { chain, url });
            }
            sleep(POLL).await;
        }
    }
    Ok(())
}
