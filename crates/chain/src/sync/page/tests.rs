use super::*;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

fn accounts() -> AccountPage {
    let row = |number: u8| AccountRow {
        key: B256::repeat_byte(number),
        account: Account {
            nonce: u64::from(number),
            balance: U256::from(number) << 200,
            code_hash: if number.is_multiple_of(2) {
                B256::repeat_byte(1)
            } else {
                KECCAK256_EMPTY
            },
        },
        storage_root: if number.is_multiple_of(3) {
            B256::repeat_byte(2)
        } else {
            EMPTY_ROOT
        },
    };
    AccountPage {
        rows: (1..9).map(row).collect(),
        more: true,
        proof: vec![Bytes::from_static(b"node"), Bytes::new()],
    }
}

fn slots() -> SlotPage {
    SlotPage {
        rows: (1..9)
            .map(|number| (B256::repeat_byte(number), U256::from(number) << 77))
            .collect(),
        more: false,
        proof: vec![Bytes::from_static(b"node")],
    }
}

#[test]
fn pages_decode_to_what_was_encoded() {
    assert_eq!(decode_accounts(&encode_accounts(&accounts())).unwrap(), accounts());
    assert_eq!(decode_slots(&encode_slots(&slots())).unwrap(), slots());
}

/// What decodes is the one encoding of what it decodes to; nothing panics, and counts reserve no more than a page.
#[test]
fn damaged_pages_are_refused_or_are_another_page() {
    let (accounts, slots) = (encode_accounts(&accounts()), encode_slots(&slots()));
    let mut random = StdRng::seed_from_u64(3);
    let (mut refused, mut other) = (0, 0);
    for _ in 0..50_000 {
        let mut damaged = if random.random() {
            accounts.clone()
        } else {
            slots.clone()
        };
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..damaged.len());
            damaged[at] = random.random();
        }
        damaged.truncate(random.random_range(damaged.len() / 2..=damaged.len()));
        let again = [
            decode_accounts(&damaged).map(|page| encode_accounts(&page)),
            decode_slots(&damaged).map(|page| encode_slots(&page)),
        ];
        for page in again {
            match page {
                Ok(bytes) => {
                    assert_eq!(bytes, damaged);
                    other += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > 1000 && other > 100, "{refused} {other}");
}

#[test]
fn more_rows_or_nodes_than_a_page_has_are_refused_before_they_are_read() {
    let many = |max: usize| [&[0][..], &u32::try_from(max + 1).unwrap().to_be_bytes()].concat();
    let (what, max) = ("accounts", PAGE_ACCOUNTS_MAX);
    let count = max + 1;
    assert_eq!(decode_accounts(&many(max)), Err(PageError::Count { what, count, max }));
    let (what, max) = ("slots", PAGE_SLOTS_MAX);
    let count = max + 1;
    assert_eq!(decode_slots(&many(max)), Err(PageError::Count { what, count, max }));
    let mut empty = encode_slots(&SlotPage {
        rows: vec![],
        more: false,
        proof: vec![],
    });
    empty.truncate(5);
    empty.extend(u32::MAX.to_be_bytes());
    assert!(matches!(
        decode_slots(&empty),
        Err(PageError::Count { what: "nodes", .. })
    ));
}
