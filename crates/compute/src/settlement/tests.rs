//! Settlement against a simulated chain: the payment channels' and one splitter's bookkeeping, without signatures or gas.
//! The contracts themselves are run by the tests of crate `api`.

use super::*;
use crate::{
    inference::EngineId,
    receipt::{Evidence, Receipt, VerifyClass},
    till::{Reserved, TillLimits},
    voucher::{Terms, Voucher},
};
use alloy_primitives::aliases::U40;
use alloy_sol_types::{SolCall, SolInterface, SolValue};
use contracts::{Event, EventFilter, Mined, Request, typed_data::ChannelConfig};
use crypto::ecdsa::Secret;
use futures::executor::block_on;
use primitives::{BlobRoot, Bytes, CHAIN_ID, Digest, keccak256};
use redb::backends::InMemoryBackend;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

const SPLITTER: Address = Address::repeat_byte(0x5b);

#[derive(Default)]
struct Book {
    channels: BTreeMap<B256, (u128, u128)>,
    claimed: u128,
    settled: u128,
    synced: u128,
    transactions: u8,
    /// The transaction that will not get through.
    fails_at: Option<u8>,
}

#[derive(Clone, Default)]
struct Chain(Arc<Mutex<Book>>);

impl Provider for Chain {
    async fn call(&self, to: Address, data: Bytes) -> Result<Bytes, ProviderError> {
        let book = self.0.lock().unwrap();
        if to == SPLITTER {
            assert_eq!(&data[..4], RevenueSplitter::unsyncedCall::SELECTOR);
            return Ok(U256::from(book.settled - book.synced).abi_encode().into());
        }
        use X402BatchSettlement::X402BatchSettlementCalls as Calls;
        Ok(match Calls::abi_decode(&data).unwrap() {
            Calls::channels(call) => {
                let (balance, claimed) = book.channels.get(&call.channelId).copied().unwrap_or_default();
                (balance, claimed).abi_encode_params()
            }
            Calls::pendingWithdrawals(_) => (0u128, U256::ZERO).abi_encode_params(),
            Calls::receivers(_) => (book.claimed, book.settled).abi_encode_params(),
            _ => panic!("settlement has no other question"),
        }
        .into())
    }

    async fn send(&self, request: Request) -> Result<Mined, ProviderError> {
        let mut book = self.0.lock().unwrap();
        book.transactions += 1;
        if book.fails_at == Some(book.transactions) {
            return Err(ProviderError::Transport {
                cause: "the line is cut".into(),
            });
        }
        if request.to == Some(SPLITTER) {
            book.synced = book.settled;
        } else {
            use X402BatchSettlement::X402BatchSettlementCalls as Calls;
            match Calls::abi_decode(&request.data).unwrap() {
                Calls::claim(call) => {
                    for claim in call.voucherClaims {
                        let id = contracts::typed_data::channel_id(CHAIN_ID, &claim.voucher.channel);
                        let channel = book.channels.get_mut(&id).unwrap();
                        assert!(
                            claim.totalClaimed <= channel.0 && claim.totalClaimed <= claim.voucher.maxClaimableAmount
                        );
                        let more = claim.totalClaimed.saturating_sub(channel.1);
                        channel.1 += more;
                        book.claimed += more;
                    }
                }
                Calls::settle(_) => book.settled = book.claimed,
                _ => panic!("settlement sends nothing else"),
            }
        }
        let hash = keccak256([book.transactions]);
        Ok(Mined {
            hash,
            block: 1,
            gas_used: 21_000,
            created: None,
        })
    }

    async fn events(&self, _: EventFilter) -> Result<Vec<Event>, ProviderError> {
        Ok(Vec::new())
    }

    async fn height(&self) -> Result<u64, ProviderError> {
        Ok(1)
    }
}

/// A till with `channels` channels of 1000 each, charged `charged` each.
fn trade(chain: &Chain, channels: u8, charged: u128) -> Arc<Till> {
    let till = Till::open_backend(InMemoryBackend::new(), TillLimits::default()).unwrap();
    let (payer, provider) = (
        Secret::from_bytes(&[1; 32]).unwrap(),
        Secret::from_bytes(&[2; 32]).unwrap(),
    );
    let terms = Terms {
        chain_id: CHAIN_ID,
        receiver: SPLITTER,
        receiver_authorizer: provider.address(),
        token: addresses::USDX,
        withdraw_delay_s: 900,
    };
    for salt in 0..channels {
        let config = ChannelConfig {
            payer: payer.address(),
            payerAuthorizer: payer.address(),
            receiver: terms.receiver,
            receiverAuthorizer: terms.receiver_authorizer,
            token: terms.token,
            withdrawDelay: U40::from(900),
            salt: B256::repeat_byte(salt),
        };
        let voucher = Voucher::sign(&payer, CHAIN_ID, config, 1000).check(&terms).unwrap();
        let id = voucher.channel_id();
        chain.0.lock().unwrap().channels.insert(id, (1000, 0));
        let funds = block_on(funds(chain, id)).unwrap();
        till.accept(&voucher, funds).unwrap();
        let request = Digest::of(&[salt]).0;
        let Reserved::New(held) = till.reserve(id, request, charged, 1000, funds).unwrap() else {
            panic!("new")
        };
        let seal = |charge: crate::till::Charge| {
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
            (
                receipt.sign(&provider),
                Evidence {
                    salt: [0; 32],
                    request: Vec::new(),
                    response: Vec::new(),
                },
            )
        };
        till.charge(held, charged, seal).unwrap();
    }
    till
}

#[test]
fn what_was_charged_is_claimed_sent_and_divided_once() {
    let chain = Chain::default();
    let till = trade(&chain, 3, 400);
    let settled = block_on(settle(&till, &chain)).unwrap();
    assert_eq!((settled.claimed, settled.claims.len()), (1200, 1));
    assert_eq!(settled.receivers.len(), 1);
    assert_eq!(
        (settled.receivers[0].receiver, settled.receivers[0].settled),
        (SPLITTER, 1200)
    );
    assert_eq!(chain.0.lock().unwrap().synced, 1200);
    assert_eq!(
        block_on(settle(&till, &chain)).unwrap(),
        Settled::default(),
        "a second run has nothing to do"
    );
}

/// Cut off at any transaction, the next run does exactly what was left.
#[test]
fn a_run_that_was_cut_short_is_finished_by_the_next() {
    for cut in 1..=3 {
        let chain = Chain::default();
        let till = trade(&chain, 2, 400);
        chain.0.lock().unwrap().fails_at = Some(cut);
        assert!(matches!(
            block_on(settle(&till, &chain)),
            Err(SettlementError::Send { .. })
        ));
        block_on(settle(&till, &chain)).unwrap();
        let book = chain.0.lock().unwrap();
        assert_eq!((book.claimed, book.settled, book.synced), (800, 800, 800));
        assert_eq!(book.transactions, 4, "three that count and the one that was cut");
    }
}

#[test]
fn many_channels_are_claimed_in_batches() {
    let chain = Chain::default();
    let till = trade(&chain, 120, 1);
    let settled = block_on(settle(&till, &chain)).unwrap();
    assert_eq!((settled.claims.len(), settled.claimed), (3, 120));
}

#[test]
fn a_channel_that_was_emptied_is_claimed_for_what_it_holds() {
    let chain = Chain::default();
    let till = trade(&chain, 1, 400);
    chain
        .0
        .lock()
        .unwrap()
        .channels
        .values_mut()
        .for_each(|channel| channel.0 = 150);
    assert_eq!(block_on(settle(&till, &chain)).unwrap().claimed, 150);
}
