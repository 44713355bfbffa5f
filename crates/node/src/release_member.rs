//! A node's part in the committee that releases keys, where its members make the key among themselves: what it keeps on disk, and the task that follows
//! the chain.
//!
//! ```text
//! release-ceremony   epoch 8 | secret of the ceremony 32 | the sharing that it goes on from     while a ceremony goes on
//! release-shares     epoch 8 | shares                                                          of the present sharing
//! ```
//!
//! Both are the owner's alone, and replaced whole. What is forgotten is deleted; what a disk keeps of deleted files is its owner's concern.

use crate::{keys::NodeKeys, provider::LedgerProvider, whole::write_secret};
use commonware_codec::{Copying, Decode as _, Encode as _, RangeCfg};
use commonware_cryptography::bls12381::primitives::group::Share;
use commonware_runtime::{Supervisor as _, tokio as runtime};
use da::{
    Domain,
    release::{
        SHARES_MAX,
        ceremony::Fresh,
        participant::{Participant, Undertaking, Vault},
    },
    service::Releasing,
};
use primitives::Address;
use rand::{TryRng as _, rngs::SysRng};
use std::{
    fs, io,
    num::NonZeroU64,
    path::{Path, PathBuf},
};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// Name of the file with the secret of a ceremony that goes on.
const CEREMONY_FILE: &str = "release-ceremony";
/// Name of the file with the shares.
const SHARES_FILE: &str = "release-shares";

/// The two files in a node's folder.
pub(crate) struct FileVault {
    folder: PathBuf,
    undertaking: Option<Undertaking>,
    shares: Option<(u64, Vec<Share>)>,
}

impl FileVault {
    /// Opens what is in `folder`.
    ///
    /// # Errors
    ///
    /// The system's; [`io::ErrorKind::InvalidData`] when a file holds something else.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        Ok(Self {
            folder: folder.to_owned(),
            undertaking: read(&folder.join(CEREMONY_FILE), |epoch, rest| {
                let (fresh, previous) = rest.split_first_chunk()?;
                Some(Undertaking {
                    epoch,
                    fresh: Fresh(Zeroizing::new(*fresh)),
                    previous: previous.to_vec(),
                })
            })?,
            shares: read(&folder.join(SHARES_FILE), |epoch, rest| {
                let shares = Vec::decode_cfg(Copying(rest), &(RangeCfg::new(0..=SHARES_MAX), ())).ok()?;
                Some((epoch, shares))
            })?,
        })
    }
}

/// A file that begins with an epoch; `None` where there is none.
fn read<T>(path: &Path, parse: impl FnOnce(u64, &[u8]) -> Option<T>) -> io::Result<Option<T>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let parsed = bytes
        .split_first_chunk()
        .and_then(|(epoch, rest)| parse(u64::from_be_bytes(*epoch), rest));
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, format!("{} is damaged", path.display()));
    parsed.ok_or_else(damaged).map(Some)
}

impl Vault for FileVault {
    fn begin(&mut self, epoch: u64, previous: Vec<u8>) -> io::Result<Undertaking> {
        let mut fresh = Fresh(Zeroizing::new([0; 32]));
        SysRng.try_fill_bytes(&mut fresh.0[..]).map_err(io::Error::other)?;
        let bytes = Zeroizing::new([epoch.to_be_bytes().as_slice(), fresh.0.as_slice(), &previous].concat());
        write_secret(&self.folder.join(CEREMONY_FILE), &bytes)?;
        let begun = Undertaking { epoch, fresh, previous };
        self.undertaking = Some(begun.clone());
        Ok(begun)
    }

    fn undertaking(&self) -> Option<&Undertaking> {
        self.undertaking.as_ref()
    }

