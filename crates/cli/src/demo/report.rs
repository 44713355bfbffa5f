//! The demo's one-page report: loss curves, earnings, transactions. One HTML file, opened from disk, that loads nothing else.

use serde::Serialize;
use std::fmt::{self, Write};

/// What the report shows; also the demo's `--json` value.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Title of the data set.
    pub data: String,
    /// What the model predicts.
    pub target: String,
    /// Held-out loss of the common model, before training and after each round.
    pub joint_losses: Vec<f64>,
    /// Held-out loss of a model trained on all honest rows in one place: the comparison that nobody can have in earnest.
    pub pooled_loss: f64,
    /// Each farm.
    pub farms: Vec<Farm>,
    /// Who else earned.
    pub earners: Vec<Earner>,
    /// What the user paid in all, in millionths of a USDX.
    pub paid_micro_usdx: u64,
    /// What rounding left in the splitter, in millionths of a USDX.
    pub left_micro_usdx: u64,
    /// The checks made, in order, each with what was seen.
    pub checks: Vec<Check>,
    /// Transactions to look up.
    pub transactions: Vec<Transaction>,
    /// Seconds from the start of the network to the end.
    pub seconds: f64,
    /// Peak memory of all processes together, bytes.
    pub peak_memory_bytes: u64,
    /// JSON-RPC URL of the first node, while the network runs.
    pub rpc_url: String,
    /// URL of the HTTP server that sells the model, while the network runs.
    pub api_url: String,
}

/// One participant with data.
#[derive(Debug, Serialize)]
pub struct Farm {
    /// Name.
    pub name: String,
    /// What is special about it; empty for an honest farm.
    pub role: String,
    /// Rows it has.
    pub rows: usize,
    /// Rows left after duplicates were removed.
    pub rows_used: usize,
    /// Held-out loss of a model trained on its rows alone.
    pub solo_loss: f64,
    /// Contribution, of 10¹².
    pub weight: u64,
    /// What it was paid, in millionths of a USDX.
    pub earned_micro_usdx: u64,
}

/// One earner without data.
#[derive(Debug, Serialize)]
pub struct Earner {
    /// Name and role.
    pub name: String,
    /// What it was paid, in millionths of a USDX.
    pub earned_micro_usdx: u64,
}

/// One thing that had to hold.
#[derive(Debug, Serialize)]
pub struct Check {
    /// The statement.
    pub statement: String,
    /// What was seen.
    pub seen: String,
}

/// One transaction to look up.
#[derive(Debug, Serialize)]
pub struct Transaction {
    /// What it did.
    pub what: String,
    /// Its hash.
    pub hash: String,
    /// Its block.
    pub block: u64,
    /// Gas it used.
    pub gas: u64,
}

/// Width and height of a chart's drawing area, and the margins for its labels, in SVG user units.
const CHART: (f64, f64) = (640.0, 260.0);
const MARGIN: (f64, f64) = (52.0, 28.0);

impl Report {
    /// The page.
    pub fn html(&self) -> String {
        let mut page = String::with_capacity(32 << 10);
        self.write(&mut page).expect("writing to a string does not fail");
        page
    }

    fn write(&self, page: &mut String) -> fmt::Result {
        write!(
            page,
            "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>\
             <title>Aloft: one run of the demo</title><style>{STYLE}</style><main><h1>One run of <code>aloft demo</code></h1>\
             <p>{} farms trained one model of <em>{}</em> on {} without showing each other a row; it was served, paid for, and \
             the money divided by the contracts. {:.1} s, {} MiB of memory at most, four nodes.</p>",
            self.farms.len(),
            escape(&self.target),
            escape(&self.data),
            self.seconds,
            self.peak_memory_bytes >> 20,
        )?;
        write!(page, "<h2>Loss on held-out rows</h2>")?;
        self.write_losses(page)?;
        write!(
            page,
            "<p>Mean squared error of the standardised target; lower is better, 1 is what always answering the mean gets. \
             The pooled line is what one machine with all honest rows would reach.</p><h2>Who earned what</h2>"
        )?;
        self.write_earnings(page)?;
        write!(page, "<h2>What was checked</h2><ol>")?;
        for check in &self.checks {
            write!(
                page,
                "<li>{} <span>{}</span></li>",
                escape(&check.statement),
                escape(&check.seen)
            )?;
        }
        write!(
            page,
            "</ol><h2>Transactions</h2><table><tr><th>what<th>block<th>gas<th>hash</tr>"
        )?;
        for transaction in &self.transactions {
            let Transaction { what, hash, block, gas } = transaction;
            let what = escape(what);
            write!(
                page,
                "<tr><td>{what}<td class=n>{block}<td class=n>{gas}<td><code>{}</code></tr>",
                escape(hash)
            )?;
        }
        write!(page, "</table></main></html>")
    }

