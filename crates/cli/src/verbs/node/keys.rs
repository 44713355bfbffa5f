//! `aloft node keys`

use crate::{
    output::{ExitCode, Failure, Output},
    verbs::done,
};
use node::NodeKeys;
use primitives::{Address, B256, Bytes};
use serde::Serialize;
use std::{fmt, path::PathBuf};

/// Make the keys of a node in a folder, in a file that only its owner can read; or show those that are there.
///
/// All of them come from one secret in the file `seed`: keep a copy of it where nobody else comes. What is printed is public.
///
/// Example: aloft node keys mynode
#[derive(clap::Args)]
pub struct Keys {
    /// The node's folder.
    dir: PathBuf,
}

#[derive(Serialize)]
struct Made {
    dir: PathBuf,
    /// Account that pays its gas and owns its stake.
    account: Address,
    /// ed25519 key: its name among nodes.
    stream_key: B256,
    /// BLS key that signs for rows, compressed.
    availability_key: Bytes,
    /// BLS keys that vote on blocks, one for each seat, compressed.
    vote_keys: Vec<Bytes>,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "account           {}", self.account)?;
        writeln!(f, "stream key        {}", self.stream_key)?;
        writeln!(f, "availability key  {}", self.availability_key)?;
        writeln!(
            f,
            "vote keys         {}, first {}",
            self.vote_keys.len(),
            self.vote_keys[0]
        )?;
        write!(
            f,
            "\nSend the account coins, then: aloft operator register --keys {}",
            self.dir.display()
        )
    }
}

impl Keys {
    /// Makes them, or reads them.
    pub fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let keys = NodeKeys::open_or_create(&self.dir)?;
        let public = |secret: &crypto::bls::SecretKey| Bytes::from(secret.public_key().to_bytes());
        done(
            output,
            &Made {
                dir: self.dir,
                account: keys.wallet.address(),
                stream_key: B256::from_slice(keys.validator.identity().as_ref()),
                availability_key: public(&keys.availability),
                vote_keys: keys.validator.votes.iter().map(public).collect(),
            },
        )
    }
}
