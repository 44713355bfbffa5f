//! Files of any length: stored and read a few stripes at a time.
//!
//! A file that fits in a stripe is one blob. A longer one is a blob a stripe and a manifest, [`da::object`]; each stripe has a
//! certificate of its own, recorded as soon as it is there, and an upload that broke off goes on behind the last.

use super::{
    File, FileError, Files, Readers, Stored, Transfer, committee_of,
    pipeline::{self, STORING_MAX, StoredStripe, Stripes},
    upload::Upload,
};
use crate::{catalogue, provider::HttpProvider};
use bytes::Bytes;
use commonware_codec::{DecodeExt, Encode};
use contracts::Provider;
use crypto::{
    envelope::RecipientPublic,
    stream::{self, Key},
    threshold::Released,
};
use da::{
    CodedBlob, Committee, CommitteeId, Encoder, Meta, Privacy, Publisher, Record, Runtime, Shape, VerifiedHead, access,
    disperse::Peer,
    encode,
    header::Secrecy,
    object::{self, Manifest, Part, STRIPE_BYTES, stripe_count, stripe_key},
    publish::{PublishError, Published},
    quorum::{Candidates, Lot},
    retrieve::{self, Blob, RetrieveError},
};
use futures::channel::oneshot;
use primitives::{BlobRoot, Digest, MIB, U256};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use std::{
    io::{Read, Write},
    ops::Range,
    sync::Arc,
    time::Duration,
};

/// Longest manifest that is read, as coded, in bytes.
const MANIFEST_BYTES_MAX: u64 = 9 * MIB;

/// How long rows of a blob may still go out after its certificate; then they are left to repair, and the memory goes to the next.
const BEHIND_TIMEOUT: Duration = Duration::from_secs(2);

/// Pause between two looks at whether rows still go out.
const BEHIND_POLL: Duration = Duration::from_millis(20);

/// A stored file, found and not read yet.
#[derive(Debug)]
pub struct Object {
    root: BlobRoot,
    meta: Meta,
    length: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Blob {
        head: Box<VerifiedHead>,
        /// Cosets that were added to it.
        added: Vec<Record>,
        key: Option<Key>,
    },
    Stripes {
        manifest: Manifest,
        key: Option<Key>,
    },
}

impl Object {
    /// Its name on the network.
    pub fn root(&self) -> BlobRoot {
        self.root
    }

    /// Its length in the clear, in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The name and media type it was stored with.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Blobs that hold its bytes: one, or one a stripe.
    pub fn stripes(&self) -> u32 {
        match &self.content {
            Content::Blob { .. } => 1,
            Content::Stripes { manifest, .. } => manifest.roots().len() as u32,
        }
    }

    /// Pieces of at most a stripe that hold bytes `range`.
    fn parts(&self, range: Range<u64>) -> Box<dyn Iterator<Item = Part> + Send> {
        match &self.content {
            Content::Stripes { manifest, .. } => Box::new(manifest.parts(range)),
            Content::Blob { .. } => {
                let (root, end) = (self.root, range.end.min(self.length));
                let starts = (range.start..end).step_by(STRIPE_BYTES as usize);
                Box::new(starts.map(move |start| Part {
                    stripe: 0,
                    root,
                    range: start..end.min(start + u64::from(STRIPE_BYTES)),
                }))
            }
        }
    }
}

/// What storing a file costs, all its blobs together.
///
/// # Errors
///
/// As [`catalogue::cost`].
pub async fn cost(
    provider: &impl Provider,
    shape: Shape,
    length: u64,
    is_public: bool,
    blocks: u64,
) -> Result<catalogue::Cost, FileError> {
    let coded = |plain: u64| if is_public { plain } else { stream::sealed_len(plain) };
    let whole = u64::from(STRIPE_BYTES);
    if length <= whole {
        return Ok(catalogue::cost(provider, shape, coded(length), blocks).await?);
    }
    let count = stripe_count(length, STRIPE_BYTES).ok_or(FileError::TooLong { length })?;
    let last = catalogue::cost(provider, shape, coded(length - (u64::from(count) - 1) * whole), blocks).await?;
    let other = catalogue::cost(provider, shape, coded(whole), blocks).await?;
    // A name of at most 512 bytes more makes no row longer, or one step.
    let manifest = catalogue::cost(provider, shape, coded(u64::from(count) * 32 + 64), blocks).await?;
    let others = u64::from(count) - 1;
    Ok(catalogue::Cost {
        length: other.length * others + last.length + manifest.length,
        kept_bytes: other.kept_bytes * others + last.kept_bytes + manifest.kept_bytes,
        blocks,
        fee_wei: other.fee_wei * U256::from(others) + last.fee_wei + manifest.fee_wei,
    })
}

