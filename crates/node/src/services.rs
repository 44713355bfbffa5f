//! What a node does by itself: serve the models that the registry names, and settle what it is owed.

use crate::{engine::NetworkEngine, provider::LedgerProvider};
use alloy_sol_types::SolEvent;
use api::http::{Api, Service};
use commonware_runtime::tokio::Context;
use compute::{price::Quote, receipt::VerifyClass, settlement, till::Till, voucher::Terms, x402::Offer};
use contracts::{
    Event, EventFilter, Provider,
    abi::{ModelRegistry, RevenueSplitter},
    addresses, read,
};
use da::{Committee, Payer as _, Record, disperse::Peer};
use primitives::{Address, BlobRoot};
use std::{sync::Arc, time::Duration};

/// Pause between two looks at the registry of models: two blocks.
const REGISTRY_POLL: Duration = Duration::from_millis(500);

/// Times a model that could not be loaded is tried again, a poll apart, before it is given up: its rows may still be on their way.
const LOAD_TRIES: u32 = 20;

/// Pause between two settlements. A claim costs gas whatever it claims, so it waits for several requests.
const SETTLE_INTERVAL: Duration = Duration::from_secs(3);

/// Models one node serves at most; later names wait for no one and are refused.
const MAX_MODELS: usize = 64;

/// Seconds that a channel's withdrawals must wait: many settlements fit.
const WITHDRAW_DELAY_S: u64 = 3600;

/// `LegKind` in `IRevenueSplitter.sol`.
const COMPUTE: u8 = 0;
const STORAGE: u8 = 1;

/// Everything needed to put a published model on sale.
pub struct ModelCatalogue {
    /// Where it is served.
    pub api: Api<LedgerProvider>,
    /// The chain, for the registry and as the account that is paid.
    pub provider: LedgerProvider,
    /// Key and chain of the streams that fetch its weights.
    pub peer: Peer,
}

