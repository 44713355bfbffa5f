//! Weak scaling as a picture: what all operators take, and what each spends, over how many there are.

use crate::weak::{CAP_BYTES_PER_S, Point};
use std::{fmt::Write as _, io, path::Path, process::Command};

/// Width and height of the picture, of which [`MARGIN`] on each side is for labels.
const SIZE: (f64, f64) = (720.0, 440.0);
const MARGIN: f64 = 64.0;
/// Text that a reader with impaired sight can tell from the ground, and two colours that differ in brightness too.
const INK: &str = "#222222";
const RATE: &str = "#1f5fa8";
const COST: &str = "#c4501b";

/// Writes the picture of `points` to `path`.
///
/// # Errors
///
/// When the file cannot be written.
pub fn write(path: &Path, points: &[Point]) -> io::Result<()> {
    std::fs::write(path, svg(points))
}

/// Places of values in the picture.
struct Axes {
    operators_max: f64,
    rate_max: f64,
    cost_max: f64,
}

impl Axes {
    fn x(&self, operators: f64) -> f64 {
        MARGIN + (SIZE.0 - 2.0 * MARGIN) * operators / self.operators_max
    }

    /// Height of a share of an axis.
    fn y(&self, share: f64) -> f64 {
        SIZE.1 - MARGIN - (SIZE.1 - 2.0 * MARGIN) * share
    }
}

fn svg(points: &[Point]) -> String {
    let operators = points.iter().map(|point| f64::from(point.operators));
    let operators_max = operators.fold(1.0, f64::max);
    let allowed = operators_max * CAP_BYTES_PER_S as f64 / 1e6;
    let costs = points.iter().map(Point::cpu_s_per_gb);
    let axes = Axes {
        operators_max,
        rate_max: round_up(allowed),
        cost_max: round_up(costs.fold(0.0, f64::max) * 1.2),
    };
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" font-family=\"sans-serif\" \
         font-size=\"13\" fill=\"{INK}\">\n<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n",
        SIZE.0, SIZE.1
    );
    frame(&mut out, &axes, points);
    let ends = [(0.0, 0.0), (operators_max, allowed / axes.rate_max)];
    line(&mut out, &axes, ends.into_iter(), RATE, "1", "4 4");
    let rates = points.iter().map(|point| {
        let rate = point.rows_bytes_per_s / 1e6;
        (f64::from(point.operators), rate / axes.rate_max)
    });
    dots(&mut out, &axes, rates.clone(), RATE);
    line(&mut out, &axes, rates, RATE, "2", "");
    let costs = points
        .iter()
        .map(|point| (f64::from(point.operators), point.cpu_s_per_gb() / axes.cost_max));
    dots(&mut out, &axes, costs.clone(), COST);
    line(&mut out, &axes, costs, COST, "2", "");
    out.push_str("</svg>\n");
    out
}

/// Title, axes and their labels.
fn frame(out: &mut String, axes: &Axes, points: &[Point]) {
    let (left, right, top, bottom) = (MARGIN, SIZE.0 - MARGIN, axes.y(1.0), axes.y(0.0));
    let mut text = |x: f64, y: f64, anchor: &str, more: &str, words: &str| {
        let _ = writeln!(
            out,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {more}>{words}</text>"
        );
    };
    let cap = CAP_BYTES_PER_S as f64 / 1e6;
    let title = format!("Operators that each take {cap:.1} MB/s of rows at most");
    text(SIZE.0 / 2.0, 22.0, "middle", "font-size=\"16\"", &title);
    text(SIZE.0 / 2.0, 42.0, "middle", "font-size=\"11\"", &machine());
    text(SIZE.0 / 2.0, SIZE.1 - 16.0, "middle", "", "operator processes");
    let turned = |x: f64| format!("transform=\"rotate(-90 {x:.1} {:.1})\"", (top + bottom) / 2.0);
    let middle = (top + bottom) / 2.0;
    let rate = "rows taken by all, MB/s (dashed: N × cap)";
    text(
        16.0,
        middle,
        "middle",
        &format!("fill=\"{RATE}\" {}", turned(16.0)),
        rate,
    );
    let at = SIZE.0 - 12.0;
    let cost = "CPU of one operator, seconds a GB of rows";
    text(at, middle, "middle", &format!("fill=\"{COST}\" {}", turned(at)), cost);
    for point in points {
        let x = axes.x(f64::from(point.operators));
        text(x, bottom + 18.0, "middle", "", &point.operators.to_string());
    }
    for quarter in 0..=4 {
        let share = f64::from(quarter) / 4.0;
        let y = axes.y(share) + 4.0;
        text(
            left - 6.0,
            y,
            "end",
            &format!("fill=\"{RATE}\""),
            &format!("{:.0}", share * axes.rate_max),
        );
        text(
            right + 6.0,
            y,
            "start",
            &format!("fill=\"{COST}\""),
            &format!("{:.2}", share * axes.cost_max),
        );
    }
    for quarter in 0..=4 {
        let y = axes.y(f64::from(quarter) / 4.0);
        let _ = writeln!(out, "<path d=\"M{left:.1} {y:.1}H{right:.1}\" stroke=\"#dddddd\"/>");
    }
    let _ = writeln!(
        out,
        "<path d=\"M{left} {top}V{bottom}H{right}V{top}\" fill=\"none\" stroke=\"{INK}\"/>"
    );
}

fn line(
    out: &mut String,
    axes: &Axes,
    values: impl Iterator<Item = (f64, f64)>,
    colour: &str,
    width: &str,
    dashes: &str,
) {
    let places: Vec<String> = values
        .map(|(operators, share)| format!("{:.1},{:.1}", axes.x(operators), axes.y(share)))
        .collect();
    let _ = writeln!(
        out,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" stroke-dasharray=\"{dashes}\"/>",
        places.join(" ")
    );
}

fn dots(out: &mut String, axes: &Axes, values: impl Iterator<Item = (f64, f64)>, colour: &str) {
    for (operators, share) in values {
        let (x, y) = (axes.x(operators), axes.y(share));
        let _ = writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>");
    }
}

/// The next of 1, 2, 4, 5, 10, … above `value`, with as many zeros as it takes.
fn round_up(value: f64) -> f64 {
    let unit = 10f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 4.0, 5.0, 10.0];
    let step = steps.into_iter().find(|step| step * unit >= value);
    step.map_or(value, |step| step * unit)
}

/// Where, when and of what the figures are.
fn machine() -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("a CPU", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let described = Command::new("git").args(["describe", "--always", "--dirty"]).output();
    let commit = described.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    );
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    format!(
        "{model}, {cores} cores, commit {}, load average {load} at the end",
        commit.trim()
    )
}
