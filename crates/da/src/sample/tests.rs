use super::*;
use crate::{
    CodedBlob, Privacy, Store, certificate,
    encode::Request,
    head::VerifiedHead,
    header::{DATA_ROWS, TOTAL_ROWS},
    shape::{MAX_TOTAL_ROWS, MIN_ROW_BYTES},
    tests::{flip_bits, payload, public_blob, request, seeded},
};
use commonware_codec::{Decode, Encode};
use commonware_runtime::{Runner as _, Supervisor as _, deterministic};
use primitives::hex;
use rand_core::Rng;
use serde_json::json;
use std::{fs, path::Path};

/// Samples of random pieces of `blob`, made by one who holds all rows.
fn sampled(blob: &CodedBlob, seed: u64, count: u32) -> (Vec<Challenge>, Vec<Option<Sample>>) {
    let challenges = Challenge::draw(&mut seeded(seed), Shape::STANDARD, blob.head().row_bytes(), count);
    let prover = Prover::new(blob.head().clone());
    let samples = challenges
        .iter()
        .map(|challenge| Some(prover.prove(blob.row(challenge.row).row(), challenge.chunk).unwrap()))
        .collect();
    (challenges, samples)
}

/// What the samples of one blob show.
fn judge(head: &VerifiedHead, challenges: &[Challenge], samples: &[Option<Sample>]) -> Verdict {
    let answer = Answer {
        commitment: head.header().commitment,
        shape: head.shape(),
        row_bytes: head.row_bytes(),
        challenges,
        samples,
    };
    verify(&[answer]).pop().unwrap()
}

/// Every length from one byte to past eight chunks in odd steps, and lengths around each number of chunks up to 33.
#[test]
fn every_chunk_of_a_row_of_any_length_leads_to_the_row_s_hash() {
    let row = payload(1, 40 * CHUNK_BYTES);
    let around = (1..=33).flat_map(|chunks| [-1, 0, 1, 64].map(|more| chunks * CHUNK_BYTES as i64 + more));
    let lengths: Vec<i64> = (1..)
        .step_by(61)
        .take_while(|&length| length < 9000)
        .chain(around)
        .collect();
    for length in lengths {
        let row = &row[..length as usize];
        let row_bytes = length as u32;
        for at in 0..chunks(row_bytes) {
            let bytes = &row[chunk::range(row_bytes, at)];
            let path = chunk::path(row, at);
            assert_eq!(path.len(), chunk::depth(row_bytes, at));
            let digest = chunk::row_digest(row_bytes, at, bytes, &path);
            assert_eq!(digest, Some(Digest::of(row)), "chunk {at} of {length} bytes");
        }
    }
}

/// The largest row, whose chunks the other test does not reach.
#[test]
fn the_largest_row_has_seven_hashes_a_chunk() {
    let row = payload(2, MAX_ROW_BYTES as usize);
    for at in [0, 1, 63, 64, 127] {
        let path = chunk::path(&row, at);
        let bytes = &row[chunk::range(MAX_ROW_BYTES, at)];
        assert_eq!(path.len(), 7);
        assert_eq!(
            chunk::row_digest(MAX_ROW_BYTES, at, bytes, &path),
            Some(Digest::of(&row))
        );
    }
}

#[test]
fn a_chunk_leads_nowhere_from_another_place_or_by_another_path() {
    let row = payload(3, 11 * CHUNK_BYTES + 128);
    let row_bytes = row.len() as u32;
    let digest = Some(Digest::of(&row));
    for at in 0..chunks(row_bytes) {
        let bytes = &row[chunk::range(row_bytes, at)];
        let path = chunk::path(&row, at);
        for other in (0..chunks(row_bytes)).filter(|&other| other != at) {
            assert_ne!(chunk::row_digest(row_bytes, other, bytes, &path), digest);
        }
        for level in 0..path.len() {
            let mut path = path.clone();
            path[level] = Digest::of(b"wrong");
            assert_ne!(chunk::row_digest(row_bytes, at, bytes, &path), digest);
        }
        assert_eq!(chunk::row_digest(row_bytes, at, &bytes[1..], &path), None);
        assert_eq!(chunk::row_digest(row_bytes, at, bytes, &path[1..]), None);
    }
    // Two halves of the tree given as one chunk of 64 bytes: a node is no chunk.
    let two = payload(4, 2 * CHUNK_BYTES);
    let node = [*chunk::path(&two, 1)[0].as_bytes(), *chunk::path(&two, 0)[0].as_bytes()].concat();
    assert_ne!(chunk::row_digest(64, 0, &node, &[]), Some(Digest::of(&two)));
}