impl<E: Runtime> Files<E> {
    /// Begins to store a file of `length` bytes for `blocks` blocks: see [`put_stream`](Self::put_stream).
    ///
    /// # Errors
    ///
    /// [`FileError::TooLong`] for what no manifest names; otherwise when the chain does not answer.
    pub async fn begin_upload(&mut self, length: u64, is_public: bool, blocks: u64) -> Result<Upload, FileError> {
        stripe_count(length, STRIPE_BYTES).ok_or(FileError::TooLong { length })?;
        Ok(Upload {
            length,
            stripe_bytes: STRIPE_BYTES,
            expiry_block: self.provider.height().await?.saturating_add(blocks),
            key: (!is_public).then(|| Key::generate(&mut self.context)),
            fee_wei: U256::ZERO,
            gas_used: 0,
            stripes: Vec::new(),
        })
    }

    /// Stores what `source` gives, from its beginning, as `upload` says: at most three stripes are in memory.
    ///
    /// `saved` is told of the upload each time a stripe is certified, and never again once the file is stored. After any error the
    /// upload goes on from there, with a source that gives the same bytes: stripes that are certified are read, compared and not
    /// sent again. Of other stripes nodes ask only for rows they lack.
    ///
    /// # Errors
    ///
    /// [`FileError`]; [`FileError::Changed`] when the source does not give what it gave before.
    pub async fn put_stream(
        &mut self,
        source: &mut impl Read,
        upload: &mut Upload,
        meta: &Meta,
        readers: Readers,
        mut saved: impl FnMut(&Upload) -> std::io::Result<()>,
        mut progress: impl FnMut(Transfer),
    ) -> Result<Stored, FileError> {
        meta.to_bytes()
            .map_err(|error| FileError::Name { bytes: error.bytes })?;
        let recipients = self.recipients_of(readers);
        if upload.is_public() != recipients.is_none() {
            return Err(FileError::OtherReaders);
        }
        let network = self.network(upload.key.clone(), upload.expiry_block);
        let count = upload.stripes();
        let rows = self.encoder.shape().row_count();
        if count == 1 {
            let mut bytes = vec![0; upload.length as usize];
            source.read_exact(&mut bytes)?;
            progress(Transfer::Coded { rows });
            let drawn = network.draw(upload.key.as_ref(), &bytes).await?;
            let blob = self.code(drawn.0.id(), bytes, meta, upload, recipients)?;
            return self.certify(&network, drawn, blob, upload, 1, &mut progress).await;
        }
        progress(Transfer::Coded {
            rows: (count + 1).saturating_mul(rows),
        });
        let lengths = |stripe: u32| {
            let stripe_bytes = u64::from(upload.stripe_bytes);
            (upload.length - u64::from(stripe) * stripe_bytes).min(stripe_bytes) as usize
        };
        for (stripe, (_, digest)) in (0..).zip(&upload.stripes) {
            let mut bytes = vec![0; lengths(stripe)];
            source.read_exact(&mut bytes)?;
            if Digest::of(&bytes) != *digest {
                return Err(FileError::Changed { stripe });
            }
            progress(Transfer::Sent { rows });
        }
        let first = upload.stripes_done();
        let height = self.provider.height().await?;
        let left = (upload.expiry_block.saturating_sub(height), upload.length);
        let whole = cost(&self.provider, self.encoder.shape(), left.1, upload.is_public(), left.0).await?;
        let paid = upload.fee_wei.min(whole.fee_wei);
        self.publisher.fund(whole.fee_wei - paid).await?;
        let rest: Vec<usize> = (first..count).map(lengths).collect();
        pipeline::store(&network, source, first, rest.into_iter(), |(stripe, digest)| {
            let StoredStripe {
                root,
                fee_wei,
                gas_used,
            } = stripe;
            upload.stripes.push((root, digest));
            upload.fee_wei += fee_wei;
            upload.gas_used += gas_used;
            progress(Transfer::Sent { rows });
            Ok(saved(upload)?)
        })
        .await?;
        let roots = upload.stripes.iter().map(|(root, _)| *root).collect();
        let manifest = Manifest::new(upload.length, upload.stripe_bytes, meta.clone(), roots)
            .expect("as many stripes as the length has");
        let named = Meta {
            name: meta.name.clone(),
            content_type: object::MEDIA_TYPE.into(),
        };
        let manifest = manifest.encode().to_vec();
        let drawn = network.draw(upload.key.as_ref(), &manifest).await?;
        let blob = self.code(drawn.0.id(), manifest, &named, upload, recipients)?;
        self.certify(&network, drawn, blob, upload, count, &mut progress).await
    }

