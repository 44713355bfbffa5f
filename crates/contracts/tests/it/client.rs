//! Headers of other chains, and what must not pass for a final one.

use crate::{
    chain::Chain,
    proofs::{self, Signers, SlotProof, header, mapping_slot},
};
use alloy_sol_types::SolValue;
use blst::min_pk::SecretKey;
use contracts::{
    GenesisContract,
    abi::ChainClient::{self as Client, Finality},
    addresses::CHAIN_CLIENT,
};
use primitives::{Address, B256, Bytes, U256, keccak256};

alloy_sol_types::sol!(FixedCommittees, "../../contracts/artifacts/FixedCommittees.json");

const SOMEBODY: Address = Address::repeat_byte(0x50);
const COMMITTEES: Address = Address::repeat_byte(0xc0);
/// Where the other chain records its committees.
const RECORD: Address = Address::repeat_byte(0xd0);
const OTHER: u64 = 77;
const NETWORK: B256 = B256::repeat_byte(0x77);
const EPOCH_BLOCKS: u64 = 100;
const EPOCH: u64 = 3;
const NUMBER: u64 = 345;

/// A chain that trusts every committee of another, and that other's validators.
pub struct Scene {
    pub chain: Chain,
    other: Chain,
    signers: Signers,
}

impl Scene {
    pub fn new(seats: usize) -> Self {
        let mut chain = Chain::empty();
        let arguments = (OTHER, NETWORK, EPOCH_BLOCKS, RECORD).abi_encode_params();
        chain.construct(&GenesisContract {
            name: "FixedCommittees",
            address: COMMITTEES,
            init_code: [FixedCommittees::BYTECODE.as_ref(), &arguments].concat().into(),
        });
        chain.construct(&GenesisContract {
            name: "ChainClient",
            address: CHAIN_CLIENT,
            init_code: [Client::BYTECODE.as_ref(), &COMMITTEES.abi_encode()].concat().into(),
        });
        chain.block = 1;
        let secret = |seat: usize| SecretKey::key_gen(&[seat as u8 + 1; 32], &[]).expect("32 bytes suffice");
        let signers = Signers {
            chain: OTHER,
            network: NETWORK,
            secrets: (0..seats).map(secret).collect(),
        };
        let mut scene = Self {
            chain,
            other: Chain::empty(),
            signers,
        };
        // Other accounts and other epochs, so that the tries have some depth.
        for seed in 0..40 {
            scene
                .other
                .fund(Address::repeat_byte(seed), U256::from(seed) + U256::from(1));
        }
        scene.other.fund(RECORD, U256::from(1));
        for epoch in 0..8 {
            scene.other.record(epoch, keccak256(scene.signers.keys()));
        }
        scene
    }

    fn proof(&self, epoch: u64) -> SlotProof {
        proofs::slot(&self.other, RECORD, mapping_slot(B256::from(U256::from(epoch))))
    }

    /// A certificate by the first `signers` seats.
    fn certificate(&self, signers: usize) -> Client::verifyHeaderCall {
        let proof = self.proof(EPOCH);
        let header = header(NUMBER, proof.root, 1_234);
        self.call(self.signers.finalize(EPOCH, header, 0..signers), proof)
    }

    fn call(&self, finality: Finality, proof: SlotProof) -> Client::verifyHeaderCall {
        Client::verifyHeaderCall {
            chain: OTHER,
            finality,
            account: proof.account,
            slot: proof.slot,
        }
    }

    /// The call that a quorum makes good.
    pub fn genuine(&self) -> Client::verifyHeaderCall {
        self.certificate(self.signers.quorum())
    }

    fn verify(&mut self, call: &Client::verifyHeaderCall) -> Result<Client::verifyHeaderReturn, String> {
        self.chain.send(SOMEBODY, CHAIN_CLIENT, call).map(|sent| sent.result)
    }

    fn refused(&mut self, call: &Client::verifyHeaderCall, reason: &str) {
        let error = self.verify(call).err().unwrap_or_else(|| panic!("taken, not {reason}"));
        assert!(error.starts_with(reason), "{error}, not {reason}");
        let call = Client::stateRootOfCall {
            chain: OTHER,
            number: NUMBER,
        };
        assert_eq!(self.chain.view(CHAIN_CLIENT, &call), B256::ZERO);
    }
}

impl Chain {
    /// Records the digest of a committee as `CommitteeRecord` does.
    fn record(&mut self, epoch: u64, digest: B256) {
        let slot = mapping_slot(B256::from(U256::from(epoch)));
        self.set_word(RECORD, slot.into(), digest.into());
    }
}

#[test]
fn a_header_that_a_quorum_signed_is_final_and_its_state_root_is_kept() {
    for seats in [1, 4, 7, 16, 128] {
        let mut scene = Scene::new(seats);
        let call = scene.genuine();
        let found = scene.verify(&call).unwrap();
        let root = scene.proof(EPOCH).root;
        assert_eq!((found.number, found.stateRoot, found.timestamp), (NUMBER, root, 1_234));
        // Once more changes nothing; more signers than needed are as good.
        scene.verify(&call).unwrap();
        let all = scene.certificate(seats);
        scene.verify(&all).unwrap();
        let kept = Client::stateRootOfCall {
            chain: OTHER,
            number: NUMBER,
        };
        assert_eq!(scene.chain.view(CHAIN_CLIENT, &kept), root);
        assert_eq!(
            scene.chain.view(CHAIN_CLIENT, &Client::latestOfCall { chain: OTHER }),
            NUMBER
        );
    }
}

