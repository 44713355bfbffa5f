//! From a payload to its certificate, and back with a third of the operators gone.

use crate::{
    figures::{CpuTime, Figures, median},
    operator::{self, Operator, Report, Setup},
    registry,
};
use commonware_runtime::{Clock, Runner as _, Spawner, Supervisor, tokio};
use da::{
    CodedBlob, Committee, CommitteeId, Encoder, Privacy, Record, Shape,
    disperse::DisperseError,
    encode::Request,
    header::{DATA_ROWS, TOTAL_ROWS},
};
use futures::{StreamExt, channel::mpsc};
use primitives::{Address, Epoch, MIB};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Bytes of every payload.
pub const BLOB_BYTES: usize = 32 * MIB as usize;
/// Sizes of committee that are measured.
const COMMITTEES: [u32; 4] = [4, 8, 16, 32];
/// Blobs written one after the other, for the latency.
const BLOBS_ALONE: u64 = 5;
/// Blobs written [`LANES`] at a time, for the throughput.
const BLOBS_TOGETHER: u64 = 8;
/// Dispersals under way at a time.
const LANES: u64 = 2;
/// Bytes on disk of each row besides its own, and of each blob's head.
pub const ROW_OVERHEAD_BYTES: u64 = da::Row::OVERHEAD_BYTES as u64;
/// As the head's region in a file (docs/spec/da.md).
pub const HEAD_REGION_BYTES: u64 = 32 * 1024;
/// How often operators are asked whether they have everything.
const SETTLE_POLL: Duration = Duration::from_millis(5);

/// Makes payloads that look random, each another one, and codes them.
pub struct Source {
    encoder: Encoder,
    random: Vec<u8>,
}

impl Source {
    /// A source of payloads of `bytes` bytes.
    pub fn new(bytes: usize) -> Self {
        let mut random = vec![0; bytes];
        blake3::Hasher::new().finalize_xof().fill(&mut random);
        Self {
            encoder: Encoder::new(),
            random,
        }
    }

    /// Payload `number`, in memory that the encoder need not copy.
    pub fn payload(&self, number: u64) -> Vec<u8> {
        let mut payload =
            Vec::with_capacity(DATA_ROWS as usize * Shape::STANDARD.row_bytes(self.random.len() as u64) as usize);
        payload.extend_from_slice(&self.random);
        payload[..8].copy_from_slice(&number.to_be_bytes());
        payload
    }

    /// Codes a payload, which is not encrypted.
    pub fn code(&self, payload: Vec<u8>) -> CodedBlob {
        let request = Request {
            owner: Address::ZERO,
            committee: CommitteeId::first(Epoch(0)),
            // Far enough that nothing expires while the height grows, and near enough that operators take it.
            expiry_block: 100_000_000,
            meta: Vec::new(),
            privacy: Privacy::Public,
        };
        // No randomness is used for a public blob.
        let mut rng = ChaCha20Rng::seed_from_u64(0);
        self.encoder
            .encode(&mut rng, payload, request)
            .expect("the payload fits")
    }
}

/// The runtime of the process that measures.
pub fn runtime(folder: &std::path::Path) -> tokio::Runner {
    let config = tokio::Config::new()
        .with_worker_threads(2)
        .with_tcp_nodelay(Some(true))
        .with_storage_directory(folder.join("disperser"));
    tokio::Runner::new(config)
}

/// Starts a whole committee; where each listens is in it.
pub fn start(folder: &std::path::Path, count: u32, setup: impl Fn(u32) -> Setup) -> (Vec<Operator>, Committee) {
    let operators: Vec<_> = (0..count).map(|index| Operator::start(folder, setup(index))).collect();
    let endpoints: Vec<_> = operators.iter().map(|operator| operator.endpoint).collect();
    (operators, registry::committee(count, &endpoints))
}

/// What all did together.
pub fn sum(reports: &[Report]) -> Report {
    reports.iter().fold(Report::default(), |sum, report| Report {
        received_bytes: sum.received_bytes + report.received_bytes,
        written_bytes: sum.written_bytes + report.written_bytes,
        blobs: sum.blobs + report.blobs,
        cpu: CpuTime {
            user_s: sum.cpu.user_s + report.cpu.user_s,
            system_s: sum.cpu.system_s + report.cpu.system_s,
        },
    })
}

/// What each has done.
pub fn reports(operators: &mut [Operator]) -> Vec<Report> {
    operators.iter_mut().map(Operator::report).collect()
}

/// Measures every committee.
pub fn measure(figures: &mut Figures) {
    let source = Arc::new(Source::new(BLOB_BYTES));
    for count in COMMITTEES {
        let folder = operator::folder();
        let (mut operators, committee) = start(folder.path(), count, |index| Setup {
            index,
            operators: count,
            ingest_bytes_per_s: 0,
            poll_ms: 500,
            blocks_per_s: 2,
        });
        let (source, committee, figures) = (source.clone(), Arc::new(committee), &mut *figures);
        runtime(folder.path()).start(|context| async move {
            let run = Run {
                context,
                source,
                committee,
                count,
            };
            let records = run.write(figures, &mut operators).await;
            run.read(figures, operators, &records).await;
        });
    }
}

/// One committee's measurements.
struct Run {
    context: tokio::Context,
    source: Arc<Source>,
    committee: Arc<Committee>,
    count: u32,
}

impl Run {
    fn name(&self, figure: &str) -> String {
        format!("write_{:02}_operators_{figure}", self.count)
    }

