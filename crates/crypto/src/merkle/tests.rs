use super::*;
use primitives::b256;

/// A leaf of `StandardMerkleTree` over `(address, uint256)`, the address being twenty times one byte.
fn leaf(address: u8, amount: u128) -> B256 {
    let mut encoded = [0; 64];
    encoded[12..32].fill(address);
    encoded[48..].copy_from_slice(&amount.to_be_bytes());
    keccak256(keccak256(encoded))
}

/// The example of the readme of OpenZeppelin's `merkle-tree`, whose root it prints.
#[test]
fn the_root_is_the_one_openzeppelin_computes() {
    let tree = Tree::new(vec![
        leaf(0x11, 5_000_000_000_000_000_000),
        leaf(0x22, 2_500_000_000_000_000_000),
    ]);
    assert_eq!(
        tree.root(),
        b256!("d4dee0beab2d53f2cc83e567171bd2820e49898130a22622b10ead383e90bd77")
    );
}

#[test]
fn every_leaf_is_proved_and_no_other() {
    for count in [1, 2, 3, 4, 5, 7, 8, 31, 33] {
        let leaves: Vec<B256> = (0..count).map(|i| leaf(i as u8, i)).collect();
        let tree = Tree::new(leaves.clone());
        for (index, &entry) in leaves.iter().enumerate() {
            let proof = tree.proof(index);
            assert!(verify(tree.root(), entry, &proof));
            assert!(!verify(tree.root(), leaf(200, 1), &proof));
        }
    }
}

#[test]
fn the_root_does_not_depend_on_the_order_of_the_leaves() {
    let leaves: Vec<B256> = (0..9).map(|i| leaf(i as u8, i)).collect();
    let reversed = leaves.iter().rev().copied().collect();
    assert_eq!(Tree::new(leaves).root(), Tree::new(reversed).root());
}

#[test]
fn nothing_is_proved_to_be_in_an_empty_tree() {
    let tree = Tree::new(Vec::new());
    assert_eq!(tree.root(), B256::ZERO);
    assert!(!verify(tree.root(), leaf(1, 1), &[]));
}
