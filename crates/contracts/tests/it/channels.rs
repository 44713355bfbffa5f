//! Payment channels: money leaves one only to its receiver under a voucher, or back to its payer.

use crate::{
    chain::{CHAIN_ID, Chain},
    keys::Wallet,
};
use alloy_primitives::aliases::U40;
use alloy_sol_types::{SolCall, SolValue, sol};
use contracts::{
    GenesisContract,
    abi::{
        USDX,
        X402BatchSettlement::{self as Channels, ChannelConfig, Voucher, VoucherClaim},
    },
    addresses::{self, ERC3009_COLLECTOR, PAYMENT_CHANNELS},
    typed_data::{channel_id, claim_batch_digest, refund_digest, voucher_digest},
};
use primitives::{Address, B256, Bytes, U256};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

sol!(ReentrantCollector, "../../contracts/artifacts/ReentrantCollector.json");

pub const RECEIVER: Address = Address::repeat_byte(0xee);
pub const SOMEBODY: Address = Address::repeat_byte(0x55);
const DELAY: u64 = 3600;

/// A payer with USDX, a receiver's hot key, and the chain.
pub struct Scene {
    pub chain: Chain,
    pub payer: Wallet,
    pub provider: Wallet,
    salt: u64,
}

impl Scene {
    pub fn new() -> Self {
        let payer = Wallet::new(1);
        Self {
            chain: Chain::genesis(payer.address, &[]),
            payer,
            provider: Wallet::new(2),
            salt: 0,
        }
    }

    pub fn config(&self, salt: u8) -> ChannelConfig {
        ChannelConfig {
            payer: self.payer.address,
            payerAuthorizer: self.payer.address,
            receiver: RECEIVER,
            receiverAuthorizer: self.provider.address,
            token: addresses::USDX,
            withdrawDelay: U40::from(DELAY),
            salt: B256::repeat_byte(salt),
        }
    }

    /// A deposit that somebody else brings: the payer only signs.
    fn deposit(&mut self, config: &ChannelConfig, amount: u128) -> Result<(), String> {
        self.salt += 1;
        let data = self
            .payer
            .authorize_deposit(CHAIN_ID, channel_id(CHAIN_ID, config), amount, self.salt);
        let call = Channels::depositCall {
            config: config.clone(),
            amount,
            collector: ERC3009_COLLECTOR,
            collectorData: data,
        };
        self.send(SOMEBODY, &call)
    }

    pub fn voucher(&self, config: &ChannelConfig, ceiling: u128, total: u128) -> VoucherClaim {
        VoucherClaim {
            voucher: Voucher {
                channel: config.clone(),
                maxClaimableAmount: ceiling,
            },
            signature: self
                .payer
                .sign(voucher_digest(CHAIN_ID, channel_id(CHAIN_ID, config), ceiling)),
            totalClaimed: total,
        }
    }

    fn claim(&mut self, claims: Vec<VoucherClaim>) -> Result<(), String> {
        self.send(self.provider.address, &Channels::claimCall { voucherClaims: claims })
    }

    fn send<C: SolCall>(&mut self, from: Address, call: &C) -> Result<(), String> {
        self.chain.send(from, PAYMENT_CHANNELS, call).map(|_| ())
    }

    fn usdx(&mut self, account: Address) -> u128 {
        self.chain.view(addresses::USDX, &USDX::balanceOfCall { account }).to()
    }

    fn channel(&mut self, config: &ChannelConfig) -> (u128, u128) {
        let channel = self.chain.view(
            PAYMENT_CHANNELS,
            &Channels::channelsCall {
                channelId: channel_id(CHAIN_ID, config),
            },
        );
        (channel.balance, channel.totalClaimed)
    }
}

