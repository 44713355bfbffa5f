//! A Merkle tree with sorted pairs over leaves of weights, enough to prove membership to OpenZeppelin's `MerkleProof`.

use contracts::typed_data::contribution_leaf;
use primitives::{Address, B256, keccak256};

pub struct Tree {
    levels: Vec<Vec<B256>>,
}

impl Tree {
    pub fn new(weights: &[(Address, u64)]) -> Self {
        let mut levels = vec![
            weights
                .iter()
                .map(|(account, weight)| contribution_leaf(*account, *weight))
                .collect(),
        ];
        while let Some(last) = levels.last().filter(|level: &&Vec<B256>| level.len() > 1) {
            let next = last
                .chunks(2)
                .map(|pair| pair.iter().copied().reduce(parent).expect("a chunk"))
                .collect();
            levels.push(next);
        }
        Self { levels }
    }

    pub fn root(&self) -> B256 {
        self.levels.last().expect("a level")[0]
    }

    pub fn proof(&self, mut index: usize) -> Vec<B256> {
        let mut proof = Vec::new();
        for level in &self.levels {
            proof.extend(level.get(index ^ 1));
            index /= 2;
        }
        proof
    }
}

fn parent(a: B256, b: B256) -> B256 {
    keccak256([a.min(b), a.max(b)].concat())
}