    /// Finds a file, and its key when it is for this wallet.
    ///
    /// # Errors
    ///
    /// [`FileError`].
    pub async fn object(&mut self, root: BlobRoot) -> Result<Object, FileError> {
        let head = self.head(root).await?;
        let key = match head.header().params.secrecy {
            Secrecy::Public => None,
            Secrecy::Sealed { .. } => Some(self.key(head.header()).await?),
        };
        self.found(head, key).await
    }

    /// Finds a file whose key a committee released under the policy that its owner recorded.
    ///
    /// # Errors
    ///
    /// [`FileError`]; [`FileError::NotReleased`] when the owner recorded no policy, or the key is another's.
    pub async fn object_released(&mut self, root: BlobRoot, released: &Released) -> Result<Object, FileError> {
        let head = self.head(root).await?;
        let header = head.header();
        let list = access::read(&self.provider, &self.peer.domain, header.params.owner, root).await?;
        let key = list
            .and_then(|list| list.open_released(header, released).ok())
            .ok_or(FileError::NotReleased { root })?;
        self.found(head, Some(key)).await
    }

    /// Writes bytes `range` of a file to `sink`, in order, with at most three stripes in memory. What is beyond its end is left out.
    ///
    /// # Errors
    ///
    /// [`FileError`]. What was written by then is right: reading goes on behind it.
    pub async fn get_stream(
        &mut self,
        object: &Object,
        range: Range<u64>,
        sink: &mut impl Write,
        mut progress: impl FnMut(Transfer),
    ) -> Result<(), FileError> {
        let (whole, key) = match &object.content {
            Content::Blob { head, added, key } => (Some((&**head, &added[..])), key.clone()),
            Content::Stripes { key, .. } => (None, key.clone()),
        };
        let parts: Vec<Part> = object.parts(range.clone()).collect();
        if let (Some((head, added)), [part]) = (whole, &parts[..]) {
            // One piece: its rows are worth telling of.
            let bytes = self
                .part(head, added, key.as_ref(), part.range.clone(), |step| {
                    if let retrieve::Progress::Rows { rows, needed } = step {
                        progress(Transfer::Received { rows, needed });
                    }
                })
                .await?;
            sink.write_all(&bytes)?;
            return Ok(sink.flush()?);
        }
        let length = range.end.min(object.length).saturating_sub(range.start);
        let mut network = self.network(key, 0);
        network.whole = whole.map(|(head, added)| (head.clone(), added.to_vec()));
        let mut bytes = 0;
        pipeline::load(&network, parts.into_iter(), sink, |written| {
            bytes += written;
            progress(Transfer::Written { bytes, length });
        })
        .await
    }

    /// Codes every blob that is read again and compares, so that no reader can have other bytes: slower, and whole blobs are fetched
    /// for parts. See [`Retrieved::check_code`](da::retrieve::Retrieved::check_code).
    pub fn check_code(&mut self) {
        self.check_code = true;
    }

