//! Prints, as one JSON object, what a core does a second with each part of a blob's path, next to a library of the same code:
//! gigabytes (1e9) of a blob's own bytes per second of the thread's CPU time, the best of several runs. `peers` sets the whole
//! against other systems.
//!
//! `cargo run --release -p crypto --example kernels`
//!
//! The blob is 32 MiB in 1,024 rows that become 3,072. `recover_us_each` are the microseconds that a signature's signer
//! takes, one by one and in batches. CPU time leaves out what other programs take from the core, not what they take from its
//! caches and memory.

use crypto::{
    combination::{self, Coefficients},
    digest, ecdsa, kzg,
    reed_solomon::{Code, CodeError, Instructions},
    stream,
};
use primitives::{Digest, MIB, keccak256};
use reed_solomon_simd::{
    engine::DefaultEngine,
    rate::{LowRateDecoder, LowRateEncoder, RateDecoder, RateEncoder},
};
use std::hint::black_box;

const DATA_ROWS: u32 = 1024;
const TOTAL_ROWS: u32 = 3072;
const BLOB_BYTES: usize = 32 * MIB as usize;
const ROW_BYTES: usize = BLOB_BYTES / DATA_ROWS as usize;
/// Runs of each measurement, of which the best counts.
const RUNS: usize = 9;

fn main() {
    let mut data = aligned(BLOB_BYTES);
    blake3::Hasher::new().finalize_xof().fill(data.bytes());
    let data = data.bytes();
    let mut parity = aligned(BLOB_BYTES / DATA_ROWS as usize * (TOTAL_ROWS - DATA_ROWS) as usize);
    let mut decoded = aligned(BLOB_BYTES);
    let mut figures: Vec<(String, f64)> = Vec::new();
    let mut report = |name: &str, seconds: f64| figures.push((name.to_owned(), BLOB_BYTES as f64 / seconds / 1e9));

    for instructions in Instructions::ALL {
        let code = match Code::with_instructions(DATA_ROWS, TOTAL_ROWS, instructions) {
            Err(CodeError::Unsupported(_)) => continue,
            code => code.expect("1,024 to 3,072 rows is a code"),
        };
        let name = format!("{instructions:?}").to_lowercase();
        report(
            &format!("parity_{name}"),
            best(|| code.encode_into(data, ROW_BYTES, parity.bytes())),
        );
        report(
            &format!("encode_with_digests_{name}"),
            best(|| code.encode_with_digests(data, ROW_BYTES, parity.bytes())),
        );
        let all = || {
            data.chunks(ROW_BYTES)
                .chain(parity.as_slice().chunks(ROW_BYTES))
                .zip(0u32..)
        };
        // The worst case: every other row of all, so that no coset is whole and every part of the decoder works.
        let spread: Vec<(u32, &[u8])> = all()
            .filter(|(_, row)| row % 3 == 2)
            .map(|(bytes, row)| (row, bytes))
            .collect();
        assert!(code.decode(&spread, ROW_BYTES).expect("rows enough") == data);
        report(
            &format!("decode_spread_{name}"),
            best(|| code.decode_into(&spread, ROW_BYTES, decoded.bytes())),
        );
        let half: Vec<(u32, &[u8])> = all()
            .filter(|(_, row)| *row < 2 * DATA_ROWS && row % 2 == 1)
            .map(|(bytes, row)| (row, bytes))
            .collect();
        report(
            &format!("decode_first_two_cosets_{name}"),
            best(|| code.decode_into(&half, ROW_BYTES, decoded.bytes())),
        );
        let coset: Vec<(u32, &[u8])> = all()
            .filter(|(_, row)| *row >= 2 * DATA_ROWS)
            .map(|(bytes, row)| (row, bytes))
            .collect();
        report(
            &format!("decode_coset_{name}"),
            best(|| code.decode_into(&coset, ROW_BYTES, decoded.bytes())),
        );
    }
    let code = Code::new(DATA_ROWS, TOTAL_ROWS).expect("1,024 to 3,072 rows is a code");
    report("parity_into_fresh_memory", best(|| code.encode(data, ROW_BYTES)));

    let mut encoder = None;
    report(
        "reed_solomon_simd_parity",
        best(|| {
            let encoder: &mut LowRateEncoder<DefaultEngine> = encoder.insert(
                LowRateEncoder::new(1024, 2048, ROW_BYTES, DefaultEngine::new(), None).expect("supported counts"),
            );
            data.chunks(ROW_BYTES)
                .for_each(|row| encoder.add_original_shard(row).expect("a row"));
            black_box(encoder.encode().expect("all rows").recovery_iter().count())
        }),
    );
    report(
        "reed_solomon_simd_decode_spread",
        best(|| {
            let mut decoder =
                LowRateDecoder::new(1024, 2048, ROW_BYTES, DefaultEngine::new(), None).expect("supported counts");
            for (row, bytes) in data.chunks(ROW_BYTES).enumerate().filter(|(row, _)| row % 3 == 2) {
                decoder.add_original_shard(row, bytes).expect("a row");
            }
            let parity = parity.as_slice().chunks(ROW_BYTES).enumerate();
            for (row, bytes) in parity.filter(|(row, _)| (row + 1024) % 3 == 2) {
                decoder.add_recovery_shard(row, bytes).expect("a row");
            }
            black_box(decoder.decode().expect("rows enough").restored_original_iter().count())
        }),
    );

    report("row_digests_of_all_rows", {
        let rows = || data.chunks(ROW_BYTES).chain(parity.as_slice().chunks(ROW_BYTES));
        best(|| digest::RowTree::of_rows(rows()))
    });
    let seed = Digest::of(b"throughput");
    report("derive_coefficients", best(|| Coefficients::derive(&seed, ROW_BYTES)));
    let coefficients = Coefficients::derive(&seed, ROW_BYTES);
    report("combine_data_rows", best(|| coefficients.combine_rows(data, ROW_BYTES)));
    if let Ok(coefficients) = Coefficients::derive_with_instructions(&seed, ROW_BYTES, Instructions::Avx2) {
        report(
            "combine_data_rows_avx2",
            best(|| coefficients.combine_rows(data, ROW_BYTES)),
        );
    }
    let z = coefficients.combine_rows(data, ROW_BYTES);
    report("extend_combinations", best(|| combination::extend(&code, &z)));
    let key = stream::Key::from_bytes([1; 32]);
    report("seal", best(|| stream::seal(&key, [0; 7], b"", data)));

    let leaves: Vec<[u8; 32]> = (0..98u64)
        .map(|leaf| kzg::scalar(&Digest::of(&leaf.to_le_bytes())))
        .collect();
    let commitment = kzg::commit(&leaves);
    report("kzg_commit_98_leaves", best(|| kzg::commit(&leaves)));
    report("kzg_open", best(|| kzg::open(&leaves, 7)));
    let opening = kzg::open(&leaves, 7);
    report(
        "kzg_verify",
        best(|| assert!(kzg::verify(&commitment, 7, &leaves[7], &opening))),
    );

    let fields: Vec<String> = figures
        .iter()
        .map(|(name, rate)| format!("\"{name}_gbps_core\": {rate:.4}"))
        .collect();
    let recoveries: Vec<String> = recover_us_each()
        .iter()
        .map(|(name, each)| format!("\"{name}\": {each:.2}"))
        .collect();
    println!(
        "{{\"runs\": {RUNS}, {}, \"recover_us_each\": {{{}}}}}",
        fields.join(", "),
        recoveries.join(", ")
    );
}

