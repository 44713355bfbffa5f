//! What the calls of the main job cost: the table of docs/spec/economy.md, measured.

use crate::{
    beacon,
    chain::{CHAIN_ID, Chain},
    challenges, channels, client, entrance, lottery, mailbox, splitter, validators,
};
use alloy_sol_types::SolCall;
use contracts::{
    EPOCH_BLOCKS,
    abi::{
        RevenueSplitter as Splitter,
        SplitterFactory::{self, Leg},
        X402BatchSettlement as Channels,
    },
    addresses::{
        self, CHAIN_CLIENT, CONSENSUS_SLASHER, DA_ENTRANCE, ERC3009_COLLECTOR, PAYMENT_CHANNELS, RANDOMNESS_BEACON,
        SPLITTER_FACTORY, VALIDATOR_REGISTRY,
    },
    typed_data::channel_id,
};
use primitives::{Address, B256, U256, keccak256};
use std::{fmt::Write, fs, path::Path};

const BEGIN: &str = "<!-- gas: printed by a test of the crate contracts -->\n";
const END: &str = "<!-- end of gas -->\n";

fn gas<C: SolCall>(chain: &mut Chain, from: Address, to: Address, call: &C, value: U256) -> u64 {
    chain.pay(from, to, call, value).map(|sent| sent.gas).unwrap()
}

fn measured() -> Vec<(&'static str, u64)> {
    let mut rows = Vec::new();
    {
        let (mut chain, operators) = entrance::network(4);
        let signers = &[0, 1, 2];
        for (name, seeds) in [
            ("`DAEntrance.submit`, 3 of 4 signers, their first fee", 1..2),
            ("`DAEntrance.submit`, 3 of 4 signers, later", 2..3),
            ("`DAEntrance.submit`, 16 blobs together, 3 of 4 signers, later", 10..26),
        ] {
            let headers: Vec<_> = seeds.map(entrance::header).collect();
            let call = entrance::batch(&headers, &operators, signers);
            rows.push((name, gas(&mut chain, entrance::PAYER, DA_ENTRANCE, &call, U256::ZERO)));
        }
        for (name, seeds) in [
            ("`DAEntrance.submit`, 3 of 4 signers, later, of a purchase", 30..31),
            (
                "`DAEntrance.submit`, 16 blobs together, 3 of 4 signers, later, of a purchase each",
                40..56,
            ),
        ] {
            let headers: Vec<_> = seeds.map(entrance::header).collect();
            let mut call = entrance::batch(&headers, &operators, signers);
            for (permit, header) in call.permits.iter_mut().zip(&headers) {
                let purchase = keccak256(header.root);
                *permit = entrance::permit_of(&entrance::payer(), header, purchase, permit.deadline);
            }
            rows.push((name, gas(&mut chain, entrance::PAYER, DA_ENTRANCE, &call, U256::ZERO)));
        }
    }
    let mut scene = channels::Scene::new();
    let config = scene.config(1);
    for (name, salt) in [
        ("`deposit` through the ERC-3009 collector, a new channel", 1),
        ("`deposit`, a top-up", 2),
    ] {
        let id = channel_id(CHAIN_ID, &config);
        let call = Channels::depositCall {
            config: config.clone(),
            amount: 10_000,
            collector: ERC3009_COLLECTOR,
            collectorData: scene.payer.authorize_deposit(CHAIN_ID, id, 10_000, salt),
        };
        rows.push((
            name,
            gas(
                &mut scene.chain,
                channels::SOMEBODY,
                PAYMENT_CHANNELS,
                &call,
                U256::ZERO,
            ),
        ));
    }
    for (name, total) in [
        ("`claim` of one voucher, a new receiver", 1_000),
        ("`claim` of one voucher, later", 2_000),
    ] {
        let call = Channels::claimCall {
            voucherClaims: vec![scene.voucher(&config, total, total)],
        };
        let provider = scene.provider.address;
        rows.push((
            name,
            gas(&mut scene.chain, provider, PAYMENT_CHANNELS, &call, U256::ZERO),
        ));
    }
    let settle = Channels::settleCall {
        receiver: channels::RECEIVER,
        token: addresses::USDX,
    };
    rows.push((
        "`settle`, a new receiver",
        gas(
            &mut scene.chain,
            channels::SOMEBODY,
            PAYMENT_CHANNELS,
            &settle,
            U256::ZERO,
        ),
    ));

    {
        let mut scene = challenges::Scene::new();
        for (challenge, answer, blob) in [
            (
                "`DAChallenges.challenge`, the operator's first",
                "`DAChallenges.answer`, a row of one chunk of 128 bytes, its first deposit",
                0,
            ),
            (
                "`DAChallenges.challenge`, later",
                "`DAChallenges.answer`, a whole chunk of a row of six",
                3,
            ),
        ] {
            let (piece, sample) = scene.piece(blob, 0, 0);
            rows.push((challenge, scene.challenge(&piece).unwrap()));
            rows.push((answer, scene.answer(entrance::PAYER, &piece, sample).unwrap()));
        }
        let (piece, _) = scene.piece(0, 0, 1);
        scene.challenge(&piece).unwrap();
        rows.push((
            "`DAChallenges.disown`, 3,072 rows of four operators",
            scene.disown(entrance::PAYER, &piece).unwrap(),
        ));
    }
    rows.push((
        "`DALottery.claim`, a row of one chunk of 128 bytes, the first prize",
        lottery::gas_of_claim(),
    ));

    let mut scene = splitter::Scene::new(&[500_000_000_000, 300_000_000_000, 150_000_000_000, 50_000_000_000]);
    scene.publish();
    let somebody = channels::SOMEBODY;
    let half = |kind| Leg {
        account: splitter::COMPUTE,
        bps: 5_000,
        kind,
    };
    let create = SplitterFactory::createCall {
        modelRoot: B256::repeat_byte(9),
        legs: vec![half(0), half(3)],
    };
    rows.push((
        "`SplitterFactory.create`, 2 legs",
        gas(&mut scene.chain, somebody, SPLITTER_FACTORY, &create, U256::ZERO),
    ));
    let token = addresses::USDX;
    for name in ["`sync`, 4 legs, their first money", "`sync`, 4 legs, later"] {
        scene.pay(100_000);
        let call = Splitter::syncCall { token };
        rows.push((name, gas(&mut scene.chain, somebody, scene.splitter, &call, U256::ZERO)));
    }
    let call = Splitter::claimCall {
        token,
        account: splitter::COMPUTE,
    };
    rows.push((
        "`claim` of a plain leg, its first money",
        gas(&mut scene.chain, somebody, scene.splitter, &call, U256::ZERO),
    ));
    let (account, weight) = scene.contributors[0];
    let call = Splitter::claimDataCall {
        token,
        account,
        weight: U256::from(weight),
        proof: scene.tree.proof(0),
    };
    rows.push((
        "`claimData`, 1 of 4 contributors, its first money",
        gas(&mut scene.chain, somebody, scene.splitter, &call, U256::ZERO),
    ));
    let (mut chain, add, report) = validators::calls();
    let account = validators::FIRST;
    rows.push((
        "`ValidatorRegistry.addKey`",
        gas(&mut chain, account, VALIDATOR_REGISTRY, &add, U256::ZERO),
    ));
    rows.push((
        "`ConsensusSlasher.report`",
        gas(&mut chain, channels::SOMEBODY, CONSENSUS_SLASHER, &report, U256::ZERO),
    ));
    for (name, seats) in [
        ("`ChainClient.verifyHeader`, 16 seats", 16),
        ("`ChainClient.verifyHeader`, 64 seats", 64),
        ("`ChainClient.verifyHeader`, 128 seats", 128),
    ] {
        let mut scene = client::Scene::new(seats);
        let call = scene.genuine();
        rows.push((name, gas(&mut scene.chain, somebody, CHAIN_CLIENT, &call, U256::ZERO)));
    }
    rows.extend(mailbox::gas());
    rows.extend(of_beacon());
    rows
}

