use super::*;
use crate::{
    CodedBlob, Privacy, encode,
    header::DATA_ROWS,
    tests::{flip_bits, payload, request, seeded},
};
use alloy_sol_types::{SolCall, SolEvent, SolValue};
use commonware_utils::sync::Mutex;
use contracts::{Event, Request};
use futures::executor::block_on;
use primitives::CHAIN_ID;
use std::{collections::BTreeMap, sync::Arc};

pub(crate) const DOMAIN: fn() -> Domain = || Domain::of_chain(CHAIN_ID);

/// A simulated `ReaderBook`, asked and written to by one account. The real one is tested in the crate `contracts`.
#[derive(Clone)]
pub(crate) struct Book(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    account: Address,
    height: u64,
    down: bool,
    lists: BTreeMap<(Address, B256), ReaderBook::ReaderList>,
    access: BTreeMap<(B256, B256), u64>,
    epochs: BTreeMap<B256, u64>,
    events: Vec<Event>,
}

impl Book {
    pub(crate) fn of(account: Address) -> Self {
        Self(Arc::new(Mutex::new(State {
            account,
            height: 1,
            ..State::default()
        })))
    }

    /// Lets a key read under a policy until a block.
    pub(crate) fn set_access(&self, policy: B256, reader: &RecipientPublic, until: u64) {
        let reader = B256::new(reader.to_bytes());
        self.0.lock().access.insert((policy, reader), until);
    }

    /// Begins a policy's next epoch.
    pub(crate) fn advance(&self, policy: B256) {
        *self.0.lock().epochs.entry(policy).or_default() += 1;
    }

    pub(crate) fn set_height(&self, height: u64) {
        self.0.lock().height = height;
    }

    /// The chain stops answering.
    pub(crate) fn go_down(&self) {
        self.0.lock().down = true;
    }

    fn forget_events(&self) {
        self.0.lock().events.clear();
    }

    /// Overwrites the last recorded list, as no contract would, but a lying node can.
    fn forge(&self, list: Bytes) {
        let state = &mut *self.0.lock();
        let event = state.events.last_mut().unwrap();
        let mut decoded = event.decode::<ReaderBook::ReadersPublished>().unwrap();
        decoded.list = list.into();
        event.data = decoded.encode_log_data().data;
        let record = state.lists.get_mut(&(decoded.owner, decoded.root)).unwrap();
        record.listHash = keccak256(&decoded.list);
    }
}

impl Provider for Book {
    async fn call(&self, to: Address, data: primitives::Bytes) -> Result<primitives::Bytes, ProviderError> {
        assert_eq!(to, addresses::READER_BOOK);
        let state = self.0.lock();
        if state.down {
            return Err(ProviderError::Transport { cause: "down".into() });
        }
        if let Ok(call) = ReaderBook::readersCall::abi_decode(&data) {
            let record = state.lists.get(&(call.owner, call.root)).cloned();
            let empty = ReaderBook::ReaderList {
                listHash: B256::ZERO,
                version: 0,
                publishedBlock: 0,
            };
            return Ok(record.unwrap_or(empty).abi_encode().into());
        }
        let call = ReaderBook::allowedCall::abi_decode(&data).unwrap();
        let epoch = state.epochs.get(&call.policy).copied().unwrap_or_default();
        let until = state
            .access
            .get(&(call.policy, call.reader))
            .copied()
            .unwrap_or_default();
        Ok((call.epoch <= epoch && state.height <= until).abi_encode().into())
    }

