//! What larger networks would need: a calculation from two constants, checked by leaving out each run and predicting it.
//!
//! An operator's CPU time is `rows · byte_s + blobs · blob_s`: so much for each byte of rows (transport, checks, writing), and so
//! much for each blob that it gets rows of, however few (head, commitment, stream, signature). Nothing else is in it, so it says
//! nothing of latencies, lost packets or slow disks.

use crate::{figures::Figures, weak::Point, write::BLOB_BYTES};
use da::{Shape, committee::MAX_OPERATORS, header::TOTAL_ROWS};

/// Payload that the network modelled takes, bytes a second.
const NETWORK_BYTES_PER_S: f64 = 50e9;
/// Committees that it is modelled for.
const COUNTS: [u32; 6] = [60, 100, 200, 300, 600, 1000];
/// Blob sizes that it is modelled for, MiB.
const SIZES_MIB: [u32; 2] = [32, 128];

/// What the model is made of.
#[derive(Clone, Copy, Debug)]
pub struct Costs {
    /// CPU seconds for each byte of rows.
    byte_s: f64,
    /// CPU seconds for each blob.
    blob_s: f64,
}

impl Costs {
    /// The costs that miss `points` least: least squares of the CPU time for a GB of rows over the blobs that bring a GB, where a point counts for as
    /// many as the operators are of which it is the mean.
    fn fit(points: &[Point]) -> Self {
        let weight = |point: &Point| f64::from(point.operators);
        let count: f64 = points.iter().map(weight).sum();
        let mean =
            |of: &dyn Fn(&Point) -> f64| points.iter().map(|point| weight(point) * of(point)).sum::<f64>() / count;
        let blobs = |point: &Point| f64::from(point.operators) * 1e9 / rows_of_a_blob(BLOB_BYTES as u64);
        let (blobs_mean, cpu_mean) = (mean(&blobs), mean(&Point::cpu_s_per_gb));
        let variance = mean(&|point| (blobs(point) - blobs_mean).powi(2));
        let together = mean(&|point| (blobs(point) - blobs_mean) * (point.cpu_s_per_gb() - cpu_mean));
        let blob_s = together / variance;
        Self {
            byte_s: (cpu_mean - blob_s * blobs_mean) / 1e9,
            blob_s,
        }
    }

    /// CPU seconds a second of an operator that gets so much.
    fn cores(&self, rows_bytes_per_s: f64, blobs_per_s: f64) -> f64 {
        rows_bytes_per_s * self.byte_s + blobs_per_s * self.blob_s
    }

    /// CPU seconds a second of an operator of `point`.
    fn of(&self, point: &Point) -> f64 {
        let bytes = point.rows_bytes_per_s / f64::from(point.operators);
        let blobs = point.rows_bytes_per_s / rows_of_a_blob(BLOB_BYTES as u64);
        self.cores(bytes, blobs)
    }
}

/// Fits the costs to the runs that did not fill the machine, and holds each of them against what the others predict of it.
pub fn check(figures: &mut Figures, points: &[Point]) -> Costs {
    let points: Vec<Point> = points.iter().filter(|point| !point.saturated()).copied().collect();
    let costs = Costs::fit(&points);
    figures.set("model_cpu_s_per_gb_of_rows", costs.byte_s * 1e9);
    figures.set("model_cpu_ms_per_blob", costs.blob_s * 1e3);
    let (mut cpu_error, mut rate_error) = (0.0_f64, 0.0_f64);
    for (place, point) in points.iter().enumerate() {
        rate_error = rate_error.max((point.ratio - 1.0).abs());
        let others = [&points[..place], &points[place + 1..]].concat();
        let error = Costs::fit(&others).of(point) / point.operator_cores - 1.0;
        figures.set(&format!("model_error_of_{:02}_operators", point.operators), error);
        cpu_error = cpu_error.max(error.abs());
    }
    figures.set("model_error_of_aggregate_rate", rate_error);
    figures.set("model_error_of_cpu_per_node", cpu_error);
    costs
}

/// Bytes of all rows of a blob.
fn rows_of_a_blob(length: u64) -> f64 {
    f64::from(TOTAL_ROWS) * f64::from(Shape::STANDARD.row_bytes(length))
}

/// Prints what each operator of a network that takes 50 GB/s would spend.
pub fn large_networks(figures: &mut Figures, costs: &Costs) {
    for mib in SIZES_MIB {
        let length = u64::from(mib) << 20;
        let blobs_per_s = NETWORK_BYTES_PER_S / length as f64;
        for count in COUNTS {
            // Larger networks are several committees, each of which sees its share of the blobs.
            let committees = f64::from(count.div_ceil(MAX_OPERATORS as u32));
            let rows = blobs_per_s * rows_of_a_blob(length) / f64::from(count);
            let name = |figure: &str| format!("modelled_50_gbps_{mib}_mib_blobs_{count}_nodes_{figure}");
            figures.set(&name("rows_gbps_per_node"), rows / 1e9);
            figures.set(&name("cores_per_node"), costs.cores(rows, blobs_per_s / committees));
        }
    }
}
