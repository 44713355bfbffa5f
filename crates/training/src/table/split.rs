//! Splitting a table: each farm's own rows to train on, and rows of every farm held out to judge by.

use super::{Examples, Scaling, Table, TableError};
use std::collections::BTreeSet;

/// Rows a farm needs: below, holding a quarter out leaves too few to learn from.
const MIN_GROUP_ROWS: usize = 8;

/// How to split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitConfig {
    /// Share of each farm's rows that is held out, in percent, 1 to 50.
    pub held_out_percent: u8,
    /// Decides which rows.
    pub seed: u64,
}

/// A table split and scaled: what each farm trains on, and what all are judged by.
#[derive(Clone, Debug)]
pub struct Split {
    /// How figures became inputs.
    pub scaling: Scaling,
    /// Training examples of each farm, in the order of [`Table::groups`].
    pub farms: Vec<Examples>,
    /// Examples held out, of all farms together.
    pub held_out: Examples,
    /// Rows of the table that each farm trains on, ascending, in the order of [`Table::groups`].
    pub farm_rows: Vec<Vec<usize>>,
    /// Rows of the table that are held out, ascending.
    pub held_out_rows: Vec<usize>,
}

impl Split {
    /// Splits `table`: of every farm `held_out_percent` of the rows, rounded up, are held out.
    ///
    /// Equal rows of two farms are held out together, and judge once: a copied farm neither trains on what its original is
    /// judged by nor weighs in the judgement.
    ///
    /// # Errors
    ///
    /// [`TableError::SmallGroup`] when a farm has fewer than eight rows.
    ///
    /// # Panics
    ///
    /// When `held_out_percent` is not in 1 to 50.
    pub fn of(table: &Table, config: SplitConfig) -> Result<Self, TableError> {
        let percent = usize::from(config.held_out_percent);
        assert!(
            (1..=50).contains(&percent),
            "percent held out is a constant of the caller"
        );
        let mut held_out = Vec::new();
        let mut judged = BTreeSet::new();
        let mut trained = Vec::new();
        for group in table.groups() {
            if group.rows.len() < MIN_GROUP_ROWS {
                return Err(TableError::SmallGroup {
                    name: group.name.clone(),
                    rows: group.rows.len(),
                    minimum: MIN_GROUP_ROWS,
                });
            }
            let mut order = group.rows.clone();
            order.sort_by_key(|&row| (table.rank_of_content(config.seed, row), row));
            let (out, mut kept) = {
                let kept = order.split_off((order.len() * percent).div_ceil(100));
                (order, kept)
            };
            kept.sort_unstable();
            held_out.extend(
                out.into_iter()
                    .filter(|&row| judged.insert(table.rank_of_content(config.seed, row))),
            );
            trained.push(kept);
        }
        held_out.sort_unstable();
        let scaling = Scaling::fit(table, &trained.concat());
        Ok(Self {
            farms: trained.iter().map(|rows| scaling.examples(table, rows)).collect(),
            held_out: scaling.examples(table, &held_out),
            scaling,
            farm_rows: trained,
            held_out_rows: held_out,
        })
    }
}

impl Table {
    /// A number that orders rows by chance, the same for rows of equal figures whatever farm they are in.
    fn rank_of_content(&self, seed: u64, row: usize) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("aloft training split of rows v1");
        hasher.update(&seed.to_le_bytes());
        for (at, cell) in self.rows[row]
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != self.group_column)
        {
            hasher
                .update(&(at as u64).to_le_bytes())
                .update(&(cell.len() as u64).to_le_bytes());
            hasher.update(cell.as_bytes());
        }
        *hasher.finalize().as_bytes()
    }
}

/// A number that orders rows by chance.
pub(super) fn rank(seed: u64, row: usize) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("aloft training shuffle of rows v1");
    hasher.update(&seed.to_le_bytes()).update(&(row as u64).to_le_bytes());
    *hasher.finalize().as_bytes()
}