    async fn send(&self, request: Request) -> Result<Mined, ProviderError> {
        let call = ReaderBook::publishCall::abi_decode(&request.data).unwrap();
        let state = &mut *self.0.lock();
        let key = (state.account, call.root);
        let current = state.lists.get(&key).map_or(0, |record| record.version);
        if call.version != current + 1 {
            let version = call.version;
            let error = ReaderBook::StaleVersion { version, current };
            return Err(ProviderError::reverted(
                alloy_sol_types::SolError::abi_encode(&error).into(),
            ));
        }
        state.height += 1;
        let record = ReaderBook::ReaderList {
            listHash: keccak256(&call.list),
            version: call.version,
            publishedBlock: state.height,
        };
        state.lists.insert(key, record);
        let event = ReaderBook::ReadersPublished {
            owner: state.account,
            root: call.root,
            version: call.version,
            list: call.list,
        };
        let data = event.encode_log_data();
        state.events.push(Event {
            address: addresses::READER_BOOK,
            topics: data.topics().to_vec(),
            data: data.data.clone(),
            block: state.height,
            transaction: B256::ZERO,
            log_index: 0,
        });
        Ok(Mined {
            hash: B256::ZERO,
            block: state.height,
            gas_used: 0,
            created: None,
        })
    }

    async fn events(&self, filter: EventFilter) -> Result<Vec<Event>, ProviderError> {
        let blocks = filter.from_block..=filter.to_block.unwrap_or(u64::MAX);
        let state = self.0.lock();
        let selected = state.events.iter().filter(|event| blocks.contains(&event.block));
        Ok(selected.cloned().collect())
    }

    async fn height(&self) -> Result<u64, ProviderError> {
        Ok(self.0.lock().height)
    }
}

/// An owner, its sealed blob, and what was in it.
pub(crate) struct Scene {
    pub(crate) owner: ecdsa::Secret,
    pub(crate) key: Key,
    pub(crate) blob: CodedBlob,
    pub(crate) plain: Vec<u8>,
    pub(crate) book: Book,
}

impl Scene {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = seeded(seed);
        let owner = ecdsa::Secret::from_bytes(&[seed as u8; 32]).unwrap();
        let key = Key::generate(&mut rng);
        let plain = payload(seed, 3_000);
        let own = [reader(0).public()];
        let privacy = Privacy::Sealed {
            key: &key,
            recipients: &own,
        };
        let request = encode::Request {
            owner: owner.address(),
            ..request(privacy)
        };
        let blob = CodedBlob::encode(&mut rng, plain.clone(), request).unwrap();
        let book = Book::of(owner.address());
        Self {
            owner,
            key,
            blob,
            plain,
            book,
        }
    }

    pub(crate) fn header(&self) -> &Header {
        self.blob.head().header()
    }

    pub(crate) fn root(&self) -> BlobRoot {
        self.blob.head().root()
    }

    /// What any 1,024 of its rows give.
    pub(crate) fn open(&self, key: &Key) -> Vec<u8> {
        let mut coded: Vec<u8> = (0..DATA_ROWS)
            .flat_map(|index| self.blob.row(index).row().bytes.to_vec())
            .collect();
        coded.truncate(self.header().params.length as usize);
        encode::open(&self.header().params, Some(key), coded).unwrap()
    }

    pub(crate) fn publish(&self, list: &ReaderList) -> Result<Mined, ProviderError> {
        block_on(publish(&self.book, &DOMAIN(), list, &self.owner))
    }

    pub(crate) fn read(&self) -> Result<Option<ReaderList>, AccessError> {
        block_on(read(&self.book, &DOMAIN(), self.owner.address(), self.root()))
    }

    fn list_of(&self, seeds: &[u8]) -> ReaderList {
        let mut list = ReaderList::empty(self.root());
        let readers: Vec<_> = seeds.iter().map(|&seed| reader(seed).public()).collect();
        list.add(&mut seeded(1), self.header(), &self.key, &readers).unwrap();
        list.next()
    }

    /// Puts a release into `list`: by a committee of one, under a policy of nobody's.
    fn release_under_a_policy(&self, rng: &mut impl rand_core::CryptoRng, list: &mut ReaderList) {
        let committee = crypto::threshold::DealtThresholdKeys::deal(rng, 1, 1)
            .unwrap()
            .committee;
        let terms = Terms {
            policy: B256::ZERO,
            epoch: 0,
        };
        list.set_release(rng, &DOMAIN(), self.header(), &self.key, committee.key(), terms)
            .unwrap();
    }
}

