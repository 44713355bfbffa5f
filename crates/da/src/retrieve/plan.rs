//! Which operator to ask for which rows: plain decisions, no clock and no sockets.
//!
//! Each row has one owner, and any as many rows as are data will do. Data rows are asked for first, for they need no decoding; each row
//! that will not come from its owner soon is made up for by a parity row of another operator, lowest first.

use crate::RowSet;
use std::collections::VecDeque;

/// What is known of one operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    /// It answers, or was not asked yet.
    Live,
    /// Nothing came from it for a while: what it was asked for is looked for elsewhere, and welcome all the same.
    Slow,
    /// It is of no use any more.
    Dead,
}

/// One operator's rows.
struct Source {
    health: Health,
    /// Rows not asked for yet: data rows, then parity rows, each ascending.
    data: VecDeque<u32>,
    parity: VecDeque<u32>,
    /// Rows asked for and not come yet.
    asked: RowSet,
    /// The end of an answer is due. It may be when all its rows came.
    answering: bool,
}

/// The state of one retrieval.
pub(super) struct Plan {
    /// Data rows: so many rows are needed, and those below are the payload.
    needed: u32,
    come: RowSet,
    sources: Vec<Source>,
}

impl Plan {
    /// Plans to gather `data_rows` rows from operators that own `rows_of[i]` each.
    pub(super) fn new(data_rows: u32, rows_of: Vec<Vec<u32>>) -> Self {
        let sources = rows_of
            .into_iter()
            .map(|mut rows| {
                rows.sort_unstable();
                let parity = rows.split_off(rows.partition_point(|&row| row < data_rows));
                Source {
                    health: Health::Live,
                    data: rows.into(),
                    parity: parity.into(),
                    asked: RowSet::new(),
                    answering: false,
                }
            })
            .collect();
        Self {
            needed: data_rows,
            come: RowSet::new(),
            sources,
        }
    }

    /// Each operator owns these rows, too: they were added to the blob, and come after all others.
    pub(super) fn add(&mut self, rows_of: Vec<Vec<u32>>) {
        for (source, mut rows) in self.sources.iter_mut().zip(rows_of) {
            if source.health != Health::Dead {
                rows.sort_unstable();
                source.parity.extend(rows);
            }
        }
    }

    /// Rows to ask `operator` for now; empty when there is nothing to ask, or an answer is due.
    pub(super) fn next(&mut self, operator: u32) -> Vec<u32> {
        let shortfall = self.shortfall();
        let source = &mut self.sources[operator as usize];
        if source.health == Health::Dead || source.answering {
            return Vec::new();
        }
        let rows: Vec<u32> = if source.data.is_empty() {
            let count = source.parity.len().min(shortfall as usize);
            source.parity.drain(..count).collect()
        } else {
            source.data.drain(..).collect()
        };
        source.asked = rows.iter().copied().collect();
        source.answering = !rows.is_empty();
        rows
    }

    /// Rows that will be lacking when every live operator has sent what it was or will be asked for.
    fn shortfall(&self) -> u32 {
        let due: u32 = self
            .sources
            .iter()
            .filter(|source| source.health == Health::Live)
            .map(|source| source.asked.len() + source.data.len() as u32)
            .sum();
        self.needed.saturating_sub(self.come.len() + due)
    }

    /// A checked row came from `operator`. True when it was asked for and is new.
    pub(super) fn come(&mut self, operator: u32, row: u32) -> bool {
        let source = &mut self.sources[operator as usize];
        if source.health == Health::Slow {
            source.health = Health::Live;
        }
        source.asked.remove(row) && self.come.insert(row)
    }

    /// `operator` has sent all it has of what it was asked for.
    pub(super) fn answered(&mut self, operator: u32) {
        let source = &mut self.sources[operator as usize];
        source.asked = RowSet::new();
        source.answering = false;
        if source.health == Health::Slow {
            source.health = Health::Live;
        }
    }

    /// Nothing came from `operator` for a while.
    pub(super) fn slow(&mut self, operator: u32) {
        let source = &mut self.sources[operator as usize];
        if source.health == Health::Live && !source.asked.is_empty() {
            source.health = Health::Slow;
        }
    }

    /// `operator` failed or lied: nothing is asked of it any more.
    pub(super) fn dead(&mut self, operator: u32) {
        let source = &mut self.sources[operator as usize];
        source.health = Health::Dead;
        source.asked = RowSet::new();
        source.data.clear();
        source.parity.clear();
    }

    /// Count of rows that came.
    pub(super) fn rows(&self) -> u32 {
        self.come.len()
    }

    /// Whether enough rows came.
    pub(super) fn is_done(&self) -> bool {
        self.come.len() >= self.needed
    }

    /// Whether too few rows can still come.
    pub(super) fn is_hopeless(&self) -> bool {
        let left: u32 = self
            .sources
            .iter()
            .map(|source| source.asked.len() + (source.data.len() + source.parity.len()) as u32)
            .sum();
        self.come.len() + left < self.needed
    }
}