/// Rows of one chunk, of chunks that are no power of two, and with a short last chunk; two blobs and more in one batch.
#[test]
fn samples_of_many_blobs_are_checked_in_one_batch() {
    let blobs: Vec<CodedBlob> = [(1, 1_000), (2, 700_000), (3, 3 << 20), (4, (5 << 20) + 4321)]
        .map(|(seed, bytes)| public_blob(seed, bytes))
        .into();
    let sampled: Vec<_> = blobs.iter().map(|blob| sampled(blob, 7, SAMPLES)).collect();
    let answers: Vec<Answer<'_>> = blobs
        .iter()
        .zip(&sampled)
        .map(|(blob, (challenges, samples))| Answer {
            commitment: blob.head().header().commitment,
            shape: blob.head().shape(),
            row_bytes: blob.head().row_bytes(),
            challenges,
            samples,
        })
        .collect();
    for verdict in verify(&answers) {
        assert!(verdict.all_found());
        assert_eq!(verdict.confidence(), confidence(26, 26, DATA_ROWS, TOTAL_ROWS));
    }
    assert_eq!(verify(&[]), []);
}

#[test]
fn a_withheld_sample_is_missing_and_a_false_one_is_named() {
    let blob = public_blob(5, 3 << 20);
    let (challenges, good) = sampled(&blob, 8, 12);
    let mut samples = good.clone();
    samples[3] = None;
    samples[4].as_mut().unwrap().row_path[0] = Digest::of(b"wrong");
    samples[5].as_mut().unwrap().group_path[4] = Digest::of(b"wrong");
    samples[6].as_mut().unwrap().opening.0[5] ^= 1;
    let mut chunk = samples[7].as_ref().unwrap().chunk.to_vec();
    chunk[500] ^= 1;
    samples[7].as_mut().unwrap().chunk = chunk.into();
    samples[8].as_mut().unwrap().row_path.pop();
    // The right bytes of another place.
    samples[9] = good[1].clone();
    samples.pop();
    let verdict = judge(blob.head(), &challenges, &samples);
    assert_eq!((verdict.found, verdict.all_found()), (4, false));
    assert_eq!(verdict.missing, [challenges[3], challenges[11]]);
    let mut wrong = verdict.wrong.clone();
    wrong.sort_unstable();
    let mut expected = challenges[4..10].to_vec();
    expected.sort_unstable();
    assert_eq!(wrong, expected);
    assert_eq!(verdict.confidence(), confidence(4, 12, DATA_ROWS, TOTAL_ROWS));
    // Nothing asked, nothing known.
    assert_eq!(
        judge(blob.head(), &[], &[]).confidence(),
        confidence(0, 0, DATA_ROWS, TOTAL_ROWS)
    );
}

/// The samples of one blob say nothing of another, nor of one whose header was changed.
#[test]
fn samples_hold_for_their_own_header_only() {
    let (blob, other) = (public_blob(6, 100_000), public_blob(7, 100_000));
    let (challenges, samples) = sampled(&blob, 9, 4);
    assert_eq!(judge(blob.head(), &challenges, &samples).found, 4);
    let verdict = judge(other.head(), &challenges, &samples);
    assert_eq!((verdict.found, verdict.wrong.len()), (0, 4));
}

#[test]
fn opening_all_groups_at_once_gives_the_same_samples() {
    let blob = public_blob(8, 50_000);
    let (one_by_one, at_once) = (Prover::new(blob.head().clone()), Prover::new(blob.head().clone()));
    at_once.open_all();
    for row in [0, 33, 3071] {
        let row = blob.row(row);
        assert_eq!(one_by_one.prove(row.row(), 0), at_once.prove(row.row(), 0));
    }
}

