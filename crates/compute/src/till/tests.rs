//! The till's promises, the last of them against a disk that loses everything not synced.

use super::*;
use crate::{
    inference::EngineId,
    receipt::{Receipt, VerifyClass},
    voucher::{Terms, Voucher},
};
use alloy_primitives::aliases::U40;
use contracts::typed_data::ChannelConfig;
use crypto::ecdsa::Secret;
use primitives::{Address, BlobRoot, CHAIN_ID, Digest};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use redb::{StorageBackend, backends::InMemoryBackend};

const RICH: Funds = Funds {
    balance: 1_000_000,
    claimed: 0,
    withdrawing: 0,
};
const LIMITS: TillLimits = TillLimits {
    channels_max: 8,
    sessions_max: 2,
    sales_max: 1000,
    sale_bytes_max: 1 << 20,
};

fn signer(byte: u8) -> Secret {
    Secret::from_bytes(&[byte; 32]).unwrap()
}

fn voucher(salt: u8, ceiling: u128) -> CheckedVoucher {
    let terms = Terms {
        chain_id: CHAIN_ID,
        receiver: Address::repeat_byte(0x5b),
        receiver_authorizer: signer(2).address(),
        token: contracts::addresses::USDX,
        withdraw_delay_s: 900,
    };
    let config = ChannelConfig {
        payer: signer(1).address(),
        payerAuthorizer: signer(1).address(),
        receiver: terms.receiver,
        receiverAuthorizer: terms.receiver_authorizer,
        token: terms.token,
        withdrawDelay: U40::from(900),
        salt: B256::repeat_byte(salt),
    };
    Voucher::sign(&signer(1), CHAIN_ID, config, ceiling)
        .check(&terms)
        .unwrap()
}

fn request(number: u64) -> B256 {
    Digest::of(&number.to_be_bytes()).0
}

fn seal(charge: Charge) -> (SignedReceipt, Evidence) {
    let receipt = Receipt {
        version: 1,
        chain_id: CHAIN_ID,
        service: "soil".into(),
        model_root: BlobRoot::from([0; 32]),
        engine: EngineId {
            name: String::new(),
            version: String::new(),
            numerics: String::new(),
        },
        request_hash: Digest::of(b""),
        response_hash: Digest::of(b""),
        price: charge.price,
        channel_id: charge.channel_id,
        sequence: charge.sequence,
        timestamp_ms: 0,
        verify_class: VerifyClass::Signed,
    };
    let evidence = Evidence {
        salt: [0; 32],
        request: vec![1; 10],
        response: charge.sequence.to_be_bytes().to_vec(),
    };
    (receipt.sign(&signer(2)), evidence)
}

fn till() -> Arc<Till> {
    Till::open_backend(InMemoryBackend::new(), LIMITS).unwrap()
}

fn reserve(till: &Arc<Till>, channel_id: B256, number: u64, price: u128) -> Result<Reserved, TillError> {
    till.reserve(channel_id, request(number), price, u128::MAX, RICH)
}

/// Sells one request, or says why not.
fn sell(till: &Arc<Till>, channel_id: B256, number: u64, price: u128) -> Result<Sale, TillError> {
    match reserve(till, channel_id, number, price)? {
        Reserved::New(reservation) => till.charge(reservation, price, seal),
        Reserved::Before(sale) => Ok(*sale),
    }
}

#[test]
fn nothing_is_sold_above_the_voucher() {
    let (till, voucher) = (till(), voucher(0, 1000));
    till.accept(&voucher, RICH).unwrap();
    sell(&till, voucher.channel_id(), 1, 700).unwrap();
    assert!(matches!(
        sell(&till, voucher.channel_id(), 2, 301),
        Err(TillError::TooLittle {
            price: 301,
            spendable: 300
        })
    ));
    sell(&till, voucher.channel_id(), 3, 300).unwrap();
    assert_eq!(till.account(voucher.channel_id()).unwrap().charged, 1000);
}

#[test]
fn money_held_for_one_request_is_not_there_for_the_next_until_it_is_given_back() {
    let (till, voucher) = (till(), voucher(0, 1000));
    let id = voucher.channel_id();
    till.accept(&voucher, RICH).unwrap();
    let held = reserve(&till, id, 1, 600).unwrap();
    assert!(reserve(&till, id, 2, 600).is_err());
    drop(held);
    assert!(reserve(&till, id, 2, 600).is_ok());
}