/// The whole life of a channel: one deposit, one claim for many requests, the money at the receiver, the rest back.
#[test]
fn a_channel_pays_its_receiver_and_returns_the_rest() {
    let mut scene = Scene::new();
    let config = scene.config(1);
    let before = scene.usdx(scene.payer.address);
    scene.deposit(&config, 10_000).unwrap();
    assert_eq!(scene.channel(&config), (10_000, 0));

    let claim = scene.voucher(&config, 4_000, 3_500);
    scene.claim(vec![claim]).unwrap();
    assert_eq!(scene.channel(&config), (10_000, 3_500));
    let settle = Channels::settleCall {
        receiver: RECEIVER,
        token: addresses::USDX,
    };
    let sent = scene.chain.send(SOMEBODY, PAYMENT_CHANNELS, &settle).unwrap();
    let [event] = &sent.events::<Channels::Settled>()[..] else {
        panic!("one event")
    };
    assert_eq!(
        (event.receiver, event.token, event.sender, event.amount),
        (RECEIVER, addresses::USDX, SOMEBODY, 3_500)
    );
    assert_eq!(scene.usdx(RECEIVER), 3_500);
    scene.send(SOMEBODY, &settle).unwrap();
    assert_eq!(scene.usdx(RECEIVER), 3_500, "settling twice pays once");

    let refund = Channels::refundCall {
        config: config.clone(),
        amount: u128::MAX,
    };
    scene.send(scene.provider.address, &refund).unwrap();
    assert_eq!(scene.usdx(scene.payer.address), before - 3_500);
    assert_eq!(scene.channel(&config), (3_500, 3_500));
    assert_eq!(scene.usdx(PAYMENT_CHANNELS), 0);
}

#[test]
fn a_payer_gets_its_money_back_without_the_receiver() {
    let mut scene = Scene::new();
    let config = scene.config(1);
    let payer = scene.payer.address;
    scene.deposit(&config, 1_000).unwrap();
    let initiate = |amount| Channels::initiateWithdrawCall {
        config: scene.config(1),
        amount,
    };
    let (all, too_much, nothing) = (initiate(1_000), initiate(1_001), initiate(0));
    let finalize = Channels::finalizeWithdrawCall { config: config.clone() };
    assert_eq!(
        scene.send(SOMEBODY, &all).unwrap_err(),
        format!("Unauthorized(caller: {SOMEBODY})")
    );
    assert_eq!(
        scene.send(payer, &too_much).unwrap_err(),
        "AboveFree(amount: 1001, free: 1000)"
    );
    assert_eq!(scene.send(payer, &nothing).unwrap_err(), "ZeroAmount");
    assert_eq!(scene.send(payer, &finalize).unwrap_err(), "NoWithdrawal");
    scene.send(payer, &all).unwrap();
    assert_eq!(scene.send(payer, &all).unwrap_err(), "WithdrawalPending");
    let pending = scene.chain.view(
        PAYMENT_CHANNELS,
        &Channels::pendingWithdrawalsCall {
            channelId: channel_id(CHAIN_ID, &config),
        },
    );
    assert_eq!(
        (pending.amount, pending.initiatedAt.to::<u64>()),
        (1_000, scene.chain.time)
    );

    scene.chain.time += DELAY - 1;
    assert!(
        scene
            .send(payer, &finalize)
            .unwrap_err()
            .starts_with("WithdrawalTooEarly")
    );
    // The receiver claims in time what it holds a voucher for.
    let claim = scene.voucher(&config, 300, 300);
    scene.claim(vec![claim]).unwrap();
    scene.chain.time += 1;
    let before = scene.usdx(payer);
    scene.send(SOMEBODY, &finalize).unwrap();
    assert_eq!(scene.usdx(payer), before + 700);
    assert_eq!(scene.channel(&config), (300, 300));
    assert_eq!(scene.send(payer, &finalize).unwrap_err(), "NoWithdrawal");
}

#[test]
fn a_claim_that_the_voucher_does_not_cover_is_refused() {
    let mut scene = Scene::new();
    let config = scene.config(1);
    scene.deposit(&config, 1_000).unwrap();
    let voucher = scene.voucher(&config, 600, 500);
    let with = |change: &dyn Fn(&mut VoucherClaim)| {
        let mut claim = voucher.clone();
        change(&mut claim);
        claim
    };
    for (claim, reason) in [
        (
            with(&|c| c.totalClaimed = 601),
            "AboveCeiling(totalClaimed: 601, maxClaimableAmount: 600)",
        ),
        (with(&|c| c.voucher.maxClaimableAmount = 601), "InvalidSignature"),
        (
            scene.voucher(&config, 2_000, 1_001),
            "AboveBalance(totalClaimed: 1001, balance: 1000)",
        ),
        (with(&|c| c.signature = vec![0; 65].into()), "InvalidSignature"),
        (with(&|c| c.signature = Bytes::new()), "InvalidSignature"),
        (
            with(&|c| {
                c.signature = scene
                    .provider
                    .sign(voucher_digest(CHAIN_ID, channel_id(CHAIN_ID, &config), 600))
            }),
            "InvalidSignature",
        ),
        // Another channel's voucher, and one of another chain.
        (
            with(&|c| c.signature = scene.voucher(&scene.config(2), 600, 500).signature),
            "InvalidSignature",
        ),
        (
            with(&|c| c.signature = scene.payer.sign(voucher_digest(1, channel_id(1, &config), 600))),
            "InvalidSignature",
        ),
    ] {
        assert_eq!(scene.claim(vec![claim]).unwrap_err(), reason);
    }
    let call = Channels::claimCall {
        voucherClaims: vec![voucher.clone()],
    };
    assert_eq!(
        scene.send(SOMEBODY, &call).unwrap_err(),
        format!("Unauthorized(caller: {SOMEBODY})")
    );
    scene.send(RECEIVER, &call).unwrap();

    // A voucher claimed before raises nothing and does not spoil the batch.
    let higher = scene.voucher(&config, 700, 700);
    scene.claim(vec![voucher.clone(), higher, voucher]).unwrap();
    assert_eq!(scene.channel(&config), (1_000, 700));
}

