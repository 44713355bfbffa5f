//! The crate against the conformance suites of Ethereum's consensus and against c-kzg: keeps away the bug that our own signer
//! and verifier, or committer and opener, share a mistake.
//!
//! The suites are data files beside the repository, in `../shared/vectors` from the workspace; a test says that it skipped
//! where they are not.

mod suite;

use c_kzg::{Blob, Bytes32, Bytes48, KzgSettings, ethereum_kzg_settings};
use crypto::{
    bls::{PublicKey, SecretKey, Signature},
    kzg::{self, Commitment, Opening},
};
use primitives::{Digest, hex};
use suite::{Case, Suite};

#[test]
fn signatures_agree_with_the_consensus_suite() {
    let Some(suite) = Suite::bls() else { return };
    let mut checked = 0;
    for Case { name, text } in suite.cases() {
        let expected = text.flag("output");
        match name.split('/').nth(1).unwrap() {
            "sign" => {
                let secret = text
                    .bytes("privkey")
                    .ok()
                    .and_then(|bytes: [u8; 32]| SecretKey::from_bytes(&bytes).ok());
                let signature = secret.map(|secret| secret.sign(&text.any_bytes("message")).to_bytes().to_vec());
                assert_eq!(signature, text.optional_bytes("output"), "{name}");
            }
            "verify" => {
                let verified = key(&text.one("pubkey"))
                    .zip(signature(&text.one("signature")))
                    .is_some_and(|(key, signature)| key.verify(&text.any_bytes("message"), &signature));
                assert_eq!(Some(verified), expected, "{name}");
            }
            "aggregate" => {
                let signatures: Option<Vec<_>> = text.all("input").iter().map(|hex| signature(hex)).collect();
                let sum = signatures.and_then(|signatures| Signature::aggregate(&signatures).ok());
                assert_eq!(
                    sum.map(|sum| sum.to_bytes().to_vec()),
                    text.optional_bytes("output"),
                    "{name}"
                );
            }
            "fast_aggregate_verify" => {
                let verified = keys(&text.all("pubkeys"))
                    .zip(signature(&text.one("signature")))
                    .is_some_and(|(keys, signature)| {
                        signature.fast_aggregate_verify(&keys, &text.any_bytes("message"))
                    });
                assert_eq!(Some(verified), expected, "{name}");
            }
            "aggregate_verify" => {
                let messages: Vec<Vec<u8>> = text
                    .all("messages")
                    .iter()
                    .map(|message| hex::decode(message).unwrap())
                    .collect();
                let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
                let verified = keys(&text.all("pubkeys"))
                    .zip(signature(&text.one("signature")))
                    .is_some_and(|(keys, signature)| signature.aggregate_verify(&keys, &messages));
                assert_eq!(Some(verified), expected, "{name}");
            }
            // We have no batch: a set is valid when each of its signatures is.
            "batch_verify" => {
                let (keys, messages, signatures) = (text.all("pubkeys"), text.all("messages"), text.all("signatures"));
                let verified = keys
                    .iter()
                    .zip(&messages)
                    .zip(&signatures)
                    .all(|((public, message), hex)| {
                        key(public)
                            .zip(signature(hex))
                            .is_some_and(|(key, signature)| key.verify(&hex::decode(message).unwrap(), &signature))
                    });
                assert_eq!(Some(verified), expected, "{name}");
            }
            // A public key is never the identity, though the identity is a point.
            "deserialization_G1" => {
                let identity = text.one("pubkey").trim_start_matches("0x") == format!("c0{}", "0".repeat(94));
                assert_eq!(Some(key(&text.one("pubkey")).is_some() || identity), expected, "{name}");
            }
            "deserialization_G2" => {
                assert_eq!(Some(signature(&text.one("signature")).is_some()), expected, "{name}");
            }
            // Under RFC 9380's own tag, which no signature uses: a unit test of the crate has the RFC's vector.
            "hash_to_G2" => continue,
            other => panic!("no rule for {other}"),
        }
        checked += 1;
    }
    assert_eq!(checked, 100, "vectors");
}