    /// The joint curve over rounds, with the pooled loss as a line and each farm's own loss as a mark at the right edge.
    fn write_losses(&self, page: &mut String) -> fmt::Result {
        let solo = self.farms.iter().map(|farm| farm.solo_loss);
        let all = self
            .joint_losses
            .iter()
            .copied()
            .chain([self.pooled_loss])
            .chain(solo.clone());
        // One wild farm (shuffled labels) must not flatten the curve: the axis ends at twice the first loss.
        let first = self.joint_losses.first().copied().unwrap_or(1.0);
        let top = all
            .filter(|loss| loss.is_finite())
            .fold(first, f64::max)
            .min(2.0 * first.max(f64::MIN_POSITIVE));
        let rounds = self.joint_losses.len().saturating_sub(1).max(1) as f64;
        let x = |round: f64| MARGIN.0 + round / rounds * (CHART.0 - 150.0);
        let y = |loss: f64| MARGIN.1 + (1.0 - (loss / top).clamp(0.0, 1.0)) * CHART.1;
        write!(
            page,
            "<svg viewBox='0 0 {} {}' role=img aria-label='held-out loss by round'>",
            CHART.0 + MARGIN.0 + 60.0,
            CHART.1 + 2.0 * MARGIN.1 + 14.0
        )?;
        for step in 0..=4 {
            let loss = top * f64::from(step) / 4.0;
            let (left, right, at) = (x(0.0), x(rounds), y(loss));
            write!(
                page,
                "<line class=grid x1={left} x2={right} y1={at:.1} y2={at:.1} /><text x={:.1} y={:.1} class=end>{loss:.2}</text>",
                left - 8.0,
                at + 4.0
            )?;
        }
        let points: Vec<String> = self
            .joint_losses
            .iter()
            .enumerate()
            .map(|(round, loss)| format!("{:.1},{:.1}", x(round as f64), y(*loss)))
            .collect();
        write!(page, "<polyline class=joint points='{}'/>", points.join(" "))?;
        let pooled = y(self.pooled_loss);
        write!(
            page,
            "<line class=pooled x1={} x2={} y1={pooled:.1} y2={pooled:.1} />",
            x(0.0),
            x(rounds)
        )?;
        let mut labels: Vec<(f64, String, &str)> = vec![
            (
                y(self.joint_losses.last().copied().unwrap_or(top)),
                "together".into(),
                "joint",
            ),
            (pooled, "pooled".into(), "pooled"),
        ];
        for farm in &self.farms {
            write!(
                page,
                "<circle class=solo cx={:.1} cy={:.1} r=3 />",
                x(rounds),
                y(farm.solo_loss)
            )?;
            labels.push((y(farm.solo_loss), format!("{} alone", farm.name), "solo"));
        }
        labels.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut last = f64::MIN;
        for (at, text, class) in labels {
            // Labels keep a line's distance, pushed down in order.
            let at = at.max(last + 13.0);
            last = at;
            write!(
                page,
                "<text class={class} x={:.1} y={:.1}>{}</text>",
                x(rounds) + 10.0,
                at + 4.0,
                escape(&text)
            )?;
        }
        write!(
            page,
            "<text x={:.1} y={:.1}>rounds of training →</text></svg>",
            x(0.0),
            MARGIN.1 + CHART.1 + 24.0
        )
    }

