//! Promises that were not kept: collect on chain what they cost their payers, in turns.
//!
//! A lapse pays the whole committee by seats, and whoever sends it pays the gas. So operators take turns, in the order in which a blob's rows name
//! them ([`Committee::turns`]): each is first for as large a part of the blobs as its share of each lapse is. Who is next sends it when the one before
//! did not.

use super::Shared;
use crate::{Committee, Header, Permit, Runtime, certificate::on_chain, permit::PERMIT_BLOCKS};
use contracts::{CallError, Mined, Provider, ProviderError, abi::DAEntrance};
use primitives::{BlobRoot, U256};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Most lapses that wait for this operator's turn; others are left to the other operators.
const WAITING_MAX: usize = 1_024;
/// Blocks that each operator has before it is the next one's turn: three seconds of a busy chain, twenty of an idle one.
const TURN_BLOCKS: u64 = 20;
/// Operators that try: when none of so many does, it is not worth it, or the chain has other troubles.
const TURNS: usize = 8;
/// Times that one is sent when the chain is not reached.
const TRIES: u32 = 3;
/// Gas of a lapse beside what each member takes: a test compares.
pub(crate) const LAPSE_GAS: u64 = 90_000;
/// Gas of a lapse for each member of the committee, as if it was its first money there; 17,100 less if it is not.
pub(crate) const LAPSE_GAS_PER_MEMBER: u64 = 30_000;

/// A promise that is over.
#[derive(Clone)]
struct Lapse {
    header: Header,
    permit: Permit,
    /// Members of its committee.
    members: u32,
    /// From which block on it is this operator's turn.
    due_block: u64,
    tries: u32,
}

/// Lapses that wait for this operator's turn.
#[derive(Default)]
pub(super) struct Lapses {
    waiting: BTreeMap<BlobRoot, Lapse>,
}

impl Lapses {
    /// Takes note that the promise of `permit` for the blob of `header` is over. `index` is this operator's in its committee.
    pub(super) fn note(&mut self, header: &Header, permit: Permit, (committee, index): (&Committee, u32)) {
        let root = header.root();
        let turns = committee.turns(&root, header.params.shape);
        let turn = turns.iter().take(TURNS).position(|operator| *operator == index);
        let Some(turn) = turn.filter(|_| self.waiting.len() < WAITING_MAX) else {
            return;
        };
        let lapse = Lapse {
            header: header.clone(),
            permit,
            members: committee.len(),
            due_block: permit.deadline.saturating_add(1 + turn as u64 * TURN_BLOCKS),
            tries: 0,
        };
        self.waiting.insert(root, lapse);
    }

    /// It was collected, by whomever.
    pub(super) fn collected(&mut self, root: &BlobRoot) {
        self.waiting.remove(root);
    }

    /// Takes out one whose turn has come at `height`.
    fn next(&mut self, height: u64) -> Option<Lapse> {
        let due = self.waiting.iter().find(|(_, lapse)| lapse.due_block <= height);
        let root = *due?.0;
        self.waiting.remove(&root)
    }
}

/// Why a lapse was not sent.
#[derive(Debug, thiserror::Error)]
enum LapseError {
    /// The payer has less than it is worth.
    #[error("{charge_wei} wei are charged, and the gas costs {gas_wei}")]
    NotWorthIt { charge_wei: U256, gas_wei: U256 },
    #[error("ask what the payer has in escrow")]
    Call(#[from] CallError),
    #[error("send the lapse")]
    Send(#[from] ProviderError),
    #[error("the promise is nobody's")]
    Nobody,
}

impl LapseError {
    /// Whether another try may do better.
    fn is_of_the_moment(&self) -> bool {
        match self {
            Self::Call(CallError::Provider(error)) | Self::Send(error) => {
                !matches!(error, ProviderError::Reverted { .. })
            }
            _ => false,
        }
    }
}

/// The task that collects.
pub(super) struct Collector<E: Runtime, P: Provider> {
    shared: Arc<Shared<E>>,
    provider: P,
    gas_price_wei: U256,
}

impl<E: Runtime, P: Provider> Collector<E, P> {
    pub(super) fn new(shared: Arc<Shared<E>>, provider: P, gas_price_wei: U256) -> Self {
        Self {
            shared,
            provider,
            gas_price_wei,
        }
    }

    /// Looks for promises that are over again and again.
    pub(super) async fn run(self, context: E) {
        let poll = Duration::from_millis(self.shared.config.poll_ms);
        loop {
            while let Some(lapse) = self.next() {
                let root = lapse.header.root();
                match self.send(&lapse).await {
                    Ok(Mined { gas_used, block, .. }) => {
                        self.shared.tally.collected();
                        tracing::info!(%root, gas_used, block, "collected a promise that was not kept");
                    }
                    Err(error) if error.is_of_the_moment() && lapse.tries + 1 < TRIES => {
                        tracing::debug!(%root, ?error, "a lapse is sent again later");
                        self.again(root, lapse);
                    }
                    // Also when somebody else was faster.
                    Err(error) => tracing::debug!(%root, ?error, "lapse not sent"),
                }
            }
            context.sleep(poll).await;
        }
    }

    fn next(&self) -> Option<Lapse> {
        let height = self.shared.height();
        self.shared.lapses.lock().as_mut()?.next(height)
    }

    fn again(&self, root: BlobRoot, lapse: Lapse) {
        if let Some(lapses) = self.shared.lapses.lock().as_mut() {
            let later = Lapse {
                due_block: self.shared.height().saturating_add(TURN_BLOCKS),
                tries: lapse.tries + 1,
                ..lapse
            };
            lapses.waiting.insert(root, later);
        }
    }

    /// Sends it if what the payer is charged is worth the gas to the committee: to each member alone it would hardly be, but each has its turns.
    async fn send(&self, lapse: &Lapse) -> Result<Mined, LapseError> {
        let Lapse { header, permit, .. } = lapse;
        let domain = &self.shared.config.peer.domain;
        let payer = permit.payer(domain, header).map_err(|_| LapseError::Nobody)?;
        let call = DAEntrance::escrowOfCall { payer };
        let escrow = contracts::read(&self.provider, domain.entrance, &call).await?;
        let params = &header.params;
        let bytes = u64::from(params.shape.row_count()) * u64::from(params.row_bytes());
        let fee = U256::from(bytes) * U256::from(PERMIT_BLOCKS) * self.shared.price;
        let charge_wei = fee.min(U256::from(escrow.balance));
        let gas = LAPSE_GAS + LAPSE_GAS_PER_MEMBER * u64::from(lapse.members);
        let gas_wei = self.gas_price_wei * U256::from(gas);
        if charge_wei <= gas_wei {
            return Err(LapseError::NotWorthIt { charge_wei, gas_wei });
        }
        let call = DAEntrance::lapseCall {
            header: on_chain(header),
            permit: permit.on_chain(),
        };
        Ok(contracts::write(&self.provider, domain.entrance, &call, U256::ZERO).await?)
    }
}