/// A channel without a payer authorizer: the payer signs itself.
#[test]
fn a_payer_without_authorizer_signs_itself() {
    let mut scene = Scene::new();
    let config = ChannelConfig {
        payerAuthorizer: Address::ZERO,
        ..scene.config(1)
    };
    scene.deposit(&config, 100).unwrap();
    let claim = scene.voucher(&config, 100, 60);
    scene.claim(vec![claim]).unwrap();
    assert_eq!(scene.channel(&config), (100, 60));
}

#[test]
fn anybody_may_bring_what_the_receivers_authorizer_signed() {
    let mut scene = Scene::new();
    let (a, b) = (scene.config(1), scene.config(2));
    scene.deposit(&a, 1_000).unwrap();
    scene.deposit(&b, 1_000).unwrap();
    let claims = vec![scene.voucher(&a, 400, 400), scene.voucher(&b, 500, 300)];
    let signature = scene.provider.sign(claim_batch_digest(CHAIN_ID, &claims));
    let batch = |claims: &[VoucherClaim], signature: &Bytes| Channels::claimWithSignatureCall {
        voucherClaims: claims.to_vec(),
        authorizerSignature: signature.clone(),
    };
    assert_eq!(
        scene.send(SOMEBODY, &batch(&claims[..1], &signature)).unwrap_err(),
        "InvalidSignature"
    );
    assert_eq!(scene.send(SOMEBODY, &batch(&[], &signature)).unwrap_err(), "EmptyBatch");
    let foreign = ChannelConfig {
        receiverAuthorizer: SOMEBODY,
        ..scene.config(3)
    };
    let mixed = vec![claims[0].clone(), scene.voucher(&foreign, 1, 1)];
    let mixed_signature = scene.provider.sign(claim_batch_digest(CHAIN_ID, &mixed));
    assert!(
        scene
            .send(SOMEBODY, &batch(&mixed, &mixed_signature))
            .unwrap_err()
            .starts_with("Unauthorized")
    );

    // One transaction claims and refunds, as x402's facilitator does.
    let id = channel_id(CHAIN_ID, &a);
    let refund = Channels::refundWithSignatureCall {
        config: a.clone(),
        amount: 50,
        nonce: U256::ZERO,
        receiverAuthorizerSignature: scene.provider.sign(refund_digest(CHAIN_ID, id, U256::ZERO, 50)),
    };
    let call = Channels::multicallCall {
        data: vec![
            batch(&claims, &signature).abi_encode().into(),
            refund.abi_encode().into(),
        ],
    };
    scene.send(SOMEBODY, &call).unwrap();
    assert_eq!((scene.channel(&a), scene.channel(&b)), ((950, 400), (1_000, 300)));
    assert_eq!(
        scene.send(SOMEBODY, &refund).unwrap_err(),
        "WrongNonce(nonce: 0, expected: 1)"
    );
    assert_eq!(
        scene
            .chain
            .view(PAYMENT_CHANNELS, &Channels::refundNonceCall { channelId: id }),
        U256::from(1)
    );
    let forged = Channels::refundWithSignatureCall {
        nonce: U256::from(1),
        ..refund
    };
    assert_eq!(scene.send(SOMEBODY, &forged).unwrap_err(), "InvalidSignature");
}