#[test]
fn less_than_held_may_be_charged() {
    let (till, voucher) = (till(), voucher(0, 1000));
    let id = voucher.channel_id();
    till.accept(&voucher, RICH).unwrap();
    let Reserved::New(reservation) = reserve(&till, id, 1, 600).unwrap() else {
        panic!("it was not sold before")
    };
    assert_eq!(till.charge(reservation, 250, seal).unwrap().charged, 250);
    assert_eq!(till.account(id).unwrap().spendable(u128::MAX, RICH), 750);
}

#[test]
fn a_request_is_charged_once_and_answered_again_with_the_same_sale() {
    let (till, voucher) = (till(), voucher(0, 1000));
    till.accept(&voucher, RICH).unwrap();
    let first = sell(&till, voucher.channel_id(), 1, 700).unwrap();
    assert_eq!(sell(&till, voucher.channel_id(), 1, 700).unwrap(), first);
    assert_eq!(till.account(voucher.channel_id()).unwrap().sequence, 1);
    assert_eq!(till.sale(first.signed.receipt.id()).unwrap(), Some(first));
}

#[test]
fn the_same_request_twice_at_a_time_is_computed_once() {
    let (till, voucher) = (till(), voucher(0, 1000));
    till.accept(&voucher, RICH).unwrap();
    let _held = reserve(&till, voucher.channel_id(), 1, 10).unwrap();
    assert!(matches!(
        reserve(&till, voucher.channel_id(), 1, 10),
        Err(TillError::InFlight { .. })
    ));
}

#[test]
fn a_voucher_above_the_channels_money_or_of_an_unknown_channel_buys_nothing() {
    let (till, voucher) = (till(), voucher(0, 1000));
    let leaving = Funds {
        balance: 1500,
        claimed: 0,
        withdrawing: 501,
    };
    assert!(matches!(
        till.accept(&voucher, leaving),
        Err(TillError::Unfunded {
            ceiling: 1000,
            promisable: 999
        })
    ));
    assert!(matches!(
        reserve(&till, voucher.channel_id(), 1, 1),
        Err(TillError::UnknownChannel { .. })
    ));
}

/// Out of order or replayed, an old voucher takes nothing back.
#[test]
fn the_highest_voucher_counts() {
    let till = till();
    let (low, high) = (voucher(0, 1000), voucher(0, 2000));
    till.accept(&high, RICH).unwrap();
    till.accept(&low, RICH).unwrap();
    let account = till.account(low.channel_id()).unwrap();
    assert_eq!((account.ceiling, account.signature), (2000, high.voucher().signature));
}

/// A till that lost its file must not sell what was claimed already.
#[test]
fn a_channel_first_seen_counts_what_the_chain_paid_out() {
    let (till, voucher) = (till(), voucher(0, 1000));
    let claimed = Funds { claimed: 900, ..RICH };
    till.accept(&voucher, claimed).unwrap();
    assert!(sell(&till, voucher.channel_id(), 1, 101).is_err());
    sell(&till, voucher.channel_id(), 2, 100).unwrap();
}

#[test]
fn a_full_till_refuses_new_channels_and_sessions_and_forgets_old_sales() {
    let limits = TillLimits { sales_max: 3, ..LIMITS };
    let till = Till::open_backend(InMemoryBackend::new(), limits).unwrap();
    for salt in 0..8 {
        till.accept(&voucher(salt, 1000), RICH).unwrap();
    }
    assert!(matches!(
        till.accept(&voucher(8, 1000), RICH),
        Err(TillError::Full { .. })
    ));
    let id = voucher(0, 1000).channel_id();
    for key in 0..2 {
        till.open_session(
            [key; 32],
            Session {
                channel_id: id,
                limit: 10,
            },
        )
        .unwrap();
    }
    assert!(matches!(
        till.open_session(
            [2; 32],
            Session {
                channel_id: id,
                limit: 10
            }
        ),
        Err(TillError::Full { .. })
    ));

    let sales: Vec<_> = (0..5).map(|number| sell(&till, id, number, 10).unwrap()).collect();
    assert_eq!(till.sale(sales[1].signed.receipt.id()).unwrap(), None);
    let kept: Vec<_> = till
        .latest_sales(u64::MAX, 10)
        .unwrap()
        .into_iter()
        .map(|(_, sale)| sale)
        .collect();
    assert_eq!(kept, [sales[4].clone(), sales[3].clone(), sales[2].clone()]);
    assert_eq!(till.latest_sales(4, 1).unwrap()[0].0, 3);
}

