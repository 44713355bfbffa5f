//! Prints what a core does with blobs, as lines for people and then one JSON object on the last line.
//!
//! `cargo run --release -p da --example blobs -- [MiB]` (32 when not said)
//!
//! A figure `NAME_gbps_core` is GB (1e9 bytes) per second of this thread's CPU time, the best of several runs, and
//! `NAME_cpu_s_per_gb` its inverse; `NAME_gbps_wall` is the same by the clock, in its best run: what they differ by, other programs
//! took. GB are of the payload where something is encoded or decoded, of rows where rows are checked. Encoders use their memory
//! again, as a node's do, and find the payload there; what copying it costs is in `encode_copied`, what memory that was never
//! touched costs in `encode_fresh_memory`.

use crypto::{
    combination::Coefficients,
    digest,
    reed_solomon::{Code, Instructions},
    stream::{self, Key},
};
use da::{
    CodedBlob, CommitteeId, Encoder, Privacy, Row, RowChecker,
    encode::{self, Request},
    header::{DATA_ROWS, TOTAL_ROWS},
};
use memmap2::MmapMut;
use primitives::{Address, Digest, Epoch, MIB};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use std::hint::black_box;

/// Runs of each measurement, of which the best counts: the machine may be shared.
const RUNS: usize = 7;
/// Rows that a holder checks at a time: as many as arrive in some milliseconds.
const ROWS_CHECKED: usize = 64;

fn main() {
    let mib: u64 = std::env::args()
        .nth(1)
        .map_or(32, |arg| arg.parse().expect("a size in MiB"));
    let blob_bytes = (mib * MIB) as usize;
    // Room for the tags of encryption, so that rows are as long with as without it.
    let bytes = blob_bytes - 64 * 1024;
    let mut payload = large_pages(bytes);
    blake3::Hasher::new().finalize_xof().fill(&mut payload);
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let key = Key::generate(&mut rng);
    let mut figures = Figures::default();

    let mut encode = |encoder: &Encoder, sealed: bool| {
        let copies = || {
            let mut room = encoder.payload(payload.len() as u64, sealed).expect("the payload fits");
            room.fill(&payload);
            room
        };
        best_of(copies, |payload| {
            let privacy = if sealed {
                Privacy::Sealed {
                    key: &key,
                    recipients: &[],
                }
            } else {
                Privacy::Public
            };
            let request = Request {
                owner: Address::ZERO,
                committee: CommitteeId::first(Epoch(0)),
                expiry_block: 1,
                meta: Vec::new(),
                privacy,
            };
            encoder
                .encode_payload(&mut rng, payload, request)
                .expect("the payload fits")
        })
    };
    let encoder = Encoder::new();
    let (time, blob) = encode(&encoder, false);
    figures.rate("encode", bytes, time);
    let (time, sealed) = encode(&encoder, true);
    figures.rate("encode_encrypted", bytes, time);
    if let Ok(encoder) = Encoder::with_instructions(Instructions::Avx2) {
        figures.rate("encode_avx2", bytes, encode(&encoder, false).0);
        figures.rate("encode_avx2_encrypted", bytes, encode(&encoder, true).0);
    }

    let (time, checker) = best(|| RowChecker::new(blob.head().head().clone().check().expect("an honest head")));
    figures.set("head_check_cpu_ms", time.cpu * 1e3);
    let rows: Vec<Row> = (0..TOTAL_ROWS).map(|index| blob.row(index).row().clone()).collect();
    let row_bytes = blob.head().row_bytes() as usize;
    let all_bytes = rows.len() * row_bytes;
    let time = best(|| {
        rows.chunks(ROWS_CHECKED).for_each(|rows| {
            black_box(checker.check_all(rows.to_vec()).expect("honest rows"));
        });
    });
    figures.rate("row_check", all_bytes, time.0);
    let time = best(|| {
        rows.iter().for_each(|row| {
            black_box(checker.check(row.clone()).expect("an honest row"));
        });
    });
    figures.rate("row_check_one_by_one", all_bytes, time.0);

    let code = Code::new(DATA_ROWS, TOTAL_ROWS).expect("the shape of every blob");
    let mut decoded = large_pages(DATA_ROWS as usize * row_bytes);
    let mut decode = |chosen: &dyn Fn(&&Row) -> bool| {
        let given: Vec<(u32, &[u8])> = rows
            .iter()
            .filter(chosen)
            .map(|row| (row.index, &row.bytes[..]))
            .collect();
        assert_eq!(given.len(), DATA_ROWS as usize, "as many rows as data");
        best(|| code.decode_into(&given, row_bytes, &mut decoded).expect("enough rows")).0
    };
    // No coset is whole: every part of the decoder works.
    figures.rate("decode_worst", bytes, decode(&|row| row.index % 3 == 2));
    // A third of the data rows is gone, and rows of the first parity coset fill the gaps.
    let third = DATA_ROWS / 3;
    let filled = |row: &&Row| match row.index {
        data if data < DATA_ROWS => data % 3 != 2 || data / 3 >= third,
        parity => parity - DATA_ROWS < third,
    };
    figures.rate("decode_first_coset", bytes, decode(&filled));
    let whole = |row: &&Row| (DATA_ROWS..2 * DATA_ROWS).contains(&row.index);
    figures.rate("decode_whole_coset", bytes, decode(&whole));
    let params = &sealed.head().header().params;
    let coded: Vec<u8> = (0..DATA_ROWS)
        .flat_map(|index| sealed.row(index).bytes().to_vec())
        .collect();
    let cut = || coded[..params.length as usize].to_vec();
    let (time, _) = best_of(cut, |coded| {
        encode::open(params, Some(&key), coded).expect("the right key")
    });
    figures.rate("decrypt_into_fresh_memory", bytes, time);

    // The stages of encoding, each alone over memory that does not fit in cache.
    let data: Vec<&[u8]> = rows[..DATA_ROWS as usize].iter().map(|row| &row.bytes[..]).collect();
    let mut contiguous = large_pages(DATA_ROWS as usize * row_bytes);
    contiguous
        .chunks_exact_mut(row_bytes)
        .zip(&data)
        .for_each(|(to, row)| to.copy_from_slice(row));
    let mut parity = large_pages((TOTAL_ROWS - DATA_ROWS) as usize * row_bytes);
    for instructions in Instructions::ALL {
        let Ok(code) = Code::with_instructions(DATA_ROWS, TOTAL_ROWS, instructions) else {
            continue;
        };
        let coefficients = Coefficients::derive_with_instructions(&Digest::of(b"stages"), row_bytes, instructions);
        let Ok(coefficients) = coefficients else { continue };
        if instructions == Instructions::Portable {
            continue;
        }
        let name = format!("{instructions:?}").to_lowercase();
        let time = best(|| code.encode_into(&contiguous, row_bytes, &mut parity)).0;
        figures.rate(&format!("stage_parity_{name}"), bytes, time);
        let time = best(|| code.encode_with_digests(&contiguous, row_bytes, &mut parity)).0;
        figures.rate(&format!("stage_parity_and_digests_{name}"), bytes, time);
        let time = best(|| coefficients.combine_rows(&contiguous, row_bytes)).0;
        figures.rate(&format!("stage_combination_{name}"), bytes, time);
    }
    let all: Vec<&[u8]> = rows.iter().map(|row| &row.bytes[..]).collect();
    figures.rate(
        "stage_row_digests_of_rows",
        all_bytes,
        best(|| digest::row_digests(&all)).0,
    );
    let single = |rows: &[&[u8]]| rows.iter().map(|row| digest::row_digest(row)).collect::<Vec<_>>();
    figures.rate(
        "stage_row_digests_one_by_one_of_rows",
        all_bytes,
        best(|| single(&all)).0,
    );
    let mut content = large_pages(stream::sealed_len(bytes as u64) as usize);
    let time = best(|| stream::seal_in_place(&key, [0; 7], b"", &mut content)).0;
    figures.rate("stage_seal", bytes, time);
    let public = || Request {
        owner: Address::ZERO,
        committee: CommitteeId::first(Epoch(0)),
        expiry_block: 1,
        meta: Vec::new(),
        privacy: Privacy::Public,
    };
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let time = best(|| encoder.encode(&mut rng, &payload, public()).expect("the payload fits")).0;
    figures.rate("encode_copied", bytes, time);
    let time = best(|| CodedBlob::encode(&mut rng, &payload, public()).expect("the payload fits")).0;
    figures.rate("encode_fresh_memory", bytes, time);

    figures.set("payload_bytes", bytes as f64);
    figures.set("row_bytes", row_bytes as f64);
    figures.set("runs", RUNS as f64);
    figures.print();
}