/// A refund leaves a pending withdrawal no more than is free.
#[test]
fn a_refund_shrinks_the_pending_withdrawal() {
    let mut scene = Scene::new();
    let config = scene.config(1);
    scene.deposit(&config, 1_000).unwrap();
    scene
        .send(
            scene.payer.address,
            &Channels::initiateWithdrawCall {
                config: config.clone(),
                amount: 800,
            },
        )
        .unwrap();
    let pending = Channels::pendingWithdrawalsCall {
        channelId: channel_id(CHAIN_ID, &config),
    };
    for (refund, left) in [(100, 800), (200, 700), (700, 0)] {
        scene
            .send(
                RECEIVER,
                &Channels::refundCall {
                    config: config.clone(),
                    amount: refund,
                },
            )
            .unwrap();
        assert_eq!(scene.chain.view(PAYMENT_CHANNELS, &pending).amount, left);
    }
    assert_eq!(scene.chain.view(PAYMENT_CHANNELS, &pending).initiatedAt, U40::ZERO);
    let nothing = scene
        .send(RECEIVER, &Channels::refundCall { config, amount: 1 })
        .unwrap_err();
    assert_eq!(nothing, "ZeroAmount");
}

#[test]
fn a_deposit_with_a_flaw_is_refused() {
    let mut scene = Scene::new();
    let good = scene.config(1);
    let delay = |seconds: u64| ChannelConfig {
        withdrawDelay: U40::from(seconds),
        ..good.clone()
    };
    for (config, reason) in [
        (delay(899), "InvalidWithdrawDelay(delay: 899)"),
        (delay(2_592_001), "InvalidWithdrawDelay(delay: 2592001)"),
        (
            ChannelConfig {
                payer: Address::ZERO,
                ..good.clone()
            },
            "InvalidChannel",
        ),
        (
            ChannelConfig {
                receiver: Address::ZERO,
                ..good.clone()
            },
            "InvalidChannel",
        ),
        (
            ChannelConfig {
                receiverAuthorizer: Address::ZERO,
                ..good.clone()
            },
            "InvalidChannel",
        ),
        (
            ChannelConfig {
                token: Address::ZERO,
                ..good.clone()
            },
            "InvalidChannel",
        ),
        // Signed by `payer`, spent from another account.
        (
            ChannelConfig {
                payer: SOMEBODY,
                ..good.clone()
            },
            "ERC3009InvalidSignature",
        ),
    ] {
        assert_eq!(scene.deposit(&config, 10).unwrap_err(), reason);
    }
    assert_eq!(scene.deposit(&good, 0).unwrap_err(), "ZeroAmount");

    // An authorization for one channel cannot fill another, nor be used twice, nor be collected by a thief.
    let data = scene
        .payer
        .authorize_deposit(CHAIN_ID, channel_id(CHAIN_ID, &good), 10, 99);
    let deposit = |config: ChannelConfig, data: &Bytes| Channels::depositCall {
        config,
        amount: 10,
        collector: ERC3009_COLLECTOR,
        collectorData: data.clone(),
    };
    let diverted = deposit(
        ChannelConfig {
            receiver: SOMEBODY,
            ..good.clone()
        },
        &data,
    );
    assert_eq!(scene.send(SOMEBODY, &diverted).unwrap_err(), "ERC3009InvalidSignature");
    let collect = contracts::abi::Erc3009Collector::collectCall {
        payer: scene.payer.address,
        token: addresses::USDX,
        amount: U256::from(10),
        channelId: channel_id(CHAIN_ID, &good),
        _4: SOMEBODY,
        collectorData: data.clone(),
    };
    let stolen = scene.chain.send(SOMEBODY, ERC3009_COLLECTOR, &collect).err().unwrap();
    assert_eq!(stolen, format!("OnlySettlement(caller: {SOMEBODY})"));
    scene.send(SOMEBODY, &deposit(good.clone(), &data)).unwrap();
    assert!(
        scene
            .send(SOMEBODY, &deposit(good, &data))
            .unwrap_err()
            .starts_with("ERC3009UsedAuthorization")
    );
}

#[test]
fn one_transfer_does_not_count_as_two_deposits() {
    let mut scene = Scene::new();
    let thief = Address::repeat_byte(0x66);
    scene.chain.construct(&GenesisContract {
        name: "ReentrantCollector",
        address: thief,
        init_code: ReentrantCollector::BYTECODE.clone(),
    });
    let fund = USDX::transferCall {
        to: thief,
        value: U256::from(1_000),
    };
    scene.chain.send(scene.payer.address, addresses::USDX, &fund).unwrap();
    let config = scene.config(1);
    let call = Channels::depositCall {
        config: config.clone(),
        amount: 1_000,
        collector: thief,
        collectorData: config.abi_encode().into(),
    };
    assert_eq!(scene.send(SOMEBODY, &call).unwrap_err(), "ReentrancyGuardReentrantCall");
}