pub(crate) fn reader(seed: u8) -> RecipientSecret {
    RecipientSecret::from_seed(&[seed + 1; 32])
}

#[test]
fn a_reader_added_after_the_blob_was_stored_reads_it() {
    let scene = Scene::new(1);
    assert!(scene.header().params.unwrap_key(&reader(1)).is_none());
    assert!(scene.read().unwrap().is_none());

    scene.publish(&scene.list_of(&[1])).unwrap();
    let mut second = scene.read().unwrap().unwrap();
    let again = [reader(1).public(), reader(2).public()];
    assert_eq!(
        second.add(&mut seeded(3), scene.header(), &scene.key, &again).unwrap(),
        1
    );
    scene.publish(&second.next()).unwrap();

    let list = scene.read().unwrap().unwrap();
    assert_eq!((list.version(), list.recipients().len()), (2, 2));
    for seed in [1, 2] {
        let key = list.open(scene.header(), &reader(seed)).unwrap();
        assert_eq!(scene.open(&key), scene.plain);
    }
    let stranger = list.open(scene.header(), &reader(3)).unwrap_err();
    assert_eq!(stranger, RecipientsError::NotARecipient);
}

/// And what it does not end, as the module's page says: the old list still opens.
#[test]
fn a_reader_taken_out_has_no_envelope_in_the_newest_list() {
    let scene = Scene::new(2);
    let first = scene.list_of(&[1, 2]);
    scene.publish(&first).unwrap();
    let mut second = first.clone();
    assert_eq!(second.remove(&[reader(1).public(), reader(7).public()]), 1);
    scene.publish(&second.next()).unwrap();
    let newest = scene.read().unwrap().unwrap();
    assert_eq!(
        newest.open(scene.header(), &reader(1)).unwrap_err(),
        RecipientsError::NotARecipient
    );
    assert!(newest.open(scene.header(), &reader(2)).is_ok());
    assert!(first.open(scene.header(), &reader(1)).is_ok());
}

#[test]
fn of_two_lists_made_at_once_the_second_is_refused() {
    let scene = Scene::new(3);
    scene.publish(&scene.list_of(&[1])).unwrap();
    let refused = scene.publish(&scene.list_of(&[2])).unwrap_err();
    assert!(
        refused.to_string().contains("StaleVersion(version: 1, current: 1)"),
        "{refused}"
    );
}

#[test]
fn a_list_that_its_owner_did_not_sign_for_this_blob_and_chain_is_refused() {
    let (scene, other) = (Scene::new(4), Scene::new(5));
    let (root, owner) = (scene.root(), scene.owner.address());
    let list = scene.list_of(&[1]);
    let verify = |signed| ReaderList::verify(&DOMAIN(), root, owner, signed);
    assert_eq!(verify(list.sign(&DOMAIN(), &scene.owner)).unwrap(), list);
    let elsewhere = Domain {
        chain_id: 1,
        ..DOMAIN()
    };
    for signed in [
        list.sign(&DOMAIN(), &other.owner),
        list.sign(&elsewhere, &scene.owner),
        other.list_of(&[1]).sign(&DOMAIN(), &scene.owner),
    ] {
        assert!(matches!(verify(signed), Err(AccessError::NotByOwner { .. })));
    }
    // A node that answers with an old list, or another's, or none.
    scene.publish(&list).unwrap();
    scene.book.forge(list.clone().next().sign(&DOMAIN(), &scene.owner));
    assert!(matches!(scene.read(), Err(AccessError::NotByOwner { .. })));
    scene.book.forge(Bytes::from_static(b"no list"));
    assert!(matches!(scene.read(), Err(AccessError::Malformed { .. })));
    scene.book.forget_events();
    assert!(matches!(scene.read(), Err(AccessError::NotInLog { .. })));
    scene.book.go_down();
    assert!(matches!(scene.read(), Err(AccessError::Chain { .. })));
}

