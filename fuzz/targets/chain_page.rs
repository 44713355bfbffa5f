//! A part of a state from a node that may lie: decodes canonically or is refused, and is proved only if it is of the state.
#![no_main]

use alloy_primitives::{Address, B256, U256};
use chain::sync::page::{decode_accounts, decode_slots, encode_accounts, encode_slots};
use evm::{Account, AccountDiff, AccountPage, Diff, SlotPage, State};
use std::sync::LazyLock;

/// Thirty accounts, the first of which has forty slots.
static STATE: LazyLock<State> = LazyLock::new(|| {
    let change = |number: u8| AccountDiff {
        account: Some(Account::with_balance(U256::from(number) + U256::from(1))),
        wiped: false,
        slots: match number {
            0 => (0..40).map(|slot| (U256::from(slot), U256::from(slot + 1))).collect(),
            _ => Default::default(),
        },
    };
    let accounts = (0..30).map(|number| (Address::repeat_byte(number), change(number)));
    let mut state = State::empty();
    state.apply(&Diff {
        accounts: accounts.collect(),
        codes: Default::default(),
    });
    state
});

/// Where the pages begin: in the middle of the keys, so that both ends are proved.
const FIRST: B256 = B256::repeat_byte(0x30);

fn owner() -> B256 {
    alloy_primitives::keccak256(Address::repeat_byte(0))
}

fn accounts() -> AccountPage {
    STATE.account_page(&FIRST, 9)
}

fn slots() -> SlotPage {
    STATE.slot_page(&owner(), &FIRST, 9)
}

static ACCOUNTS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    accounts().verify(STATE.root(), FIRST).expect("a page of the state");
    encode_accounts(&accounts())
});

/// A page of slots, and the root that proves it.
static SLOTS: LazyLock<(Vec<u8>, B256)> = LazyLock::new(|| {
    let page = STATE.account_page(&owner(), 1);
    let root = page.rows[0].storage_root;
    slots().verify(root, FIRST).expect("a page of the storage");
    (encode_slots(&slots()), root)
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    for bytes in aloft_fuzz::tries(&ACCOUNTS, input) {
        let Ok(page) = decode_accounts(&bytes) else { continue };
        assert_eq!(encode_accounts(&page), bytes);
        if page.verify(STATE.root(), FIRST).is_ok() {
            let honest = STATE.account_page(&FIRST, page.rows.len());
            // That more follow may be said where none does: who asks for the next page finds it empty.
            assert_eq!(page.rows, honest.rows);
        }
    }
    let (valid, root) = &*SLOTS;
    for bytes in aloft_fuzz::tries(valid, input) {
        let Ok(page) = decode_slots(&bytes) else { continue };
        assert_eq!(encode_slots(&page), bytes);
        if page.verify(*root, FIRST).is_ok() {
            let honest = STATE.slot_page(&owner(), &FIRST, page.rows.len());
            // That more follow may be said where none does: who asks for the next page finds it empty.
            assert_eq!(page.rows, honest.rows);
        }
    }
});