    fn forget(&mut self) -> io::Result<()> {
        match fs::remove_file(self.folder.join(CEREMONY_FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => self.undertaking = None,
        }
        fs::File::open(&self.folder)?.sync_all()
    }

    fn shares(&self) -> Option<(u64, &[Share])> {
        self.shares.as_ref().map(|(epoch, shares)| (*epoch, shares.as_slice()))
    }

    fn keep(&mut self, from_epoch: u64, shares: Vec<Share>) -> io::Result<()> {
        let bytes = Zeroizing::new([from_epoch.to_be_bytes().as_slice(), &shares.encode()].concat());
        write_secret(&self.folder.join(SHARES_FILE), &bytes)?;
        self.shares = Some((from_epoch, shares));
        Ok(())
    }
}

/// A node as a member: takes part in ceremonies, and releases with the shares that it has, until this is dropped.
pub(crate) struct Membership {
    _running: oneshot::Sender<()>,
}

impl Membership {
    /// Begins, with what is kept in `folder`.
    ///
    /// # Errors
    ///
    /// As [`FileVault::open`].
    pub(crate) fn begin(
        context: runtime::Context,
        folder: &Path,
        keys: &MemberKeys,
        provider: LedgerProvider,
        domain: Domain,
        epoch_blocks: NonZeroU64,
        releasing: Releasing<runtime::Context>,
    ) -> io::Result<Self> {
        let vault = FileVault::open(folder)?;
        let lasting = da::release::ceremony::Lasting(keys.lasting.clone());
        let participant = Participant::new(provider.clone(), vault, domain, keys.account, lasting, epoch_blocks);
        let (running, stopped) = oneshot::channel();
        let handle = tokio::runtime::Handle::current();
        // It computes for seconds at times, and would keep others from a worker.
        tokio::task::spawn_blocking(move || {
            handle.block_on(async move {
                tokio::select! {
                    _ = stopped => {}
                    () = follow(context, participant, provider, releasing) => {}
                }
            });
        });
        Ok(Self { _running: running })
    }
}

/// What of a node's keys its membership needs.
pub(crate) struct MemberKeys {
    account: Address,
    lasting: Zeroizing<[u8; 32]>,
}

impl MemberKeys {
    pub(crate) fn of(keys: &NodeKeys) -> Self {
        Self {
            account: keys.wallet.address(),
            lasting: keys.release_seats(),
        }
    }
}

/// One step for each final block, until the chain stops.
async fn follow(
    context: runtime::Context,
    mut participant: Participant<LedgerProvider, FileVault>,
    provider: LedgerProvider,
    releasing: Releasing<runtime::Context>,
) {
    let mut finals = provider.ledger().subscribe();
    let mut told = None;
    loop {
        let next = provider.ledger().latest().header.number + 1;
        match participant.advance(next).await {
            Ok(Some(shares)) => {
                tracing::info!(shares = shares.len(), "this node's shares of the release key");
                releasing.serve(context.child("release"), provider.clone(), shares);
            }
            Ok(None) => told = None,
            Err(error) => {
                // Once, for a ceremony that fails does so at every block.
                let text = error.to_string();
                if told.as_ref() != Some(&text) {
                    tracing::warn!(%error, source = ?std::error::Error::source(&error), "a step of the release ceremony is not done");
                    told = Some(text);
                }
            }
        }
        if let Err(tokio::sync::broadcast::error::RecvError::Closed) = finals.recv().await {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use commonware_codec::DecodeExt as _;
    use std::os::unix::fs::PermissionsExt as _;

    /// Of member `index`, a small number.
    fn share(index: u8) -> Share {
        let mut bytes = [0; 33];
        (bytes[0], bytes[32]) = (index, index + 1);
        Share::decode(Copying(&bytes)).unwrap()
    }

    #[test]
    fn what_is_kept_is_there_after_a_start_and_what_is_forgotten_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut vault = FileVault::open(folder.path()).unwrap();
        assert!(vault.undertaking().is_none() && vault.shares().is_none());
        let begun = vault.begin(7, vec![1, 2, 3]).unwrap();
        let shares = vec![share(0), share(5)];
        vault.keep(3, shares.clone()).unwrap();
        for name in [CEREMONY_FILE, SHARES_FILE] {
            let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }

        let mut again = FileVault::open(folder.path()).unwrap();
        let found = again.undertaking().unwrap();
        assert_eq!((found.epoch, &found.previous), (7, &begun.previous));
        assert_eq!(*found.fresh.0, *begun.fresh.0);
        assert_eq!(again.shares().unwrap(), (3, &shares[..]));
        assert_ne!(
            *again.begin(8, Vec::new()).unwrap().fresh.0,
            *begun.fresh.0,
            "each ceremony has its own secret"
        );
        again.forget().unwrap();
        again.forget().unwrap();
        again.keep(4, Vec::new()).unwrap();

        let last = FileVault::open(folder.path()).unwrap();
        assert!(last.undertaking().is_none());
        assert_eq!(last.shares().unwrap(), (4, &[][..]));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_file_is_named() {
        for (name, bytes) in [
            (CEREMONY_FILE, vec![0; 39]),
            (SHARES_FILE, vec![9; 20]),
            (SHARES_FILE, vec![0; 7]),
        ] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(name), bytes).unwrap();
            let error = FileVault::open(folder.path()).err().unwrap().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
