//! What it says of a blob that random pieces of it were found.
//!
//! Any `k` of `n` rows give the blob. If fewer are available, a sample of a row drawn with the same chance for each is found with
//! a chance below `k/n`, and `s` samples drawn one without regard to another are all found with a chance below `(k/n)^s`. For
//! `n = 3k` that is 2^-41.2 after 26. That at least `f` of the `s` are found has a chance below the binomial tail
//! `P[Bin(s, k/n) >= f]`, so a client for whom a few operators are away still learns something: 20 of 26 leave 2^-17.1.
//!
//! That takes a row for available or not, as operators store and serve it: whole. Who withholds *pieces* can do with less:
//! without two thirds of one and the same chunk of every row that chunk's column cannot be decoded, and a sample is of that column
//! only once in `chunks` times. [`Confidence::log2_of_part`] has the chance of that, which many clients together make small
//! and one client alone does not.

use std::fmt;

/// What it says of a blob that `found` of `asked` samples were found: see [`confidence`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confidence {
    found: u32,
    asked: u32,
    data_rows: u32,
    total_rows: u32,
}

/// What it says that `found` of `asked` random samples were found, of a blob of which any `data_rows` of `total_rows` rows give
/// the whole.
///
/// # Panics
///
/// Unless `found <= asked` and `0 < data_rows <= total_rows`.
pub fn confidence(found: u32, asked: u32, data_rows: u32, total_rows: u32) -> Confidence {
    assert!(found <= asked, "{found} of {asked} samples");
    assert!(
        0 < data_rows && data_rows <= total_rows,
        "{data_rows} of {total_rows} rows"
    );
    Confidence {
        found,
        asked,
        data_rows,
        total_rows,
    }
}

/// The fewest samples that leave a blob without enough rows a chance of at most `2^-bits` to be found; `None` when no number does, there
/// being no spare rows.
///
/// # Panics
///
/// As [`confidence`].
pub fn samples_for(bits: u32, data_rows: u32, total_rows: u32) -> Option<u32> {
    let each = -confidence(1, 1, data_rows, total_rows).log2();
    (each > 0.0).then(|| (f64::from(bits) / each).ceil() as u32)
}

impl Confidence {
    /// Binary logarithm of a bound on the chance that so many samples are found when fewer than `data_rows` rows are available.
    pub fn log2(&self) -> f64 {
        self.log2_of_tail(f64::from(self.data_rows) / f64::from(self.total_rows))
    }

    /// The same for the chance that so many are found when of one chunk of the `chunks` in each row fewer than `data_rows`
    /// are available, and all others are: each is then found with a chance below `1 - (1 - data_rows / total_rows) / chunks`.
    pub fn log2_of_part(&self, chunks: u32) -> f64 {
        let missing = 1.0 - f64::from(self.data_rows) / f64::from(self.total_rows);
        self.log2_of_tail(1.0 - missing / f64::from(chunks.max(1)))
    }

    /// `log2 P[Bin(asked, chance) >= found]`. Summed as powers of two relative to the first term, which no number of samples
    /// makes too small to hold.
    fn log2_of_tail(&self, chance: f64) -> f64 {
        if self.found == self.asked {
            return f64::from(self.asked) * chance.log2();
        }
        let mut choices = (0..self.found)
            .map(|i| (f64::from(self.asked - i) / f64::from(i + 1)).log2())
            .sum::<f64>();
        let mut terms = Vec::new();
        for count in self.found..=self.asked {
            let rest = self.asked - count;
            // No zero times the logarithm of zero when the chance is one.
            let unfound = if rest == 0 {
                0.0
            } else {
                f64::from(rest) * (1.0 - chance).log2()
            };
            terms.push(choices + f64::from(count) * chance.log2() + unfound);
            choices += (f64::from(rest) / f64::from(count + 1)).log2();
        }
        let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = terms.iter().map(|term| (term - largest).exp2()).sum();
        (largest + sum.log2()).min(0.0)
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            found,
            asked,
            data_rows,
            total_rows,
        } = self;
        if *asked == 0 {
            return write!(f, "no sample was asked for, so nothing is known of the rows");
        }
        if found == asked {
            write!(f, "all {asked} random samples were found; ")?;
        } else {
            write!(f, "{found} of {asked} random samples were found; ")?;
        }
        let bits = -self.log2();
        write!(
            f,
            "had fewer than {data_rows} of the {total_rows} rows been available, \
             the chance of that would have been below 1 in {} (2^-{:.1})",
            InWords(bits),
            // Down, so that the bound holds as printed.
            (bits * 10.0).floor() / 10.0
        )
    }
}

/// Two to some power, rounded down, as people say large numbers.
struct InWords(f64);

impl fmt::Display for InWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 7] = [
            "",
            " thousand",
            " million",
            " billion",
            " trillion",
            " quadrillion",
            " quintillion",
        ];
        let digits = self.0 * std::f64::consts::LOG10_2;
        let name = (digits / 3.0) as usize;
        match NAMES.get(name) {
            // Two digits after which nothing is claimed.
            Some(word) => {
                let value = 10f64.powf(digits - 3.0 * name as f64);
                let shown = if value < 10.0 {
                    (value * 10.0).floor() / 10.0
                } else {
                    value.floor()
                };
                write!(f, "{shown}{word}")
            }
            None => write!(f, "10^{}", digits.floor()),
        }
    }
}
