use super::*;
use crate::{
    MemoryDisk,
    sync::{
        fixtures::{EPOCH_BLOCKS, block_of, certify, committee, names},
        page::{encode_accounts, encode_slots},
    },
};
use alloy_primitives::{Address, U256};
use evm::{Account, AccountDiff, Diff, State};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// Accounts, every fifth with slots, every third with one of a few codes.
fn state(accounts: u64, seed: u64) -> State {
    let mut random = StdRng::seed_from_u64(seed);
    let mut diff = Diff::default();
    for number in 0..accounts {
        let mut account = Account::with_balance(U256::from(random.random::<u64>()) + U256::from(1));
        if number % 3 == 0 {
            let code = Bytes::from(vec![random.random_range(1..9); 40]);
            account.code_hash = keccak256(&code);
            diff.codes.insert(account.code_hash, code);
        }
        let slots = if number % 5 == 0 { random.random_range(1..30) } else { 0 };
        let slots = (0..slots).map(|slot| (U256::from(slot), U256::from(random.random::<u64>()) + U256::from(1)));
        let change = AccountDiff {
            account: Some(account),
            wiped: false,
            slots: slots.collect(),
        };
        diff.accounts
            .insert(Address::from_word(keccak256(number.to_be_bytes())), change);
    }
    let mut state = State::empty();
    state.apply(&diff);
    state
}

fn header_of(state: &State) -> Header {
    Header {
        number: 7,
        state_root: state.root(),
        ..Header::default()
    }
}

fn begin(store: &Store, state: &State) -> Arriving {
    let arrival = store.begin_arrival(B256::repeat_byte(1), &header_of(state)).unwrap();
    Arriving::new(store.clone(), arrival)
}

/// An answer of an honest node that gives `rows` rows at a time.
enum Answer {
    Accounts(Bytes),
    Slots(Vec<Bytes>),
    Codes(Vec<Bytes>),
}

fn answer(state: &State, wanted: &Wanted, rows: usize) -> Option<Answer> {
    Some(match wanted {
        Wanted::Accounts(first) => Answer::Accounts(encode_accounts(&state.account_page(first, rows)).into()),
        Wanted::Slots(storages) => {
            let mut pages = Vec::new();
            for (account, first) in storages.iter().take(3) {
                let page = state.slot_page(account, first, rows);
                pages.push(encode_slots(&page).into());
                if page.more {
                    break;
                }
            }
            Answer::Slots(pages)
        }
        Wanted::Codes(hashes) => Answer::Codes(hashes.iter().take(2).map(|hash| state.code(hash).unwrap()).collect()),
        Wanted::Nothing => return None,
    })
}

fn take(arriving: &mut Arriving, answer: Answer) -> Result<(), TakeError> {
    match answer {
        Answer::Accounts(page) => arriving.take_accounts(&page),
        Answer::Slots(pages) => arriving.take_slots(&pages),
        Answer::Codes(codes) => arriving.take_codes(codes),
    }
}

/// Whatever the size of the pages, and wherever the node is started again, what it has in the end is the state, with all its codes.
#[test]
fn a_state_comes_whole_in_pages_of_any_size_and_after_any_restart() {
    for (seed, accounts, rows) in [(1, 40, 1), (2, 150, 7), (3, 300, 64), (4, 300, 4096), (5, 0, 3)] {
        let (state, mut random) = (state(accounts, seed), StdRng::seed_from_u64(seed));
        let disk = MemoryDisk::new();
        let mut store = Store::in_memory(&disk).unwrap();
        let mut arriving = begin(&store, &state);
        let mut percent = 0;
        while let Some(answer) = answer(&state, &arriving.wanted(), rows) {
            take(&mut arriving, answer).unwrap();
            assert!((percent..=100).contains(&arriving.percent()), "seed {seed}");
            percent = arriving.percent();
            if random.random_range(0..8) == 0 {
                drop((arriving, store));
                store = Store::in_memory(&disk).unwrap();
                arriving = begin(&store, &state);
            }
        }
        assert_eq!(arriving.percent(), 100);
        let came = store.state().unwrap();
        assert_eq!(came.root(), state.root(), "seed {seed}");
        let mut first = Some(B256::ZERO);
        while let Some(from) = first {
            let page = came.account_page(&from, 64);
            for row in &page.rows {
                assert!(came.code(&row.account.code_hash).is_some(), "seed {seed}");
            }
            first = page
                .rows
                .last()
                .filter(|_| page.more)
                .and_then(|row| key_after(&row.key));
        }
    }
}