/// What the randomness beacon costs dealers, and what it would cost each block if the protocol paid.
fn of_beacon() -> Vec<(&'static str, u64)> {
    let mut rows = Vec::new();
    let (mut chain, operators) = beacon::network();
    for (name, epoch) in [
        (
            "`RandomnessBeacon.post`, a log of 16 seats (3,600 bytes), its place's first",
            0,
        ),
        ("`RandomnessBeacon.post`, the same, later", 2),
    ] {
        chain.block = epoch * EPOCH_BLOCKS + 1;
        let call = beacon::post(epoch, 0, 0);
        let account = operators[0].account;
        rows.push((name, gas(&mut chain, account, RANDOMNESS_BEACON, &call, U256::ZERO)));
    }
    let mut chain = beacon::with_key();
    let first = EPOCH_BLOCKS;
    for (name, call) in [
        (
            "`RandomnessBeacon.record`, one value, by the protocol, its place's first",
            beacon::record(first, 1),
        ),
        (
            "`RandomnessBeacon.record`, 16 values, the same",
            beacon::record(first + 1, 16),
        ),
    ] {
        rows.push((
            name,
            gas(&mut chain, beacon::PROTOCOL, RANDOMNESS_BEACON, &call, U256::ZERO),
        ));
    }
    chain.block = first + EPOCH_BLOCKS * 3 / 4;
    let output = vec![7; 3_500].into();
    rows.push((
        "`RandomnessBeacon.conclude`, an output of 16 seats (3,500 bytes), by the protocol",
        gas(
            &mut chain,
            beacon::PROTOCOL,
            RANDOMNESS_BEACON,
            &beacon::conclude(1, beacon::key(), output),
            U256::ZERO,
        ),
    ));
    rows
}

#[test]
fn the_economy_page_says_what_calls_cost() {
    let mut table = String::from("| Call | Gas |\n|---|---:|\n");
    for (name, gas) in measured() {
        let _ = writeln!(table, "| {name} | {gas} |");
    }
    let path = Path::new("../../docs/spec/economy.md");
    let page = fs::read_to_string(path).expect("the page exists");
    let (before, rest) = page.split_once(BEGIN).expect("the page marks where the table begins");
    let (found, after) = rest.split_once(END).expect("the page marks where the table ends");
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        fs::write(path, format!("{before}{BEGIN}{table}{END}{after}")).expect("docs can be written");
    } else {
        assert_eq!(
            found, table,
            "docs/spec/economy.md has other figures; run this test with UPDATE=1"
        );
    }
}