    fn write_earnings(&self, page: &mut String) -> fmt::Result {
        let farms = self.farms.iter().map(|farm| farm.earned_micro_usdx);
        let earners = self.earners.iter().map(|earner| earner.earned_micro_usdx);
        let most = farms.chain(earners).max().unwrap_or(0).max(1);
        write!(
            page,
            "<table><tr><th>who<th>rows<th>contribution<th>earned, USDX<th></tr>"
        )?;
        let bar = |amount: u64| format!("<i style='width:{:.1}%'></i>", 100.0 * amount as f64 / most as f64);
        for Farm {
            name,
            role,
            rows,
            rows_used,
            weight,
            earned_micro_usdx,
            ..
        } in &self.farms
        {
            let (name, role, share) = (escape(name), escape(role), *weight as f64 / 1e10);
            let (earned, bar) = (usdx(*earned_micro_usdx), bar(*earned_micro_usdx));
            write!(
                page,
                "<tr><td>{name} <span>{role}</span><td class=n>{rows_used} of {rows}<td class=n>{share:.2} %<td class=n>{earned}\
                 <td class=bar>{bar}</tr>"
            )?;
        }
        for Earner {
            name,
            earned_micro_usdx,
        } in &self.earners
        {
            let (name, earned, bar) = (escape(name), usdx(*earned_micro_usdx), bar(*earned_micro_usdx));
            write!(
                page,
                "<tr><td>{name}<td><td><td class=n>{earned}<td class=bar>{bar}</tr>"
            )?;
        }
        write!(
            page,
            "<tr class=sum><td>left in the splitter by rounding<td><td><td class=n>{}<td></tr>\
             <tr class=sum><td>paid by the user<td><td><td class=n>{}<td></tr></table>",
            usdx(self.left_micro_usdx),
            usdx(self.paid_micro_usdx)
        )
    }
}

/// An amount in USDX with its six decimals.
pub fn usdx(micro: u64) -> String {
    format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000)
}

/// Text as HTML: names come from a user's table.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2321;--soft:#6b7672;--line:#d9dfdc;--page:#fbfcfb;--joint:#0b6e4f;--pooled:#b4690e;--solo:#7a8a84}\
@media(prefers-color-scheme:dark){:root{--ink:#e6ece9;--soft:#95a19c;--line:#2c3532;--page:#121715;--joint:#4fc79a;--pooled:#e0a04a;--solo:#8b9a94}}\
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}main{max-width:52rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}svg{width:100%;height:auto}svg text{font-size:11px;fill:var(--soft)}\
svg .end{text-anchor:end}.grid{stroke:var(--line)}.joint{stroke:var(--joint);fill:none;stroke-width:2.5}text.joint{fill:var(--joint);stroke:none}\
.pooled{stroke:var(--pooled);stroke-dasharray:5 4;stroke-width:1.5}text.pooled{fill:var(--pooled);stroke:none}circle.solo{fill:var(--solo)}\
table{border-collapse:collapse;width:100%;font-size:.9rem}th{text-align:left;color:var(--soft);font-weight:500}\
td,th{padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}.n{font-variant-numeric:tabular-nums;text-align:right}\
.bar{width:28%}.bar i{display:block;height:.7rem;margin-top:.35rem;background:var(--joint);border-radius:2px}.sum td{font-weight:600}\
span{color:var(--soft)}code{font-size:.8rem;overflow-wrap:anywhere}ol{padding-left:1.2rem}";

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let farm = |name: &str, earned| Farm {
            name: name.into(),
            role: String::new(),
            rows: 10,
            rows_used: 10,
            solo_loss: 0.8,
            weight: 500_000_000_000,
            earned_micro_usdx: earned,
        };
        Report {
            data: "tables".into(),
            target: "yield".into(),
            joint_losses: vec![1.0, 0.6, 0.5],
            pooled_loss: 0.45,
            farms: vec![farm("<script>alert(1)</script>", 1_500_000), farm("b", 0)],
            earners: vec![Earner {
                name: "compute".into(),
                earned_micro_usdx: 7,
            }],
            paid_micro_usdx: 1_500_007,
            left_micro_usdx: 0,
            checks: vec![],
            transactions: vec![],
            seconds: 1.0,
            peak_memory_bytes: 0,
            rpc_url: String::new(),
            api_url: String::new(),
        }
    }

    /// A farm's name is a value from somebody's file.
    #[test]
    fn a_name_from_a_table_cannot_run_in_the_report() {
        let page = report().html();
        assert!(!page.contains("<script>"));
        assert!(page.contains("&lt;script&gt;"));
    }

    #[test]
    fn the_report_loads_nothing_from_anywhere() {
        let page = report().html();
        for loader in ["http:", "https:", "src=", "href=", "url(", "@import"] {
            assert!(!page.contains(loader), "{loader}");
        }
    }

    #[test]
    fn amounts_show_all_six_decimals() {
        assert_eq!(usdx(1_500_007), "1.500007");
        assert_eq!(usdx(0), "0.000000");
    }
}