/// A file that grows without bound would take the node down; a limit on bytes is kept in bytes.
#[test]
fn sales_are_forgotten_by_bytes_too() {
    let till = Till::open_backend(
        InMemoryBackend::new(),
        TillLimits {
            sale_bytes_max: 2000,
            ..LIMITS
        },
    )
    .unwrap();
    let voucher = voucher(0, 100_000);
    till.accept(&voucher, RICH).unwrap();
    for number in 0..50 {
        sell(&till, voucher.channel_id(), number, 10).unwrap();
    }
    let kept = till.latest_sales(u64::MAX, 100).unwrap();
    let bytes: usize = kept.iter().map(|(_, sale)| sale.encode_size()).sum();
    assert!(
        !kept.is_empty() && bytes <= 2000,
        "{} sales of {bytes} bytes are kept",
        kept.len()
    );
}

/// Any run of vouchers, sales, releases and repeats: charged and held stay within the ceiling and the money, sequence
/// numbers count the charges, and each request is charged once.
#[test]
fn random_trade_keeps_the_books() {
    let mut random = ChaCha8Rng::seed_from_u64(21);
    let till = till();
    let (mut charged, mut sold, mut held) = ([0u128; 3], HashMap::new(), Vec::new());
    for _ in 0..1500 {
        let salt = random.random_range(0..3u8);
        let id = voucher(salt, 0).channel_id();
        let funds = Funds {
            balance: random.random_range(0..5000),
            ..RICH
        };
        match random.random_range(0..6) {
            0 => drop(till.accept(&voucher(salt, random.random_range(0..4000)), funds)),
            1 => held.clear(),
            2 => {
                let price = random.random_range(1..200);
                held.extend(till.reserve(
                    id,
                    request(1_000_000 + random.random::<u32>() as u64),
                    price,
                    u128::MAX,
                    funds,
                ));
            }
            _ => {
                let (number, price) = (random.random_range(0..400u64), random.random_range(1..200));
                let key = Digest::of(&[[salt].as_slice(), &number.to_be_bytes()].concat()).0;
                match till.reserve(id, key, price, u128::MAX, funds) {
                    Ok(Reserved::New(reservation)) => {
                        let actual = random.random_range(0..=price);
                        let sale = till.charge(reservation, actual, seal).unwrap();
                        charged[salt as usize] += actual;
                        assert!(sold.insert(key, sale).is_none(), "a request was charged twice");
                    }
                    Ok(Reserved::Before(sale)) => assert_eq!(sold[&key], *sale),
                    Err(_) => {}
                }
            }
        }
        if let Some(account) = till.account(id) {
            assert!(account.charged + account.reserved <= account.ceiling);
            assert_eq!(account.charged, charged[salt as usize]);
        }
    }
    assert!(sold.len() > 50, "{} sales are too few to show anything", sold.len());
}

/// A disk that keeps what was synced and may lose everything else.
#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<DiskState>>);

#[derive(Debug, Default)]
struct DiskState {
    now: Vec<u8>,
    synced: Vec<u8>,
    syncs: u64,
    /// Fails at that sync and from then on.
    fails_at: Option<u64>,
}