#[test]
fn no_key_but_the_blobs_is_handed_out_or_taken() {
    let scene = Scene::new(6);
    let (wrong, mut list) = (Key::generate(&mut seeded(9)), ReaderList::empty(scene.root()));
    let readers = [reader(1).public()];
    let refused = list.add(&mut seeded(1), scene.header(), &wrong, &readers);
    assert!(matches!(refused, Err(AccessError::WrongKey { .. })));
    let other = Scene::new(7);
    let refused = list.add(&mut seeded(1), other.header(), &other.key, &readers);
    assert!(matches!(refused, Err(AccessError::WrongKey { .. })));
    assert_eq!(list, ReaderList::empty(scene.root()));
    // An owner that seals another key to one reader, to show it another content.
    list.recipients
        .add(&mut seeded(1), &readers[0], &wrong, &info(scene.root()))
        .unwrap();
    assert_eq!(
        list.open(scene.header(), &reader(1)).unwrap_err(),
        RecipientsError::WrongKey
    );

    let public = crate::tests::public_blob(8, 100);
    let header = public.head().header();
    let mut list = ReaderList::empty(header.root());
    let refused = list.add(&mut seeded(1), header, &wrong, &readers);
    assert!(matches!(refused, Err(AccessError::Public { .. })));
}

#[test]
fn an_envelope_of_one_blob_says_nothing_in_the_list_of_another() {
    let (one, other) = (Scene::new(10), Scene::new(11));
    let moved = ReaderList {
        root: other.root(),
        ..one.list_of(&[1])
    };
    assert_eq!(
        moved.open(other.header(), &reader(1)).unwrap_err(),
        RecipientsError::Unauthentic
    );
}

#[test]
fn the_longest_list_fits_and_one_more_reader_leaves_it_as_it_was() {
    let scene = Scene::new(12);
    let readers: Vec<_> = (0..=RECIPIENTS_MAX as u64)
        .map(|seed| {
            let mut ikm = [0; 32];
            ikm[..8].copy_from_slice(&seed.to_be_bytes());
            RecipientSecret::from_seed(&ikm).public()
        })
        .collect();
    let (mut rng, mut list) = (seeded(1), ReaderList::empty(scene.root()));
    list.add(&mut rng, scene.header(), &scene.key, &readers[1..]).unwrap();
    scene.release_under_a_policy(&mut rng, &mut list);
    let signed = list.sign(&DOMAIN(), &scene.owner);
    assert_eq!(signed.len(), MAX_LIST_BYTES);
    let owner = scene.owner.address();
    assert_eq!(
        ReaderList::verify(&DOMAIN(), scene.root(), owner, signed).unwrap(),
        list
    );
    let before = list.clone();
    let refused = list.add(&mut rng, scene.header(), &scene.key, &readers);
    assert!(matches!(refused, Err(AccessError::Recipients(_))));
    assert_eq!(list, before);
}

#[test]
fn any_bytes_are_refused_or_are_the_one_encoding_of_a_list() {
    let scene = Scene::new(13);
    let mut list = scene.list_of(&[1, 2]);
    let mut rng = seeded(14);
    scene.release_under_a_policy(&mut rng, &mut list);
    let signed = list.sign(&DOMAIN(), &scene.owner);
    for round in 0..300 {
        let mut damaged = signed.to_vec();
        flip_bits(&mut rng, &mut damaged, 3);
        damaged.truncate(damaged.len() - round % 4);
        let damaged = Bytes::from(damaged);
        if let Ok(list) = ReaderList::decode(damaged.clone()) {
            assert_eq!(list.encode(), damaged);
        }
        let verified = ReaderList::verify(&DOMAIN(), scene.root(), scene.owner.address(), damaged.clone());
        // The flips may undo each other, and a signature has one spelling only.
        assert_eq!(verified.is_ok(), damaged == signed);
    }
    for bytes in [
        Bytes::new(),
        Bytes::from(vec![0; MAX_LIST_BYTES + 1]),
        Bytes::from(vec![1; 65]),
    ] {
        assert!(ReaderList::verify(&DOMAIN(), scene.root(), scene.owner.address(), bytes).is_err());
    }
}