/// A few accounts come alone, whatever is sent with them; of one that is not there nothing does.
#[test]
fn accounts_come_alone_with_code_and_slots_into_a_store_of_their_own() {
    let state = state(60, 1);
    let store = Store::in_memory(&MemoryDisk::new()).unwrap();
    let address = |number: u64| Address::from_word(keccak256(number.to_be_bytes()));
    for number in [15, 16, 99, 18] {
        let arrival = store.begin_arrival(B256::repeat_byte(1), &header_of(&state)).unwrap();
        let mut arriving = Arriving::only(store.clone(), arrival, keccak256(address(number)));
        while let Some(answer) = answer(&state, &arriving.wanted(), 16) {
            take(&mut arriving, answer).unwrap();
        }
        assert_eq!(arriving.counts().accounts, u64::from(number != 99));
    }
    let came = store.state().unwrap();
    for number in [15, 16, 18] {
        let key = keccak256(address(number));
        assert_eq!(came.account(&address(number)), state.account(&address(number)));
        assert!(came.code(&came.account(&address(number)).unwrap().code_hash).is_some());
        assert_eq!(
            came.slot_page(&key, &B256::ZERO, 64),
            state.slot_page(&key, &B256::ZERO, 64)
        );
    }
    assert!(
        !state
            .slot_page(&keccak256(address(15)), &B256::ZERO, 64)
            .rows
            .is_empty()
    );
    assert_eq!(came.account_page(&B256::ZERO, 64).rows.len(), 3);
}

/// One storage of several full pages, which are asked for one after the other.
#[test]
fn a_storage_of_many_pages_comes_whole() {
    let slots = (0..20_000u64).map(|slot| (U256::from(slot), U256::from(slot + 1)));
    let change = AccountDiff {
        account: Some(Account::with_balance(U256::from(1))),
        wiped: false,
        slots: slots.collect(),
    };
    let mut state = State::empty();
    state.apply(&Diff {
        accounts: [(Address::repeat_byte(1), change)].into(),
        codes: Default::default(),
    });
    let store = Store::in_memory(&MemoryDisk::new()).unwrap();
    let checkpoint = crate::Checkpoint {
        block: crate::fixtures::ledger().latest(),
        state: state.clone(),
    };
    let mut arriving = begin(&store, &state);
    let mut answers = 0;
    loop {
        match arriving.wanted() {
            Wanted::Accounts(first) => arriving
                .take_accounts(&checkpoint.accounts(&first, usize::MAX))
                .unwrap(),
            Wanted::Slots(storages) => arriving.take_slots(&checkpoint.slots(&storages)).unwrap(),
            Wanted::Codes(hashes) => arriving.take_codes(checkpoint.codes(&hashes)).unwrap(),
            Wanted::Nothing => break,
        }
        answers += 1;
    }
    assert_eq!((answers, arriving.counts().slots), (4, 20_000));
    assert_eq!(store.state().unwrap().root(), state.root());
}

/// Each kind of answer with each kind of lie in it: refused, and the honest answer to the same question is taken after it.
#[test]
fn whatever_is_left_out_added_changed_or_of_another_state_is_refused() {
    let (state, other) = (state(60, 1), state(60, 2));
    let store = Store::in_memory(&MemoryDisk::new()).unwrap();
    let mut arriving = begin(&store, &state);
    let mut refused = [0; 3];
    while let Some(honest) = answer(&state, &arriving.wanted(), 16) {
        let wanted = arriving.wanted();
        let lies: Vec<Answer> = match &wanted {
            Wanted::Accounts(first) => {
                let page = state.account_page(first, 16);
                let changed = |change: &dyn Fn(&mut evm::AccountPage)| {
                    let mut page = page.clone();
                    change(&mut page);
                    Answer::Accounts(encode_accounts(&page).into())
                };
                vec![
                    changed(&|page| page.rows.truncate(page.rows.len() - 1)),
                    changed(&|page| page.rows = page.rows.split_off(1)),
                    changed(&|page| page.rows.last_mut().unwrap().account.balance += U256::from(1)),
                    changed(&|page| page.rows[0].account.code_hash = B256::repeat_byte(3)),
                    changed(&|page| page.more = !page.more),
                    Answer::Accounts(encode_accounts(&other.account_page(first, 16)).into()),
                    Answer::Accounts(Bytes::from_static(&[0; 9])),
                    Answer::Accounts(Bytes::new()),
                ]
            }
            Wanted::Slots(storages) => {
                let (account, first) = storages[0];
                let page = state.slot_page(&account, &first, 16);
                let changed = |change: &dyn Fn(&mut evm::SlotPage)| {
                    let mut page = page.clone();
                    change(&mut page);
                    Answer::Slots(vec![encode_slots(&page).into()])
                };
                let elsewhere = storages.get(1).map_or(B256::ZERO, |(account, _)| *account);
                vec![
                    changed(&|page| page.rows.truncate(page.rows.len() - 1)),
                    changed(&|page| page.rows[0].1 += U256::from(1)),
                    changed(&|page| page.more = !page.more),
                    Answer::Slots(vec![encode_slots(&state.slot_page(&elsewhere, &first, 16)).into()]),
                    Answer::Slots(vec![]),
                    Answer::Slots(vec![encode_slots(&page).into(); storages.len() + 1]),
                ]
            }
            Wanted::Codes(hashes) => vec![
                Answer::Codes(vec![]),
                Answer::Codes(vec![Bytes::from_static(b"another")]),
                Answer::Codes(vec![state.code(&hashes[0]).unwrap(); 2]),
            ],
            Wanted::Nothing => unreachable!("there is an answer"),
        };
        let kind = match wanted {
            Wanted::Accounts(_) => 0,
            Wanted::Slots(_) => 1,
            _ => 2,
        };
        for lie in lies {
            let error = take(&mut arriving, lie).unwrap_err();
            assert!(matches!(error, TakeError::Wrong(_)), "{error:?}");
            assert_eq!(arriving.wanted(), wanted);
            refused[kind] += 1;
        }
        take(&mut arriving, honest).unwrap();
    }
    assert!(refused.iter().all(|count| *count > 2), "{refused:?}");
    assert_eq!(store.state().unwrap().root(), state.root());
}