fn key(hex: &str) -> Option<PublicKey> {
    PublicKey::from_bytes(&hex::decode(hex).ok()?.try_into().ok()?).ok()
}

fn keys(hex: &[String]) -> Option<Vec<PublicKey>> {
    hex.iter().map(|hex| key(hex)).collect()
}

fn signature(hex: &str) -> Option<Signature> {
    Signature::from_bytes(&hex::decode(hex).ok()?.try_into().ok()?).ok()
}

#[test]
fn evaluations_and_commitments_agree_with_the_consensus_suite() {
    let Some(suite) = Suite::kzg() else { return };
    let (mut evaluations, mut commitments) = (0, 0);
    for Case { name, text } in suite.cases() {
        match name.split('/').nth(1).unwrap() {
            "verify_kzg_proof" => {
                let input = (
                    text.bytes("commitment"),
                    text.bytes("z"),
                    text.bytes("y"),
                    text.bytes("proof"),
                );
                let (Ok(commitment), Ok(z), Ok(y), Ok(proof)) = input else {
                    assert_eq!(text.flag("output"), None, "{name}");
                    evaluations += 1;
                    continue;
                };
                let verified = kzg::verify_at(&Commitment(commitment), &z, &y, &Opening(proof));
                // Where the standard raises an error, an invalid argument, we answer no.
                assert_eq!(verified, text.flag("output").unwrap_or(false), "{name}");
                evaluations += 1;
            }
            "blob_to_kzg_commitment" => {
                let blob = text.any_bytes("blob");
                let (slots, rest) = blob.as_chunks::<32>();
                let ours = slots.len() == 4096 && rest.is_empty() && slots[128..].iter().all(|slot| *slot == [0; 32]);
                if ours {
                    let commitment = kzg::commit(&slots[..128]).to_bytes().to_vec();
                    assert_eq!(Some(commitment), text.optional_bytes("output"), "{name}");
                    commitments += 1;
                }
            }
            _ => {}
        }
    }
    assert_eq!((evaluations, commitments), (122, 1), "vectors");
}

/// Blobs of one leaf, of a committee's usual number of leaves, and full.
#[test]
fn commitments_and_openings_are_those_of_c_kzg() {
    let settings = ethereum_kzg_settings(0);
    for count in [1, 98, 128] {
        let leaves: Vec<[u8; 32]> = (0..count)
            .map(|leaf: u64| kzg::scalar(&Digest::of(&leaf.to_le_bytes())))
            .collect();
        let mut blob = [0; 131_072];
        blob[..32 * leaves.len()].copy_from_slice(leaves.as_flattened());
        let blob = Blob::new(blob);
        let commitment = settings.blob_to_kzg_commitment(&blob).unwrap();
        assert_eq!(kzg::commit(&leaves).to_bytes(), *commitment.to_bytes());
        for index in [0, count as usize / 2, count as usize - 1] {
            check_opening(settings, &blob, &leaves, index);
        }
    }
}

/// Our opening at `index` is c-kzg's at the point of the domain in that place, and verifies in both.
fn check_opening(settings: &KzgSettings, blob: &Blob, leaves: &[[u8; 32]], index: usize) {
    let commitment = kzg::commit(leaves);
    let z = kzg::point(index);
    let (proof, y) = settings.compute_kzg_proof(blob, &Bytes32::new(z)).unwrap();
    let opening = kzg::open(leaves, index);
    assert_eq!((opening.to_bytes(), leaves[index]), (*proof.to_bytes(), *y));
    let (point, proof) = (Bytes48::new(commitment.to_bytes()), Bytes48::new(opening.to_bytes()));
    assert!(settings.verify_kzg_proof(&point, &Bytes32::new(z), &y, &proof).unwrap());
    assert!(kzg::verify(&commitment, index, &leaves[index], &opening));
    assert!(kzg::verify_at(&commitment, &z, &leaves[index], &opening));
}
