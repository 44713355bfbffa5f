//! Who may read a stored file: shown, widened and narrowed by its owner without touching a stored row.

use super::{FileError, Files};
use crate::policies;
use contracts::Mined;
use crypto::{envelope::RecipientPublic, stream::Key, threshold};
use da::{
    Header, ReaderList, Record, Runtime, VerifiedHead,
    access::{self, AccessError},
    header::Secrecy,
    quorum,
    release::{self, Keepers, Terms},
    retrieve,
};
use primitives::{B256, BlobRoot};
use serde::Serialize;

/// Who may read a file.
#[derive(Clone, Debug)]
pub struct Sharing {
    /// Keys that the header names, for good; the owner's first when our client stored the file. Not checked to be keys.
    pub in_header: Vec<[u8; 32]>,
    /// Keys in the newest list that the owner recorded.
    pub in_list: Vec<RecipientPublic>,
    /// How many lists the owner recorded.
    pub version: u64,
    /// The policy under which a committee, by its key, releases the file's key.
    pub release: Option<(threshold::PublicKey, Terms)>,
}

/// A recorded list of readers.
#[derive(Clone, Debug, Serialize)]
pub struct Shared {
    /// The file.
    pub root: BlobRoot,
    /// How many lists its owner recorded, this one included.
    pub version: u64,
    /// Readers in the list; those that the header names are not counted.
    pub readers: usize,
    /// Transaction that recorded it.
    pub transaction: B256,
    /// Its block.
    pub block: u64,
    /// Gas it used.
    pub gas_used: u64,
}

impl<E: Runtime> Files<E> {
    /// Who may read a file, as its header and its owner's newest list say. Anybody may ask.
    ///
    /// # Errors
    ///
    /// [`FileError`].
    pub async fn recipients(&self, root: BlobRoot) -> Result<Sharing, FileError> {
        let head = self.head(root).await?;
        let list = self.list(&head).await?;
        Ok(Sharing {
            in_header: in_header(&head),
            in_list: list.recipients().iter().collect(),
            version: list.version(),
            release: list.release().map(|release| (release.committee, release.terms)),
        })
    }

    /// Lets more readers read a file of this wallet. One transaction of about 112 bytes for each reader; no row moves.
    ///
    /// # Errors
    ///
    /// [`FileError`]. When two lists are made at once the contract refuses the second: share again.
    pub async fn share(&mut self, root: BlobRoot, readers: &[RecipientPublic]) -> Result<Shared, FileError> {
        let (head, key, mut list) = self.owned(root).await?;
        list.add(&mut self.context, head.header(), &key, readers)?;
        self.record(list).await
    }

    /// Takes readers out of the newest list of a file of this wallet; those that are not in it are passed over.
    ///
    /// A reader that opened the file keeps its key, and the list it was in stays in the chain's log: see [`da::access`] for what
    /// this ends and what it does not.
    ///
    /// # Errors
    ///
    /// [`FileError::InHeader`] when a reader was named in [`put`](Files::put), before anything is recorded.
    pub async fn revoke(&mut self, root: BlobRoot, readers: &[RecipientPublic]) -> Result<Shared, FileError> {
        let (head, _, mut list) = self.owned(root).await?;
        let fixed = in_header(&head);
        if readers.iter().any(|reader| fixed.contains(&reader.to_bytes())) {
            return Err(FileError::InHeader { root });
        }
        list.remove(readers);
        self.record(list).await
    }

    /// Lets a committee release a file of this wallet to whom a policy of `ReaderBook` names, from the epoch on that the terms name.
    ///
    /// # Errors
    ///
    /// [`FileError`].
    pub async fn share_under(
        &mut self,
        root: BlobRoot,
        committee: &threshold::PublicKey,
        terms: Terms,
    ) -> Result<Shared, FileError> {
        let (head, key, mut list) = self.owned(root).await?;
        let domain = self.peer.domain;
        list.set_release(&mut self.context, &domain, head.header(), &key, committee, terms)?;
        self.record(list).await
    }