impl Disk {
    /// The disk after the power was cut: a new handle to what was synced.
    fn after_power_cut(&self) -> Disk {
        let synced = lock(&self.0).synced.clone();
        Disk(Arc::new(Mutex::new(DiskState {
            now: synced.clone(),
            synced,
            ..DiskState::default()
        })))
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, std::io::Error> {
        Ok(lock(&self.0).now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), std::io::Error> {
        out.copy_from_slice(&lock(&self.0).now[offset as usize..][..out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), std::io::Error> {
        lock(&self.0).now.resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), std::io::Error> {
        let mut state = lock(&self.0);
        state.syncs += 1;
        if state.fails_at.is_some_and(|at| state.syncs >= at) {
            return Err(std::io::Error::other("the disk is gone"));
        }
        state.synced = state.now.clone();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), std::io::Error> {
        lock(&self.0).now[offset as usize..][..data.len()].copy_from_slice(data);
        Ok(())
    }
}

/// Whatever was told to anyone survives a power cut at any moment: vouchers, charges, receipts, sessions.
#[test]
fn a_till_reopened_after_a_power_cut_knows_all_it_told() {
    let disk = Disk::default();
    let till = Till::open_backend(disk.clone(), LIMITS).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(8);
    let id = voucher(0, 0).channel_id();
    let mut ceiling = 0;
    for number in 0..40 {
        ceiling += 100;
        till.accept(&voucher(0, ceiling), RICH).unwrap();
        let sale = sell(&till, id, number, random.random_range(1..=100)).unwrap();
        let after = Till::open_backend(disk.after_power_cut(), LIMITS).unwrap();
        let (known, told) = (after.account(id).unwrap(), till.account(id).unwrap());
        assert_eq!(known, told);
        assert_eq!(after.durable_accounts().unwrap(), vec![(id, told)]);
        assert_eq!(after.sale(sale.signed.receipt.id()).unwrap().as_ref(), Some(&sale));
        assert_eq!(
            sell(&after, id, number, 100).unwrap(),
            sale,
            "the retry after the cut is not charged again"
        );
    }
    till.open_session(
        [7; 32],
        Session {
            channel_id: id,
            limit: 55,
        },
    )
    .unwrap();
    let after = Till::open_backend(disk.after_power_cut(), LIMITS).unwrap();
    assert_eq!(
        after.session([7; 32]).unwrap(),
        Some(Session {
            channel_id: id,
            limit: 55
        })
    );
}

/// A charge that may not be on disk is told to nobody, and nothing is sold after it.
#[test]
fn a_failing_disk_stops_the_till() {
    let disk = Disk::default();
    let till = Till::open_backend(disk.clone(), LIMITS).unwrap();
    let voucher = voucher(0, 1000);
    till.accept(&voucher, RICH).unwrap();
    sell(&till, voucher.channel_id(), 1, 10).unwrap();
    {
        let mut state = lock(&disk.0);
        state.fails_at = Some(state.syncs + 1);
    }
    assert!(matches!(
        sell(&till, voucher.channel_id(), 2, 10),
        Err(TillError::Journal(_))
    ));
    assert!(matches!(
        sell(&till, voucher.channel_id(), 3, 10),
        Err(TillError::Journal(_))
    ));
    let after = Till::open_backend(disk.after_power_cut(), LIMITS).unwrap();
    assert_eq!(after.account(voucher.channel_id()).unwrap().charged, 10);
}

/// Many threads on few channels: every sale is on disk, in order, and the sums agree.
#[test]
fn concurrent_sales_add_up_after_a_power_cut() {
    let disk = Disk::default();
    let till = Till::open_backend(disk.clone(), LIMITS).unwrap();
    for salt in 0..2 {
        till.accept(&voucher(salt, 100_000), RICH).unwrap();
    }
    std::thread::scope(|scope| {
        for thread in 0..8u64 {
            let till = &till;
            scope.spawn(move || {
                let id = voucher((thread % 2) as u8, 0).channel_id();
                for number in 0..25 {
                    sell(till, id, thread * 1000 + number, 10).unwrap();
                }
            });
        }
    });
    let after = Till::open_backend(disk.after_power_cut(), LIMITS).unwrap();
    for salt in 0..2 {
        let account = after.account(voucher(salt, 0).channel_id()).unwrap();
        assert_eq!((account.charged, account.sequence), (1000, 100));
    }
    let sales = after.latest_sales(u64::MAX, 1000).unwrap();
    let mut numbers: Vec<_> = sales
        .iter()
        .map(|(_, sale)| (sale.signed.receipt.channel_id, sale.signed.receipt.sequence))
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 200);
}
