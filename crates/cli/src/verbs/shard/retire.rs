//! `aloft shard retire`

use super::Chains;
use crate::{
    output::{ExitCode, Failure, Output},
    verbs::{connection::coins, done},
};
use node::{RetiringStep, retire_shard};
use primitives::U256;
use serde::Serialize;
use std::fmt;

/// Take a shard away: its operators' coins go home, its operators leave, its processes end. Run again after the unbonding window, it closes the service.
///
/// Example: aloft shard retire 16602001
#[derive(clap::Args)]
pub struct Retire {
    /// Its chain id.
    chain: u64,
    /// Give up what others own there: nobody can move it any more.
    #[arg(long)]
    abandon: bool,
    #[command(flatten)]
    chains: Chains,
}

#[derive(Serialize)]
struct Gone {
    chain_id: u64,
    /// What stays locked for it on the root chain, wei: burnt fees, and what was given up.
    locked_wei: U256,
    /// Epoch of the root chain from which on its operators' stake answers for it no more.
    free_epoch: u64,
    epoch: u64,
    closed: bool,
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            chain_id,
            free_epoch,
            epoch,
            ..
        } = self;
        writeln!(
            f,
            "shard {chain_id} is retired; {} stay locked for it",
            coins(self.locked_wei)
        )?;
        if self.closed {
            return write!(f, "its service is closed, its operators' stake is free of it");
        }
        write!(
            f,
            "its operators' stake answers for it until epoch {free_epoch}, now is {epoch}; then: aloft shard retire {chain_id}"
        )
    }
}

impl Retire {
    /// Retires it, saying each step.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let layout = self.chains.layout()?;
        let root = self.chains.root(&layout).await?;
        let say = |step: RetiringStep| match step {
            RetiringStep::Home { account, wei } => output.say(format_args!("{} of {account} are home", coins(wei))),
            step => output.say(step),
        };
        let retired = retire_shard(&layout, &root, self.chain, self.abandon, say).await?;
        done(
            output,
            &Gone {
                chain_id: self.chain,
                locked_wei: retired.locked_wei,
                free_epoch: retired.free_epoch,
                epoch: retired.epoch,
                closed: retired.closed,
            },
        )
    }
}
