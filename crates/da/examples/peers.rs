//! Prints, as one JSON object, what coding and committing to a blob costs here and in the libraries that others do it with,
//! side by side in one process: seconds of CPU time per GB (1e9 bytes) of a blob's own bytes, the best of several rounds in
//! each of which every library has its turn.
//!
//! `cargo run --release -p da --example peers`
//!
//! `encode_vs_NAME` is how many times the cost of `encode_stages` the library's is. All use one thread, the same data from the
//! start of a cache line, and memory that is already touched, on large pages. They give different things:
//!
//! - `encode_stages`: the stages of this project's encoder. 1,024 rows become 3,072; BLAKE3 trees over all of them, a random
//!   combination of each data row, a KZG commitment to the roots. What `da::Encoder` adds is a header; see its example `blobs`.
//! - `c_kzg_commitment`: EIP-4844's commitment to every byte, of 31-byte field elements. Nothing is coded.
//! - `c_kzg_cells`: EIP-7594's cells and their proofs, rate 1/2, with the widest of c-kzg's tables that clients use (8).
//! - `commonware_rs`, `commonware_rs_blake3`: commonware-coding's `ReedSolomon`, 1,024 of 3,072 shards, with the hash its own
//!   benchmarks use (SHA-256) and with ours. A shard alone does not show that all were coded: that is found by decoding.
//! - `zoda_extension`: one step of commonware-coding's `Zoda`, which 2026.9 had and 2026.10 has not: the extension of its
//!   matrix, by the same release's commonware-math, in the shape that costs it least (1,024 rows become 4,096, as its sizes are
//!   powers of two). Hashing and checksums are left out, so that the ratio is a lower bound.
//! - `rsema1d`: Celestia's coder, 1,024 rows that become 3,072; SHA-256 trees and a random combination of each data row.

use blake3::Hasher;
use c_kzg::{Blob, KzgSettings, ethereum_kzg_settings};
use commonware_coding::{Config, ReedSolomon, Scheme};
use commonware_cryptography::{Blake3, Sha256};
use commonware_math::{fields::goldilocks::F, ntt::Matrix};
use commonware_parallel::Sequential;
use crypto::{combination::Coefficients, digest::RowTree, kzg, reed_solomon::Code};
use primitives::{Digest, MIB};
use rsema1d::{Parameters, RowMatrix};
use std::{hint::black_box, num::NonZeroU16};

const DATA_ROWS: usize = 1024;
const TOTAL_ROWS: usize = 3072;
const BLOB_BYTES: usize = 32 * MIB as usize;
const ROW_BYTES: usize = BLOB_BYTES / DATA_ROWS;
/// Bytes that the 4,096 elements of one EIP-4844 blob carry.
const CLASSIC_BYTES: usize = 4096 * 31;
/// Rounds, of which each library's best counts.
const ROUNDS: usize = 5;
/// Memory touched before anything is measured: more than any library holds at once.
const WARM_BYTES: usize = 768 * MIB as usize;

/// A library's way to do the work once.
struct Peer<'a> {
    name: &'static str,
    /// Bytes of a blob's own that one run handles.
    bytes: usize,
    run: Box<dyn FnMut() + 'a>,
    /// Seconds of CPU time of the fastest run.
    seconds: f64,
}

impl<'a> Peer<'a> {
    fn new(name: &'static str, bytes: usize, run: impl FnMut() + 'a) -> Self {
        Self {
            name,
            bytes,
            run: Box::new(run),
            seconds: f64::INFINITY,
        }
    }

    fn seconds_per_gb(&self) -> f64 {
        self.seconds / self.bytes as f64 * 1e9
    }
}