/// Microseconds for each signature whose signer is recovered, one by one and in batches.
fn recover_us_each() -> Vec<(String, f64)> {
    let signatures: Vec<_> = (0..1000u32)
        .map(|i| {
            let digest = keccak256(i.to_le_bytes());
            let secret = ecdsa::Secret::from_bytes(&keccak256(digest).0).expect("a number below the order");
            (digest, secret.sign(&digest))
        })
        .collect();
    let one_by_one = best(|| {
        let signers = signatures
            .iter()
            .map(|(digest, signature)| ecdsa::recover(digest, signature));
        signers.filter(Result::is_ok).count()
    });
    // Makes the table that all batches share.
    assert!(ecdsa::recover_all(&signatures).iter().all(Result::is_ok));
    let mut figures = vec![("one_by_one".to_owned(), one_by_one / signatures.len() as f64 * 1e6)];
    for count in [8, 64, 1000] {
        let seconds = best(|| ecdsa::recover_all(&signatures[..count]));
        figures.push((format!("batch_of_{count}"), seconds / count as f64 * 1e6));
    }
    figures
}

/// Seconds of this thread's CPU time that the fastest run of `work` took.
fn best<T>(mut work: impl FnMut() -> T) -> f64 {
    let mut seconds = f64::INFINITY;
    for _ in 0..RUNS {
        let start = thread_seconds();
        black_box(work());
        seconds = seconds.min(thread_seconds() - start);
    }
    seconds
}

fn thread_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on Linux and the call writes one `timespec`.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(status, 0, "a thread's clock");
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Memory on large pages that starts a cache line, as a node keeps for its rows.
struct Aligned(Vec<[u64; 8]>, usize);

fn aligned(len: usize) -> Aligned {
    let mut lines = vec![[0; 8]; len / 64 + 1];
    // SAFETY: advice on whole pages of this allocation changes no byte.
    unsafe {
        let start = lines.as_ptr().addr().next_multiple_of(1 << 21);
        let end = lines.as_ptr().addr() + len;
        if end > start {
            libc::madvise(start as *mut _, end - start, libc::MADV_HUGEPAGE);
        }
    }
    lines.fill([0; 8]);
    let skip = lines.as_ptr().addr().next_multiple_of(64) - lines.as_ptr().addr();
    Aligned(lines, skip)
}

impl Aligned {
    fn bytes(&mut self) -> &mut [u8] {
        let skip = self.1;
        let len = (self.0.len() - 1) * 64;
        // SAFETY: any bytes are words and words are bytes; the range is within the vector's.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast::<u8>().add(skip), len) }
    }

    fn as_slice(&self) -> &[u8] {
        // SAFETY: as in `bytes`.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast::<u8>().add(self.1), (self.0.len() - 1) * 64) }
    }
}
