//! `aloft shard send`

use super::Chains;
use crate::{
    output::{ExitCode, Failure, Output},
    verbs::{
        chain::parse_bytes,
        connection::{coins, parse_address, parse_coins},
    },
};
use anyhow::Context as _;
use client::HttpProvider;
use contracts::{
    EventFilter, Provider as _,
    abi::Mailbox::{self, Message},
    addresses::MAILBOX,
};
use primitives::{Address, B256, Bytes, U256};
use serde::Serialize;
use std::{
    fmt,
    time::{Duration, Instant},
};

/// Gas that a payment to a wallet gets.
const PAYMENT_GAS: u32 = 50_000;
/// Gas that a message with data gets when none is named.
const MESSAGE_GAS: u32 = 200_000;
/// Pause between two looks at the destination.
const POLL: Duration = Duration::from_millis(250);

/// Send coins, and what a contract is to be told, to an account of another chain, and wait until they are there.
///
/// Example: aloft shard send 16602001 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 1.5
///
/// Example: aloft shard send 16602 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 0.5 --from 16602001
#[derive(clap::Args)]
pub struct Send {
    /// Chain id of the destination.
    chain: u64,
    /// Who receives.
    #[arg(value_parser = parse_address)]
    to: Address,
    /// How many coins, such as 1.5.
    #[arg(value_parser = parse_coins)]
    amount: U256,
    /// Chain id of where they are; the root chain when left out.
    #[arg(long, value_name = "ID")]
    from: Option<u64>,
    /// What the receiving contract is told, hexadecimal.
    #[arg(long, value_parser = parse_bytes, default_value = "0x")]
    data: Bytes,
    /// Gas that the receiver gets.
    #[arg(long)]
    gas: Option<u32>,
    /// Do not wait until the message is there.
    #[arg(long)]
    no_wait: bool,
    /// Longest wait, seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    timeout_s: u64,
    #[command(flatten)]
    chains: Chains,
}

#[derive(Serialize)]
struct Sent {
    origin: u64,
    destination: u64,
    /// Its number among those of this sender to that chain.
    nonce: u64,
    id: B256,
    amount_wei: U256,
    transaction: B256,
    block: u64,
    /// Whether it was seen to arrive.
    delivered: bool,
    /// Whether the receiver refused it: it is kept, and can be tried again.
    refused: bool,
    waited_ms: u64,
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            origin,
            destination,
            nonce,
            ..
        } = self;
        let amount = coins(self.amount_wei);
        match (self.delivered, self.refused) {
            (true, false) => write!(
                f,
                "{amount} of {origin} arrived on {destination} after {} ms",
                self.waited_ms
            ),
            (true, true) => write!(
                f,
                "the receiver on {destination} refused message {nonce}: it is kept there as {}, to be tried again or sent back",
                self.id
            ),
            (false, _) => write!(
                f,
                "message {nonce} with {amount} is on its way from {origin} to {destination}: {}",
                self.id
            ),
        }
    }
}

impl Send {
    /// Sends, and waits.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let layout = self.chains.layout()?;
        let origin = self.from.unwrap_or(layout.network.chain_id);
        let here = self.chains.chain(&layout, origin).await?;
        // Looked for before anything is sent there.
        let there = self.chains.chain(&layout, self.chain).await?;
        let gas = if self.data.is_empty() { PAYMENT_GAS } else { MESSAGE_GAS };
        let send = Mailbox::sendCall {
            destination: self.chain,
            to: self.to,
            gasLimit: self.gas.unwrap_or(gas),
            data: self.data.clone(),
        };
        let mined = contracts::write(&here, MAILBOX, &send, self.amount)
            .await
            .context("send the message")?;
        let message = sent_in(&here, &mined).await?;
        let call = Mailbox::idOfCall {
            message: message.clone(),
        };
        let id = contracts::read(&here, MAILBOX, &call)
            .await
            .context("ask for the message's name")?;
        let mut sent = Sent {
            origin,
            destination: self.chain,
            nonce: message.nonce,
            id,
            amount_wei: self.amount,
            transaction: mined.hash,
            block: mined.block,
            delivered: false,
            refused: false,
            waited_ms: 0,
        };
        if !self.no_wait {
            let begun = Instant::now();
            let waiting = output.spinner("waiting for the other chain");
            let arrived = arrive(&there, &message, Duration::from_secs(self.timeout_s)).await;
            waiting.finish_and_clear();
            arrived?;
            sent.delivered = true;
            sent.waited_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            sent.refused = was_refused(&there, id).await?;
        }
        output.value(&sent);
        Ok(if sent.refused { ExitCode::Failed } else { ExitCode::Done })
    }
}

/// The message that a transaction sent.
async fn sent_in(chain: &HttpProvider, mined: &contracts::Mined) -> anyhow::Result<Message> {
    let filter = EventFilter {
        addresses: vec![MAILBOX],
        from_block: mined.block,
        to_block: Some(mined.block),
        ..EventFilter::default()
    };
    let events = chain.events(filter).await.context("read what was sent")?;
    let own = events.iter().filter(|event| event.transaction == mined.hash);
    let sent = own
        .filter_map(|event| event.decode::<Mailbox::MessageSent>().ok())
        .next();
    Ok(sent.context("the node has no event of the transaction")?.message)
}

/// Waits until the destination counts the message as delivered.
async fn arrive(chain: &HttpProvider, message: &Message, patience: Duration) -> anyhow::Result<()> {
    let call = Mailbox::nextNonceCall {
        origin: message.origin,
        destination: message.destination,
        sender: message.sender,
    };
    let begun = Instant::now();
    loop {
        // A chain that is being started again answers a moment later.
        let next = contracts::read(chain, MAILBOX, &call).await;
        if matches!(next, Ok(next) if next > message.nonce) {
            return Ok(());
        }
        if begun.elapsed() > patience {
            next.context("ask the destination")?;
            anyhow::bail!(
                "message {} of {} to {} was sent, but did not arrive within {} s; it is not lost: aloft shard list shows what waits",
                message.nonce,
                message.origin,
                message.destination,
                patience.as_secs()
            );
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Whether the message is kept because its receiver refused it.
async fn was_refused(chain: &HttpProvider, id: B256) -> anyhow::Result<bool> {
    let height = chain.height().await.context("ask the destination's height")?;
    let filter = EventFilter {
        addresses: vec![MAILBOX],
        topic0: vec![<Mailbox::MessageFailed as alloy_sol_types::SolEvent>::SIGNATURE_HASH],
        // It arrived in the last blocks.
        from_block: height.saturating_sub(1_000),
        to_block: None,
    };
    let failed = chain
        .events(filter)
        .await
        .context("read what the destination refused")?;
    let mut failed = failed
        .iter()
        .filter_map(|event| event.decode::<Mailbox::MessageFailed>().ok());
    Ok(failed.any(|failed| failed.id == id))
}