fn main() {
    warm_memory();
    let load_before = load_average();
    let mut memory = vec![[0u64; 8]; BLOB_BYTES / 64 + 1];
    let data = cache_lines(&mut memory);
    Hasher::new().finalize_xof().fill(data);
    let data = &*data;
    let mut memory = vec![[0u64; 8]; (TOTAL_ROWS - DATA_ROWS) * ROW_BYTES / 64 + 1];
    let parity = cache_lines(&mut memory);
    let code = Code::new(DATA_ROWS as u32, TOTAL_ROWS as u32).expect("1,024 to 3,072 rows is a code");
    let classic = classic_blob(data);
    let settings = ethereum_kzg_settings(8);
    let alone = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .expect("a pool of one thread");

    let mut peers = [
        Peer::new("encode_stages", BLOB_BYTES, || {
            black_box(encode_stages(&code, data, parity));
        }),
        Peer::new("c_kzg_commitment", CLASSIC_BYTES, || {
            black_box(
                settings
                    .blob_to_kzg_commitment(&classic)
                    .expect("elements below the order"),
            );
        }),
        Peer::new("c_kzg_cells", CLASSIC_BYTES, cells(settings, &classic)),
        Peer::new("commonware_rs", BLOB_BYTES, || commonware::<Sha256>(data)),
        Peer::new("commonware_rs_blake3", BLOB_BYTES, || commonware::<Blake3>(data)),
        Peer::new("zoda_extension", BLOB_BYTES, || zoda_extension(data)),
        Peer::new("rsema1d", BLOB_BYTES, rsema1d(&alone, data)),
    ];
    for _ in 0..ROUNDS {
        for peer in &mut peers {
            let start = process_seconds();
            (peer.run)();
            peer.seconds = peer.seconds.min(process_seconds() - start);
        }
    }

    let [ours, others @ ..] = &peers;
    let mut fields = vec![
        format!("\"rounds\": {ROUNDS}, \"blob_bytes\": {BLOB_BYTES}"),
        format!("\"load_average_before\": {load_before:.2}"),
        format!("\"load_average_after\": {:.2}", load_average()),
    ];
    let cost = |peer: &Peer<'_>| format!("\"{}_cpu_s_per_gb\": {:.4}", peer.name, peer.seconds_per_gb());
    fields.extend(peers.iter().map(cost));
    fields.extend(others.iter().map(|peer| {
        let ratio = peer.seconds_per_gb() / ours.seconds_per_gb();
        format!("\"encode_vs_{}\": {ratio:.2}", peer.name)
    }));
    println!("{{{}}}", fields.join(", "));
}

/// What coding a blob takes, in the order that `da::Encoder` does it, from the data rows to the commitment.
fn encode_stages(code: &Code, data: &[u8], parity: &mut [u8]) -> (kzg::Commitment, RowTree) {
    let tree = RowTree::of_digests(&code.encode_with_digests(data, ROW_BYTES, parity));
    let mut seed = Hasher::new_derive_key("peers/seed");
    let mut leaves: Vec<[u8; 32]> = Vec::with_capacity(128);
    for root in tree.group_roots() {
        seed.update(root.as_ref());
        leaves.push(kzg::scalar(root));
    }
    let coefficients = Coefficients::derive(&seed.finalize().into(), ROW_BYTES);
    let mut combinations = Hasher::new_derive_key("peers/combinations");
    for combination in coefficients.combine_rows(data, ROW_BYTES) {
        combinations.update(&combination);
    }
    // The digest of the parameters has the slot before the last, as in a blob's commitment.
    leaves.resize(126, [0; 32]);
    leaves.push(kzg::scalar(&Digest::of(b"parameters")));
    leaves.push(kzg::scalar(&combinations.finalize().into()));
    (kzg::commit(&leaves), tree)
}

/// The first bytes of `data` as field elements of 31 bytes each.
fn classic_blob(data: &[u8]) -> Blob {
    let mut elements = vec![0; c_kzg::BYTES_PER_BLOB];
    for (element, bytes) in elements.chunks_exact_mut(32).zip(data.chunks_exact(31)) {
        element[1..].copy_from_slice(bytes);
    }
    Blob::from_bytes(&elements).expect("a blob's length")
}

fn cells<'a>(settings: &'a KzgSettings, blob: &'a Blob) -> impl FnMut() + 'a {
    move || {
        let (cells, proofs) = settings
            .compute_cells_and_kzg_proofs(blob)
            .expect("elements below the order");
        assert_eq!((cells.len(), proofs.len()), (128, 128), "cells and proofs");
    }
}