    /// Lets this network's committee release a file of this wallet to whom a policy lets in, from its present epoch on.
    ///
    /// # Errors
    ///
    /// [`FileError`]; [`FileError::Keepers`] on a network without such a committee.
    pub async fn release_under(&mut self, root: BlobRoot, policy: B256) -> Result<Shared, FileError> {
        let keepers = Keepers::read(&self.provider).await?;
        let epoch = policies::epoch_of(&self.provider, policy).await?;
        self.share_under(root, keepers.committee().key(), Terms { policy, epoch })
            .await
    }

    /// Offers the key of a file of this wallet under no policy any more. What was released stays released, and the list that offered it stays in the
    /// chain's log.
    ///
    /// # Errors
    ///
    /// [`FileError`]; [`FileError::NotOffered`] when it is offered under none.
    pub async fn release_no_more(&mut self, root: BlobRoot) -> Result<Shared, FileError> {
        let (_, _, mut list) = self.owned(root).await?;
        if list.release().is_none() {
            return Err(FileError::NotOffered { root });
        }
        list.clear_release();
        self.record(list).await
    }

    /// The key that the committee releases to this wallet under the policy in `list`.
    pub(super) async fn released(&self, header: &Header, list: &ReaderList) -> Result<Key, FileError> {
        let (root, wallet) = (list.root(), self.provider.wallet());
        let offered = list.release().ok_or(FileError::NotReleased { root })?;
        let mut keepers = Keepers::read(&self.provider).await?;
        if *keepers.committee().key() != offered.committee {
            return Err(FileError::OtherCommittee { root });
        }
        let secret = wallet.envelope_secret();
        let peer = &self.peer;
        let operators = quorum::committees(&self.provider, &peer.domain).await?;
        let collected = loop {
            let collecting = release::collect(&self.context, peer, &operators, &keepers, &offered.terms, &secret);
            let source = match collecting.await {
                Ok(collected) => break collected,
                Err(source) => source,
            };
            // Members give shares of the present sharing, which may be another by now: once an epoch at most.
            let present = Keepers::read(&self.provider).await?;
            if present == keepers {
                return Err(FileError::NotReleasedTo {
                    root,
                    policy: offered.terms.policy,
                    wallet: wallet.address(),
                    source,
                });
            }
            keepers = present;
        };
        list.open_released(header, &collected.released)
            .map_err(|_| FileError::NotReleased { root })
    }

    /// The head of a file, its newest list, and its key, for its owner alone.
    async fn owned(&self, root: BlobRoot) -> Result<(VerifiedHead, Key, ReaderList), FileError> {
        let head = self.head(root).await?;
        let params = &head.header().params;
        let (owner, wallet) = (params.owner, self.provider.wallet().address());
        if matches!(params.secrecy, Secrecy::Public) {
            return Err(AccessError::Public { root }.into());
        }
        if owner != wallet {
            return Err(FileError::NotTheOwner { root, owner, wallet });
        }
        let key = self.key(head.header()).await?;
        let list = self.list(&head).await?;
        Ok((head, key, list))
    }

    /// The checked head of a certified blob.
    pub(super) async fn head(&self, root: BlobRoot) -> Result<VerifiedHead, FileError> {
        let record = Record::read(&self.provider, &self.peer.domain, root).await?;
        let committee = self.committee_of(record.committee()).await?;
        Ok(retrieve::fetch_head(&self.context, &self.peer, &committee, &record).await?)
    }

    async fn list(&self, head: &VerifiedHead) -> Result<ReaderList, FileError> {
        let (owner, root) = (head.header().params.owner, head.root());
        let list = access::read(&self.provider, &self.peer.domain, owner, root).await?;
        Ok(list.unwrap_or(ReaderList::empty(root)))
    }

    async fn record(&self, list: ReaderList) -> Result<Shared, FileError> {
        let list = list.next();
        let wallet = self.provider.wallet();
        let mined = access::publish(&self.provider, &self.peer.domain, &list, wallet.secret()).await?;
        let Mined {
            hash, block, gas_used, ..
        } = mined;
        Ok(Shared {
            root: list.root(),
            version: list.version(),
            readers: list.recipients().len(),
            transaction: hash,
            block,
            gas_used,
        })
    }
}

fn in_header(head: &VerifiedHead) -> Vec<[u8; 32]> {
    match &head.header().params.secrecy {
        Secrecy::Public => vec![],
        Secrecy::Sealed { envelopes, .. } => envelopes.iter().map(|envelope| envelope.recipient).collect(),
    }
}