#[test]
fn too_few_seats_are_refused_and_none_counts_twice() {
    let mut scene = Scene::new(16);
    let call = scene.certificate(10);
    scene.refused(&call, "TooFewSigners");
    // A bitmap has one bit a seat: there is no way to name one twice but a longer one.
    let mut call = scene.certificate(10);
    call.finality.signers = [call.finality.signers.as_ref(), &[0xff]].concat().into();
    scene.refused(&call, "InvalidShape");
    // The key of a seat in the place of another's: another committee.
    let mut call = scene.certificate(11);
    let mut keys = call.finality.keys.to_vec();
    keys.copy_within(0..128, 128);
    call.finality.keys = keys.into();
    scene.refused(&call, "WrongSignature");
    // A seat that did not sign.
    let mut call = scene.certificate(11);
    call.finality.signers = vec![0xff, 0x0f].into();
    scene.refused(&call, "WrongSignature");

    let mut scene = Scene::new(7);
    let mut call = scene.genuine();
    call.finality.signers = vec![0xff].into();
    scene.refused(&call, "InvalidShape");
    for length in [0, 127, 129, 6 * 128, 7 * 128 - 1] {
        let mut call = scene.genuine();
        call.finality.keys = call.finality.keys[..length].to_vec().into();
        assert!(scene.verify(&call).is_err(), "{length} bytes of keys");
    }
}

#[test]
fn certificates_of_another_chain_network_epoch_or_view_are_refused() {
    let mut scene = Scene::new(4);
    let genuine = scene.genuine();
    let own = Signers {
        chain: OTHER + 1,
        ..scene.signers.clone()
    };
    let elsewhere = Signers {
        network: B256::repeat_byte(1),
        ..scene.signers.clone()
    };
    for signers in [own, elsewhere] {
        let finality = signers.finalize(EPOCH, genuine.finality.header.to_vec(), 0..3);
        let call = scene.call(finality, scene.proof(EPOCH));
        scene.refused(&call, "WrongSignature");
    }
    let mut call = genuine.clone();
    call.chain = OTHER + 1;
    scene.refused(&call, "UnknownChain");
    call.chain = scene.chain.id;
    scene.refused(&call, "OwnChain");
    for change in [
        |finality: &mut Finality| finality.view_ += 1,
        |finality: &mut Finality| finality.parentView += 1,
        |finality: &mut Finality| finality.rest = B256::ZERO,
        |finality: &mut Finality| finality.context = vec![7; 69].into(),
    ] {
        let mut call = genuine.clone();
        change(&mut call.finality);
        scene.refused(&call, "WrongSignature");
    }
    let mut call = genuine.clone();
    call.finality.epoch += 1;
    scene.refused(&call, "WrongEpoch");
    // Voted in another epoch than the block is of, although all signed.
    let finality = scene
        .signers
        .finalize(EPOCH + 1, genuine.finality.header.to_vec(), 0..4);
    let call = scene.call(finality, scene.proof(EPOCH + 1));
    scene.refused(&call, "WrongEpoch");
}

/// Two final blocks of one height are a fork, which takes a third of the votes to be cast twice: the first stands.
#[test]
fn a_second_header_of_a_height_is_refused() {
    let mut scene = Scene::new(4);
    let first = scene.genuine();
    scene.verify(&first).unwrap();
    scene.other.fund(Address::repeat_byte(0xf0), U256::from(1));
    let second = scene.genuine();
    assert_ne!(first.finality.header, second.finality.header);
    let error = scene.verify(&second).err().unwrap();
    assert!(error.starts_with("AnotherHeader"), "{error}");
}

/// Keys that stopped being the committee, and still sign: the state after the block says who was.
#[test]
fn a_committee_that_is_not_on_record_for_its_epoch_is_refused() {
    let mut scene = Scene::new(4);
    scene.other.record(EPOCH, B256::repeat_byte(0xee));
    let call = scene.genuine();
    scene.refused(&call, "WrongCommittee");
    scene.other.record(EPOCH, B256::ZERO);
    let call = scene.genuine();
    assert!(scene.verify(&call).is_err(), "no record is no proof");
    // The record of another epoch.
    let header = header(NUMBER, scene.proof(EPOCH + 1).root, 1);
    let finality = scene.signers.finalize(EPOCH, header, 0..4);
    let call = scene.call(finality, scene.proof(EPOCH + 1));
    assert!(scene.verify(&call).is_err(), "another epoch's record");
}

#[test]
fn a_certificate_with_any_byte_changed_is_refused() {
    let mut scene = Scene::new(4);
    let genuine = scene.genuine();
    type Field = fn(&mut Client::verifyHeaderCall) -> &mut Bytes;
    let fields: [(&str, Field); 4] = [
        ("context", |call| &mut call.finality.context),
        ("header", |call| &mut call.finality.header),
        ("signature", |call| &mut call.finality.signature),
        ("keys", |call| &mut call.finality.keys),
    ];
    for (name, field) in fields {
        let length = field(&mut genuine.clone()).len();
        // The precompile takes all gas for a point that is none: keep those few.
        let step = if length > 100 { 13 } else { 1 };
        for at in (0..length).step_by(step) {
            let mut call = genuine.clone();
            let mut bytes = field(&mut call).to_vec();
            bytes[at] ^= 1 << (at % 8);
            *field(&mut call) = bytes.into();
            assert!(scene.verify(&call).is_err(), "byte {at} of the {name}");
        }
    }
    scene.verify(&genuine).unwrap();
}
