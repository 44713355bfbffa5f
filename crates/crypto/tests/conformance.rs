//! The crate against the conformance suites of Ethereum's consensus and against c-kzg: keeps away the bug that our own signer
//! and verifier, or committer and opener, share a mistake.
//!
//! The suites are data files beside the repository, in `../shared/vectors` from the workspace; a test says that it skipped
//! where they are not. The larger part of the KZG suite ships in `tests/vectors`, so that it runs everywhere.

mod suite;

use c_kzg::{Bytes32, Bytes48, KzgSettings, ethereum_kzg_settings};
use crypto::{
    bls::{PublicKey, SecretKey, Signature},
    classic::{Blob, CELLS, Cell, Classic, PACKED_BYTES_MAX},
    kzg::{self, Commitment, Opening},
};
use primitives::{Digest, hex};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};
use std::collections::BTreeMap;
use suite::{Case, Suite, Text};

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
    let (mut evaluations, mut commitments) = (0, 0);
    for Case { name, text } in Suite::kzg().cases() {
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
        let blob = c_kzg::Blob::new(blob);
        let commitment = settings.blob_to_kzg_commitment(&blob).unwrap();
        assert_eq!(kzg::commit(&leaves).to_bytes(), *commitment.to_bytes());
        for index in [0, count as usize / 2, count as usize - 1] {
            check_opening(settings, &blob, &leaves, index);
        }
    }
}