#[test]
fn an_operator_answers_from_its_store_for_the_rows_it_has() {
    deterministic::Runner::default().start(|context| async move {
        let (store, _) = Store::open(context.child("store"), "rows".into(), 64 << 20)
            .await
            .unwrap();
        let blob = public_blob(9, 2 << 20);
        store.create(blob.head(), 3, None).await.unwrap();
        let rows = [7, 1500, 3071].map(|row| blob.row(row));
        store.put(blob.head().root(), &rows).await.unwrap();
        let prover = Prover::new(store.head(blob.head().root()).unwrap());
        let challenges = [(7, 1), (8, 0), (3071, 0), (1500, 1), (1500, 2)].map(|(row, chunk)| Challenge { row, chunk });
        let samples = prover.serve(&store, &challenges).await.unwrap();
        let verdict = judge(blob.head(), &challenges, &samples);
        assert_eq!(verdict.found, 3);
        // A row that it lacks, and a chunk that no row has.
        assert_eq!(verdict.missing, [challenges[1], challenges[4]]);
        assert!(verdict.wrong.is_empty());
    });
}

#[test]
fn a_row_of_another_blob_s_length_is_not_proved() {
    let (small, large) = (public_blob(10, 1_000), public_blob(11, 1 << 20));
    let prover = Prover::new(small.head().clone());
    assert!(matches!(
        prover.prove(large.row(0).row(), 0),
        Err(ProveError::WrongRow {
            bytes: 1024,
            expected: MIN_ROW_BYTES,
            ..
        })
    ));
    assert_eq!(
        prover.prove(small.row(0).row(), 1),
        Err(ProveError::NoChunk { chunk: 1, count: 1 })
    );
}

#[test]
fn a_sample_has_one_encoding_whose_length_the_question_gives() {
    for (seed, bytes) in [(12, 1_000), (13, (3 << 20) + 99), (14, 1 << 20)] {
        let blob = public_blob(seed, bytes);
        let row_bytes = blob.head().row_bytes();
        let (challenges, samples) = sampled(&blob, seed, 5);
        for (challenge, sample) in challenges.into_iter().zip(samples) {
            let sample = sample.unwrap();
            let encoded = sample.encode();
            assert_eq!(encoded.len(), sample.encode_size());
            assert!(encoded.len() <= Sample::MAX_BYTES);
            let cfg = (row_bytes, challenge);
            assert_eq!(Sample::decode_cfg(encoded.clone(), &cfg).unwrap(), sample);
            assert!(Sample::decode_cfg(encoded.slice(1..), &cfg).is_err());
            assert!(Sample::decode_cfg([&encoded[..], &[0]].concat(), &cfg).is_err());
            assert_eq!(
                Challenge::decode_cfg(challenge.encode(), &row_bytes).unwrap(),
                challenge
            );
            for (row, chunk) in [(MAX_TOTAL_ROWS, 0), (0, chunks(row_bytes)), (u32::MAX, u32::MAX)] {
                let none = Challenge { row, chunk };
                assert!(Challenge::decode_cfg(none.encode(), &row_bytes).is_err());
                assert!(Sample::decode_cfg(encoded.clone(), &(row_bytes, none)).is_err());
            }
        }
    }
    assert_eq!(Sample::MAX_BYTES, 1_456);
}