fn commonware<H: commonware_cryptography::Hasher>(data: &[u8]) {
    let config = Config {
        minimum_shards: NonZeroU16::new(DATA_ROWS as u16).expect("not zero"),
        extra_shards: NonZeroU16::new((TOTAL_ROWS - DATA_ROWS) as u16).expect("not zero"),
    };
    let (_, shards) = ReedSolomon::<H>::encode(&config, data, &Sequential).expect("supported counts");
    assert_eq!(shards.len(), TOTAL_ROWS, "shards");
}

fn zoda_extension(data: &[u8]) {
    let (words, rest) = data.as_chunks::<8>();
    assert!(rest.is_empty(), "whole words");
    let elements = F::stream_from_u64s(words.iter().map(|word| u64::from_le_bytes(*word)));
    let columns = F::bits_to_elements(8 * data.len()).div_ceil(DATA_ROWS);
    let extended = Matrix::init(DATA_ROWS, columns, elements)
        .as_polynomials(TOTAL_ROWS)
        .expect("more rows than data")
        .evaluate()
        .data();
    assert_eq!(extended.rows(), TOTAL_ROWS.next_power_of_two(), "rows");
}

/// Codes in place, again and again in the same memory: the fastest of the crate's ways.
fn rsema1d<'a>(alone: &'a rayon::ThreadPool, data: &[u8]) -> impl FnMut() + 'a {
    let parameters = Parameters::new(DATA_ROWS, TOTAL_ROWS - DATA_ROWS, ROW_BYTES).expect("supported counts");
    let mut rows = RowMatrix::zeroed(TOTAL_ROWS, ROW_BYTES).expect("a shape");
    rows.as_row_major_mut()[..data.len()].copy_from_slice(data);
    let mut rows = Some(rows);
    move || {
        let given = rows.take().expect("given back by the run before");
        let coded = alone
            .install(|| rsema1d::encode_in_place(given, &parameters))
            .expect("supported counts");
        rows = Some(black_box(coded).all_rows);
    }
}

/// The whole lines of the processor's cache in `memory`, all but one: rows start such lines in every node.
fn cache_lines(memory: &mut [[u64; 8]]) -> &mut [u8] {
    let len = (memory.len() - 1) * 64;
    // SAFETY: any words are bytes.
    let (_, bytes, _) = unsafe { memory.align_to_mut::<u8>() };
    let skip = bytes.as_ptr().align_offset(64);
    &mut bytes[skip..skip + len]
}

/// Seconds of CPU time that all threads of this process took: a library may compute on another thread than it was called on.
fn process_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on Linux and the call writes one `timespec`.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(status, 0, "a process's clock");
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Programs that wanted a core, on average over the last minute.
fn load_average() -> f64 {
    let mut loads = [0.0];
    // SAFETY: the call writes as many numbers as it is told, one.
    let written = unsafe { libc::getloadavg(loads.as_mut_ptr(), 1) };
    assert_eq!(written, 1, "a load average");
    loads[0]
}

/// Makes the allocator hand out memory that is already touched, on large pages, and keep it when it is freed, as a node's
/// encoder keeps its own: first touching memory costs some libraries as much as coding, and says nothing about them.
fn warm_memory() {
    // SAFETY: no other thread runs yet; the settings are glibc's own, and the advice and the writes are within one allocation.
    unsafe {
        for (setting, value) in [
            (libc::M_MMAP_MAX, 0),
            (libc::M_ARENA_MAX, 1),
            (libc::M_TRIM_THRESHOLD, -1),
        ] {
            assert_eq!(libc::mallopt(setting, value), 1, "a setting of the allocator");
        }
        let memory = libc::malloc(WARM_BYTES).cast::<u8>();
        assert!(!memory.is_null(), "{WARM_BYTES} bytes of memory");
        let aligned = memory.add(memory.align_offset(1 << 21));
        let len = (WARM_BYTES - (1 << 21)) >> 21 << 21;
        // Where the kernel has no large pages, small ones do.
        libc::madvise(aligned.cast(), len, libc::MADV_HUGEPAGE);
        memory.write_bytes(1, WARM_BYTES);
        libc::free(memory.cast());
    }
}
