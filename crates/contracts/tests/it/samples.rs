//! Samples on chain: BLAKE3 as the crate `blake3` has it, and samples as `da` makes them.

use crate::chain::Chain;
use alloy_sol_types::sol;
use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use contracts::{GenesisContract, typed_data::BlobHeader};
use primitives::{Address, Bytes, U256};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

sol!(SampleProofHarness, "../../contracts/artifacts/SampleProofHarness.json");

const HARNESS: Address = Address::repeat_byte(0x5a);
/// Key of the trees over the rows' digests.
const NODE_KEY: [u8; 32] = *b"aloft/da/row-tree/v1\0\0\0\0\0\0\0\0\0\0\0\0";

/// `samples.json`, which a test of `da` writes.
#[derive(Deserialize)]
pub struct Vectors {
    pub blobs: Vec<Blob>,
}

/// A coded blob.
#[derive(Deserialize)]
pub struct Blob {
    pub header: BlobHeader,
    pub pieces: Vec<Sampled>,
}

/// A piece of it.
#[derive(Deserialize)]
pub struct Sampled {
    pub row: u32,
    pub chunk: u32,
    pub sample: Bytes,
}

pub fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../vectors/samples.json")).expect("the file that da writes")
}

impl Blob {
    pub fn commitment(&self) -> Bytes {
        [&self.header.commitmentHead[..], &self.header.commitmentTail[..]]
            .concat()
            .into()
    }
}

fn chain() -> Chain {
    let mut chain = Chain::empty();
    chain.construct(&GenesisContract {
        name: "SampleProofHarness",
        address: HARNESS,
        init_code: SampleProofHarness::BYTECODE.clone(),
    });
    chain
}

/// Whether the chain takes the sample, and for how much gas.
fn verify(chain: &mut Chain, blob: &Blob, row: u32, chunk: u32, sample: Bytes) -> (bool, u64) {
    let call = SampleProofHarness::verifyCall {
        sample,
        commitment: blob.commitment(),
        rowBytes: U256::from(blob.header.rowBytes),
        row: U256::from(row),
        chunkIndex: U256::from(chunk),
    };
    let answer = chain.view(HARNESS, &call);
    (answer.valid, answer.gas.to())
}

#[test]
fn the_chain_hashes_chunks_and_nodes_as_blake3_does() {
    let mut chain = chain();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for blocks in 1..=16usize {
        let data: Vec<u8> = (0..64 * blocks).map(|_| rng.random()).collect();
        let index = if blocks % 2 == 0 {
            0
        } else {
            rng.random_range(0..1u64 << 32)
        };
        let expected = blake3::Hasher::new()
            .set_input_offset(index * 1024)
            .update(&data)
            .finalize_non_root();
        let mut call = SampleProofHarness::chunkCall {
            data: data.clone().into(),
            index: U256::from(index),
            root: false,
        };
        assert_eq!(
            chain.view(HARNESS, &call).0,
            expected,
            "{blocks} blocks of chunk {index}"
        );
        (call.index, call.root) = (U256::ZERO, true);
        assert_eq!(chain.view(HARNESS, &call).0, *blake3::hash(&data).as_bytes());
    }
    for _ in 0..8 {
        let (left, right): ([u8; 32], [u8; 32]) = (rng.random(), rng.random());
        let parent = |root| SampleProofHarness::parentCall {
            left: left.into(),
            right: right.into(),
            root,
        };
        let inner = merge_subtrees_non_root(&left, &right, Mode::Hash);
        let top = merge_subtrees_root(&left, &right, Mode::Hash);
        assert_eq!(chain.view(HARNESS, &parent(false)).0, inner);
        assert_eq!(chain.view(HARNESS, &parent(true)).0, *top.as_bytes());
        let node = SampleProofHarness::groupNodeCall {
            left: left.into(),
            right: right.into(),
        };
        let expected = blake3::keyed_hash(&NODE_KEY, &[left, right].concat());
        assert_eq!(chain.view(HARNESS, &node).0, *expected.as_bytes());
    }
}

#[test]
fn the_chain_takes_the_samples_that_operators_make_and_no_others() {
    let mut chain = chain();
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for blob in &vectors().blobs {
        for &Sampled { row, chunk, ref sample } in &blob.pieces {
            let (valid, gas) = verify(&mut chain, blob, row, chunk, sample.clone());
            println!("a sample of {} bytes: {gas} gas", sample.len());
            assert!(valid, "row {row}, chunk {chunk} of {} bytes", blob.header.rowBytes);
            let mut refused = |row, chunk, sample: &[u8]| {
                assert!(!verify(&mut chain, blob, row, chunk, sample.to_vec().into()).0);
            };
            refused(row ^ 1, chunk, sample);
            refused(row ^ 32, chunk, sample);
            refused(row, chunk, &sample[1..]);
            refused(row, chunk, &[]);
            refused(row, chunk, &[sample, &[0u8][..]].concat());
            if u64::from(blob.header.rowBytes) > 1024 {
                refused(row, chunk ^ 1, sample);
            }
            for _ in 0..4 {
                let mut damaged = sample.to_vec();
                let place = rng.random_range(0..damaged.len());
                damaged[place] ^= 1 << rng.random_range(0..8);
                refused(row, chunk, &damaged);
            }
        }
    }
}

/// The slots of the commitment, all of them: a sample of one slot opens at no other.
#[test]
fn an_opening_holds_at_its_slot_only() {
    let mut chain = chain();
    let blob = &vectors().blobs[0];
    let piece = &blob.pieces[0];
    let valid: Vec<u32> = (0..128)
        .map(|slot| slot * 32 + piece.row % 32)
        .filter(|row| verify(&mut chain, blob, *row, piece.chunk, piece.sample.clone()).0)
        .collect();
    assert_eq!(valid, [piece.row]);
}