/// Why a published model is not served.
#[derive(Debug, thiserror::Error)]
enum ModelError {
    #[error(transparent)]
    Call(#[from] contracts::CallError),
    #[error(transparent)]
    Committee(#[from] da::committee::CommitteeError),
    #[error(transparent)]
    Record(#[from] da::retrieve::RecordError),
    #[error(transparent)]
    Retrieve(#[from] da::retrieve::RetrieveError),
    #[error(transparent)]
    Engine(#[from] crate::engine::EngineError),
    #[error(transparent)]
    Price(#[from] compute::price::PriceError),
    #[error("price {0} a row is out of range")]
    PriceRange(u128),
    /// The splitter has no compute leg for this node: serving it would be for nothing.
    #[error("another provider is paid for computing it")]
    NotOurs,
}

/// Serves the newest version of every model in the registry whose splitter pays this node for computing it, as it is published.
///
/// A local node takes them all, the first [`MAX_MODELS`] names; choosing is for providers with something to choose.
pub async fn follow_models(context: Context, catalogue: ModelCatalogue) {
    let mut next_block = 0;
    let mut waiting: Vec<(ModelRegistry::ModelPublished, u32)> = Vec::new();
    let mut names = std::collections::BTreeSet::new();
    loop {
        match published(&catalogue.provider, next_block).await {
            Ok((events, height)) => {
                next_block = height + 1;
                for event in events {
                    // A newer version replaces one that still waits.
                    waiting.retain(|(older, _)| older.nameHash != event.nameHash);
                    if names.len() < MAX_MODELS || names.contains(&event.name) {
                        names.insert(event.name.clone());
                        waiting.push((event, 0));
                    } else {
                        tracing::warn!(
                            name = event.name,
                            "not served: this node serves {MAX_MODELS} models already"
                        );
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "read the registry of models"),
        }
        let mut again = Vec::new();
        for (event, tries) in waiting.drain(..) {
            match load(&context, &catalogue, &event).await {
                Ok(service) => {
                    catalogue.api.publish(service);
                    tracing::info!(name = event.name, version = event.version, root = %event.root, "model on sale");
                }
                Err(ModelError::NotOurs) => {}
                Err(error) if tries < LOAD_TRIES => {
                    tracing::debug!(name = event.name, %error, "model not loaded yet");
                    again.push((event, tries + 1));
                }
                Err(error) => tracing::warn!(name = event.name, %error, "model given up"),
            }
        }
        waiting = again;
        tokio::time::sleep(REGISTRY_POLL).await;
    }
}

/// Publications since block `from`, and the block up to which they were read.
async fn published(
    provider: &LedgerProvider,
    from: u64,
) -> Result<(Vec<ModelRegistry::ModelPublished>, u64), contracts::ProviderError> {
    let height = provider.height().await?;
    if height < from {
        return Ok((vec![], from - 1));
    }
    let filter = EventFilter {
        addresses: vec![addresses::MODEL_REGISTRY],
        topic0: vec![ModelRegistry::ModelPublished::SIGNATURE_HASH],
        from_block: from,
        to_block: Some(height),
    };
    let events = provider.events(filter).await?;
    Ok((
        events.iter().filter_map(|event: &Event| event.decode().ok()).collect(),
        height,
    ))
}

async fn load(
    context: &Context,
    catalogue: &ModelCatalogue,
    event: &ModelRegistry::ModelPublished,
) -> Result<Service, ModelError> {
    let ModelCatalogue { provider, peer, .. } = catalogue;
    let root = BlobRoot(event.root);
    // Asked first: a model that another provider is paid for is not even fetched.
    let quote = quote(provider, event.splitter, event.pricePerRow).await?;
    let record = Record::read(provider, &peer.domain, root).await?;
    let committee = Committee::read(provider, record.committee()).await?;
    let file = da::retrieve(context, peer, &committee, &record, &[], |_| {})
        .await?
        .open(None)?;
    let engine = NetworkEngine::load(&event.name, event.version, root, &file)?;
    let terms = Terms {
        chain_id: peer.domain.chain_id,
        receiver: event.splitter,
        receiver_authorizer: provider.account(),
        token: event.token,
        withdraw_delay_s: WITHDRAW_DELAY_S,
    };
    let offer = Offer {
        terms,
        token_name: "USDX".into(),
        token_version: "1".into(),
    };
    Ok(Service::new(Arc::new(engine), quote, offer, VerifyClass::Reexecutable)?)
}

/// The price of a row in the three parts that people see: as the splitter will divide it.
async fn quote(provider: &LedgerProvider, splitter: Address, price_per_row: u128) -> Result<Quote, ModelError> {
    let price = u64::try_from(price_per_row).map_err(|_| ModelError::PriceRange(price_per_row))?;
    let legs = read(provider, splitter, &RevenueSplitter::legsCall {}).await?;
    if !legs
        .iter()
        .any(|leg| leg.kind == COMPUTE && leg.account == provider.account())
    {
        return Err(ModelError::NotOurs);
    }
    let part = |kind: u8| {
        let bps: u64 = legs
            .iter()
            .filter(|leg| leg.kind == kind)
            .map(|leg| u64::from(leg.bps))
            .sum();
        (u128::from(price) * u128::from(bps) / 10_000) as u64
    };
    let (compute, storage) = (part(COMPUTE), part(STORAGE));
    Ok(Quote {
        compute,
        storage,
        royalty: price.saturating_sub(compute).saturating_sub(storage),
    })
}

/// Claims what the till has charged and has the splitters divide it, every few seconds while there is something.
pub async fn settle_regularly(till: Arc<Till>, provider: LedgerProvider) {
    loop {
        tokio::time::sleep(SETTLE_INTERVAL).await;
        match settlement::settle(&till, &provider).await {
            Ok(settled) if settled.claimed > 0 => {
                tracing::info!(claimed = settled.claimed, claims = ?settled.claims, "settled");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "settlement will be tried again"),
        }
    }
}