/// Our opening at `index` is c-kzg's at the point of the domain in that place, and verifies in both.
fn check_opening(settings: &KzgSettings, blob: &c_kzg::Blob, leaves: &[[u8; 32]], index: usize) {
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

/// Every operation that the suite has vectors of, its errors too; and, of those it has none here, recovery and the batch of
/// blobs, by the values it gives for the others.
#[test]
fn classic_mode_agrees_with_the_consensus_suite() {
    let classic = Classic::load();
    let mut checked: BTreeMap<String, u32> = BTreeMap::new();
    let (mut blobs, mut commitments, mut proofs) = (Vec::new(), Vec::new(), Vec::new());
    for Case { name, text } in Suite::kzg().cases() {
        let operation = name.split('/').nth(1).unwrap();
        let answer = answer(&classic, operation, &text);
        assert!(answer == text.output(), "{name}");
        match (operation, answer) {
            ("compute_cells_and_kzg_proofs", Some(cells_and_proofs)) => {
                check_recovery(&classic, &cells_and_proofs, &name);
            }
            ("compute_blob_kzg_proof", Some(proof)) => {
                blobs.push(Blob::from_bytes(&text.any_bytes("blob")).unwrap());
                commitments.push(Commitment(text.bytes("commitment").unwrap()));
                proofs.push(Opening(proof[0].as_slice().try_into().unwrap()));
            }
            _ => {}
        }
        *checked.entry(operation.to_owned()).or_default() += 1;
    }
    assert!(classic.verify_batch(&blobs, &commitments, &proofs).unwrap());
    proofs.rotate_left(1);
    assert!(!classic.verify_batch(&blobs, &commitments, &proofs).unwrap());
    println!("agreed: {checked:?}");
    let expected = if Suite::kzg().is_whole() { 283 } else { 241 };
    assert_eq!(checked.values().sum::<u32>(), expected, "vectors");
}

/// What the operation gives for the input of a vector, as the suite writes it: hexadecimal strings in order, `[1]` or `[0]` for a
/// verdict, nothing for an error. Lengths that our types cannot have are errors.
fn answer(classic: &Classic, operation: &str, text: &Text) -> Option<Vec<Vec<u8>>> {
    let blob = || Blob::from_bytes(&text.any_bytes("blob"));
    let commitment = || text.bytes("commitment").ok().map(Commitment);
    let proof = || text.bytes("proof").ok().map(Opening);
    let verdict = |verified: bool| vec![vec![u8::from(verified)]];
    Some(match operation {
        "blob_to_kzg_commitment" => vec![classic.commit(&blob()?).ok()?.to_bytes().to_vec()],
        "compute_blob_kzg_proof" => vec![classic.prove(&blob()?, &commitment()?).ok()?.to_bytes().to_vec()],
        "compute_kzg_proof" => {
            let (proof, y) = classic.open(&blob()?, &text.bytes("z").ok()?).ok()?;
            vec![proof.to_bytes().to_vec(), y.to_vec()]
        }
        "verify_kzg_proof" => {
            let (z, y) = (text.bytes("z").ok()?, text.bytes("y").ok()?);
            verdict(classic.verify_at(&commitment()?, &z, &y, &proof()?).ok()?)
        }
        "verify_blob_kzg_proof" => verdict(classic.verify(&blob()?, &commitment()?, &proof()?).ok()?),
        "compute_cells" => classic.cells(&blob()?).ok()?.iter().map(|cell| cell.to_vec()).collect(),
        "compute_cells_and_kzg_proofs" => {
            let proved = classic.cells_and_proofs(&blob()?).ok()?;
            let proofs = proved.proofs.iter().map(|proof| proof.to_bytes().to_vec());
            proved.cells.iter().map(|cell| cell.to_vec()).chain(proofs).collect()
        }
        "verify_cell_kzg_proof_batch" => {
            let commitments: Vec<Commitment> = text.all_bytes("commitments")?.into_iter().map(Commitment).collect();
            let proofs: Vec<Opening> = text.all_bytes("proofs")?.into_iter().map(Opening).collect();
            let cells: Vec<Cell> = text.all_bytes("cells")?;
            let indices: Vec<u64> = text
                .all("cell_indices")
                .iter()
                .map(|index| index.parse().unwrap())
                .collect();
            verdict(classic.verify_cells(&commitments, &indices, &cells, &proofs).ok()?)
        }
        other => panic!("no rule for {other}"),
    })
}

/// The second half of a vector's cells, which carries none of the blob's bytes, gives all of them back.
fn check_recovery(classic: &Classic, cells_and_proofs: &[Vec<u8>], name: &str) {
    let (cells, proofs) = cells_and_proofs.split_at(CELLS);
    let indices: Vec<u64> = (CELLS as u64 / 2..CELLS as u64).collect();
    let kept: Vec<Cell> = cells[CELLS / 2..]
        .iter()
        .map(|cell| cell[..].try_into().unwrap())
        .collect();
    let recovered = classic.recover(&indices, &kept).unwrap();
    assert!(
        recovered.cells.iter().map(|cell| cell.to_vec()).eq(cells.to_vec()),
        "{name}"
    );
    assert!(
        recovered
            .proofs
            .iter()
            .map(|proof| proof.0.to_vec())
            .eq(proofs.to_vec()),
        "{name}"
    );
}

/// Nothing was changed in the part that ships.
#[test]
fn the_vectors_that_ship_are_of_the_whole_suite() {
    let whole = Suite::kzg();
    let texts: BTreeMap<String, Text> = whole.cases().into_iter().map(|case| (case.name, case.text)).collect();
    let shipped = Suite::shipped_kzg().cases();
    assert_eq!(shipped.len(), 241);
    for Case { name, text } in shipped {
        assert!(texts[&name] == text, "{name}");
    }
}

/// A blob of bytes that look random, packed.
fn packed_blob(seed: u8) -> Blob {
    let mut bytes = vec![0; PACKED_BYTES_MAX];
    ChaCha20Rng::seed_from_u64(seed.into()).fill_bytes(&mut bytes);
    Blob::pack(&bytes).unwrap()
}

#[test]
fn blobs_and_cells_prove_what_they_are_and_nothing_else() {
    let classic = Classic::load();
    let blobs = [packed_blob(1), packed_blob(2)];
    let commitments = [0, 1].map(|at| classic.commit(&blobs[at]).unwrap());
    let proofs = [0, 1].map(|at| classic.prove(&blobs[at], &commitments[at]).unwrap());
    assert!(classic.verify(&blobs[0], &commitments[0], &proofs[0]).unwrap());
    assert!(!classic.verify(&blobs[1], &commitments[0], &proofs[0]).unwrap());
    assert!(classic.verify_batch(&blobs, &commitments, &proofs).unwrap());
    assert!(
        !classic
            .verify_batch(&blobs, &commitments, &[proofs[1], proofs[0]])
            .unwrap()
    );
    assert!(classic.verify_batch(&blobs, &commitments, &proofs[..1]).is_err());

    let proved = classic.cells_and_proofs(&blobs[0]).unwrap();
    assert_eq!(classic.cells(&blobs[0]).unwrap(), proved.cells);
    assert_eq!(proved.cells[..CELLS / 2].as_flattened(), blobs[0].as_bytes());
    // Every second cell, half of them: just enough.
    let indices: Vec<u64> = (0..CELLS as u64).step_by(2).collect();
    let kept: Vec<Cell> = indices.iter().map(|&index| proved.cells[index as usize]).collect();
    assert_eq!(classic.recover(&indices, &kept).unwrap(), proved);
    assert!(classic.recover(&indices[1..], &kept[1..]).is_err());
    assert!(classic.recover(&indices[1..], &kept).is_err());

    let (one, two) = ([commitments[0]; 2], [5, 127]);
    let cells = [proved.cells[5], proved.cells[127]];
    let openings = [proved.proofs[5], proved.proofs[127]];
    assert!(classic.verify_cells(&one, &two, &cells, &openings).unwrap());
    assert!(!classic.verify_cells(&one, &[6, 127], &cells, &openings).unwrap());
    assert!(classic.verify_cells(&one, &[5, 128], &cells, &openings).is_err());
    assert!(classic.verify_cells(&[], &[], &[], &[]).unwrap());
    let error = classic.verify_cells(&one, &two, &cells, &openings[..1]).unwrap_err();
    assert_eq!(error.to_string(), "verify cells: an argument is malformed");

    // An element at the field's order, and a point that is none.
    let wide = Blob::from_bytes(&[0xff; 131_072]).unwrap();
    assert!(classic.commit(&wide).is_err());
    assert!(classic.cells(&wide).is_err());
    assert!(classic.verify(&blobs[0], &Commitment([0xff; 48]), &proofs[0]).is_err());

    let z = [7; 32];
    let (proof, y) = classic.open(&blobs[0], &z).unwrap();
    assert!(classic.verify_at(&commitments[0], &z, &y, &proof).unwrap());
    assert!(!classic.verify_at(&commitments[0], &z, &z, &proof).unwrap());
    assert!(kzg::verify_at(&commitments[0], &z, &y, &proof));
}
