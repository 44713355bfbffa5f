//! The lottery of rows, as `DALottery` decides it: which rows win a draw, and which piece of each is to be shown.
//!
//! See docs/spec/economy.md#lottery. [`Service::play`](crate::Service::play) plays.

use crate::{
    RowSet,
    sample::{Challenge, chunks},
};
use alloy_sol_types::SolValue;
use primitives::{Address, B256, BlobRoot, U256, keccak256};

#[cfg(test)]
mod tests;

/// A draw that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// Its number, which rises by one every 240 blocks.
    pub number: u64,
    /// What nobody knew before it began.
    pub seed: B256,
    /// A row of `c` pieces wins when its ticket is below `c` times this.
    pub target: U256,
}

impl Draw {
    /// The hash that says whether a row of `account`'s wins.
    pub fn ticket(&self, root: BlobRoot, row: u32, account: Address) -> B256 {
        keccak256((self.seed, root.0, row, account).abi_encode_params())
    }

    /// The pieces of a blob to show: one of each row of `rows` that wins.
    ///
    /// `rows` are those on disk; that `account` owns them is checked by the contract, and worth checking before it is asked.
    pub fn winners(&self, root: BlobRoot, row_bytes: u32, rows: &RowSet, account: Address) -> Vec<Challenge> {
        let pieces = chunks(row_bytes);
        let limit = self.target.saturating_mul(U256::from(pieces));
        rows.iter()
            .filter_map(|row| {
                let ticket = self.ticket(root, row, account);
                let wins = U256::from_be_bytes(ticket.0) < limit;
                let chunk = || U256::from_be_bytes(keccak256(ticket).0) % U256::from(pieces);
                wins.then(|| Challenge {
                    row,
                    chunk: chunk().to(),
                })
            })
            .collect()
    }
}