#[test]
fn the_contracts_digests_are_those_of_rust() {
    let mut scene = Scene::new();
    let config = scene.config(9);
    let id = channel_id(CHAIN_ID, &config);
    let claims = vec![scene.voucher(&config, 70, 60), scene.voucher(&scene.config(8), 7, 6)];
    let chain = &mut scene.chain;
    assert_eq!(
        chain.view(PAYMENT_CHANNELS, &Channels::getChannelIdCall { config: config.clone() }),
        id
    );
    let voucher = Channels::getVoucherDigestCall {
        channelId: id,
        maxClaimableAmount: 70,
    };
    assert_eq!(chain.view(PAYMENT_CHANNELS, &voucher), voucher_digest(CHAIN_ID, id, 70));
    let refund = Channels::getRefundDigestCall {
        channelId: id,
        nonce: U256::from(4),
        amount: 5,
    };
    assert_eq!(
        chain.view(PAYMENT_CHANNELS, &refund),
        refund_digest(CHAIN_ID, id, U256::from(4), 5)
    );
    let batch = Channels::getClaimBatchDigestCall {
        voucherClaims: claims.clone(),
    };
    assert_eq!(
        chain.view(PAYMENT_CHANNELS, &batch),
        claim_batch_digest(CHAIN_ID, &claims)
    );
}

/// Whatever is called in whatever order: what the contract holds is what its books say, and all money stays money.
#[test]
fn what_came_in_is_what_went_out_plus_what_is_held() {
    for seed in 0..6 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut scene = Scene::new();
        let supply = u128::from(contracts::FAUCET_SUPPLY);
        let configs: Vec<_> = (1..=3).map(|salt| scene.config(salt)).collect();
        let mut highest_voucher = [0u128; 3];
        for _ in 0..60 {
            let index = rng.random_range(0..configs.len());
            let config = configs[index].clone();
            let amount = rng.random_range(0..1_000u128);
            let (_, claimed_before) = scene.channel(&config);
            // Refusals are part of the game; the invariants hold after them too.
            let outcome = match rng.random_range(0..8) {
                0 | 1 => scene.deposit(&config, amount),
                2 | 3 => {
                    let ceiling = claimed_before + amount;
                    let total = claimed_before + rng.random_range(0..1_000);
                    highest_voucher[index] = highest_voucher[index].max(ceiling);
                    let claim = scene.voucher(&config, ceiling, total);
                    scene.claim(vec![claim])
                }
                4 => scene.send(
                    SOMEBODY,
                    &Channels::settleCall {
                        receiver: RECEIVER,
                        token: addresses::USDX,
                    },
                ),
                5 => scene.send(
                    scene.payer.address,
                    &Channels::initiateWithdrawCall {
                        config: config.clone(),
                        amount,
                    },
                ),
                6 => {
                    scene.chain.time += rng.random_range(0..2 * DELAY);
                    scene.send(SOMEBODY, &Channels::finalizeWithdrawCall { config: config.clone() })
                }
                _ => scene.send(
                    RECEIVER,
                    &Channels::refundCall {
                        config: config.clone(),
                        amount,
                    },
                ),
            };
            if let Err(reason) = outcome {
                assert!(!reason.starts_with("Panic") && !reason.starts_with("panic"), "{reason}");
            }
            let (balance, claimed) = scene.channel(&config);
            assert!(claimed >= claimed_before, "claims only rise");
            assert!(
                claimed <= balance.min(highest_voucher[index]),
                "no claim above the deposits or the vouchers"
            );
            let free: u128 = configs
                .iter()
                .map(|config| scene.channel(config))
                .map(|(balance, claimed)| balance - claimed)
                .sum();
            let receiver = Channels::receiversCall {
                receiver: RECEIVER,
                token: addresses::USDX,
            };
            let owed = scene.chain.view(PAYMENT_CHANNELS, &receiver);
            let held = scene.usdx(PAYMENT_CHANNELS);
            assert_eq!(held, free + owed.totalClaimed - owed.totalSettled);
            assert_eq!(scene.usdx(RECEIVER), owed.totalSettled);
            assert_eq!(scene.usdx(scene.payer.address) + held + owed.totalSettled, supply);
        }
    }
}