    /// A file, whole and in memory.
    pub(super) async fn whole(&mut self, object: &Object, progress: impl FnMut(Transfer)) -> Result<File, FileError> {
        let mut bytes = Vec::new();
        self.get_stream(object, 0..u64::MAX, &mut bytes, progress).await?;
        let meta = object.meta.clone();
        Ok(File { bytes, meta })
    }

    async fn found(&self, head: VerifiedHead, key: Option<Key>) -> Result<Object, FileError> {
        let root = head.root();
        let added = Record::of_header(head.header())
            .read_added(&self.provider, &self.peer.domain)
            .await?;
        let params = &head.header().params;
        let open = |source| RetrieveError::Open { root, source };
        let meta = encode::open_meta(params, key.as_ref()).map_err(open)?;
        let meta = Meta::from_bytes(&meta).ok_or(FileError::Meta { root })?;
        if meta.content_type != object::MEDIA_TYPE {
            let length = encode::plain_len(params).ok_or(FileError::Manifest { root })?;
            return Ok(Object {
                root,
                meta,
                length,
                content: Content::Blob {
                    head: Box::new(head),
                    added,
                    key,
                },
            });
        }
        if params.length > MANIFEST_BYTES_MAX {
            return Err(FileError::Manifest { root });
        }
        let bytes = self.part(&head, &added, key.as_ref(), 0..u64::MAX, |_| {}).await?;
        let manifest = Manifest::decode(Bytes::from(bytes)).map_err(|_| FileError::Manifest { root })?;
        Ok(Object {
            root,
            meta: manifest.meta().clone(),
            length: manifest.length(),
            content: Content::Stripes { manifest, key },
        })
    }

    async fn part(
        &self,
        head: &VerifiedHead,
        added: &[Record],
        key: Option<&Key>,
        range: Range<u64>,
        progress: impl FnMut(retrieve::Progress<'_>),
    ) -> Result<Vec<u8>, FileError> {
        let committee = self.committee_of(head.header().params.committee).await?;
        let place = Place {
            context: &self.context,
            peer: &self.peer,
            committee: &committee,
            check_code: self.check_code,
        };
        place.read(head, added, key, range, progress).await
    }

    /// Who finds the key in the header: nobody has to where the file is for everybody.
    fn recipients_of(&self, readers: Readers) -> Option<Vec<RecipientPublic>> {
        match readers {
            Readers::Everybody => None,
            Readers::OwnerAnd(others) => {
                let mut recipients = vec![self.provider.wallet().envelope_secret().public()];
                recipients.extend(others);
                Some(recipients)
            }
        }
    }

    /// Codes the blob that names the file.
    fn code(
        &mut self,
        committee: CommitteeId,
        bytes: Vec<u8>,
        meta: &Meta,
        upload: &Upload,
        recipients: Option<Vec<RecipientPublic>>,
    ) -> Result<CodedBlob, FileError> {
        let privacy = match (&upload.key, &recipients) {
            (Some(key), Some(recipients)) => Privacy::Sealed { key, recipients },
            _ => Privacy::Public,
        };
        let request = encode::Request {
            owner: self.provider.wallet().address(),
            committee,
            expiry_block: upload.expiry_block,
            meta: meta
                .to_bytes()
                .map_err(|error| FileError::Name { bytes: error.bytes })?,
            privacy,
        };
        Ok(self.encoder.encode(&mut self.context, bytes, request)?)
    }

    /// Disperses and records the blob that names the file.
    async fn certify(
        &mut self,
        network: &Network<E>,
        (committee, candidates): (Committee, Candidates),
        mut blob: CodedBlob,
        upload: &Upload,
        stripes: u32,
        progress: &mut impl FnMut(Transfer),
    ) -> Result<Stored, FileError> {
        let published = network
            .publisher
            .publish_to_any(&self.context, committee.clone(), candidates, &mut blob, |step| {
                if let da::disperse::Progress::Sent { rows, .. } = step {
                    progress(Transfer::Sent { rows });
                }
            })
            .await?;
        if blob.head().header().params.committee == committee.id() {
            self.committee = committee;
        }
        behind(&self.context, &blob).await;
        Ok(Stored {
            root: blob.head().root(),
            length: upload.length,
            stripes,
            fee_wei: upload.fee_wei + published.fee_wei,
            expiry_block: upload.expiry_block,
            signers: published.signers,
            transaction: published.transaction,
            block: published.block,
            gas_used: upload.gas_used + published.gas_used,
        })
    }

    fn network(&self, key: Option<Key>, expiry_block: u64) -> Network<E> {
        Network {
            context: self.context.child("stripes"),
            provider: self.provider.clone(),
            committee: self.committee.clone(),
            peer: self.peer.clone(),
            publisher: self.publisher.clone(),
            encoder: self.encoder.clone(),
            check_code: self.check_code,
            key,
            expiry_block,
            whole: None,
        }
    }
}

/// Waits until no row of a certified blob is on its way any more: those of slow operators, and local rows. A while only: what did not go out by
/// then is left to repair.
pub(super) async fn behind<E: Runtime>(context: &E, blob: &CodedBlob) {
    let begun = context.current();
    while blob.is_shared() && context.current().duration_since(begun).unwrap_or_default() < BEHIND_TIMEOUT {
        context.sleep(BEHIND_POLL).await;
    }
}

/// Where rows are read, and how they are checked.
struct Place<'a, E> {
    context: &'a E,
    peer: &'a Peer,
    committee: &'a Committee,
    check_code: bool,
}