/// Zeros on large pages, where the system has them.
fn large_pages(bytes: usize) -> MmapMut {
    let map = MmapMut::map_anon(bytes).expect("memory for a few blobs");
    #[cfg(target_os = "linux")]
    let _ = map.advise(memmap2::Advice::HugePage);
    map
}

/// What is printed, in order.
#[derive(Default)]
struct Figures(serde_json::Map<String, serde_json::Value>);

impl Figures {
    fn set(&mut self, name: &str, value: f64) {
        println!("{name:48} {value:12.3}");
        self.0.insert(name.to_owned(), value.into());
    }

    fn rate(&mut self, name: &str, bytes: usize, time: Time) {
        self.set(&format!("{name}_gbps_core"), bytes as f64 / time.cpu / 1e9);
        self.set(&format!("{name}_gbps_wall"), bytes as f64 / time.wall / 1e9);
        self.set(&format!("{name}_cpu_s_per_gb"), time.cpu / bytes as f64 * 1e9);
    }

    fn print(self) {
        println!("{}", serde_json::Value::Object(self.0));
    }
}

/// Seconds that something took.
#[derive(Clone, Copy)]
struct Time {
    /// Of this thread's CPU.
    cpu: f64,
    /// By the clock.
    wall: f64,
}

/// The least times that `work` took, and what it last returned.
fn best<T>(mut work: impl FnMut() -> T) -> (Time, T) {
    best_of(|| (), |()| work())
}

/// As [`best`], of work on what `input` makes, which does not count.
fn best_of<I, T>(mut input: impl FnMut() -> I, mut work: impl FnMut(I) -> T) -> (Time, T) {
    let mut least = Time {
        cpu: f64::INFINITY,
        wall: f64::INFINITY,
    };
    let mut last = None;
    for _ in 0..RUNS {
        // The last result goes first: two blobs in memory are more than needed.
        drop(last.take());
        let input = input();
        let (cpu, wall) = (seconds(libc::CLOCK_THREAD_CPUTIME_ID), seconds(libc::CLOCK_MONOTONIC));
        last = Some(work(input));
        least.cpu = least.cpu.min(seconds(libc::CLOCK_THREAD_CPUTIME_ID) - cpu);
        least.wall = least.wall.min(seconds(libc::CLOCK_MONOTONIC) - wall);
    }
    (least, last.expect("at least one run"))
}

/// What a clock says, in seconds.
fn seconds(clock: libc::clockid_t) -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both clocks exist on every Linux and macOS, and the pointer is to a live timespec.
    let status = unsafe { libc::clock_gettime(clock, &mut time) };
    assert_eq!(status, 0, "a clock");
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