#[test]
fn a_header_is_taken_for_nothing_but_its_hash() {
    let ledger = crate::fixtures::ledger();
    let mut headers = vec![Bytes::from(alloy_rlp::encode(&ledger.latest().header))];
    for _ in 0..5 {
        let block = crate::fixtures::propose(&ledger, &ledger.latest(), 1);
        ledger.finalize(block.hash).unwrap();
        headers.push(alloy_rlp::encode(&block.header).into());
    }
    let latest = ledger.latest();
    assert_eq!(check_header(latest.hash, &headers[5]).unwrap(), latest.header);
    let (found, expected) = (keccak256(&headers[4]), latest.hash);
    assert_eq!(
        check_header(latest.hash, &headers[4]),
        Err(WrongAnswer::Header { found, expected })
    );
    let hash = keccak256(b"no header");
    assert_eq!(check_header(hash, b"no header"), Err(WrongAnswer::NoHeader { hash }));

    assert_eq!(ancestors_of(5), (0, 5));
    assert_eq!(ancestors_of(1000), (744, 256));
    let hashes = check_ancestors(&latest.header, &headers[..5]).unwrap();
    for (number, hash) in (0..5).rev().zip(hashes) {
        assert_eq!(ledger.by_number(number).unwrap().unwrap().hash, hash);
    }
    for without in 0..5 {
        let mut headers = headers[..5].to_vec();
        headers.remove(without);
        check_ancestors(&latest.header, &headers).unwrap_err();
        headers.insert(without, Bytes::from_static(b"no header"));
        check_ancestors(&latest.header, &headers).unwrap_err();
    }
}

#[test]
fn a_block_is_taken_if_its_committee_certified_it_and_all_that_it_names_is_there() {
    let ledger = crate::fixtures::ledger();
    for nonce in 0..3 {
        ledger.submit(&crate::fixtures::Wallet::nth(1).transfer(nonce)).unwrap();
    }
    let sealed = crate::fixtures::propose(&ledger, &ledger.latest(), 1);
    let block = block_of(&sealed, 1, None);
    let check = |header: &Header, block: &Block, receipts: &[Receipt], signers: usize| {
        let (proof, receipts) = (certify(block, 0, signers), receipts.to_vec());
        check_block(
            header,
            block.clone(),
            receipts,
            &proof,
            &committee(),
            EPOCH_BLOCKS,
            &names(),
        )
    };
    assert_eq!(check(&sealed.header, &block, &sealed.receipts, 3).unwrap(), *sealed);
    let few = check(&sealed.header, &block, &sealed.receipts, 2);
    assert!(matches!(few, Err(WrongAnswer::Run(_))), "{few:?}");
    let short = check(&sealed.header, &block, &sealed.receipts[..2], 3);
    assert!(
        matches!(short, Err(WrongAnswer::Root { what: "receipts", .. })),
        "{short:?}"
    );
    let mut named = sealed.header.clone();
    named.timestamp += 1;
    let other = check(&named, &block, &sealed.receipts, 3);
    assert!(matches!(other, Err(WrongAnswer::Header { .. })), "{other:?}");
    // Of a header alone a committee may certify any body: what is checked is the header's root.
    let transactions = block.ethereum().body.transactions[..2].to_vec();
    let fewer = Block::new(crate::fixtures::place(), sealed.header.clone(), transactions);
    let fewer = check(&sealed.header, &fewer, &sealed.receipts, 3);
    assert!(
        matches!(
            fewer,
            Err(WrongAnswer::Root {
                what: "transactions",
                ..
            })
        ),
        "{fewer:?}"
    );
}