impl<E: Runtime> Place<'_, E> {
    async fn read(
        &self,
        head: &VerifiedHead,
        added: &[Record],
        key: Option<&Key>,
        range: Range<u64>,
        progress: impl FnMut(retrieve::Progress<'_>),
    ) -> Result<Vec<u8>, FileError> {
        let Self {
            context,
            peer,
            committee,
            check_code,
        } = self;
        if !check_code {
            let read = retrieve::read_range(*context, peer, committee, Blob::new(head, added), key, range, progress);
            return Ok(read.await?);
        }
        let record = Record::of_header(head.header());
        let retrieved = retrieve::retrieve(*context, peer, committee, &record, added, progress).await?;
        retrieved.check_code()?;
        let mut bytes = retrieved.open(key)?;
        bytes.truncate(usize::try_from(range.end).unwrap_or(usize::MAX));
        bytes.drain(..(range.start as usize).min(bytes.len()));
        Ok(bytes)
    }
}

/// The network, as the stripes of one object go to it and come from it.
struct Network<E: Runtime> {
    context: E,
    provider: HttpProvider,
    committee: Committee,
    peer: Peer,
    publisher: Arc<Publisher<HttpProvider, E>>,
    encoder: Encoder,
    check_code: bool,
    /// The object's.
    key: Option<Key>,
    expiry_block: u64,
    /// The blob that the object is, when it is one, and cosets that were added to it.
    whole: Option<(VerifiedHead, Vec<Record>)>,
}

impl<E: Runtime> Network<E> {
    async fn committee_of(&self, id: CommitteeId) -> Result<Committee, FileError> {
        Ok(committee_of(&self.provider, &self.committee, id).await?)
    }

    /// Who is to keep a payload, which is sealed under `key` if there is one: of the quorum that is drawn by the one or the other, in the epoch
    /// that it is now; and who may if it does not. Epochs pass while a long file is stored.
    async fn draw(&self, key: Option<&Key>, payload: &[u8]) -> Result<(Committee, Candidates), FileError> {
        let owner = self.provider.wallet().address();
        let lot = || key.map_or_else(|| Lot::of_payload(owner, payload), Lot::of_key);
        Ok(Candidates::draw(&self.provider, &self.peer.domain, lot).await?)
    }

