//! A node's secrets, all derived from one 32-byte seed in one file, and the accounts that every local network funds.

use api::disperser::RequestKey;
use chain::ValidatorKeys;
use client::Wallet;
use crypto::bls;
use primitives::hex;
use rand::TryRng as _;
use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Private keys of the ten accounts funded in every local network: the ones that development tools print everywhere (mnemonic
/// `test test test test test test test test test test test junk`). Anybody knows them: never send them anything of value.
pub const DEVELOPMENT_KEYS: [&str; 10] = [
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
    "0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
    "0x92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e",
    "0x4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356",
    "0xdbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97",
    "0x2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6",
];

/// Name of the file in a node's folder that holds its seed.
pub const SEED_FILE: &str = "seed";

/// The wallets of [`DEVELOPMENT_KEYS`], in order.
pub fn development_wallets() -> Vec<Wallet> {
    DEVELOPMENT_KEYS
        .iter()
        .map(|key| key.parse().expect("the list holds valid keys"))
        .collect()
}

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file could not be read or written.
    #[error("key file {path}")]
    File {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file does not hold 64 hexadecimal digits.
    #[error("key file {path} does not hold 64 hexadecimal digits")]
    Malformed {
        /// Its path.
        path: PathBuf,
    },
    /// The system gave no randomness for a new key.
    #[error("the system gave no randomness for key file {path}")]
    Randomness {
        /// Its path.
        path: PathBuf,
    },
    /// The file does not hold a member's share of a committee's key.
    #[error("key file {path} holds no release share")]
    NoShare {
        /// Its path.
        path: PathBuf,
    },
}

/// All secrets of one node but its shares of the key that releases others: [`crate::release_key`], [`crate::release_member`].
pub struct NodeKeys {
    /// Consensus: identity on the network and votes.
    pub validator: ValidatorKeys,
    /// Signs for the rows it holds.
    pub availability: bls::SecretKey,
    /// Its account: pays gas, signs receipts, earns.
    pub wallet: Wallet,
}

impl NodeKeys {
    /// Derives every key from one seed, each under its own context.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let derive = |context| Zeroizing::new(blake3::derive_key(context, seed));
        Self {
            validator: ValidatorKeys::from_seed(&derive("aloft/node/validator/v1")),
            availability: bls::SecretKey::from_seed(&derive("aloft/node/availability/v1")),
            wallet: Wallet::from_bytes(&derive("aloft/node/wallet/v1"))
                .expect("a hash outside the curve's order has probability 2^-128"),
        }
    }

    /// The account that carries messages between the root chain and a shard, on both of them. It is another one than the node's, so that neither
    /// takes the other's nonces.
    pub fn carrier(&self, shard: u64) -> Wallet {
        let derived = self.derive("aloft/node/carrier/v1", &shard.to_be_bytes());
        Wallet::from_bytes(&derived).expect("a hash outside the curve's order has probability 2^-128")
    }

    /// What the request ids of its disperser are tagged with.
    pub fn request_key(&self) -> RequestKey {
        RequestKey::new(*self.derive("aloft/node/request-ids/v1", &[]))
    }

    /// By which its seats sign in the release committee's ceremonies.
    pub fn release_seats(&self) -> Zeroizing<[u8; 32]> {
        self.derive("aloft/node/release-seats/v1", &[])
    }

    /// A secret for one purpose, of the account's, which every node has.
    fn derive(&self, context: &str, purpose: &[u8]) -> Zeroizing<[u8; 32]> {
        let secret = Zeroizing::new(self.wallet.secret().to_bytes());
        let material = Zeroizing::new([secret.as_slice(), purpose].concat());
        Zeroizing::new(blake3::derive_key(context, &material))
    }

    /// Draws a seed and keeps it in [`SEED_FILE`] in `folder`, which is made if need be, its owner's alone; or opens the one that is there.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`] when the folder or the file cannot be made or read.
    pub fn open_or_create(folder: &Path) -> Result<Self, KeyFileError> {
        let path = folder.join(SEED_FILE);
        if path.exists() {
            return Self::open(&path);
        }
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|source| KeyFileError::File {
            path: folder.to_owned(),
            source,
        })?;
        let mut seed = Zeroizing::new([0; 32]);
        let drawn = rand::rngs::SysRng.try_fill_bytes(&mut *seed);
        drawn.map_err(|_| KeyFileError::Randomness { path: path.clone() })?;
        Self::create(&path, &seed)
    }

    /// Writes a new seed to `path`, readable by its owner only; refuses to replace a file.
    ///
    /// # Errors
    ///
    /// [`KeyFileError::File`] when the file exists or cannot be written and synced.
    pub fn create(path: &Path, seed: &[u8; 32]) -> Result<Self, KeyFileError> {
        let failed = |source| KeyFileError::File {
            path: path.to_owned(),
            source,
        };
        let mut file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        let digits = Zeroizing::new(hex::encode(seed));
        file.write_all(digits.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(failed)?;
        Ok(Self::from_seed(seed))
    }

    /// Reads the seed that [`Self::create`] wrote.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`] when the file cannot be read or holds something else.
    pub fn open(path: &Path) -> Result<Self, KeyFileError> {
        let text = fs::read_to_string(path).map_err(|source| KeyFileError::File {
            path: path.to_owned(),
            source,
        })?;
        let text = Zeroizing::new(text);
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), &mut *seed).map_err(|_| KeyFileError::Malformed { path: path.to_owned() })?;
        Ok(Self::from_seed(&seed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use primitives::address;

    #[test]
    fn a_node_reads_back_the_keys_it_was_created_with() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed");
        let made = NodeKeys::create(&path, &[7; 32]).unwrap();
        let read = NodeKeys::open(&path).unwrap();
        assert_eq!(made.wallet.address(), read.wallet.address());
        assert_eq!(made.validator.identity(), read.validator.identity());
        assert_eq!(
            made.availability.public_key().to_bytes(),
            read.availability.public_key().to_bytes()
        );
        assert!(NodeKeys::create(&path, &[8; 32]).is_err(), "a seed is never replaced");
    }

    #[test]
    fn each_shard_has_a_carrier_of_its_own() {
        let keys = NodeKeys::from_seed(&[7; 32]);
        let carriers = [1, 2, 1].map(|shard| keys.carrier(shard).address());
        assert_eq!(carriers[0], carriers[2]);
        assert!(carriers[0] != carriers[1] && !carriers.contains(&keys.wallet.address()));
    }

    #[test]
    fn a_key_file_with_anything_else_in_it_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed");
        fs::write(&path, "not a seed").unwrap();
        let error = NodeKeys::open(&path).err().unwrap();
        assert!(error.to_string().contains("seed does not hold 64 hexadecimal digits"));
    }

    #[test]
    fn the_first_development_account_is_the_one_every_tool_prints() {
        let expected = address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
        assert_eq!(development_wallets()[0].address(), expected);
    }
}