#[test]
fn hostile_bytes_never_panic_the_reader_or_the_verifier() {
    let blob = public_blob(15, (3 << 20) + 99);
    let row_bytes = blob.head().row_bytes();
    let mut rng = seeded(15);
    let (challenges, good) = sampled(&blob, 15, 8);
    let mut samples = Vec::new();
    for (challenge, sample) in challenges.iter().zip(&good) {
        let mut bytes = sample.as_ref().unwrap().encode().to_vec();
        flip_bits(&mut rng, &mut bytes, 3);
        let read = Sample::decode_cfg(Bytes::from(bytes.clone()), &(row_bytes, *challenge)).unwrap();
        assert_eq!(read.encode(), bytes);
        samples.push(Some(read));
        bytes.truncate(rng.next_u32() as usize % bytes.len());
        assert!(Sample::decode_cfg(Bytes::from(bytes), &(row_bytes, *challenge)).is_err());
    }
    assert_eq!(judge(blob.head(), &challenges, &samples).wrong.len(), 8);
    // Made by hand, not read: lengths and places that no encoding has.
    let no_chunk = Sample {
        chunk: Bytes::new(),
        row_path: vec![Digest::of(b""); 100],
        ..good[0].clone().unwrap()
    };
    let nowhere = Challenge {
        row: u32::MAX,
        chunk: u32::MAX,
    };
    let verdict = judge(
        blob.head(),
        &[challenges[0], nowhere],
        &[Some(no_chunk), good[0].clone()],
    );
    assert_eq!(verdict.wrong, [challenges[0], nowhere]);
}

/// Each row and each chunk comes about as often as any other, and the seed alone decides derived challenges.
#[test]
fn challenges_are_spread_evenly() {
    let row_bytes = 3 * CHUNK_BYTES as u32;
    let drawn = Challenge::draw(&mut seeded(16), Shape::STANDARD, row_bytes, 30_000);
    for challenges in [
        drawn,
        Challenge::derive(&Digest::of(b"seed"), Shape::STANDARD, row_bytes, 30_000),
    ] {
        let thirds = [0, 1, 2].map(|third| {
            let rows = third * DATA_ROWS..(third + 1) * DATA_ROWS;
            (
                challenges
                    .iter()
                    .filter(|challenge| rows.contains(&challenge.row))
                    .count(),
                challenges.iter().filter(|challenge| challenge.chunk == third).count(),
            )
        });
        for (rows, chunks) in thirds {
            assert!((9_700..10_300).contains(&rows) && (9_700..10_300).contains(&chunks));
        }
        assert!(challenges.iter().all(|challenge| challenge.exists(row_bytes)));
    }
    let derive = |seed: &[u8]| Challenge::derive(&Digest::of(seed), Shape::STANDARD, row_bytes, 9);
    assert_eq!(derive(b"a"), derive(b"a"));
    assert_ne!(derive(b"a"), derive(b"b"));
}

/// Rows withheld at random leave as many of 26 samples as the formula says: 20,000 clients, and a blob with 1,023 rows left.
#[test]
fn clients_find_all_samples_of_a_lost_blob_as_seldom_as_the_formula_says() {
    let mut rng = seeded(17);
    let available = DATA_ROWS - 1;
    for samples in [2, 4, 6] {
        let clients = 20_000;
        let fooled = (0..clients)
            .filter(|_| {
                Challenge::draw(&mut rng, Shape::STANDARD, MIN_ROW_BYTES, samples)
                    .iter()
                    .all(|challenge| challenge.row < available)
            })
            .count();
        let expected = f64::from(clients) * confidence(samples, samples, DATA_ROWS, TOTAL_ROWS).log2().exp2();
        assert!(
            (fooled as f64 - expected).abs() < 5.0 * expected.sqrt(),
            "{fooled} of {expected}"
        );
    }
}

#[test]
fn confidence_is_said_in_words() {
    assert_eq!(
        confidence(26, 26, 1024, 3072).to_string(),
        "all 26 random samples were found; had fewer than 1024 of the 3072 rows been available, \
         the chance of that would have been below 1 in 2.5 trillion (2^-41.2)"
    );
    assert!(
        confidence(1, 1, 1024, 3072)
            .to_string()
            .contains("below 1 in 3 (2^-1.5)")
    );
    assert!(
        confidence(10, 10, 32, 64)
            .to_string()
            .contains("below 1 in 1 thousand (2^-10.0)")
    );
    assert!(
        confidence(300, 300, 1024, 2048)
            .to_string()
            .contains("below 1 in 10^90 (2^-300.0)")
    );
    assert!(confidence(0, 0, 1024, 3072).to_string().contains("nothing is known"));
    assert_eq!(samples_for(40, 1024, 3072), Some(SAMPLES));
    assert_eq!(samples_for(40, 1024, 4096), Some(20));
    assert_eq!(samples_for(40, 1024, 1024), None);
    let confidence = confidence(26, 26, 1024, 3072);
    assert!((confidence.log2() + 41.209).abs() < 0.001);
    // One column of 32 chunks is missed by a client in two.
    assert!((confidence.log2_of_part(32).exp2() - 0.578).abs() < 0.001);
    assert!((confidence.log2_of_part(1) - confidence.log2()).abs() < 1e-9);
}