    async fn write(&self, figures: &mut Figures, operators: &mut [Operator]) -> Vec<Record> {
        let mut records = Vec::new();
        let mut latencies = Vec::new();
        let mut sent = Vec::new();
        for number in 0..BLOBS_ALONE {
            let payload = self.source.payload(number);
            let began = Instant::now();
            let blob = self.source.code(payload);
            let coded = began.elapsed();
            let record = disperse(&self.context, &self.committee, &blob).await;
            records.push(record.expect("operators that run sign"));
            latencies.push(began.elapsed());
            sent.push(began.elapsed() - coded);
            self.settle(operators, number + 1).await;
        }
        let milliseconds = |times: &mut [Duration]| median(times).as_secs_f64() * 1e3;
        figures.set(&self.name("certificate_p50_ms"), milliseconds(&mut latencies));
        figures.set(&self.name("certificate_without_coding_p50_ms"), milliseconds(&mut sent));

        let before = (sum(&reports(operators)), CpuTime::of_this_process());
        let began = Instant::now();
        let (written, mut wrote) = mpsc::unbounded();
        for lane in 0..LANES {
            let (source, committee, written) = (self.source.clone(), self.committee.clone(), written.clone());
            self.context.child("lane").spawn(move |context| async move {
                for number in (lane..BLOBS_TOGETHER).step_by(LANES as usize) {
                    let blob = source.code(source.payload(BLOBS_ALONE + number));
                    let record = disperse(&context, &committee, &blob).await;
                    let record = record.expect("operators that run sign");
                    written.unbounded_send(record).expect("somebody counts them");
                }
                // Deliveries that no certificate waited for are this task's children, and end with it.
                std::future::pending::<()>().await;
            });
        }
        for _ in 0..BLOBS_TOGETHER {
            records.push(wrote.next().await.expect("lanes do not end"));
        }
        self.settle(operators, BLOBS_ALONE + BLOBS_TOGETHER).await;
        let wall = began.elapsed().as_secs_f64();
        let after = (sum(&reports(operators)), CpuTime::of_this_process());
        let gb = (BLOBS_TOGETHER * BLOB_BYTES as u64) as f64 / 1e9;
        figures.set(&self.name("gbps_wall"), gb / wall);
        let operators_cpu = after.0.cpu - before.0.cpu;
        let disperser_cpu = after.1 - before.1;
        figures.set(&self.name("operators_cpu_s_per_gb"), operators_cpu.total_s() / gb);
        figures.set(&self.name("operators_system_cpu_s_per_gb"), operators_cpu.system_s / gb);
        figures.set(&self.name("disperser_cpu_s_per_gb"), disperser_cpu.total_s() / gb);
        let received = (after.0.received_bytes - before.0.received_bytes) as f64;
        figures.set(
            &self.name("received_bytes_per_node_and_blob"),
            received / f64::from(self.count) / BLOBS_TOGETHER as f64,
        );
        records
    }

    /// Waits until all rows of `blobs` blobs are written everywhere.
    async fn settle(&self, operators: &mut [Operator], blobs: u64) {
        let row_bytes = u64::from(Shape::STANDARD.row_bytes(BLOB_BYTES as u64));
        let rows = u64::from(TOTAL_ROWS) * (ROW_OVERHEAD_BYTES + row_bytes);
        let expected = blobs * (rows + u64::from(self.count) * HEAD_REGION_BYTES);
        let began = Instant::now();
        while sum(&reports(operators)).written_bytes < expected {
            assert!(
                began.elapsed().as_secs() < 60,
                "operators have their rows within a minute"
            );
            self.context.sleep(SETTLE_POLL).await;
        }
    }

    /// Kills a third of the operators, then reads every blob.
    async fn read(&self, figures: &mut Figures, mut operators: Vec<Operator>, records: &[Record]) {
        let killed = self.count / 3;
        // Dropped: SIGKILL.
        operators.drain(..killed as usize);
        let before = (sum(&reports(&mut operators)), CpuTime::of_this_process());
        let began = Instant::now();
        let mut times = Vec::new();
        for record in records {
            let began = Instant::now();
            let blob = da::retrieve(
                &self.context,
                &registry::peer(None),
                &self.committee,
                record,
                &[],
                |_| {},
            )
            .await
            .expect("two thirds of the rows are left");
            assert_eq!(blob.coded().len(), BLOB_BYTES);
            times.push(began.elapsed());
        }
        let gb = (records.len() * BLOB_BYTES) as f64 / 1e9;
        let after = (sum(&reports(&mut operators)), CpuTime::of_this_process());
        let name = |figure: &str| format!("read_{:02}_operators_third_gone_{figure}", self.count);
        figures.set(&name("killed"), f64::from(killed));
        figures.set(&name("p50_ms"), median(&mut times).as_secs_f64() * 1e3);
        figures.set(&name("gbps_wall"), gb / began.elapsed().as_secs_f64());
        figures.set(&name("reader_cpu_s_per_gb"), (after.1 - before.1).total_s() / gb);
        figures.set(
            &name("operators_cpu_s_per_gb"),
            (after.0.cpu - before.0.cpu).total_s() / gb,
        );
    }
}

/// Disperses `blob` as a guest; its certificate is verified, and what the chain would record of it returned.
///
/// # Errors
///
/// As [`da::disperse`]: too few operators signed.
pub async fn disperse(
    context: &tokio::Context,
    committee: &Committee,
    blob: &CodedBlob,
) -> Result<Record, DisperseError> {
    let peer = registry::peer(None);
    let header = blob.head().header();
    let permit = registry::permit(header, 200);
    let certificate = da::disperse(context, &peer, committee, blob, &permit, |_| {}).await?;
    certificate
        .verify(&peer.domain, committee)
        .expect("the certificate of a quorum holds");
    Ok(Record::of_header(header))
}