    /// Codes a stripe for `committee`. The same stripe of the same upload is the same blob in the same quorum and epoch, so that it is not stored twice.
    fn code(&self, committee: &Committee, stripe: u32, bytes: Vec<u8>) -> Result<CodedBlob, FileError> {
        let key = self.key.as_ref().map(|object| stripe_key(object, stripe));
        let privacy = match &key {
            None => Privacy::Public,
            Some(key) => Privacy::Sealed { key, recipients: &[] },
        };
        let request = encode::Request {
            owner: self.provider.wallet().address(),
            committee: committee.id(),
            expiry_block: self.expiry_block,
            meta: Meta::default().to_bytes().expect("no texts"),
            privacy,
        };
        // Only a nonce's prefix is drawn. It depends on the content too: a file may have been changed since its upload broke off, and two
        // contents under one key and one nonce would give both away.
        let context = [b"aloft/client/stripe-nonce/v1", Digest::of(&bytes).as_ref()].concat();
        let seed = key
            .as_ref()
            .map_or([0; 32], |key| *stream::commitment(key, &context).as_bytes());
        Ok(self.encoder.encode(&mut ChaCha20Rng::from_seed(seed), bytes, request)?)
    }

    /// Publishes `blob` on a task of its own, which ends when no row is in memory any more; tells what became of it, and its name, which is another
    /// where another quorum than the first keeps it.
    fn publish(
        &self,
        (committee, candidates): (Committee, Candidates),
        mut blob: CodedBlob,
    ) -> (
        oneshot::Receiver<(BlobRoot, Result<Published, PublishError>)>,
        impl Future,
    ) {
        let (ended, end) = oneshot::channel();
        let publisher = self.publisher.clone();
        let task = self.context.child("stripe").spawn(move |context| async move {
            let published = publisher
                .publish_to_any(&context, committee, candidates, &mut blob, |_| {})
                .await;
            let _ = ended.send((blob.head().root(), published));
            behind(&context, &blob).await;
            // Deliveries are this task's children: those that still stand are ended with it.
        });
        (end, task)
    }
}

impl<E: Runtime> Stripes for Network<E> {
    type Error = FileError;
    type Stored = (StoredStripe, Digest);

    async fn store(&self, stripe: u32, bytes: Vec<u8>) -> Result<(StoredStripe, Digest), FileError> {
        let digest = Digest::of(&bytes);
        let key = self.key.as_ref().map(|object| stripe_key(object, stripe));
        let drawn = self.draw(key.as_ref(), &bytes).await?;
        let blob = self.code(&drawn.0, stripe, bytes)?;
        let stored = |root, fee_wei, gas_used| {
            let stripe = StoredStripe {
                root,
                fee_wei,
                gas_used,
            };
            (stripe, digest)
        };
        let root = blob.head().root();
        if catalogue::find(&self.provider, root).await?.is_some() {
            // It was recorded when the upload broke off.
            return Ok(stored(root, U256::ZERO, 0));
        }
        let (published, sending) = self.publish(drawn, blob);
        let (root, published) = published.await.map_err(|_| FileError::Stopped)?;
        sending.await;
        match published {
            Ok(published) => Ok(stored(root, published.fee_wei, published.gas_used)),
            // Stripes with the same content, for everybody, are one blob: another of them was recorded first; or it was when the upload broke off.
            Err(_) if catalogue::find(&self.provider, root).await?.is_some() => Ok(stored(root, U256::ZERO, 0)),
            Err(error) => Err(error.into()),
        }
    }

    async fn load(&self, part: Part) -> Result<Vec<u8>, FileError> {
        let Part { stripe, root, range } = part;
        let place = |committee| Place {
            context: &self.context,
            peer: &self.peer,
            committee,
            check_code: self.check_code,
        };
        if let Some((head, added)) = &self.whole {
            let committee = self.committee_of(head.header().params.committee).await?;
            return place(&committee)
                .read(head, added, self.key.as_ref(), range, |_| {})
                .await;
        }
        let record = Record::read(&self.provider, &self.peer.domain, root).await?;
        let added = record.read_added(&self.provider, &self.peer.domain).await?;
        let committee = self.committee_of(record.committee()).await?;
        let head = retrieve::fetch_head(&self.context, &self.peer, &committee, &record).await?;
        let key = self.key.as_ref().map(|object| stripe_key(object, stripe));
        place(&committee).read(&head, &added, key.as_ref(), range, |_| {}).await
    }
}

const _: () = assert!(
    STORING_MAX * 4 * (STRIPE_BYTES as usize) < 256 << 20,
    "a few stripes, not a file"
);