/// Against the binomial tail summed exactly, in whole numbers: `sum C(26, i) 2^(26 - i) / 3^26`.
#[test]
fn samples_that_were_not_found_cost_confidence_as_the_binomial_says() {
    let choose = |n: u64, k: u64| (0..k).fold(1u64, |product, i| product * (n - i) / (i + 1));
    for found in 0..=26u32 {
        let ways: u64 = (found..=26).map(|i| choose(26, u64::from(i)) * 2u64.pow(26 - i)).sum();
        let exact = (ways as f64).log2() - 26.0 * 3f64.log2();
        let bound = confidence(found, 26, DATA_ROWS, TOTAL_ROWS).log2();
        assert!((bound - exact).abs() < 1e-9, "{found}: {bound} and {exact}");
    }
    let words = confidence(20, 26, DATA_ROWS, TOTAL_ROWS).to_string();
    assert!(words.starts_with("20 of 26 random samples were found; "), "{words}");
    assert_eq!(confidence(0, 26, DATA_ROWS, DATA_ROWS).log2(), 0.0);
    assert!(
        confidence(255, 256, 1, TOTAL_ROWS).log2() < -2900.0,
        "no power is too small"
    );
}

#[test]
fn an_answer_is_read_back_and_nothing_else_is_one() {
    let blob = public_blob(6, 3 << 20);
    let (challenges, mut samples) = sampled(&blob, 9, 8);
    samples[2] = None;
    let bytes = write_samples(&samples);
    let row_bytes = blob.head().row_bytes();
    let read = |bytes: Bytes| read_samples(bytes, row_bytes, &challenges);
    assert_eq!(read(bytes.clone()).unwrap(), samples);
    assert!(read(bytes.slice(..bytes.len() - 1)).is_err());
    assert!(read([&bytes[..], &[0]].concat().into()).is_err());
    assert!(read_samples(bytes.clone(), row_bytes, &challenges[..7]).is_err());
    let mut rng = seeded(9);
    for _ in 0..200 {
        let mut damaged = bytes.to_vec();
        flip_bits(&mut rng, &mut damaged, 8);
        let _ = read(damaged.into());
    }
}

/// Samples that the contracts must take too: `crates/contracts/tests/vectors/samples.json`, written anew with UPDATE=1.
#[test]
fn the_contracts_check_samples_as_they_are_made_here() {
    let blobs = [(1, 1_000), (2, 700_000), (3, 3 << 20), (4, (5 << 20) + 4321)].map(|(seed, bytes)| {
        let request = Request {
            expiry_block: 1_000_000,
            ..request(Privacy::Public)
        };
        let blob = CodedBlob::encode(&mut seeded(seed), payload(seed, bytes), request).unwrap();
        let header = certificate::on_chain(blob.head().header());
        let (challenges, samples) = sampled(&blob, 11, 3);
        let pieces: Vec<_> = challenges
            .iter()
            .zip(&samples)
            .map(|(challenge, sample)| {
                let sample = sample.as_ref().expect("the blob is whole").encode();
                json!({ "row": challenge.row, "chunk": challenge.chunk, "sample": hex::encode_prefixed(sample) })
            })
            .collect();
        json!({ "header": header, "pieces": pieces })
    });
    let expected = format!("{:#}\n", json!({ "blobs": blobs }));
    let path = Path::new("../contracts/tests/vectors/samples.json");
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        fs::write(path, &expected).expect("vectors can be written");
    }
    assert!(
        fs::read_to_string(path).unwrap_or_default() == expected,
        "samples.json is not what samples are; run this test with UPDATE=1"
    );
}
