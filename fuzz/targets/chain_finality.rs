//! A proof that a block is final: decodes canonically or is refused, and damage to it does not verify.
#![no_main]

use alloy_consensus::Header;
use chain::{
    Block, Committee, FinalityProof, ValidatorKeys,
    finality::{Seats, finalize_message},
};
use commonware_codec::Encode;
use std::sync::LazyLock;

const NAMESPACE: &[u8] = b"aloft-chain";

/// A committee of one validator with one seat, and its certificate.
static VALID: LazyLock<(Committee, Vec<u8>)> = LazyLock::new(|| {
    let keys = ValidatorKeys::from_seed(&[1; 32]);
    let committee = Committee::new(&[keys.validator(1)]).expect("one validator");
    let summary = Block::genesis(Header::default(), keys.identity()).summary();
    let message = finalize_message(NAMESPACE, 1, 2, 1, &summary.digest());
    let mut signers = Seats::none(1);
    signers.insert(0);
    let proof = FinalityProof {
        epoch: 1,
        view: 2,
        parent_view: 1,
        signers,
        signature: keys.votes[0].sign(&message),
        summary,
    };
    proof.verify(NAMESPACE, &committee).expect("it is signed");
    (committee, proof.encode().to_vec())
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let (committee, valid) = &*VALID;
    for bytes in aloft_fuzz::tries(valid, input) {
        if let Some(proof) = aloft_fuzz::decode::<FinalityProof>(&bytes, &())
            && bytes != *valid
        {
            assert!(proof.verify(NAMESPACE, committee).is_err());
        }
    }
});
